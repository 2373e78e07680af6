"""Which runs of a search are pruned: those whose loss is above the median of the runs of their fold in earlier trials.

The rule is Vizier's (Golovin et al. 2017), on the least validation loss so far. It decides by the losses of the runs
alone and not by when somebody looks: a run that went on after the epoch that decides is pruned all the same. Trials
that are tried at once are compared with what was finished before all of them: their own order decides nothing.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import median

from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stage_of, stages_of
from ictconvention.runs.run_folder import RunFolder
from ictconvention.sweeping.sweep import Job, validation_course

FIRST = 5  # runs of a fold that are not pruned, since no median is known yet
EARLY = 0.25  # share of the training epochs after which the first comparison is


class MedianRule:
    """The courses of the runs of a search, and which of the runs at hand are pruned."""

    def __init__(self) -> None:
        self._courses: dict[Path, tuple[int, int, Sequence[float]]] = {}  # trial, fold, course of each finished run
        self._trials: dict[int, Sequence[Job]] = {}
        self._batch: dict[int, int] = {}
        self._seen: dict[Path, tuple[int, bool]] = {}  # when its metrics were written, and whether it is worse

    def add(self, number: int, jobs: Sequence[Job]) -> None:
        """Add the runs of a trial that has finished; a run of several trials counts once, for the first."""
        for job in jobs:
            course = validation_course(job.folder, job.options)
            self._courses.setdefault(job.folder, (number, job.options.fold.index, course))

    def begin(self, trials: Mapping[int, Sequence[Job]], batch: Mapping[int, int]) -> None:
        """Name the jobs of the trials at hand, by number, and the first number of those that each was begun with."""
        self._trials, self._batch, self._seen = dict(trials), dict(batch), {}

    def prunes_run(self, job: Job) -> bool:
        """Return whether a job ends here: all jobs of a trial do, where one of them is worse than the median."""
        return any(self.prunes_trial(number) for number, jobs in self._trials.items() if job in jobs)

    def prunes_trial(self, number: int) -> bool:
        """Return whether a trial ends here."""
        return any(self._is_worse(number, job) for job in self._trials[number])

    def _is_worse(self, number: int, job: Job) -> bool:
        written, worse = self._seen.get(job.folder, (0, False))
        now = _written(RunFolder(job.folder).metrics)
        if now != written:
            course, fold = validation_course(job.folder, job.options), job.options.fold.index
            first = self._batch[number]
            before = [known for trial, of, known in self._courses.values() if of == fold and trial < first]
            worse = worse_at(course, before, *compared_epochs(job.options)) is not None
            self._seen[job.folder] = (now, worse)
        return worse


def compared_epochs(options: RunOptions) -> tuple[int, int]:
    """Return the training epochs of the last stage, counted from 1, after which a run is compared first and last.

    After the very last one there is nothing left to save.
    """
    epochs = stage_of(options, stages_of(options)[-1]).max_epochs
    return max(1, ceil(EARLY * epochs)), epochs - 1


def worse_at(course: Sequence[float], before: Sequence[Sequence[float]], first: int, last: int) -> int | None:
    """Return the first training epoch after which a run is worse than the median of those before it, if there is one.

    Parameters
    ----------
    course : sequence of float
        Its least validation loss after each training epoch.
    before : sequence of sequences of float
        Those of others; one that was pruned counts with its last.
    first, last : int
        The training epochs of the first and the last comparison, counted from 1.
    """
    others = [other for other in before if other]
    if len(others) < FIRST:
        return None
    for epoch in range(first, min(last, len(course)) + 1):
        if course[epoch - 1] > median(other[min(epoch, len(other)) - 1] for other in others):
            return epoch
    return None


def _written(path: Path) -> int:
    """Return when a file was written; 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
