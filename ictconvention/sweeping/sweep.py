"""Many runs from one command: which they are, checked before the first begins, and the record of how far they are."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from math import inf, isnan
from pathlib import Path
from typing import Literal

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.composing.folders import FLAG
from ictconvention.configuration.overrides import override
from ictconvention.configuration.registry import find_task
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stages_of
from ictconvention.core.errors import IctConventionError, UsageError, pluralize, readable_os_errors
from ictconvention.core.output_place import SWEEP_MARK
from ictconvention.runs.finished_run import SWEEP
from ictconvention.runs.machine import check_alone
from ictconvention.runs.plan import Plan, plan_run, warn_of_few
from ictconvention.runs.published.places import repository
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import write_json
from ictconvention.runs.warm_start import pin_start
from ictconvention.survey.bands import lineage_of, origin_of
from ictconvention.survey.verify import verify_survey

logger = logging.getLogger(__name__)

State = Literal["waiting", "running", "finished", "failed", "stopped"]
GROUPED = ("wandb", "mlflow")  # trackers that have groups of runs


@dataclass
class Job:
    """One run of a sweep.

    Parameters
    ----------
    number : int
        From 1.
    title : str
        The overrides in which it differs from other jobs.
    overrides : sequence of str
        All that it is asked for by.
    options : RunOptions
    folder : Path
        Folder of the run.
    split : str
        Hash of its split.
    state : str
        waiting, running, finished, failed or stopped.
    seconds : float
        That it took, over all starts; known where it was run here.
    log : Path, optional
        What its process says.
    model : str, optional
        What tables call its model; the run's name otherwise.
    pinned : sequence of str
        Overrides that keep it on what the sweep was planned with, whatever changes since, see `_pinned`.
    """

    number: int
    title: str
    overrides: tuple[str, ...]
    options: RunOptions
    folder: Path
    split: str = ""
    state: State = "waiting"
    seconds: float = 0.0
    log: Path | None = None
    model: str | None = None
    pinned: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The overrides that its process is given."""
        return (*self.overrides, *self.pinned)


class Sweep:
    """The jobs of a sweep and their record in the sweep's folder.

    Parameters
    ----------
    folder : Path
        Folder of the sweep; made where it is not there.
    jobs : sequence of Job
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]) -> None:
        self.folder, self.jobs = folder, list(jobs)
        self.seconds = 0.0  # from start to end, over all starts
        with readable_os_errors("making the folder of the sweep", folder):
            (folder / "logs").mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path := folder / SWEEP_MARK):
            before = SWEEP.read(path)
            known = {entry["folder"]: entry for entry in before["jobs"]}
            self.seconds = float(before.get("seconds", 0.0))
            for job in self.jobs:
                own = known.get(self._relative(job.folder), {})
                job.seconds = float(own.get("seconds", 0.0))
                job.log = folder / own["log"] if own.get("log") else None

    def begin(self) -> list[Job]:
        """See which jobs have their result, and return the others."""
        for job in self.jobs:
            job.state = "finished" if is_finished(job) else "waiting"
        return [job for job in self.jobs if job.state == "waiting"]

    def save(self) -> None:
        """Write the record, whole."""
        jobs = [
            {
                "title": job.title,
                "model": job.model,
                "folder": self._relative(job.folder),
                "state": job.state,
                "seconds": round(job.seconds, 1),
                "log": None if job.log is None else self._relative(job.log),
                "overrides": list(job.overrides),
            }
            for job in self.jobs
        ]
        write_json(self.folder / SWEEP_MARK, {"seconds": round(self.seconds, 1), "jobs": jobs})

    def check(self) -> None:
        """Complain where a job has no result.

        Raises
        ------
        UsageError
            Naming those that failed, each with its log.
        """
        without = [job for job in self.jobs if job.state != "finished"]
        if not without:
            return
        lines = [
            f"\n    {job.title}: " + (f"{job.state}, see {job.log}" if job.state != "waiting" else "not started")
            for job in without
        ]
        found = f"{pluralize(len(without), 'job')} of {len(self.jobs)} without a result:{''.join(lines)}"
        fix = "fix what the logs say; the same command resumes where it was, and repeats nothing that is finished"
        raise UsageError(found, self.folder, fix, "E-SWEEP-FAILED")

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)


def with_folders(overrides: Sequence[Sequence[str]], searchpath: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each job with a user's folders of choices, which Hydra keeps for the sweep."""
    named = [f"{FLAG}={path.removeprefix('file://')}" for path in searchpath]
    return [[*named, *words] for words in overrides]


def prepare_jobs(
    overrides: Sequence[Sequence[str]],
    elsewhere: bool = False,
    before: Sequence[Job] = (),
) -> list[Job]:
    """Compose, check and plan every job; a mistake in one is reported before any begins.

    Parameters
    ----------
    overrides : sequence of sequence of str
        Overrides of each job.
    elsewhere : bool
        Whether another machine runs them.
    before : sequence of Job
        Jobs of the same sweep that are already done; a sweeper that searches asks for its jobs little by little.

    Raises
    ------
    IctConventionError
        A job cannot be, two jobs are the same run, or this is one of several processes that would each run the sweep.
    """
    check_alone("sweep")
    common = set.intersection(*(set(words) for words in overrides))
    titles = [" ".join(word for word in words if word not in common) or "job" for words in overrides]
    composed: list[RunOptions] = []
    for title, words in zip(titles, overrides, strict=True):
        with _told_of(title):
            composed.append(options := compose_run(words))
            if options.mode == "test":
                raise UsageError(
                    "a sweep trains, and mode=test does not", "mode", "test one run at a time", "E-CONFIG-CONFLICT"
                )
            if (nodes := options.trainer.num_nodes) > 1:
                found = f"trainer.num_nodes is {nodes}, and each run of a sweep is on one node"
                raise UsageError(
                    found,
                    "trainer.num_nodes",
                    "leave out -m, and start the run with torchrun or srun",
                    "E-CONFIG-CONFLICT",
                )
    jobs: dict[Path, Job] = {job.folder: job for job in before}
    verified: set[str] = set()
    few: dict[str, None] = {}
    for title, words, options in zip(titles, overrides, composed, strict=True):
        with _told_of(title):
            options, _ = pin_start(options, words)
            plan = plan_run(options, elsewhere)
            if plan.survey.hash not in verified:
                verify_survey(plan.survey, options.survey.verify)
                verified.add(plan.survey.hash)
        folder = plan.folder.path
        if folder in jobs:
            found = f"{jobs[folder].title} and {title} are the same run"
            fix = "sweep over what changes a result: not over folders, devices, workers or loggers"
            raise UsageError(found, folder, fix, "E-SWEEP-DUPLICATE")
        jobs[folder] = Job(
            len(jobs) + 1, title, tuple(words), options, folder, plan.split.hash, pinned=_pinned(options, plan)
        )
        if not plan.folder.is_finished and (line := warn_of_few(options, plan.split)):
            few.setdefault(f"{title}: {line}")
    if few:
        first, *others = few
        logger.warning(first + (f" (and {pluralize(len(others), 'job')} more)" if others else ""))
    return list(jobs.values())


def _pinned(options: RunOptions, plan: Plan) -> tuple[str, ...]:
    """Return the overrides that name what may change while a sweep is at work.

    They are the state of a survey that grows, and the commit of a run on a hub that it begins with.
    """
    words = []
    if options.survey.path is not None and options.survey.state is None and len(lineage_of(plan.survey)) > 1:
        words.append(override("survey.state", origin_of(plan.survey)))
    if repository(options.init_from):
        words.append(override("init_from", str(options.init_from)))
    return tuple(words)


@contextmanager
def _told_of(title: str) -> Iterator[None]:
    """Say which job an error is of."""
    try:
        yield
    except IctConventionError as error:
        raise type(error)(f"{title}: {error.found}", error.where, error.fix, error.code) from None


def is_finished(job: Job) -> bool:
    """Return whether a job's run has its result."""
    return RunFolder(job.folder).is_finished


def chief_scores(job: Job) -> str:
    """Return the scores of a finished job that a reader of the sweep's course looks for."""
    try:
        said: str = find_task(job.options.task.kind).sum_up(RunFolder(job.folder).read_result("test"))
    except IctConventionError as error:  # the other jobs go on, and a report says it again
        return f"its result cannot be read: {error.found} ({error.where})"
    return said


def add_group(job: Job, sweep: Path) -> tuple[str, ...]:
    """Return a job's overrides with its group at a tracker that has groups: the sweep's name, unless it has another."""
    logger = job.options.logger
    if logger.kind not in GROUPED or logger.group:
        return job.words
    return (*job.words, override("logger.group", sweep.name))


def validation_course(folder: Path, options: RunOptions) -> list[float]:
    """Return the least validation loss so far after each training epoch of a run's last stage, which chooses by it."""
    stage, name = stages_of(options)[-1], find_task(options.task.kind).monitor
    try:
        rows = RunFolder(folder).open_metrics().rows
    except IctConventionError:  # the run has its result all the same
        return []
    columns = {epoch: row.get(f"{stage}/val/{name}") for (of, epoch), row in sorted(rows.items()) if of == stage}
    losses = [float(value) for value in columns.values() if value is not None]
    return list(accumulate((inf if isnan(loss) else loss for loss in losses), min))


def validation_loss(folder: Path, options: RunOptions) -> float | None:
    """Return the least validation loss of a run's last stage, the one that chooses its training epochs, if any."""
    return min(validation_course(folder, options), default=None)
