"""The files of a finished run must agree: what one of them lost or another says is refused, never filled in."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs import run_record
from ictconvention.runs.finished_run import find_runs, read_finished
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import warn_of_changed_code
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.handmade_runs import changed, handmade_run
from tests.refusals import refused


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    objects = [image_series(number, 6) | {"label_source": None} for number in range(120)]
    return write_survey(tmp_path_factory.mktemp("survey") / "mine", objects)


@pytest.fixture
def folder(tmp_path: Path, survey: Survey) -> Path:
    return handmade_run(tmp_path / "runs", survey, make_split(survey.object_table()), "ict", 0, 0, 2.0)


def change(folder: Path, how: Callable[[Any], object]) -> None:
    config = OmegaConf.load(folder / "config.yaml")
    how(config)
    OmegaConf.save(config, folder / "config.yaml")


BLOCKS = ("survey", "model", "learner", "augmentation", "imbalance", "fold", "sequence", "pixels", "views", "stage")


@pytest.mark.parametrize("block", [*BLOCKS, "trainer", "name", "seed", "split", "init_from"])
def test_a_lost_key_is_named_though_it_has_its_default(folder: Path, block: str) -> None:
    change(folder, lambda config: config.pop(block))
    with refused(UsageError, "E-RUN-DAMAGED", block) as caught:
        RunFolder(folder).read_options()
    assert caught.value.where == folder / "config.yaml"


def test_a_key_within_a_block_is_named(folder: Path) -> None:
    change(folder, lambda config: config.stage.finetune.optimiser.pop("clip"))
    with refused(UsageError, "E-RUN-DAMAGED", "stage.finetune.optimiser.clip", where="/config.yaml"):
        RunFolder(folder).read_options()


def test_another_value_is_named_with_both(folder: Path) -> None:
    change(folder, lambda config: config.sequence.update(max_frames=30))
    with refused(UsageError, "E-RUN-EDITED", "sequence.max_frames", "30", "99", where="/config.yaml"):
        RunFolder(folder).read_options()


def test_first_weights_are_of_another_run_or_they_are_not(folder: Path) -> None:
    change(folder, lambda config: config.update(init_from="runs/other"))
    with refused(UsageError, "E-RUN-EDITED", "init_from", "True", "False", where="/config.yaml"):
        RunFolder(folder).read_options()
    changed(folder / "result.json", init_from="hash of its weights")
    assert RunFolder(folder).read_options().init_from == "runs/other"


def test_what_decides_no_number_may_differ(folder: Path) -> None:
    before = RunFolder(folder).read_options()

    def elsewhere(config: Any) -> None:
        config.survey.path, config.runs, config.surveys, config.trainer.workers = "/moved", "r", "s", 7
        config.survey.pop("verify")  # of a version before
        config.pop("logger")

    change(folder, elsewhere)
    assert RunFolder(folder).read_options().model == before.model


def test_a_run_without_a_result_has_no_copy_to_fit(folder: Path) -> None:
    change(folder, lambda config: config.sequence.update(max_frames=30))
    (folder / "result.json").unlink()
    assert RunFolder(folder).read_options().sequence.max_frames == 30


def test_a_result_without_a_configuration_is_refused(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    result.pop("config")
    (folder / "result.json").write_text(json.dumps(result))
    with refused(UsageError, "E-RUN-DAMAGED", where="/result.json"):
        RunFolder(folder).read_options()


def test_a_report_leaves_such_a_run_out_and_says_why(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, folder.with_name("whole"))
    change(folder, lambda config: config.pop("imbalance"))
    runs, left_out = find_runs(tmp_path / "runs")
    assert [run.folder.name for run in runs] == ["whole"]
    assert len(left_out) == 1
    assert "has lost imbalance.sampling" in left_out[0]


def test_an_edited_split_is_refused(folder: Path) -> None:
    read_finished(folder)
    split = json.loads((folder / "split.json").read_text())
    split["parts"]["finetune_train"].pop()
    (folder / "split.json").write_text(json.dumps(split))
    with refused(UsageError, "E-RUN-EDITED", where="/split.json"):
        read_finished(folder)


def test_the_weights_of_a_run_that_does_not_fit_are_not_taken(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "finetune.ckpt").touch()
    assert RunFolder(folder).last_weights().name == "finetune.ckpt"
    change(folder, lambda config: config.stage.finetune.update(max_epochs=0))
    with refused(UsageError, "E-RUN-EDITED", "stage.finetune.max_epochs", "0", where="/config.yaml"):
        RunFolder(folder).last_weights()


@pytest.mark.parametrize(
    ("sources", "warned"), [({}, False), ({"task.kind": "now"}, False), ({"task.kind": "before"}, True)]
)
def test_a_change_is_said_of_what_the_record_names(
    sources: dict[str, str], warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that was made before the source of a task was recorded says nothing of it."""
    monkeypatch.setattr(run_record, "task_source", lambda name: "now")
    warn_of_changed_code(RunOptions(), {"sources": sources}, Path("result.json"))
    assert bool(caplog.messages) == warned
