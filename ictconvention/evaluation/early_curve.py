"""How soon a network knows: scores against the days since the first detection."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.measures import Measures, Rows
from ictconvention.evaluation.significance import interval, object_weights

DRAWS = 500  # of the bootstrap
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class EarlyPoint:
    """Scores after so many days, each with its 95 % interval (a bootstrap of sky groups).

    Parameters
    ----------
    days : float
        Since the first detection.
    frames : float
        Mean number of frames used.
    scores : mapping of str to tuple of float
        Value, lower and upper end, by the names of `Measures.early`.
    """

    days: float
    frames: float
    scores: Mapping[str, Interval]


def early_point(
    days: float,
    frames: NDArray[np.integer],
    rows: Rows,
    label: NDArray[np.generic],
    group: NDArray[np.integer],
    measures: Measures,
) -> EarlyPoint:
    """Score the predictions of objects (n,) of sky groups (n,) after so many days; absent classes are left out."""
    weight = object_weights(measures.strata(label), group, DRAWS, np.random.default_rng(0))
    value = measures.weigh(rows, label, np.ones((1, len(label)), dtype=np.float32))
    drawn = measures.weigh(rows, label, weight)
    scores = {name: (float(value[one.name][0]), *interval(drawn[one.name])) for name, one in measures.early.items()}
    return EarlyPoint(days, float(frames.mean()), scores)
