"""The shares of the classes to predict at: those of training, equal ones, a file's, or an estimate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.combine import find_counting_runs
from ictconvention.applying.predict import SurveyPredictions
from ictconvention.core.errors import UsageError, did_you_mean, shorten
from ictconvention.evaluation.prior import Prior, estimate_shares, shares_interval
from ictconvention.files.user_table import read_number, read_text, read_user_table
from ictconvention.reading.json_file import JsonRecord
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.kept import describe_answer
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.tasks.class_format import shares_in_words

SHARES = JsonRecord(
    dict[str, Any],
    UsageError,
    "E-TABLE-DAMAGED",
    'correct it: for example {"AGN": 0.2, "SN Ia": 0.8}',
    "a share for each class",
)
ESTIMATED = "at class shares estimated from this survey"
ALL_SHARES = ("train", "uniform", "estimate")


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
