"""What is counted from a confusion matrix of pixels: intersection over union, and accuracy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def iou(confusion: NDArray[np.number]) -> Floats:
    """Return the intersection over union of each class (..., classes); NaN of one neither known nor predicted.

    Parameters
    ----------
    confusion : array (..., classes, classes)
        Numbers of pixels, rows true and columns predicted.

    Examples
    --------
    >>> from ictconvention.evaluation.masks.pixels import iou
    >>> iou(np.array([[3, 1], [2, 4]])).round(3)
    array([0.5  , 0.571])
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    both = np.diagonal(confusion, axis1=-2, axis2=-1)
    either = confusion.sum(-1) + confusion.sum(-2) - both
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(either > 0, both / either, np.nan)


def mean_iou(confusion: NDArray[np.number]) -> Floats:
    """Return the mean intersection over union (...,) of the classes that have known pixels; NaN without any."""
    present = np.asarray(confusion).sum(-1) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(present, np.nan_to_num(iou(confusion)), 0).sum(-1) / present.sum(-1))


def accuracy(confusion: NDArray[np.number]) -> Floats:
    """Return the share of the known pixels (...,) whose class is predicted; NaN without any."""
    confusion = np.asarray(confusion, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1).sum(-1) / confusion.sum((-2, -1)))


def pixel_scores(confusion: NDArray[np.number], names: Sequence[str]) -> dict[str, Any]:
    """Return `miou`, `accuracy`, and `iou` of each class by name, in plain values; None where there is none."""
    each = dict(zip(names, map(_plain, iou(confusion)), strict=True))
    return {"miou": _plain(mean_iou(confusion)), "accuracy": _plain(accuracy(confusion)), "iou": each}


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
