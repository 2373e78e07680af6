"""How far predicted shares of classes are from known ones: the divergence by which a public challenge ranks them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPSILON = 1e-7  # added to each share, as that challenge does


def normalised(shares: NDArray[np.floating]) -> Floats:
    """Return shares (..., classes) that sum to 1; NaN where all are 0, or one is not known."""
    shares = np.asarray(shares, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(shares / shares.sum(-1, keepdims=True))


def divergences(known: NDArray[np.floating], predicted: NDArray[np.floating]) -> Floats:
    """Return the divergence of each picture (n,): the sum of (y + e) log((y + e) / (p + e)), e = 1e-7.

    Both are normalised first, over the classes that are given. NaN where no share is known.

    Parameters
    ----------
    known, predicted : arrays (n, classes)
        Shares y and p, or numbers of pixels.

    Examples
    --------
    >>> from ictconvention.evaluation.masks.kl import divergences
    >>> divergences(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])).round(4)
    array([0.6931])
    """
    y, p = normalised(known) + EPSILON, normalised(predicted) + EPSILON
    return np.asarray((y * np.log(y / p)).sum(-1))


def mean_divergence(known: NDArray[np.floating], predicted: NDArray[np.floating]) -> float | None:
    """Return the mean divergence of pictures, those without a known share left out; None where there is no other."""
    found = divergences(known, predicted)
    there = np.isfinite(normalised(known)).all(-1)
    return float(found[there].mean()) if there.any() else None
