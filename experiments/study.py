"""What studies share: their command line, their runs, and a small Parquet file for the result of each job.

Knows no task: each study says what a job is, what its file holds and what its tables show.
"""

import argparse
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from experiments.jobs_at_once import jobs_at_once
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import LABEL, PLACE, leave_out, leave_out_added
from ictconvention.core.atomic import whole_file
from ictconvention.core.console import PACKAGE, Terminal
from ictconvention.core.errors import UsageError, readable_os_errors, short_hash, shorten
from ictconvention.reading.json_file import Shape
from ictconvention.reading.parquet_file import as_arrays, read_parquet

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from ictconvention.sweeping.sweep import Job as SweepJob
    from ictconvention.sweeping.sweep import Sweep

RECORD = b"record"  # key of the metadata of a result
SMALL: Mapping[str, Any] = {  # how results are written: a third smaller than by default
    "compression": "zstd",
    "compression_level": 19,
    "use_dictionary": False,
    "write_page_checksum": True,
}
DAMAGED = "remove this file, and give the command of the study again"
OTHER = "take another folder of --results, or remove those results"
SAID = ("packages", "python", "processor", "gpus", "threads")  # of the environment


class StudyJob(Protocol):
    """What every study's job has: a name, of its result's file and of its runs."""

    @property
    def name(self) -> str:
        """Its name."""


class StudyResult(Protocol):
    """What every study's result has: its job, and a record with `survey_hash` and `setting`."""

    @property
    def job(self) -> Any:
        """Its job."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What is known of it."""


AnyJob = TypeVar("AnyJob", bound=StudyJob)
AnyResult = TypeVar("AnyResult", bound=StudyResult)


# The command


def add_arguments(parser: argparse.ArgumentParser, profiles: Iterable[str]) -> None:
    """Add the options that the command of every study has."""
    parser.add_argument("--profile", default="laptop", choices=tuple(profiles))
    parser.add_argument("--seeds", type=int, help="trainings of each row; by default three, one of profile smoke")
    parser.add_argument("--jobs", type=int, help="runs at once; by default one a GPU, or one a processor")
    parser.add_argument("--runs", default="runs", help="folder of the runs")
    parser.add_argument("--surveys", default="surveys", help="folder of simulated surveys")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for every run, such as trainer.devices=2")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the options of a study that keeps a result for each job."""
    parser.add_argument(
        "--results", type=Path, help="folder of the results; by default beside this file, and of smoke in the runs"
    )
    parser.add_argument("--tables", action="store_true", help="train nothing; tables and figures of the results alone")


def check_numbers(wanted: argparse.Namespace) -> None:
    """Refuse numbers of seeds and jobs that cannot be.

    Raises
    ------
    UsageError
        One of them is below 1.
    """
    for name in ("seeds", "jobs"):
        if (value := getattr(wanted, name)) is not None and value < 1:
            raise UsageError(f"{name} is {value}", f"--{name}", "take 1 or more", "E-COMMAND-VALUE")


def results_folder(wanted: argparse.Namespace, study: str, home: Path) -> Path:
    """Return where the results are kept: as asked, beside the study, or with the runs for profile smoke."""
    if wanted.results is not None:
        return Path(wanted.results)
    return (
        Path(wanted.runs) / f"{study}-smoke-results" if wanted.profile == "smoke" else home / "results" / wanted.profile
    )


@contextmanager
def warnings_once() -> Iterator[None]:
    """Show each warning once in the body, inside `lines_on_terminal`: not again for every run that it is true of."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        new = (text := record.getMessage()) not in said
        said.add(text)
        return new

    terminals = [one for one in logging.getLogger(PACKAGE).handlers if isinstance(one, Terminal)]
    for one in terminals:
        one.addFilter(is_new)
    try:
        yield
    finally:
        for one in terminals:
            one.removeFilter(is_new)


# Runs


def content_of(words: Sequence[str]) -> dict[str, Any]:
    """Return all that makes a run of these overrides: not its names and folders."""
    options = compose_run(words)
    return leave_out_added(leave_out(asdict(options), options, LABEL | PLACE), options)


def train_jobs(
    folder: Path,
    runs: Mapping[AnyJob, Sequence[Sequence[str]]],
    profile: str,
    at_once: int | None,
    keep: Callable[[AnyJob, list[Path]], None],
) -> "Sweep":
    """Train the runs of jobs; those that are finished are not trained again.

    Parameters
    ----------
    folder : Path
        Folder of the sweep.
    runs : mapping of job to sequence of sequence of str
        Overrides of the runs of each job.
    profile : str
        Name of the sizes.
    at_once : int, optional
        Runs side by side; `jobs_at_once` by default.
    keep : callable
        What is done with a job and the folders of its runs as soon as all of them have finished.
    """
    from ictconvention.sweeping.processes import run_jobs
    from ictconvention.sweeping.sweep import Sweep, prepare_jobs

    asked = [(job, number, words) for job, several in runs.items() for number, words in enumerate(several)]
    prepared = prepare_jobs([words for _, _, words in asked])
    folders: dict[AnyJob, list[Path]] = {}
    job_of: dict[Path, AnyJob] = {}
    for one, (job, number, _) in zip(prepared, asked, strict=True):
        one.model = one.title = job.name + (f", part {number}" if number else "")
        folders.setdefault(job, []).append(one.folder)
        job_of[one.folder] = job
    finished: set[Path] = set()

    def finish(one: "SweepJob") -> None:
        job = job_of[one.folder]
        finished.add(one.folder)
        if finished.issuperset(folders[job]):
            keep(job, folders[job])

    sweep = Sweep(folder, prepared)
    run_jobs(sweep, at_once or jobs_at_once(profile, prepared[0].options.trainer.devices), on_finish=finish)
    return sweep


def describe_machine(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a result says of the machine and the packages that made it."""
    return {name: environment[name] for name in SAID if name in environment}


# Results


def path_of(folder: Path, job: StudyJob) -> Path:
    """Return the file of a job's result."""
    return folder / f"{job.name}.parquet"


def write_result(path: Path, table: pa.Table, record: Mapping[str, Any], encoding: Mapping[str, str]) -> None:
    """Write the table of a result with its record, whole or not at all; `encoding` is that of its columns."""
    with whole_file(path, "saving the result") as partial:
        table = table.replace_schema_metadata({RECORD: json.dumps(record)})
        pq.write_table(table, partial, **SMALL, column_encoding=dict(encoding))


def read_table(path: Path, shape: type[Shape]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the columns of a result's file and its record.

    Raises
    ------
    KeyError, ValueError, ValidationError
        It is damaged: see `damage_reported`.
    """
    table = read_parquet(path)
    record: dict[str, Any] = json.loads((table.schema.metadata or {})[RECORD])
    TypeAdapter(shape).validate_python(record)
    return as_arrays(table), record


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Report whatever a damaged result raises as a `UsageError`."""
    with readable_os_errors("reading the result", path):
        try:
            yield
        except (KeyError, ValueError, ValidationError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(f"this result is damaged: {reason}", path, DAMAGED, "E-RUN-DAMAGED") from error


def read_results(
    folder: Path,
    read: Callable[[Path], AnyResult],
    settings: Mapping[Any, str] | None = None,
    survey_of: Callable[[Any], str] = lambda job: "",
) -> dict[Any, AnyResult]:
    """Read all results of a folder.

    Parameters
    ----------
    folder : Path
        Folder of the results; it may not be there.
    read : callable
        Reads one file.
    settings : mapping of job to str, optional
        Hashes of what makes the jobs today.
    survey_of : callable
        Names the survey of a job; by default all are of one.

    Raises
    ------
    UsageError
        A result is damaged, was made by other settings, is of another survey than the others of its name, or has
        another name than its job.
    """
    found: dict[Any, AnyResult] = {}
    surveys: dict[str, str] = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        one = read(path)
        if path_of(folder, one.job) != path:
            wrong = f"it is named otherwise than its job, {one.job.name}"
            raise UsageError(wrong, path, DAMAGED, "E-RUN-EDITED")
        same = {"survey_hash": surveys.setdefault(survey_of(one.job), one.record["survey_hash"])}
        if settings is not None and one.job in settings:
            same["setting"] = settings[one.job]
        if other := [
            f"{name.replace('_hash', '')} ({short_hash(one.record[name])} and not {short_hash(value)})"
            for name, value in same.items()
            if one.record[name] != value
        ]:
            raise UsageError(f"this result is of another {shorten(other)}", path, OTHER, "E-COMPARE-MISMATCH")
        found[one.job] = one
    return found
