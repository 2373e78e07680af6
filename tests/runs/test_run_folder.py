"""One class names, writes and reads the files of a run, and sees that they agree; nothing else spells their names."""

import ast
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.scores import scores
from ictconvention.runs.finished_run import read_finished
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.split import Split, own_entries
from ictconvention.training.retest import retest
from tests.conftest import ROOT
from tests.handmade_runs import changed
from tests.refusals import refused
from tests.small_runs import LEFT, Smoke, result_of

SPELLED = (  # the others know a run by its marks, or a published one by its weights, and stand below
    *("runs/run_folder.py", "core/output_place.py", "runs/published/manifest.py"),
)


def texts_of(path: Path) -> list[str]:
    """Return the texts in a module, also within f-strings, but for docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return [node.value for node in constants if isinstance(node.value, str)]


def test_no_other_module_spells_a_name_of_a_file_of_a_run() -> None:
    run = RunFolder("run")
    paths = [path for path in vars(run).values() if isinstance(path, Path) and path != run.path]
    names = [path.name for path in paths if path.suffix] + list(TESTED.values()) + [".ckpt"]
    assert len(names) == 19
    spelled = re.compile("|".join(map(re.escape, names)))
    rooms = ("ictconvention", "experiments", "hydra_plugins")
    modules = [path for room in rooms for path in ROOT.glob(f"{room}/**/*.py") if path.parent.name != "faults"]
    assert len(modules) > 100
    found = {
        str(path.relative_to(ROOT)): text
        for path in modules
        for text in texts_of(path)
        if (spelled.search(text) or text == "checkpoints") and not path.as_posix().endswith(SPELLED)
    }
    assert not found


def test_what_a_run_leaves_is_what_its_folder_names(finished: Path) -> None:
    run = RunFolder(finished)
    named = {path.name for path in vars(run).values() if isinstance(path, Path) and path.exists()} - {run.path.name}
    assert {path.name for path in finished.iterdir()} == named | {run.predictions().name} == LEFT
    assert set(run.checkpoints.iterdir()) == {run.weights("pretrain"), run.weights("finetune")}


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_the_split_of_very_many_objects_is_a_table(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(copied)
    split = Split(**own_entries(run.read_split()))
    run.split.unlink()
    split.save(run.large_split, record=True)
    assert Split(**own_entries(run.read_split())) == split
    trained = read_trained(copied)
    assert trained.split["parts"]["test"] == split.parts["test"]
    monkeypatch.setattr("ictconvention.runs.run_folder.MANY", 10)
    (tmp_path / "new").mkdir()
    new = RunFolder(tmp_path / "new")
    new.begin(trained.options, [], split, {})
    assert (new.large_split.exists(), new.split.exists()) == (True, False)
    run.large_split.unlink()
    with refused(UsageError, "E-RUN-DAMAGED", "split.json"):
        run.read_split()


def test_a_result_holds_the_priors_with_which_its_decisions_are_made_again(finished: Path) -> None:
    run, result = RunFolder(finished), result_of(finished)
    found = run.read_predictions()
    assert scores(found.at(Prior.SURVEY), found.label, result["test"]["classes"]) == result["test"]
    assert scores(found.at(Prior.UNIFORM), found.label, result["test"]["classes"]) == result["test_uniform"]
    survey_prior, training_prior = run.read_priors()
    assert result["prior"] == {"survey": survey_prior.tolist(), "training": training_prior.tolist()}
    known = read_trained(finished).calibration
    assert (known.survey_prior.tolist(), known.training_prior.tolist()) == tuple(result["prior"].values())


def test_priors_of_a_result_without_them_come_from_its_split(finished: Path, copied: Path) -> None:
    result = result_of(copied)
    result.pop("prior")
    (copied / "result.json").write_text(json.dumps(result))
    priors = zip(RunFolder(copied).read_priors(), RunFolder(finished).read_priors(), strict=True)
    assert all(one.tolist() == other.tolist() for one, other in priors)
    old, new = (read_finished(folder).predictions.at(Prior.UNIFORM) for folder in (copied, finished))
    np.testing.assert_array_equal(old, new)


def test_a_run_of_a_version_without_priors_is_tested_again(copied: Path) -> None:
    result = result_of(copied)
    result.pop("prior")
    (copied / "result.json").write_text(json.dumps(result))
    assert retest(copied, RunFolder(copied).read_options())["test"] == result["test"]


@pytest.mark.parametrize(
    "prior",
    [
        None,
        {"survey": [0.25] * 4},
        {"survey": [0.25] * 4, "training": [0.5, 0.5]},
        {"survey": [0.25] * 4, "training": [1.0, 0.0, 0.0, 0.0]},
        {"survey": [0.25] * 4, "training": [0.3] * 4},
        {"survey": [0.25] * 4, "training": "even"},
    ],
)
def test_what_are_no_shares_is_refused(copied: Path, prior: object) -> None:
    changed(copied / "result.json", prior=prior)
    with refused(UsageError, "E-RUN-DAMAGED", where="/result.json"):
        RunFolder(copied).read_priors()


def test_shares_under_which_the_decisions_would_be_others_are_refused(copied: Path) -> None:
    decided = np.sum(RunFolder(copied).read_result()["test_uniform"]["confusion"], 0).argmax()
    survey = np.where(np.arange(4) == decided, 1 - 3e-6, 1e-6)  # which makes the commonest decision a rare one
    changed(copied / "result.json", prior={"survey": survey.tolist(), "training": [0.25] * 4})
    with refused(UsageError, "E-RUN-EDITED", where="/run"):
        read_finished(copied)


def test_a_finished_run_is_read_by_parsing_its_configuration_once(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison of hundreds of runs waits for that: it takes ten times as long as all else."""
    parsed: list[bytes] = []
    parse = RunFolder._parse_options

    def counted(run: RunFolder, text: bytes, result: Mapping[str, Any] | None) -> RunOptions:
        parsed.append(text)
        return parse(run, text, result)

    monkeypatch.setattr(RunFolder, "_parse_options", counted)
    read_finished(copied)
    assert parsed == [(copied / "config.yaml").read_bytes()]


@pytest.mark.parametrize("name", ["config.yaml", "result.json"])
def test_a_file_that_changes_is_read_again(copied: Path, name: str) -> None:
    run = RunFolder(copied)
    whole = (path := copied / name).read_text()
    frames = run.read_options().sequence.max_frames
    changed_text = re.sub(rf"(max_frames\"?: ){frames}", rf"\g<1>{frames + 1}", whole)
    assert changed_text != whole
    path.write_text(changed_text)
    with refused(UsageError, "E-RUN-EDITED", "sequence.max_frames", where="/config.yaml"):
        run.read_options()
    path.write_text(whole)
    assert run.read_options().sequence.max_frames == frames


@pytest.mark.parametrize("name", ["environment", "status", "split"])
def test_a_lost_record_is_named(copied: Path, name: str) -> None:
    path: Path = getattr(RunFolder(copied), name)
    path.unlink()
    with refused(UsageError, "E-RUN-DAMAGED", path.name, where="/run"):
        read_finished(copied)


def test_a_result_that_lacks_something_is_named(copied: Path) -> None:
    with refused(UsageError, "E-RUN-DAMAGED", "redshift", where="/result.json"):
        RunFolder(copied).read_result("test", "redshift")


def test_a_run_that_takes_a_pre_training_has_the_digits_of_one_that_trains_it(
    finished: Path, smoke: Smoke, work: Path
) -> None:
    settings = ["experiment=ict_sdss", "stage.finetune.optimiser.warm_up=0.2"]
    taking = smoke(*settings, "name=taking")
    assert "pretrain" not in RunFolder(taking).read_status()["seconds"]
    alone = smoke(*settings, f"runs={work}/alone")
    assert "pretrain" in RunFolder(alone).read_status()["seconds"]
    one, other = result_of(alone), result_of(taking)
    assert one.pop("config") == other.pop("config") | {"name": "ict_sdss"}
    assert one == other
