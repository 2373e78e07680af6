"""Where a survey says the truth of what is predicted of it, and how right predictions are there, in words."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import IctConventionError, pluralize
from ictconvention.evaluation.measures import Measure
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.survey.labels.selected import read_extra
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task


def truth_is_known(task: Task, survey: Survey) -> NDArray[np.bool_]:
    """Return of which objects (n,) of a survey the truth is known; errors as of `Task.read_labels`."""
    return np.asarray(task.kinds(task.read_labels(survey)) != UNLABELLED)


def describe_scores(
    task: Task, survey: Survey, row: NDArray[np.float64], unseen: NDArray[np.bool_], frames: NDArray[np.integer]
) -> list[str]:
    """Return how right predictions of a survey are, a line for the objects, and one for additional test objects.

    Scored are the objects whose truth is known, that have a frame, and that no run has seen. Nothing is said of a
    survey that knows no truth, and of one whose truth is impossible that it is: predictions need none.

    Parameters
    ----------
    task : Task
        What was learned.
    survey : Survey
        Of n objects.
    row : array (n, outputs)
        What is predicted of each.
    unseen : boolean array (n,)
        Which objects neither trained nor validated the runs that predict them.
    frames : array (n,)
        How many frames of each were used.
    """
    try:
        known, truth = truth_is_known(task, survey), task.read_truth(survey)
        extra = read_extra(survey.object_table())
    except IctConventionError as error:
        return [f"not scored: {error.found}"]
    return list(_lines(task, row, truth, known, unseen & (frames > 0), extra))


def _lines(
    task: Task,
    row: NDArray[np.float64],
    truth: NDArray[np.generic],
    known: NDArray[np.bool_],
    counts: NDArray[np.bool_],
    extra: NDArray[np.bool_],
) -> Iterator[str]:
    """Yield the scores of objects whose truth is known and that count, or why there are none."""
    if not known.any():
        return
    whose = f"whose {task.truth} is known"
    if not (known & counts).any():
        all_ = pluralize(int(known.sum()), "object")
        yield f"not scored: all {all_} {whose} trained or validated this network, or have no frame"
    for those, kind in ((~extra, "object"), (extra, "additional test object")):
        if not (here := known & counts & those).any():
            continue
        found = task.measures.score(task.rows_of(row[here]), truth[here])
        words = [_written(one, found.get(one.name)) for one in task.measures.of_predictions]
        kinds = f" ({said})" if (said := task.measures.count_in_words(truth[here])) else ""
        those_said = f"{pluralize(int(here.sum()), kind)} {whose} and that neither trained nor validated this network"
        yield f"scored on {those_said}{kinds}: {', '.join(words)}"


def _written(one: Measure, value: float | None) -> str:
    return f"{one.title} -" if value is None else f"{one.title} {one.write(value)}{' %' if one.unit == '%' else ''}"
