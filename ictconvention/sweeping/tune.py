"""A search for better options by Optuna: each trial is some jobs of a sweep, and their validation decides.

What is told is the mean over the folds of the least validation loss of a run's last stage, which chose its training
epoch (`val/loss_balanced` of classes): never a number of the test part. A trial that is worse than
the median of those before it is pruned, see `MedianRule`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, Protocol

from ictconvention.configuration.overrides import command, override
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import IctConventionError, UsageError, pluralize, readable_os_errors
from ictconvention.runs.machine import check_alone
from ictconvention.sweeping.processes import run_jobs
from ictconvention.sweeping.pruning import MedianRule
from ictconvention.sweeping.space import Scalar, Space
from ictconvention.sweeping.sweep import Job, Sweep, is_finished, prepare_jobs, validation_loss
from ictconvention.sweeping.trials import Trials, check_optuna

logger = logging.getLogger(__name__)

JOURNAL = "tune.log"  # in the folder of the search: all that Optuna knows
HELD = "search"  # folder in it that a search holds; the folder itself is held by whoever runs the jobs
Pruning = Literal["median", "none"]


class Run(Protocol):
    """Runs the waiting jobs of a sweep, so many at once, but for those that are pruned; `run_jobs`."""

    def __call__(self, sweep: Sweep, at_once: int, *, is_pruned: Callable[[Job], bool]) -> None:
        """Run the jobs that wait."""


@dataclass(frozen=True)
class Best:
    """The best of the trials that have finished.

    Parameters
    ----------
    number : int
        Number of the trial, from 0.
    value : float
        Mean validation loss.
    words : tuple of str
        Overrides that make it.
    """

    number: int
    value: float
    words: tuple[str, ...]


def tune(
    words: Sequence[str],
    space: Space,
    folder: Path,
    trials: int,
    at_once: int = 1,
    folds: Sequence[int] = (0,),
    seed: int = 0,
    pruning: Pruning = "median",
    run: Run = run_jobs,
) -> Best:
    """Search a space, and say the best.

    A search that was stopped resumes: its trials are known, what they had begun is finished, and the next one is that
    which an uninterrupted search would have tried. A space of lists with no more combinations than trials is tried as a
    whole, and no run of it twice. A trial whose values no run can have has failed, and the others go on.

    Parameters
    ----------
    words : sequence of str
        What each run is asked for by.
    space : Space
        What may be chosen.
    folder : Path
        Folder of the search, which is that of a sweep.
    trials : int
        How many are tried in all, over all starts.
    at_once : int
        Jobs that run side by side.
    folds : sequence of int
        Folds of each trial.
    seed : int
        Of what is tried.
    pruning : "median" or "none"
        Whether a trial is pruned where one of its runs is worse than the median of earlier ones of its fold.
    run : Run
        What runs the jobs; another one in tests.

    Raises
    ------
    UsageError
        Optuna is not installed, this is one of several processes, or no trial has finished.
    FileSystemError
        Another process is at this search.
    IctConventionError
        No trial's values are the cause: no run can be prepared. The next start tries the same trial.
    """
    check_optuna()
    if trials < 1 or at_once < 1:
        raise UsageError(
            f"trials is {trials}, jobs {at_once}", "ictconvention tune", "take 1 or more of each", "E-CONFIG-VALUE"
        )
    check_alone("search")
    with readable_os_errors("keeping the trials", folder):
        (folder / HELD).mkdir(parents=True, exist_ok=True)
    with folder_lock(folder / HELD), readable_os_errors("keeping the trials", folder):
        known = Trials.open(folder / JOURNAL, space)
        search = _Search(known, list(words), folder, folds, at_once, pruning, run)
        search.take(trials, seed)
        return search.best()


class _Search:
    def __init__(
        self,
        trials: Trials,
        words: list[str],
        folder: Path,
        folds: Sequence[int],
        at_once: int,
        pruning: Pruning,
        run: Run,
    ) -> None:
        self.trials, self.words, self.folder = trials, words, folder
        self.folds, self.at_once, self.run = folds, at_once, run
        self.rule = None if pruning == "none" else MedianRule()
        self.jobs: dict[Path, Job] = {}

    def take(self, trials: int, seed: int) -> None:
        """Finish what was begun, then try until there are so many trials."""
        done, begun, finished = self.trials.resume()
        grid = self.trials.enqueue_grid(trials)
        if done:
            logger.info(f"{pluralize(done, 'trial')} finished before, and not repeated")
        for number, chosen in finished.items():  # the record of the sweep names all runs
            with suppress(IctConventionError):
                self._note(number, self._jobs_of(chosen))
        if begun:  # alone: the next ones are then begun with those that an uninterrupted search begins them with
            self._try(begun)
        each = max(1, self.at_once // len(self.folds))
        while batch := self.trials.ask(each, None if grid else trials, seed):
            self._try(batch)

    def _try(self, batch: Mapping[int, Mapping[str, Any]]) -> None:
        """Run the jobs of some trials, and tell what came out."""
        of_trial: dict[int, list[Job]] = {}
        for number, chosen in batch.items():
            if (same := self.trials.find_complete(chosen)) is not None:
                logger.info(f"trial {number} has the values of trial {same[0]}, and is not repeated")
                self.trials.tell(number, same[1])
                continue
            logger.info(f"trial {number}: {command(self._choices(chosen))}")
            try:
                of_trial[number] = self._jobs_of(chosen)
            except IctConventionError as error:
                if not error.code.startswith("E-CONFIG-") or self._is_of_every_trial(error):
                    raise
                logger.warning(f"trial {number} cannot be: {error.found} ({error.where})")
                of_trial[number] = []
        if self.rule is not None:
            self.rule.begin(of_trial, self.trials.firsts)
        if any(of_trial.values()):
            for place, job in enumerate(self.jobs.values(), 1):
                job.number = place
            self.run(Sweep(self.folder, list(self.jobs.values())), self.at_once, is_pruned=self._is_pruned)
        pruned = {number for number in of_trial if self.rule is not None and self.rule.prunes_trial(number)}
        for number, jobs in of_trial.items():
            self._tell(number, jobs, number in pruned)
        record = Sweep(self.folder, list(self.jobs.values()))  # without those that have no result
        record.begin()
        record.save()

    def _is_pruned(self, job: Job) -> bool:
        return self.rule is not None and self.rule.prunes_run(job)

    def _note(self, number: int, jobs: Sequence[Job]) -> None:
        if self.rule is not None:
            self.rule.add(number, jobs)

    def _is_of_every_trial(self, error: IctConventionError) -> bool:
        """Return whether the runs are refused in the same words without the values of a trial."""
        try:
            for fold in self.folds:
                prepare_jobs([[*self.words, f"fold.index={fold}"]])
        except IctConventionError as other:
            return (other.code, other.found, str(other.where)) == (error.code, error.found, str(error.where))
        return False

    def _choices(self, chosen: Mapping[str, Scalar]) -> list[str]:
        return [override(key, chosen[key]) for key in self.trials.keys]

    def _jobs_of(self, chosen: Mapping[str, Scalar]) -> list[Job]:
        """Return the jobs of the folds; the same as before where they have been tried."""
        jobs = []
        for fold in self.folds:
            (job,) = prepare_jobs([[*self.words, *self._choices(chosen), f"fold.index={fold}"]])
            job.title = command([*self._choices(chosen), f"fold.index={fold}"])
            jobs.append(job)
        return [self.jobs.setdefault(job.folder, job) for job in jobs]

    def _tell(self, number: int, jobs: Sequence[Job], is_pruned: bool) -> None:
        losses = [validation_loss(job.folder, job.options) for job in jobs]
        known = [loss for loss in losses if loss is not None]
        failed = any(job.state == "failed" for job in jobs) or not all(map(isfinite, known))
        if failed or is_pruned or not jobs or len(known) < len(jobs) or not all(map(is_finished, jobs)):
            for job in jobs:  # or the next trials would start it again
                self.jobs.pop(job.folder, None)
            if is_pruned and not failed:
                self.trials.tell_pruned(number)
                logger.info(f"trial {number} was pruned: its validation loss is above the median of those before")
            else:
                self.trials.tell_failed(number)
                logger.warning(f"trial {number} failed")
            return
        self._note(number, jobs)
        self.trials.tell(number, fmean(known))
        best, value, _ = self.trials.best()
        found = f"trial {number}: validation loss {fmean(known):.4f}"
        logger.info(f"{found} in the mean of {pluralize(len(known), 'fold')}; best {value:.4f}, trial {best}")

    def best(self) -> Best:
        """Return the best trial."""
        try:
            number, value, chosen = self.trials.best()
        except ValueError:
            fix = "see what the runs said in its folder logs, correct the space, and start again"
            raise UsageError("no trial has finished", self.folder, fix, "E-SWEEP-FAILED") from None
        return Best(number, value, (*self.words, *self._choices(chosen)))
