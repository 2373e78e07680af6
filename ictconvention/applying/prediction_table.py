"""The table of predictions: its columns, what it says of itself, and as which kind of file it is written."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from ictconvention import __version__
from ictconvention.applying.combine import Combined
from ictconvention.applying.seen_objects import cannot_be_known
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors
from ictconvention.core.output_place import check_place
from ictconvention.core.partial_file import partial_beside
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import full_name
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task

FORMATS = {".parquet": "parquet", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits"}
OF_OBJECTS = ("frames", "novelty", "distance", "seen_in_training")  # columns, whatever was learned
SPREAD = " spread"  # ends the name of a column: of an estimate, between the runs


def check_names(runs: Sequence[TrainedRun], columns: Iterable[str] = OF_OBJECTS) -> None:
    """Refuse runs one of whose classes has the name of another column of a table, before anything is predicted.

    Parameters
    ----------
    runs : sequence of TrainedRun
        Of one model; several have columns of their spread.
    columns : iterable of str
        Those of the table besides id, the columns of the task, and the spreads.

    Raises
    ------
    UsageError
        Naming the class.
    """
    form = runs[0].task.format
    one = np.full((1, len(form.names)), 1 / len(form.names))
    estimates = [*form.estimates(one)]
    spreads = [f"{name}{SPREAD}" for name in estimates] if len(runs) > 1 else []
    others = {"id", *form.further_columns(one), *columns, *spreads}
    if taken := [name for name in estimates if name in others]:
        found = f"a class is called {taken[0]!r}, as a column of the table is"
        raise UsageError(found, runs[0].folder, "train a network on a survey that calls it otherwise", "E-CLASS-NAME")


def prediction_table(
    found: Combined, survey: Survey, runs: Sequence[TrainedRun], said: str, days: float | None = None
) -> Table:
    """Return a row for each object: id, the columns of the task, frames, novelty, and so on.

    Of classes, the task's columns are the probability of each, predicted, and entropy [nat]. `check_names` has passed
    the names of the outputs.
    """
    form = found.task.format
    columns: dict[str, Any] = {
        "id": np.array(survey.ids, dtype=str),
        **form.estimates(found.row),
        **form.further_columns(found.row),
        **{name: getattr(found, name) for name in OF_OBJECTS},
    }
    if len(runs) > 1:
        columns |= {f"{name}{SPREAD}": spread for name, spread in found.spread.items()}
    table = Table(columns)
    table.meta = {
        "SURVEY": survey.header.name,
        "SIMULATD": survey.header.simulated,
        "RUNS": ", ".join(run.hash[:8] for run in runs),
        "TRAINED": full_name(runs[0].survey["name"], runs[0].survey["simulated"]),
        "PRIOR": said,
        "DAYS": "all" if days is None else f"{days:g}",
        "VERSION": __version__,
        **form.metadata,
    }
    if (shift := runs[0].options.shift.kind) != "none":
        table.meta["SHIFT"] = shift
    return table


def check_output(path: Path, ids: Iterable[str], task: Task) -> None:
    """Refuse a file that could not be written, before hours are spent on what goes into it.

    Raises
    ------
    UsageError, FileSystemError
        Its ending is not a format, or one that cannot hold the letters of an id or a class, or the lists of a column;
        or no output may go there (see `check_place`).
    """
    texts = (*ids, *task.format.letters)
    if path.suffix.lower() not in FORMATS:
        found = f"{path.suffix or 'no ending'!r} is not a format of tables"
        raise UsageError(found, path, f"end the name in {', '.join(FORMATS)}", "E-FILES-ENDING")
    if path.suffix.lower() == ".fits" and (odd := [name for name in texts if not name.isascii()]):
        raise UsageError(
            f"FITS holds ASCII alone, and {odd[0]!r} is not",
            path,
            "end the name in .parquet or .ecsv",
            "E-FILES-ENDING",
        )
    one = np.full((1, len(task.names)), 1 / len(task.names))
    lists = [name for name, values in task.format.further_columns(one).items() if values.ndim > 1]
    if path.suffix.lower() == ".csv" and lists:
        found = f"CSV holds no lists, and the column {lists[0]} has one for each object"
        raise UsageError(found, path, "end the name in .parquet, .ecsv or .fits", "E-FILES-ENDING")
    target = check_place(path, "writing the predictions")
    trial = partial_beside(target)
    with readable_os_errors("writing the predictions", path):
        trial.touch()
        trial.unlink()


def save_table(table: Table, path: Path) -> None:
    """Write the table, whole, in the format that the name ends in; errors as of `check_output`."""
    kind = FORMATS[path.suffix.lower()]
    if kind == "fits":  # its header holds ASCII alone
        table = table.copy()
        for key, value in table.meta.items():
            table.meta[key] = value.encode("ascii", "replace").decode() if isinstance(value, str) else value
    with whole_file(path, "writing the predictions") as partial:
        table.write(partial, format=kind, overwrite=True)


def in_words(found: Combined, runs: Sequence[TrainedRun], survey: Survey) -> list[str]:
    """Return what a person wants to know at once: what was predicted, how many are unlike, how many have trained."""
    form = found.task.format
    said = form.describe(found.row)
    lines = [f"survey {survey.header.full_name}, {pluralize(len(survey), 'object')}" + (f": {said}" if said else "")]
    if np.isnan(found.novelty).all():
        file = RunFolder(runs[0].folder).reference.name
        lines.append(f"novelty: empty, since this run kept no {file}; one of this version does")
    else:
        share = float((found.novelty[np.isfinite(found.novelty)] > 0.95).mean())
        like = "; of objects that are like it, about 5%" if len(runs) == 1 else ", in the mean of the runs"
        lines.append(f"unlike the training survey (above 0.95): {share:.1%}{like}")
    if trained := int(found.seen_in_training.sum()):
        lines.append(
            f"{pluralize(trained, 'object')} trained or validated this network: the column `seen_in_training`; do not "
            "score on them"
        )
    if nowhere := max(cannot_be_known(run, survey) for run in runs):
        lines.append(
            f"{pluralize(nowhere, 'object')} without a position: whether they trained or validated this network is not "
            "known"
        )
    if none := int((found.frames == 0).sum()):
        lines.append(f"{pluralize(none, 'object')} without a frame by then: {form.without_frames}")
    return lines
