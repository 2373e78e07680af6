"""How soon a classifier knows: macro F1 and the worst recall against the days since the first detection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores
from ictconvention.evaluation.significance import interval, object_weights

DRAWS = 500  # of the bootstrap


@dataclass(frozen=True)
class EarlyPoint:
    """Scores after so many days, each with its 95 % interval (a bootstrap of sky groups).

    Parameters
    ----------
    days : float
        Since the first detection.
    frames : float
        Mean number of frames used.
    f1_macro, worst_recall : tuples of float
        Value, lower and upper end.
    """

    days: float
    frames: float
    f1_macro: tuple[float, float, float]
    worst_recall: tuple[float, float, float]


def early_point(
    days: float,
    frames: NDArray[np.integer],
    guess: NDArray[np.integer],
    label: NDArray[np.integer],
    group: NDArray[np.integer],
) -> EarlyPoint:
    """Score the predictions (n,) of objects (n,) of sky groups (n,) after so many days; absent classes are left out."""
    classes = int(max(guess.max(), label.max())) + 1
    weight = object_weights(label, group, DRAWS, np.random.default_rng(0))
    value = confusion_scores(confusion_counts(label, guess, classes))
    drawn = confusion_scores(confusion_counts(label, guess, classes, weight))
    f1, worst = ((float(value[name]), *interval(drawn[name])) for name in ("f1_macro", "worst_class_recall"))
    return EarlyPoint(days, float(frames.mean()), f1, worst)
