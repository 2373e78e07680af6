"""A search tries what its space allows, by the validation of its runs; it resumes, and survives what fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import FileSystemError, IctConventionError, SurveyError, UsageError
from ictconvention.runs.run_folder import RunFolder
from ictconvention.sweeping import tune as tuning
from ictconvention.sweeping.space import Choice, Range, read_space
from ictconvention.sweeping.sweep import Job, Sweep, prepare_jobs, validation_loss
from ictconvention.sweeping.tune import tune
from tests.conftest import ROOT
from tests.refusals import refused
from tests.small_runs import places, read_json

optuna = pytest.importorskip("optuna")
RATE = "stage.finetune.optimiser.learning_rate"
SPACE = f"{RATE}: {{low: 1.0e-4, high: 1.0e-2, log: true}}\ntrainer.batch_size: [16, 32]\n"


class Stub:
    """Jobs whose validation is a function of their options: in place of runs that train."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int = 1000, failing: int | None = None) -> None:
        self.losses: dict[Path, float] = {}
        self.tried: list[tuple[float, int, int]] = []
        self.started: list[Path] = []
        self.stop_at, self.failing = stop_at, failing
        monkeypatch.setattr(tuning, "is_finished", lambda job: job.folder in self.losses)
        monkeypatch.setattr(tuning, "validation_loss", lambda folder, _: self.losses.get(folder))

    def run(self, sweep: Sweep, at_once: int, *, is_pruned: Callable[[Job], bool]) -> None:
        sweep.save()
        for job in sweep.jobs:
            options = job.options
            if job.folder in self.losses:
                continue
            self.started.append(job.folder)
            if options.trainer.batch_size == self.failing:
                continue
            if len(self.tried) == self.stop_at:
                raise KeyboardInterrupt
            rate = options.stage.finetune.optimiser.learning_rate
            self.tried.append((rate, options.trainer.batch_size, options.fold.index))
            self.losses[job.folder] = abs(rate - 1e-3) + options.trainer.batch_size + options.fold.index


@pytest.fixture
def words(work: Path, tmp_path: Path) -> list[str]:
    own = [word for word in places(work) if not word.startswith("trainer.batch_size")]
    return [*own, f"runs={tmp_path}/runs", "experiment=light_curve_sdss", "trainer.precision=32-true"]


def journal_of(folder: Path) -> list[Any]:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / tuning.JOURNAL))
    study = optuna.load_study(study_name="tune", storage=optuna.storages.JournalStorage(backend))
    return list(study.get_trials())


def space_of(folder: Path, text: str) -> Path:
    (folder / "space.yaml").write_text(text)
    return folder / "space.yaml"


def test_the_best_has_the_least_mean_over_the_folds(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, space = Stub(monkeypatch), read_space(space_of(tmp_path, SPACE), words)
    best = tune(words, space, tmp_path / "search", 6, folds=(0, 1), run=stub.run)
    assert len(stub.tried) == 12
    assert {fold for _, _, fold in stub.tried} == {0, 1}
    means = {(rate, size): abs(rate - 1e-3) + size + 0.5 for rate, size, _ in stub.tried}
    assert best.value == pytest.approx(min(means.values()))
    rate, size = min(means, key=lambda one: means[one])
    assert best.words[-2:] == (f"{RATE}={rate}", f"trainer.batch_size={size}")
    assert len(read_json(tmp_path / "search" / "sweep.json")["jobs"]) == 12


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = read_space(space_of(tmp_path, SPACE), words)
    whole = Stub(monkeypatch)
    tune(words, space, tmp_path / "whole", 5, run=whole.run)
    stopped = Stub(monkeypatch, stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        tune(words, space, tmp_path / "stopped", 5, run=stopped.run)
    assert stopped.tried == whole.tried[:3]
    stopped.stop_at = 1000
    tune(words, space, tmp_path / "stopped", 5, run=stopped.run)
    assert stopped.tried == whole.tried
    assert len(read_json(tmp_path / "stopped" / "sweep.json")["jobs"]) == 5
    tune(words, space, tmp_path / "stopped", 5, run=stopped.run)
    assert len(stopped.tried) == 5
    tune(words, space, tmp_path / "stopped", 6, run=stopped.run)
    assert len(stopped.tried) == 6


def test_a_space_of_lists_is_tried_as_a_whole_and_each_combination_once(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, text = Stub(monkeypatch), f"{RATE}: [1.0e-4, 1.0e-3, 1.0e-2]\ntrainer.batch_size: [16, 32]\n"
    space = read_space(space_of(tmp_path, text), words)
    best = tune(words, space, tmp_path / "search", 30, at_once=4, run=stub.run)
    assert sorted(stub.tried) == [(rate, size, 0) for rate in (1e-4, 1e-3, 1e-2) for size in (16, 32)]
    assert best.value == 16


def test_a_trial_that_fails_is_told_and_the_others_go_on(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    stub = Stub(monkeypatch, failing=32)
    space = read_space(space_of(tmp_path, "trainer.batch_size: [16, 32]\n"), words)
    assert tune(words, space, tmp_path / "search", 2, run=stub.run).value == pytest.approx(16 + 1e-3, abs=1e-2)
    assert [line for line in caplog.messages if "failed" in line] == ["trial 1 failed"]
    stub.failing = 16
    stub.losses.clear()
    with refused(UsageError, "E-SWEEP-FAILED", where="other"):
        one = read_space(space_of(tmp_path, "trainer.batch_size: [16]\n"), words)
        tune(words, one, tmp_path / "other", 2, run=stub.run)


def test_a_job_that_fails_is_not_started_again_with_the_next_trials(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub(monkeypatch, failing=16)
    space = read_space(space_of(tmp_path, "trainer.batch_size: [16, 32, 64, 128]\n"), words)
    tune(words, space, tmp_path / "search", 4, folds=(0, 1), run=stub.run)
    assert len(stub.started) == len(set(stub.started)) == 8


@pytest.mark.parametrize("code", ["E-SURVEY-MISSING", "E-FILES-SYSTEM", "E-CONFIG-VALUE"])
def test_what_no_trial_can_help_ends_the_search_and_uses_up_none(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """A survey that is not there, or a mistake in the words beside the space, with any values."""
    stub, prepare = Stub(monkeypatch), prepare_jobs

    def refuse(_: object) -> None:
        raise SurveyError("it is not there", "survey", "mount it", code)

    space = read_space(space_of(tmp_path, "trainer.batch_size: [16, 32]\n"), words)
    monkeypatch.setattr(tuning, "prepare_jobs", refuse)
    with refused(IctConventionError, code, where="survey"):
        tune(words, space, tmp_path / "search", 2, run=stub.run)
    monkeypatch.setattr(tuning, "prepare_jobs", prepare)
    tune(words, space, tmp_path / "search", 2, run=stub.run)
    assert [size for _, size, _ in stub.tried] == [16, 32]


def test_a_trial_whose_values_no_run_can_have_fails_alone(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, prepare = Stub(monkeypatch), prepare_jobs

    def refuse(jobs: list[list[str]]) -> list[Job]:
        if "trainer.batch_size=16" in jobs[0] and "fold.index=1" in jobs[0]:
            raise UsageError("it is too small", "trainer.batch_size", "take more", "E-CONFIG-CONFLICT")
        return prepare(jobs)

    monkeypatch.setattr(tuning, "prepare_jobs", refuse)
    space = read_space(space_of(tmp_path, "trainer.batch_size: [16, 32]\n"), words)
    tune(words, space, tmp_path / "search", 2, folds=(0, 1), run=stub.run)
    assert [(size, fold) for _, size, fold in stub.tried] == [(32, 0), (32, 1)]


def test_one_of_several_processes_begins_no_search(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = read_space(space_of(tmp_path, SPACE), words)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "0")
    with refused(UsageError, "E-MACHINE-NODES", where="SLURM_STEP_NUM_TASKS"):
        tune(words, space, tmp_path / "search", 2, run=Stub(monkeypatch).run)
    assert not (tmp_path / "search").exists()


def test_more_trials_complete_a_space_of_lists(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, text = Stub(monkeypatch), f"{RATE}: [1.0e-4, 1.0e-3, 1.0e-2]\ntrainer.batch_size: [16, 32]\n"
    space = read_space(space_of(tmp_path, text), words)
    for trials in (5, 6):
        tune(words, space, tmp_path / "search", trials, run=stub.run)
    assert sorted(stub.tried) == [(rate, size, 0) for rate in (1e-4, 1e-3, 1e-2) for size in (16, 32)]
    assert all(one.state.is_finished() for one in journal_of(tmp_path / "search"))


@pytest.mark.parametrize(("text", "trials"), [("trainer.batch_size: [16, 32]\n" + f"{RATE}: [0.1]\n", 2), (SPACE, 2)])
def test_a_trial_that_is_killed_while_it_is_asked_for_is_tried_all_the_same(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, trials: int
) -> None:
    space = read_space(space_of(tmp_path, text), words)
    whole = Stub(monkeypatch)
    tune(words, space, tmp_path / "whole", trials, run=whole.run)
    journal = tmp_path / "whole" / tuning.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    values = [place for place, line in enumerate(lines) if b'"param_name"' in line]
    (tmp_path / "killed").mkdir()
    torn = b"".join(lines[: values[1]]) + lines[values[1]][:20]  # of the first trial's two values, one and a half
    (tmp_path / "killed" / tuning.JOURNAL).write_bytes(torn)
    killed = Stub(monkeypatch)
    tune(words, space, tmp_path / "killed", trials, run=killed.run)
    assert sorted(killed.tried) == sorted(whole.tried)


def test_two_searches_at_once_do_not_take_each_others_trials(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, space = Stub(monkeypatch), read_space(space_of(tmp_path, "trainer.batch_size: [16, 32]\n"), words)

    def run(sweep: Sweep, at_once: int, *, is_pruned: Callable[[Job], bool]) -> None:
        with refused(FileSystemError, "E-FILES-LOCKED"):
            tune(words, space, tmp_path / "search", 2, run=stub.run)
        with folder_lock(sweep.folder):  # as run_jobs takes it
            stub.run(sweep, at_once, is_pruned=is_pruned)

    tune(words, space, tmp_path / "search", 2, run=run)
    assert len(stub.tried) == 2


def test_help_shows_how_a_space_is_written() -> None:
    said = CliRunner().invoke(app, ["tune", "--help"]).output
    assert "KEY: [value, ...]" in said
    assert "SPACE.yaml" in next(line for line in said.splitlines() if "Usage" in line)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("trainer.batchsize: [16]", "E-CONFIG-UNKNOWN", "trainer.batchsize"),
        ("trainer.batch_size: [16, x]", "E-CONFIG-VALUE", "trainer.batch_size: x"),
        ("trainer.batch_size: [0]", "E-CONFIG-VALUE", "trainer.batch_size: 0"),
        ("trainer.batch_size: {low: 1.5, high: 3}", "E-CONFIG-VALUE", "trainer.batch_size: 1.5"),
        ("trainer.batch_size: {low: 16, high: 8}", "E-CONFIG-VALUE", "trainer.batch_size"),
        ("trainer.batch_size: {low: 16, hihg: 32}", "E-CONFIG-UNKNOWN", "trainer.batch_size"),
        ("trainer.batch_size: [16, 16]", "E-CONFIG-VALUE", "trainer.batch_size"),
        ("trainer.batch_size: 16", "E-CONFIG-VALUE", "trainer.batch_size"),
        (f"{RATE}: [1e-4]", "E-CONFIG-VALUE", RATE),  # a text, in yaml
        (f"{RATE}: {{low: 0, high: 1.0, log: true}}", "E-CONFIG-VALUE", RATE),
        ("trainer.devices: [1, 2]", "E-CONFIG-CONFLICT", "trainer.devices"),
        ("fold.index: [0, 1]", "E-CONFIG-CONFLICT", "fold.index"),
        ("experiment: [ict_sdss]", "E-CONFIG-CONFLICT", "experiment"),  # it is given beside the file
        (f"{RATE}: [1, 1.0]", "E-CONFIG-VALUE", RATE),  # one choice to Optuna
        ("trainer.batch_size: {low: 5, high: 20, step: 6}", "E-CONFIG-VALUE", "trainer.batch_size"),
        (f"{RATE}: {{low: 0.1, high: 1.0, step: 0.4}}", "E-CONFIG-VALUE", RATE),
        ("trainer.batch_size: [16]\ntrainer.batch_size: [32]", "E-CONFIG-FILE", "space.yaml, line 2"),
        ("trainer.batch_size: {low: 16, low: 8, high: 32}", "E-CONFIG-FILE", "space.yaml, line 1"),
        ("a: 2020-13-45", "E-CONFIG-FILE", "space.yaml"),
        ("[1, 2]", "E-CONFIG-FILE", "space.yaml"),
        ("a: [", "E-CONFIG-FILE", "space.yaml, line 2"),
    ],
)
def test_a_mistake_in_the_space_is_named_with_its_key(
    words: list[str], tmp_path: Path, text: str, code: str, where: str
) -> None:
    with refused(UsageError, code) as caught:
        read_space(space_of(tmp_path, f"{text}\n"), words)
    assert where in str(caught.value.where)


@pytest.mark.parametrize(
    "line",
    [
        "survey.objects: [200, 400]",
        "survey.classes: [null]",
        "task.softness: [0.1, 0.2]",
        "fold.seed: [0, 1]",
        "fold.protocol: [rotating, fixed]",
        "shift.strength: [0.5, 1.0]",
        "split: [null]",
        "seed: [0, 1]",
        "name: [one, other]",
    ],
)
def test_a_key_with_which_losses_do_not_compare_is_refused(words: list[str], tmp_path: Path, line: str) -> None:
    with refused(UsageError, "E-CONFIG-CONFLICT", where=line.partition(":")[0]):
        read_space(space_of(tmp_path, f"{line}\n"), words)


def test_an_experiment_that_brings_a_task_of_its_own_is_refused(words: list[str], tmp_path: Path) -> None:
    without = [word for word in words if not word.startswith("experiment=")]
    with refused(UsageError, "E-CONFIG-CONFLICT", where="experiment: redshift_direct"):
        read_space(space_of(tmp_path, "experiment: [redshift_direct]\n"), without)


def test_both_ends_of_a_range_in_steps_can_be_tried(words: list[str], tmp_path: Path) -> None:
    space = read_space(space_of(tmp_path, f"{RATE}: {{low: 0.1, high: 0.7, step: 0.3}}\n"), words)
    assert space.dimensions[RATE] == Range(0.1, 0.7, step=0.3)


def test_the_example_is_a_space() -> None:
    space = read_space(ROOT / "examples" / "space.yaml", ["experiment=ict_fast"])
    assert space.dimensions[RATE] == Range(1e-4, 1e-2, log=True)
    assert space.dimensions["trainer.batch_size"] == Choice((64, 128))
    assert space.size is None


@pytest.mark.slow
@pytest.mark.usefixtures("prepared_jobs")
def test_a_search_of_runs_that_train_takes_the_least_validation_loss(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = space_of(tmp_path, "trainer.batch_size: [16, 32]\n")
    app(["tune", *words, str(file), "trials=2", "stage.pretrain.max_epochs=0"], standalone_mode=False)
    said = capsys.readouterr().out.splitlines()
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    runs = [tmp_path / "runs/sweeps" / folder.name / job["folder"] for job in read_json(folder / "sweep.json")["jobs"]]
    losses = {
        RunFolder(run).read_options().trainer.batch_size: validation_loss(run, RunFolder(run).read_options())
        for run in runs
    }
    assert losses.keys() == {16, 32}
    best = min(losses, key=lambda size: losses[size] or 0.0)
    (line,) = [line for line in said if line.startswith("ictconvention train")]
    assert f"trainer.batch_size={best}" in line
