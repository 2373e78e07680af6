"""Early predictions: the same objects from their first days alone, more days at a time."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.class_shares import choose_shares
from ictconvention.applying.combine import combine
from ictconvention.applying.predict import PredictOptions, Progress, predict_survey
from ictconvention.applying.seen_objects import seen_by
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.core.output_place import check_place
from ictconvention.drawing.early_curve import draw_early_curve
from ictconvention.drawing.figure_file import check_figure_name, save_figure
from ictconvention.evaluation.early_curve import EarlyPoint, early_point
from ictconvention.feeding.survey_dataset import day_zero
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey
from ictconvention.tasks.known_truth import truth_is_known

DAYS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 365, 730, 1460)


def check_curve(
    path: Path, runs: Sequence[TrainedRun], survey: Survey, predictions: Path, inputs: Sequence[Path | None] = ()
) -> None:
    """Refuse a curve that could not be drawn, or would take the place of the predictions.

    Raises
    ------
    UsageError
        The name ends in no image format, or the figure or its CSV is the file of the predictions, one of the inputs, or
        in a survey or a run; no object has a label and trained none of the runs, or all were seen on one day alone.
    FileSystemError
        The figure or its CSV cannot be there.
    """
    check_figure_name(path)
    for own in (path, path.with_suffix(".csv")):
        if check_place(own, "saving the curve", inputs) == Path(os.path.realpath(predictions)):
            found = f"the curve writes {own.name}, and the predictions are to have that name"
            raise UsageError(
                found, own, "give the curve another name: its CSV has the name of the figure", "E-COMMAND-CONFLICT"
            )
    some = survey.select(_scored(runs, survey))
    if not _longest(some) > DAYS[0]:
        found = f"no object was observed later than {DAYS[0]} day after its first detection"
        fix = "leave out --curve: it would be a single point, and scores of known objects are said without it"
        raise UsageError(found, survey.path, fix, "E-PREDICT-NOTHING")


def save_early_curve(
    path: Path,
    runs: Sequence[TrainedRun],
    survey: Survey,
    options: PredictOptions,
    prior: str,
    progress: Progress = lambda done, total: None,
) -> tuple[Path, Path]:
    """Draw scores (macro F1, the worst recall) against the days since the first detection, and write them as CSV.

    Scored are labelled objects that some run has not trained on, by the runs that have not.

    Parameters
    ----------
    path : Path
        Path of the figure; the CSV has its name with another ending.
    runs : sequence of TrainedRun
        Which are averaged.
    survey : Survey
        With labels.
    options : PredictOptions
        How predictions are made; `days` is the last day, if set.
    prior : str
        Shares of the classes to predict at, see `choose_shares`; those that are estimated are so from the same days.
    progress : function
        Called with the number of passes over the survey, and their total.

    Returns
    -------
    tuple of Path
        The figure and the CSV.
    """
    scored = _scored(runs, survey)
    some = survey.select(scored)
    task = runs[0].task
    label, measures = task.read_truth(some), task.measures
    group = task.groups_of(survey, some.ids)
    longest = min(np.ceil(_longest(some)), np.inf if options.days is None else options.days)
    grid = [*(float(day) for day in DAYS if day < longest), float(longest)]
    points: list[EarlyPoint] = []
    for number, days in enumerate(grid):
        parts = [predict_survey(run, some, replace(options, days=days)) for run in runs]
        found = combine(parts, choose_shares(prior, parts, interval=False)[0])
        points.append(early_point(days, found.frames, task.rows_of(found.row), label, group, measures))
        progress(number + 1, len(grid))
    title = f"{pluralize(len(some), 'object')}, {runs[0].options.name}"
    save_figure(draw_early_curve(points, measures.early, title, survey.header.full_name), path)
    numbers = path.with_suffix(".csv")
    with whole_file(numbers, "saving the curve") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        scores = [f"{score}{end}" for score in measures.early for end in ("", "_low", "_high")]
        writer.writerow(["days", "frames", *scores])
        writer.writerows([p.days, p.frames, *chain.from_iterable(p.scores.values())] for p in points)
    return path, numbers


def _scored(runs: Sequence[TrainedRun], survey: Survey) -> NDArray[np.bool_]:
    """Return which objects have a label and neither trained nor validated all of the runs."""
    task = runs[0].task
    known = truth_is_known(task, survey)
    scored = known & ~np.logical_and.reduce([seen_by(run, survey) for run in runs])
    if not scored.any():
        found = "no object has a label" if not known.any() else "all labelled objects trained or validated the network"
        raise UsageError(
            f"{found}: nothing can be scored",
            survey.path,
            "leave out --curve, or give other objects",
            "E-PREDICT-NOTHING",
        )
    return np.asarray(scored)


def _longest(survey: Survey) -> float:
    """Return the longest time from an object's first detection to its last frame [days]."""
    return float((np.array([series.mjd[-1] for series in survey]) - day_zero(survey)).max())
