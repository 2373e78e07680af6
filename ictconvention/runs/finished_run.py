"""The finished runs of a sweep, found and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import NonNegativeFloat

from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stage_of, stages_of
from ictconvention.core.errors import IctConventionError, UsageError, shorten
from ictconvention.core.output_place import SWEEP_MARK
from ictconvention.evaluation.predictions import Predictions
from ictconvention.reading.json_file import ABSENT, JsonRecord, Shape
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import SHIFT, TEACHER, survey_of
from ictconvention.runs.which_run import no_run
from ictconvention.tasks.task import Task


class JobShape(Shape):
    """The types of what the record of a sweep says of a job."""

    folder: str
    state: str
    model: str | None = ABSENT
    title: str = ABSENT
    seconds: NonNegativeFloat = ABSENT
    log: str | None = ABSENT
    overrides: list[str] = ABSENT


class SweepShape(Shape):
    """The types of what `sweep.json` says."""

    seconds: NonNegativeFloat = ABSENT
    jobs: list[JobShape]


SWEEP = JsonRecord(
    SweepShape, UsageError, "E-RUN-DAMAGED", "remove it, and start the sweep again", "a record of a sweep"
)


@dataclass(frozen=True)
class FinishedRun:
    """A run that has a result.

    Parameters
    ----------
    folder : Path
    options : RunOptions
    result, environment, status, split : mapping
        What stands in the JSON files of its folder.
    predictions : Predictions
        Predictions of its test part.
    model : str
        What tables call its model.
    task : Task
        What it has learned.
    typed : tuple of str
        The overrides that it was started with; none where it does not say.
    """

    folder: Path
    options: RunOptions
    result: Mapping[str, Any]
    environment: Mapping[str, Any]
    status: Mapping[str, Any]
    split: Mapping[str, Any]
    predictions: Predictions
    model: str
    task: Task
    typed: tuple[str, ...] = ()

    def of_part(self, part: str) -> Predictions:
        """Return the predictions of a part: the test part's are here, others are read; errors as of `RunFolder`."""
        return self.predictions if part == "test" else RunFolder(self.folder).read_predictions(part)

    @property
    def survey(self) -> Path | None:
        """The folder of its survey, where it still is."""
        return survey_of(self.status)

    @property
    def seconds(self) -> float | None:
        """Of its training, where all of it was done in this folder."""
        return self._spent("seconds")

    @property
    def core_seconds(self) -> float | None:
        """CPU time of its training, of its answer to a shift and of asking its teacher, but not of training that.

        None unless one process here did all of it without a GPU.
        """
        spent = self._spent("core_seconds")
        return None if spent is None else spent + sum(self.status["core_seconds"].get(x, 0.0) for x in (SHIFT, TEACHER))

    @property
    def passes(self) -> tuple[int, ...]:
        """The training epochs of each stage that trains: those that patience left it, where that is known."""
        trained = self.status.get("epochs", {})
        asked = [(stage, stage_of(self.options, stage)) for stage in stages_of(self.options)]
        return tuple(trained.get(name, one.max_epochs) if one.patience else one.max_epochs for name, one in asked)

    def _spent(self, kind: str) -> float | None:
        spent, stages = self.status.get(kind, {}), stages_of(self.options)
        return sum(spent[stage] for stage in stages) if all(stage in spent for stage in stages) else None


def find_runs(sweep: str | Path) -> tuple[list[FinishedRun], list[str]]:
    """Return the finished runs of a sweep's folder, and what was left out, with the reason.

    Parameters
    ----------
    sweep : str or Path
        Folder of a sweep, whose record names its runs; or any folder with runs in it.

    Raises
    ------
    UsageError
        There is no such folder, or no finished run in it; or what its runs have learned is of a module that was not
        imported.
    """
    sweep = Path(sweep)
    if not sweep.is_dir():
        raise no_run(sweep)
    runs, left_out = [], []
    unknown: IctConventionError | None = None
    for folder, said, model in _listed(sweep) if (sweep / SWEEP_MARK).exists() else _scanned(sweep):
        if not RunFolder(folder).is_finished:
            left_out.append(f"{RunFolder(folder).title}: {said}")
            continue
        try:
            runs.append(read_finished(folder, model))
        except IctConventionError as error:
            left_out.append(f"{RunFolder(folder).title}: {error.found}")
            unknown = error if error.code == "E-MODULE-UNKNOWN" else unknown
    if not runs and unknown is not None:
        raise unknown
    if not runs:
        why = f": {shorten(left_out, 3)}" if left_out else ""
        raise UsageError(
            f"no finished run{why}", sweep, "give the folder of a sweep, and finish its runs", "E-RUN-UNFINISHED"
        )
    return runs, left_out


def _listed(sweep: Path) -> list[tuple[Path, str, str | None]]:
    listed = SWEEP.read(sweep / SWEEP_MARK)["jobs"]
    jobs = [((sweep / job["folder"]).resolve(), str(job["state"]), job.get("model")) for job in listed]
    return [
        (folder, f"{state}, without a result" if folder.is_dir() else "missing", model) for folder, state, model in jobs
    ]


def _scanned(sweep: Path) -> list[tuple[Path, str, str | None]]:
    below = sorted({sweep, *sweep.glob("*"), *sweep.glob("*/*")})
    folders = [folder for folder in below if RunFolder(folder).is_run]
    return [(folder, f"not finished ({_state(folder)})", None) for folder in folders]


def _state(folder: Path) -> str:
    run = RunFolder(folder)
    try:
        return str(run.read_status().get("state")) if run.status.exists() else "not begun"
    except UsageError:
        return f"its {run.status.name} is damaged"


def read_finished(folder: Path, model: str | None = None) -> FinishedRun:
    """Read a finished run; its model is called as the run, unless another name is given.

    Raises
    ------
    UsageError
        A file is missing or damaged, the predictions are not those of the result, or its task is of a module that was
        not imported.
    """
    run = RunFolder(folder)
    options = run.read_options()
    return FinishedRun(
        folder,
        options,
        run.read_result(),
        run.read_environment(),
        run.read_status(),
        run.read_split(),
        run.read_predictions(),
        model or options.name,
        run.read_task(),
        tuple(run.read_overrides()),
    )
