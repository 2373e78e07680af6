"""Which runs of a search are cut short: those that are behind the median of the runs of their fold before them.

The rule is Vizier's (Golovin et al. 2017), on the least validation loss so far. It decides by the losses of the runs
alone and not by when somebody looks: a run that went on after the epoch that decides is cut all the same.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import median

from ictconvention.configuration.schema import RunOptions, stage_of, stages_of
from ictconvention.sweeping.sweep import Job, validation_course

FIRST = 5  # runs of a fold that are not cut, since no median is known yet
EARLY = 0.25  # share of the training epochs after which the first comparison is


class MedianRule:
    """The courses of the runs that a search has finished, and which of those under way are behind them."""

    def __init__(self) -> None:
        self._courses: dict[int, list[Sequence[float]]] = {}
        self._trial: dict[Path, list[Job]] = {}
        self._seen: dict[Path, tuple[int, bool]] = {}

    def add(self, jobs: Sequence[Job]) -> None:
        """Add the runs of a trial that has finished."""
        for job in jobs:
            self._courses.setdefault(job.options.fold.index, []).append(validation_course(job.folder, job.options))

    def begin(self, trials: Mapping[int, Sequence[Job]]) -> None:
        """Name the jobs of the trials that are tried now: where one is behind, all of its trial end."""
        self._seen = {}
        self._trial = {job.folder: list(jobs) for jobs in trials.values() for job in jobs}

    def is_cut(self, job: Job) -> bool:
        """Return whether the trial of a job ends here."""
        return any(self._is_behind(one) for one in self._trial.get(job.folder, [job]))

    def _is_behind(self, job: Job) -> bool:
        course = validation_course(job.folder, job.options)
        known, behind = self._seen.get(job.folder, (0, False))
        if not behind and len(course) > known:
            before = self._courses.get(job.options.fold.index, [])
            behind = behind_at(course, before, *compared_epochs(job.options)) is not None
            self._seen[job.folder] = (len(course), behind)
        return behind


def compared_epochs(options: RunOptions) -> tuple[int, int]:
    """Return the training epochs of the last stage, counted from 1, after which a run is compared first and last.

    After the very last one there is nothing left to save.
    """
    epochs = stage_of(options, stages_of(options)[-1]).max_epochs
    return max(1, ceil(EARLY * epochs)), epochs - 1


def behind_at(course: Sequence[float], before: Sequence[Sequence[float]], first: int, last: int) -> int | None:
    """Return the first training epoch after which a run is behind the median of those before it, if there is one.

    Parameters
    ----------
    course : sequence of float
        Its least validation loss after each training epoch.
    before : sequence of sequences of float
        Those of others; one that ended early counts with its last.
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
