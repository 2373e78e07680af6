"""What several runs make of the same objects, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.predict import SurveyPredictions
from ictconvention.evaluation.prior import at_shares
from ictconvention.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Combined:
    """What some runs of one model make of a survey together: the mean of their rows, and the spread of what these say.

    An object that some of the runs have trained on is predicted by the others alone; where all have, by all of them,
    and `seen_in_training` says so.

    Parameters
    ----------
    task : Task
        What the runs have learned.
    row : array (n, outputs)
        What is predicted of each, rows that sum to 1: of classes, their probabilities.
    spread : mapping of str to arrays (n,)
        Standard deviation between the runs of each of the task's `estimates`; NaN where fewer than two count.
    distance, novelty : arrays (n,)
        Means.
    frames : array (n,)
    seen_in_training : boolean array (n,)
    """

    task: Task
    row: NDArray[np.float64]
    spread: Mapping[str, NDArray[np.float64]]
    distance: NDArray[np.float64]
    novelty: NDArray[np.float64]
    frames: NDArray[np.int64]
    seen_in_training: NDArray[np.bool_]


def find_counting_runs(parts: Sequence[SurveyPredictions]) -> NDArray[np.bool_]:
    """Return which runs count for which objects (runs, n): those that have not seen it, or all where all have."""
    trained = np.stack([part.seen_in_training for part in parts])
    return np.asarray(~trained | trained.all(0))


def combine(parts: Sequence[SurveyPredictions], shares: NDArray[np.floating] | None) -> Combined:
    """Average what runs make of a survey.

    Parameters
    ----------
    parts : sequence of SurveyPredictions
        Predictions of networks for the same outputs in the same order.
    shares : array (outputs,), optional
        Shares of the outputs (classes) that rows are wanted at; None: those of each run's own training.
    """
    counts, first, task = find_counting_runs(parts), parts[0], parts[0].run.task
    if shares is None:
        rows = [part.row / part.row.sum(1, keepdims=True) for part in parts]
    else:
        rows = [at_shares(part.row, part.run.calibration.survey_prior, shares) for part in parts]
    mean = _averaged(np.stack(rows), counts[:, :, None])
    estimates = [task.format.estimates(row) for row in rows]
    spread = {name: _spread(np.stack([one[name] for one in estimates]), counts) for name in estimates[0]}
    distance = _averaged(np.stack([part.distance for part in parts]), counts)
    novelty = _averaged(np.stack([part.novelty for part in parts]), counts)
    seen = np.logical_and.reduce([part.seen_in_training for part in parts])
    return Combined(task, mean, spread, distance, novelty, first.frames, np.asarray(seen))


def _spread(values: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the standard deviation (n,) of values (runs, n) over the runs that count; NaN where fewer than two do."""
    number = counts.sum(0)
    variance = _averaged((values - _averaged(values, counts)) ** 2, counts) * (number / np.maximum(number - 1, 1))
    variance[number < 2] = np.nan
    return np.asarray(np.sqrt(variance))


def _averaged(values: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the runs that count; what the others say does not matter, were it NaN."""
    return np.asarray(np.where(counts, values, 0).sum(0) / counts.sum(0))
