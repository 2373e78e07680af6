"""A run that is taught: the same weights by the same teachers, whatever else; and it has seen what they have."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.applying.predict import predict_survey
from ictconvention.applying.publishing.publish import publish
from ictconvention.applying.seen_objects import seen_by
from ictconvention.evaluation.prior import at_shares
from ictconvention.learning.learner import Learner
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs, read_finished
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.training.teaching.ask import ask_teachers
from tests.conftest import image_series, write_survey
from tests.small_runs import Smoke, read_json, result_of

pytestmark = pytest.mark.slow
SETTINGS = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=2", "stage.finetune.max_epochs=2"]


@pytest.fixture(scope="module")
def teachers(smoke: Smoke) -> list[Path]:
    return [smoke(*SETTINGS, "name=teacher", f"seed={seed}") for seed in (1, 2)]


@pytest.fixture(scope="module")
def taught(smoke: Smoke, teachers: list[Path]) -> Path:
    return smoke(*SETTINGS, "name=student", taught_by(teachers))


@pytest.fixture(scope="module")
def by_one(smoke: Smoke, teachers: list[Path]) -> Path:
    return smoke(*SETTINGS, "name=student", taught_by(teachers[:1]))


def taught_by(folders: list[Path]) -> str:
    return f"learner.teacher=[{','.join(map(str, folders))}]"


def hash_of(folder: Path) -> str:
    return weights_hash(RunFolder(folder).last_weights())


def test_a_teacher_changes_the_weights_and_one_without_weight_does_not(
    smoke: Smoke, teachers: list[Path], taught: Path
) -> None:
    """Not a bit: neither what it says nor that it was asked."""
    plain = smoke(*SETTINGS, "name=student")
    silent = smoke(*SETTINGS, "name=student", taught_by(teachers), "learner.teacher_weight=0")
    assert hash_of(silent) == hash_of(plain) != hash_of(taught)
    assert len({plain, silent, taught}) == 3
    assert result_of(silent)["test"] == result_of(plain)["test"]


def test_the_run_is_that_of_its_teachers_wherever_they_are_and_whoever_is_named_first(
    smoke: Smoke, teachers: list[Path], taught: Path, by_one: Path, tmp_path: Path
) -> None:
    moved = [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in teachers]
    assert smoke(*SETTINGS, "name=student", taught_by(moved[::-1])) == taught
    assert smoke(*SETTINGS, "name=student", taught_by([*teachers, moved[0]])) == taught  # one that is named twice
    assert hash_of(by_one) != hash_of(taught)
    assert by_one.name != taught.name


class StoppedError(Exception):
    """In the place of a kill."""


def test_a_run_that_was_stopped_ends_as_the_whole_one(
    work: Path, smoke: Smoke, teachers: list[Path], taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, steps, training_step = (
        [*SETTINGS, "name=student", f"runs={work}/stopped", taught_by(teachers)],
        0,
        Learner.training_step,
    )

    def stopping(learner: Learner, *arguments: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 2 + 2 + 2 + 2:  # in the last training epoch of the second stage
            raise StoppedError
        return training_step(learner, *arguments)

    monkeypatch.setattr(Learner, "training_step", stopping)
    with pytest.raises(StoppedError):
        smoke(*again)
    monkeypatch.undo()
    (folder,) = (work / "stopped" / "student").iterdir()
    assert read_json(folder / "status.json")["epochs"] == {"pretrain": 2, "finetune": 1}
    assert smoke(*again) == folder
    assert hash_of(folder) == hash_of(taught)
    assert (folder / "result.json").read_text() == (taught / "result.json").read_text()


def test_what_was_asked_is_the_mean_of_what_the_runs_predict(work: Path, teachers: list[Path]) -> None:
    """Of log-probabilities, at equal shares of the classes; and of no object that was not asked for."""
    survey = Survey.open(work / "miniature")
    some = np.array([40, 3, 3, 17])
    state = torch.random.get_rng_state()
    asked = ask_teachers(teachers, survey, some)
    assert torch.equal(torch.random.get_rng_state(), state)
    found = [predict_survey(read_trained(folder), survey) for folder in teachers]
    logs = np.mean([np.log(at_shares(one.row, one.run.calibration.survey_prior, np.ones(4))) for one in found], axis=0)
    mean = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    assert asked[some] == pytest.approx(mean[some], abs=1e-6)
    assert np.isnan(np.delete(asked, some, axis=0)).all()


def test_the_record_says_what_asking_cost_and_of_which_model_the_teachers_are(
    smoke: Smoke, teachers: list[Path], taught: Path, by_one: Path
) -> None:
    """Students of other seeds of one model are of one model too."""
    spent = read_json(taught / "status.json")["core_seconds"]
    assert set(spent) == {"teacher", "pretrain", "finetune"}
    assert read_finished(taught).core_seconds == pytest.approx(sum(spent.values()))
    other = smoke(*SETTINGS, "name=student", "seed=1", taught_by(teachers[1:]))
    records = [result_of(folder)["teacher"] for folder in (taught, by_one, other)]
    assert [len(record["hashes"]) for record in records] == [2, 1, 1]
    assert records[1]["hashes"] != records[2]["hashes"]
    grouped = group_runs(read_finished(folder) for folder in (taught, by_one, other))
    assert sorted(len(of) for of in grouped.runs.values()) == [1, 2]


def test_objects_without_a_label_train_by_what_the_teacher_says(
    smoke: Smoke, work: Path, teachers: list[Path], tmp_path: Path
) -> None:
    """Their own labels are hidden: it makes no difference what these are."""
    split = RunFolder(teachers[0]).read_split()
    parts = {name: [*ids] for name, ids in split["parts"].items()}
    apart = parts["pretrain_train"][::2]
    parts["pretrain_train"] = [id_ for id_ in parts["pretrain_train"] if id_ not in apart]
    parts["pretrain_unlabelled"] = apart
    survey = Survey.open(work / "miniature")
    whole = Split.load(RunFolder(teachers[0]).split, survey.object_table())
    replace(whole, parts=parts).save(tmp_path / "split.json")
    words = [*SETTINGS, "name=student", f"split={tmp_path}/split.json", taught_by(teachers)]
    with_them = smoke(*words, "learner.unlabelled=true", "sampler.unlabelled=2")
    assert hash_of(with_them) != hash_of(smoke(*words))
    run = read_trained(with_them)
    assert seen_by(run, survey)[survey.positions(apart)].all()


@pytest.fixture(scope="module")
def after(smoke: Smoke, teachers: list[Path]) -> Path:
    """Return a run of one stage, taught by runs of two."""
    return smoke(
        *SETTINGS, "stage.pretrain.max_epochs=0", "name=student", f"split={teachers[0]}/split.json", taught_by(teachers)
    )


def test_what_the_teachers_have_seen_the_student_has(after: Path, teachers: list[Path], work: Path) -> None:
    """Though it has not trained on it itself; in its own survey, in a copy of it, and in one without positions."""
    run, survey = read_trained(after), Survey.open(work / "miniature")
    parts = RunFolder(teachers[0]).read_split()["parts"]
    only_theirs = [*parts["pretrain_train"], *parts["pretrain_validation"]]
    assert not {*only_theirs} & {*parts["finetune_train"], *parts["finetune_validation"]}
    seen = seen_by(run, survey)
    assert seen[survey.positions(only_theirs)].all()
    assert not seen[survey.positions(parts["test"])].any()
    assert seen_by(run, survey, by_label=True)[survey.positions(only_theirs)].all()
    alone = replace(run.options, learner=replace(run.options.learner, teacher=None))
    assert not seen_by(replace(run, options=alone), survey)[survey.positions(only_theirs)].any()


def test_where_nobody_knows_positions_what_teachers_have_seen_goes_by_ids(smoke: Smoke, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(60):
        row = image_series(number, 4)
        rows.append(
            {name: x for name, x in row.items() if name not in ("ra", "dec")} | {"label_source": "spectroscopic"}
        )
    survey = write_survey(tmp_path / "nowhere", rows)
    place = ["survey=path", f"survey.path={survey.path}", f"runs={tmp_path}/runs", "experiment=light_curve_sdss"]
    teacher = smoke(*place, "name=teacher")
    student = smoke(
        *place,
        "name=student",
        "stage.pretrain.max_epochs=0",
        f"split={teacher}/split.json",
        f"learner.teacher={teacher}",
    )
    parts = RunFolder(teacher).read_split()["parts"]
    seen = seen_by(read_trained(student), survey)
    assert seen[survey.positions(parts["pretrain_train"])].all()
    assert not seen[survey.positions(parts["test"])].any()


def test_a_taught_run_is_published_with_what_its_teachers_have_seen(
    after: Path, teachers: list[Path], work: Path, tmp_path: Path
) -> None:
    publish(after, tmp_path / "out", onnx=False)
    run, survey = read_trained(tmp_path / "out"), Survey.open(work / "miniature")
    assert run.options.learner.teachers == tuple(folder.name for folder in teachers)
    assert (seen_by(run, survey) == seen_by(read_trained(after), survey)).all()


def test_one_network_predicts_and_needs_no_teacher(
    after: Path, smoke: Smoke, work: Path, tmp_path: Path, retest: Callable[..., Any]
) -> None:
    """It is tested again where its teachers are gone."""
    copy = Path(shutil.copytree(after, tmp_path / "copy"))
    config = (copy / "config.yaml").read_text().replace("runs/teacher", "runs/gone")
    (copy / "config.yaml").write_text(config)
    assert len(find_runs(tmp_path)[0]) == 1
    assert retest(copy)["test"] == result_of(after)["test"]


@pytest.fixture
def retest() -> Callable[..., Any]:
    from ictconvention.configuration.schema import RunOptions
    from ictconvention.training.retest import retest

    return lambda folder: retest(folder, RunOptions())
