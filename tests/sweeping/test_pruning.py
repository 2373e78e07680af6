"""A run that is worse than the median of those before it is pruned, whenever somebody looks, and recorded as such."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from ictconvention.configuration.schema import RunOptions
from ictconvention.runs.status import MetricsTable
from ictconvention.sweeping import pruning
from ictconvention.sweeping import sweep as sweeps
from ictconvention.sweeping import tune as tuning
from ictconvention.sweeping.pruning import compared_epochs, worse_at
from ictconvention.sweeping.space import read_space
from ictconvention.sweeping.sweep import Job, Sweep, validation_course
from ictconvention.sweeping.tune import Pruning, tune
from tests.small_runs import places, read_json
from tests.sweeping.test_tune import journal_of, space_of

optuna = pytest.importorskip("optuna")
COURSES = {  # validation loss after each of 4 training epochs, for each batch size
    16: [0.9, 0.8, 0.7, 0.6],
    17: [0.8, 0.7, 0.6, 0.5],
    18: [0.7, 0.6, 0.5, 0.4],
    19: [0.9, 0.7, 0.7, 0.3],  # worse than the median of the first three after the first epoch
    20: [0.6, 0.9, 0.9, 0.9],  # the least so far counts: never worse before the last comparison
    21: [0.75, 0.65, 0.65, 0.1],  # worse after the first epoch of 16, 17, 18 and 20
}


class Trained:
    """Runs that write a row of metrics for each training epoch, and are looked at after each, or after the last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, looks: bool = True, stop_at: int = 1000) -> None:
        self.started: list[tuple[int, int]] = []
        self.epochs: dict[Path, int] = {}
        self.looks, self.stop_at = looks, stop_at
        for module in (tuning, sweeps):
            monkeypatch.setattr(module, "is_finished", lambda job: self.epochs.get(job.folder) == 4)
        monkeypatch.setattr(pruning, "FIRST", 3)

    def run(self, sweep: Sweep, at_once: int, *, is_pruned: Callable[[Job], bool]) -> None:
        for job in sweep.jobs:
            if self.epochs.get(job.folder) == 4 or is_pruned(job):
                continue
            if len(self.started) == self.stop_at:
                raise KeyboardInterrupt
            size, fold = job.options.trainer.batch_size, job.options.fold.index
            self.started.append((size, fold))
            job.folder.mkdir(parents=True, exist_ok=True)
            metrics = MetricsTable(job.folder / "metrics.csv")
            for epoch, loss in enumerate(COURSES[size], 1):
                metrics.add("finetune", epoch, {"finetune/val/loss_balanced": loss + fold})
                self.epochs[job.folder] = epoch
                if self.looks and is_pruned(job):
                    break


@pytest.fixture
def words(work: Path, tmp_path: Path) -> list[str]:
    own = [word for word in places(work) if not word.startswith("trainer.batch_size")]
    more = ("experiment=light_curve_sdss", "trainer.precision=32-true", "stage.pretrain.max_epochs=0")
    return [*own, f"runs={tmp_path}/runs", *more, "stage.finetune.max_epochs=4"]


def searched(
    words: list[str], folder: Path, runs: Trained, at_once: int = 1, rule: Pruning = "median", folds: int = 1
) -> Mapping[int, str]:
    """Return how the trial of each batch size ended."""
    sizes = ", ".join(map(str, COURSES))
    space = read_space(space_of(folder.parent, f"trainer.batch_size: [{sizes}]\n"), words)
    tune(words, space, folder, len(COURSES), at_once, folds=range(folds), pruning=rule, run=runs.run)
    return {one.params["trainer.batch_size"]: one.state.name for one in journal_of(folder)}


def test_a_run_is_compared_with_the_median_of_the_least_losses_so_far() -> None:
    before = [[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.7, 0.6, 0.5], [0.6], [1.0, 1.0, 1.0]]
    assert worse_at([0.8, 0.7, 0.6], before, 1, 3) is None  # what equals the median is not worse
    assert worse_at([0.8, 0.71, 0.6], before, 1, 3) == 2
    assert worse_at([0.8, 0.71, 0.6], before, 3, 3) is None
    assert worse_at([0.9], before, 2, 3) is None
    assert worse_at([0.8, 0.7, 0.69], before, 1, 2) is None
    assert worse_at([9.0], before[:4], 1, 3) is None  # of too few there is no median
    assert worse_at([9.0], [*before[:4], []], 1, 3) is None
    assert worse_at([float("inf")], before, 1, 3) == 1


@pytest.mark.parametrize(("epochs", "first", "last"), [(1, 1, 0), (2, 1, 1), (4, 1, 3), (20, 5, 19), (50, 13, 49)])
def test_a_quarter_of_the_training_is_left_in_peace_and_the_last_epoch_saves_nothing(
    epochs: int, first: int, last: int
) -> None:
    options = RunOptions()
    stage = replace(options.stage, finetune=replace(options.stage.finetune, max_epochs=epochs))
    assert compared_epochs(replace(options, stage=stage)) == (first, last)


def test_a_course_is_that_of_the_last_stage_and_a_loss_that_is_no_number_the_worst(tmp_path: Path) -> None:
    metrics = MetricsTable(tmp_path / "metrics.csv")
    assert validation_course(tmp_path, RunOptions()) == []
    metrics.add("pretrain", 1, {"pretrain/val/loss_balanced": 0.1})
    assert validation_course(tmp_path, RunOptions()) == []
    for epoch, loss in enumerate((float("nan"), 0.5, 0.7, 0.4), 1):
        metrics.add("finetune", epoch, {"finetune/val/loss_balanced": loss})
    assert validation_course(tmp_path, RunOptions()) == [float("inf"), 0.5, 0.5, 0.4]


@pytest.mark.parametrize("looks", [True, False])
def test_what_is_pruned_depends_on_courses_and_not_on_when_somebody_looks(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    runs = Trained(monkeypatch, looks)
    ends = searched(words, tmp_path / "search", runs)
    assert len(ends) == len(COURSES)
    asked = [size for size, _ in runs.started]
    expected = {}
    told: list[list[float]] = []
    for size in asked:
        course = list(accumulate(COURSES[size], min))
        pruned = worse_at(course, told, 1, 3) is not None
        expected[size] = "PRUNED" if pruned else "COMPLETE"
        told += [] if pruned else [course]
    assert ends == expected
    assert "PRUNED" in expected.values()
    assert {size: end for size, end in ends.items() if end == "COMPLETE"}.keys() >= set(asked[:3])


def test_a_trial_of_several_folds_ends_with_the_first_run_that_is_worse(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Trained(monkeypatch)
    ends = searched(words, tmp_path / "search", runs, folds=2)
    pruned = {size for size, end in ends.items() if end == "PRUNED"}
    assert pruned
    assert {size for size, fold in runs.started if fold == 1} == ends.keys() - pruned


def test_a_search_that_was_stopped_cuts_what_an_uninterrupted_one_cuts(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = searched(words, tmp_path / "whole", Trained(monkeypatch))
    runs = Trained(monkeypatch, stop_at=4)
    with pytest.raises(KeyboardInterrupt):
        searched([*words, f"runs={tmp_path}/other"], tmp_path / "stopped", runs)
    runs.stop_at = 1000
    assert searched([*words, f"runs={tmp_path}/other"], tmp_path / "stopped", runs) == whole


def test_without_the_rule_every_trial_runs_to_its_end(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(searched(words, tmp_path / "search", Trained(monkeypatch), rule="none").values()) == {"COMPLETE"}


def test_values_that_were_tried_to_the_end_are_not_tried_again(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range has more trials than values: TPE asks for some again, slow starters among them."""
    runs, space = Trained(monkeypatch), "trainer.batch_size: {low: 16, high: 19}\n"
    best = tune(words, read_space(space_of(tmp_path, space), words), tmp_path / "search", 12, run=runs.run)
    assert len(runs.started) == len({*runs.started})
    trials = [one for one in journal_of(tmp_path / "search") if one.state.name == "COMPLETE"]
    assert len(trials) > len({one.params["trainer.batch_size"] for one in trials})
    assert all(one.value == min(COURSES[one.params["trainer.batch_size"]]) for one in trials)
    recorded = read_json(tmp_path / "search" / "sweep.json")["jobs"]
    assert {job["state"] for job in recorded} == {"finished"}
    assert best.words[-1] in {word for job in recorded for word in job["overrides"]}
    assert len(recorded) == len({one.params["trainer.batch_size"] for one in trials})


def test_a_loss_that_is_no_number_is_a_failure_and_no_lack_of_promise(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COURSES, 17, [float("nan")] * 4)
    ends = searched(words, tmp_path / "search", Trained(monkeypatch))
    assert ends[17] == "FAIL"
    assert "PRUNED" in ends.values()


@pytest.mark.parametrize("told", [1, 2, 4])
def test_who_dies_while_trials_at_once_are_told_cuts_the_same_ones(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    whole = searched(words, tmp_path / "whole", Trained(monkeypatch), at_once=3)
    tell, calls = tuning._Search._tell, list[int]()

    def die(search: tuning._Search, number: int, *arguments: Any) -> None:
        if len(calls) == told:
            raise KeyboardInterrupt
        calls.append(number)
        tell(search, number, *arguments)

    runs, other = Trained(monkeypatch), [*words, f"runs={tmp_path}/other"]
    with monkeypatch.context() as held:
        held.setattr(tuning._Search, "_tell", die)
        with pytest.raises(KeyboardInterrupt):
            searched(other, tmp_path / "killed", runs, at_once=3)
    assert searched(other, tmp_path / "killed", runs, at_once=3) == whole
