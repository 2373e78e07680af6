"""The table of predictions: of which runs, at which shares of the classes, and as which kind of file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention import __version__
from ictconvention.applying.combine import Combined, find_counting_runs
from ictconvention.applying.predict import SurveyPredictions
from ictconvention.applying.seen_objects import cannot_be_known
from ictconvention.configuration.overrides import command
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, did_you_mean, pluralize, readable_os_errors, shorten
from ictconvention.core.output_place import check_place
from ictconvention.core.partial_file import partial_beside
from ictconvention.evaluation.prior import Prior, estimate_shares, shares_interval
from ictconvention.files.user_table import read_number, read_text, read_user_table
from ictconvention.reading.json_file import JsonRecord
from ictconvention.runs.collection import find_runs, group_runs
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.kept import describe_answer
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.format import full_name
from ictconvention.survey.survey import Survey
from ictconvention.tasks.class_format import shares_in_words
from ictconvention.tasks.task import Task

FORMATS = {".parquet": "parquet", ".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits"}
SHARES = JsonRecord(
    dict[str, Any],
    UsageError,
    "E-TABLE-DAMAGED",
    'correct it: for example {"AGN": 0.2, "SN Ia": 0.8}',
    "a share for each class",
)
ESTIMATED = "at class shares estimated from this survey"
ALL_SHARES = ("train", "uniform", "estimate")
OF_OBJECTS = ("frames", "novelty", "distance", "seen_in_training")  # columns, whatever was learned
SPREAD = " spread"  # ends the name of a column: of an estimate, between the runs


def choose_runs(folder: Path, model: str | None = None) -> tuple[list[TrainedRun], list[str]]:
    """Return the run of a folder, or the runs of one model of a sweep, and what was left out of it.

    Parameters
    ----------
    folder : Path
        Folder of a run, or of a sweep; or `demo`, or hf://OWNER/NAME (see `locate_run`).
    model : str, optional
        Which model, where a sweep has several.

    Raises
    ------
    UsageError
        It is neither, it has several models and none was chosen, or its runs are not comparable.
    """
    folder = locate_run(folder)
    if RunFolder(folder).is_run or not folder.is_dir():
        return [read_trained(folder)], []
    found, left_out = find_runs(folder)
    if model is not None and any(run.model == model for run in found):
        found = [run for run in found if run.model == model]  # the others may lack folds
    collection = group_runs(found, left_out)
    names = list(collection.runs)
    if model is None and len(names) > 1:
        several = f"this sweep has several models: {shorten(names, 8)}"
        raise UsageError(several, folder, f"choose one: {command(['--model', names[0]])}", "E-SWEEP-MODEL")
    chosen = names[0] if len(names) == 1 and model in (None, collection.first.model) else model
    if chosen not in names:
        none = f"no model {model!r}{did_you_mean(str(model), names)}"
        raise UsageError(none, folder, f"choose among {shorten(names, 8)}", "E-SWEEP-MODEL")
    runs = [read_trained(run.folder) for run in collection.runs[chosen].values()]
    if any(run.task.names != runs[0].task.names for run in runs):
        raise UsageError(
            "these runs have other classes, or another order of them", folder, "predict by one of them", "E-SWEEP-MODEL"
        )
    return runs, list(collection.left_out)


def check_prior(prior: str | Mapping[str, float], run: TrainedRun) -> None:
    """Refuse shares, other than those of training, that have no meaning for what a run has learned; before it predicts.

    Raises
    ------
    UsageError
        The task of the run has no such shares.
    """
    if prior != "train" and not run.task.format.takes_prior:
        found = f"this run has learned {run.options.task.kind}, whose predictions are moved to no other class shares"
        raise UsageError(found, "--prior", "leave it out", "E-RUN-TASK")


def choose_shares(
    prior: str | Mapping[str, float],
    parts: Sequence[SurveyPredictions],
    interval: bool = True,
    forest: bool = False,
) -> tuple[NDArray[np.float64] | None, str]:
    """Return the shares of the classes to predict at, (classes,), and what is to be said of them.

    Parameters
    ----------
    prior : str or mapping
        "train": each run's own, None is returned; "uniform"; "estimate": from the predictions themselves; a share for
        each class by name; else a file, JSON such as {"AGN": 0.2, ...}, or a table with the columns class and share.
    parts : sequence of SurveyPredictions
        What the runs make of the survey.
    interval : bool
        Whether estimated shares get an interval, see `shares_interval`; it takes a second.
    forest : bool
        Whether a forest has joined, so that the tests of the runs do not say what is taken for what.

    Raises
    ------
    UsageError
        The file is not such a thing, or a share is not above 0.
    """
    task = parts[0].run.task
    classes = task.names
    if not isinstance(prior, str):
        given = {name: read_number({"share": share}, "share", "prior") for name, share in prior.items()}
        shares = check_shares(given, classes, "prior")
        return shares, f"at the class shares {shares_in_words(shares, classes)}"
    match prior:
        case "train":
            mean = np.mean([part.run.calibration.survey_prior for part in parts], axis=0)
            return None, f"at the {task.format.describe_prior(mean)}{describe_answer(RunFolder(parts[0].run.folder))}"
        case "uniform":
            return np.full(len(classes), 1 / len(classes)), "at equal class shares"
        case "estimate":
            there = np.flatnonzero(parts[0].frames)
            if not len(there):
                raise UsageError(
                    "no object has a frame to estimate the shares from",
                    "--prior",
                    "give other shares",
                    "E-PREDICT-NOTHING",
                )
            likely, priors = [part.row[there] for part in parts], [part.run.calibration.survey_prior for part in parts]
            counts = find_counting_runs(parts)[:, there]
            shares = estimate_shares(likely, priors, counts)
            if not interval:
                return shares, ESTIMATED
            ends = shares_interval(shares, likely, priors, counts, [] if forest else _tested(parts))
            each = zip(classes, shares, ends.low, ends.high, strict=True)
            said = ", ".join(f"{name} {share:.3f} ({low:.3f} to {high:.3f})" for name, share, low, high in each)
            how = "" if ends.with_confusion else ", of the draw of the objects alone"
            return shares, f"{ESTIMATED}, with 95% intervals{how}: {said}"
    shares = read_shares(Path(prior), classes)
    return shares, f"at the class shares of {prior}: {shares_in_words(shares, classes)}"


def _tested(
    parts: Sequence[SurveyPredictions],
) -> list[tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float64]]]:
    """Return the ids, labels and probabilities at its own shares of each run's test part; none if any lacks."""
    folders = [RunFolder(part.run.folder) for part in parts]
    if not all(folder.predictions().exists() for folder in folders):
        return []
    return [(one.ids, one.label, one.at(Prior.SURVEY)) for one in (folder.read_predictions() for folder in folders)]


def read_shares(path: Path, classes: Sequence[str]) -> NDArray[np.float64]:
    """Read shares of the classes from a file, and return them so that they sum to 1, (classes,).

    Raises
    ------
    UsageError
        It is not such a file, names another class or leaves one out, or a share is not above 0.
    """
    if not path.exists():
        found = f"there is no file {str(path)!r}{did_you_mean(str(path), ALL_SHARES)}"
        raise UsageError(found, "--prior", f"give {', '.join(ALL_SHARES)}, or a file of shares", "E-FILES-MISSING")
    if path.suffix.lower() == ".json":
        content = SHARES.read(path)
        given = {str(name): read_number({"share": share}, "share", str(path)) for name, share in content.items()}
    else:
        table = read_user_table(path, ("class", "share"))
        rows = enumerate(table.rows)
        given = {}
        for number, row in rows:
            if (name := read_text(row, "class") or "") in given:
                raise UsageError(
                    f"the class {name!r} stands twice",
                    table.where(number),
                    "give each class one share",
                    "E-SHARES-CLASSES",
                )
            given[name] = read_number(row, "share", table.where(number))
    return check_shares(given, classes, path)


def check_shares(given: Mapping[str, float], classes: Sequence[str], where: str | Path) -> NDArray[np.float64]:
    """Return shares of the classes in their order so that they sum to 1, (classes,).

    Raises
    ------
    UsageError
        Another class is named or one is left out, or a share is not above 0.
    """
    fix = f"give one share above 0 for each of {', '.join(classes)}"
    if other := [name for name in given if name not in classes]:
        raise UsageError(f"unknown class {other[0]!r}{did_you_mean(other[0], classes)}", where, fix, "E-CLASS-UNKNOWN")
    if absent := [name for name in classes if name not in given]:
        raise UsageError(f"no share of {shorten(absent)}", where, fix, "E-SHARES-CLASSES")
    if wrong := [name for name in classes if not 0 < given[name] < np.inf]:
        raise UsageError(f"the share of {wrong[0]} is {given[wrong[0]]:g}", where, fix, "E-VALUE-RANGE")
    shares = np.array([given[name] for name in classes])
    return np.asarray(shares / shares.sum())


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
