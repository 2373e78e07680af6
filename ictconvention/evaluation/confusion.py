"""Confusion matrices, and every score that is counted from one. Knows no probability, no model and no survey."""

import numpy as np
from numpy.typing import NDArray


def confusion_counts(
    label: NDArray[np.integer],
    guess: NDArray[np.integer],
    classes: int,
    weight: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Return the confusion matrix (..., classes, classes), rows true and columns predicted.

    Parameters
    ----------
    label, guess : arrays (n,)
        True and predicted classes.
    classes : int
        Number of classes.
    weight : array (..., n), optional
        How often each object counts; once by default.
    """
    cell = label * classes + guess
    if weight is None:
        return np.bincount(cell, minlength=classes**2).reshape(classes, classes).astype(np.float64)
    counts = weight @ np.eye(classes**2, dtype=np.float32)[cell]
    return np.asarray(counts, dtype=np.float64).reshape(*counts.shape[:-1], classes, classes)


def confusion_scores(counts: NDArray[np.number]) -> dict[str, NDArray[np.float64]]:
    """Return the scores of confusion matrices (..., classes, classes), rows true; absent classes are left out.

    Returns
    -------
    dict of arrays
        (...,): `accuracy`; `balanced_accuracy`, the mean recall; `f1_macro`; `worst_class_recall`; `recall_spread`,
        the largest recall minus the smallest. (..., classes): `recall`, `precision` (0 where nothing is predicted as
        the class) and `f1`, all NaN where a class has no object.
    """
    counts = np.asarray(counts, dtype=np.float64)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    true, predicted = counts.sum(-1), counts.sum(-2)
    present = true > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(present, right / true, np.nan)
        precision = np.where(present, right / np.where(predicted > 0, predicted, 1), np.nan)
        f1 = np.where(present, 2 * right / (true + predicted), np.nan)
        worst = np.fmin.reduce(recall, axis=-1)
        return {
            "accuracy": right.sum(-1) / true.sum(-1),
            "balanced_accuracy": np.where(present, recall, 0).sum(-1) / present.sum(-1),
            "f1_macro": np.where(present, f1, 0).sum(-1) / present.sum(-1),
            "worst_class_recall": worst,
            "recall_spread": np.fmax.reduce(recall, axis=-1) - worst,
            "recall": recall,
            "precision": precision,
            "f1": f1,
        }
