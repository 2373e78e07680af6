"""Numbers of a set of predictions: how often right, how even over the classes, how honest the probabilities."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores

CONFIDENCE_BINS = 15


def scores(probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: Sequence[str]) -> dict[str, Any]:
    """Score predictions against the truth.

    A class without an object among the labels has None where its truth is needed, and is left out of every mean over
    classes.

    Parameters
    ----------
    probabilities : array (n, classes)
        Rows that sum to 1.
    labels : array (n,)
        True classes, positions in `classes`.
    classes : sequence of str
        Their names.

    Returns
    -------
    dict
        Plain numbers: `objects`; `accuracy`; `balanced_accuracy`, the mean recall; `f1_macro`; `worst_class_recall`;
        `recall_spread`, the largest recall minus the smallest; `auroc_macro`, one class against the rest;
        `auroc_pairs`, one class against one other, see `pairwise_auroc`;
        `average_precision_macro`; `log_loss` [nat]; `brier`, summed over classes, from 0 to 2; `calibration_error` of
        the largest probability, in `CONFIDENCE_BINS` bins of equal width; `classwise_calibration_error`, the mean over
        all classes; `confusion`, rows true and columns predicted; and by name in `classes` each class's `objects`,
        `recall`, `precision`, `f1`, `auroc`, `average_precision`, `calibration_error` of its own probability.

    Raises
    ------
    ValueError
        There is no object, the shapes do not fit, or the rows are no probabilities.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    every = np.arange(len(classes))
    if len(labels) == 0 or probabilities.shape != (len(labels), len(classes)) or not np.isin(labels, every).all():
        raise ValueError(f"{probabilities.shape} probabilities for {len(labels)} labels and {len(classes)} classes")
    if not (np.isfinite(probabilities).all() and np.allclose(probabilities.sum(1), 1, atol=1e-4)):
        raise ValueError("the probabilities are not finite, or a row does not sum to 1")
    probabilities = probabilities / probabilities.sum(1, keepdims=True)
    guess, truth = probabilities.argmax(1), labels[:, None] == every
    present = truth.any(0)
    confusion = confusion_counts(labels, guess, len(classes)).astype(int)
    counted = confusion_scores(confusion)
    ranked = present & ~truth.all(0)  # a ranking needs objects on both sides
    auroc, average_precision = np.full((2, len(classes)), np.nan)
    for c in np.flatnonzero(ranked):
        auroc[c] = roc_auc_score(truth[:, c], probabilities[:, c])
        average_precision[c] = average_precision_score(truth[:, c], probabilities[:, c])
    table = {name: counted.pop(name) for name in ("recall", "precision", "f1")}
    table |= {"auroc": auroc, "average_precision": average_precision}
    of_class = class_calibration_errors(probabilities, labels)
    table["calibration_error"] = np.where(present, of_class, np.nan)
    return {
        "objects": len(labels),
        **{name: float(value) for name, value in counted.items()},
        "auroc_macro": _number(auroc[ranked].mean()) if ranked.any() else None,
        "auroc_pairs": pairwise_auroc(probabilities, labels),
        "average_precision_macro": _number(average_precision[ranked].mean()) if ranked.any() else None,
        "log_loss": float(log_loss(labels, probabilities, labels=every)),
        "brier": float(((probabilities - truth) ** 2).sum(1).mean()),
        "calibration_error": calibration_error(probabilities.max(1), guess == labels),
        "classwise_calibration_error": float(of_class.mean()),
        "confusion": confusion.tolist(),
        "classes": {
            name: {"objects": int(confusion[c].sum())} | {key: _number(values[c]) for key, values in table.items()}
            for c, name in enumerate(classes)
        },
    }


def pairwise_auroc(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float | None:
    """Return the mean over pairs of classes of the area under the ROC of one against the other (Hand & Till 2001).

    Of a pair it is the mean of two: the objects of both classes ranked by the probability of the one, and by that of
    the other. Class shares do not matter to it. None where fewer than two classes have an object.

    Parameters
    ----------
    probabilities : array (n, classes)
        Of each class.
    labels : array (n,)
        True classes.
    """
    rows = {c: probabilities[labels == c] for c in np.unique(labels).tolist()}
    areas = [
        _area(rows[a][:, a], rows[b][:, a]) / 2 + _area(rows[b][:, b], rows[a][:, b]) / 2
        for a, b in combinations(rows, 2)
    ]
    return float(np.mean(areas)) if areas else None


def _area(higher: NDArray[np.floating], lower: NDArray[np.floating]) -> float:
    """Return how often one of the first is above one of the second, ties for a half."""
    rank = rankdata(np.concatenate([higher, lower]))[: len(higher)].sum()
    return float((rank - len(higher) * (len(higher) + 1) / 2) / (len(higher) * len(lower)))


def calibration_error(
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    bins: int = CONFIDENCE_BINS,
    weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the expected calibration error: mean distance of confidence and accuracy, over bins of equal width.

    Parameters
    ----------
    confidence : array (n,)
        Probability of the predicted class, from 0 to 1.
    right : array (n,)
        Whether the prediction was right.
    bins : int
        Their number; each weighs as many objects as it holds.
    weight : array (n,), optional
        How many objects each counts for; by default one.
    """
    weight = np.ones(len(confidence)) if weight is None else weight
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    surplus = np.bincount(place, weight * (confidence - right), minlength=bins)
    return float(np.abs(surplus).sum() / weight.sum())


def class_calibration_errors(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return of each class (classes,) how far its probabilities (n, classes) are from how often objects are of it.

    The class-wise expected calibration error (Kull et al. 2019), in `CONFIDENCE_BINS` bins of equal width: an object
    counts in all classes, whatever is predicted, so that a rare class is not hidden behind the common ones.
    """
    likely = np.asarray(probabilities, dtype=np.float64)
    return np.array([calibration_error(likely[:, c], labels == c) for c in range(likely.shape[1])])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
