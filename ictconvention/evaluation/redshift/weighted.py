"""Statistics of objects that count so often: medians, scatter, and distances of distributions. Knows no redshift.

All take how often each object counts, (replicates, n), so that a bootstrap needs no loop over its replicates.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GAUSSIAN = 1.4826  # standard deviation of a Gaussian over its median deviation


def weighted_median(x: Floats, weight: Floats) -> Floats:
    """Return the median (replicates,) of values (n,), or (replicates, n), that count so often (replicates, n)."""
    order = np.argsort(x, axis=-1)
    x = np.broadcast_to(np.take_along_axis(x, order, -1), weight.shape)
    counted = weight[:, order] if order.ndim == 1 else np.take_along_axis(weight, order, 1)
    above = np.cumsum(counted, axis=1)
    half = above[:, -1:] / 2
    first, last = (above >= half).argmax(1), (above > half).argmax(1)
    rows = np.arange(len(x))
    return np.asarray((x[rows, first] + x[rows, last]) / 2)


def weighted_mean(x: Floats, weight: Floats) -> Floats:
    """Return the mean (replicates,) of values (n,); NaN where nothing counts."""
    total = weight.sum(1)
    return np.where(total > 0, weight @ x / np.where(total > 0, total, 1), np.nan)


def scatter(x: Floats, weight: Floats) -> Floats:
    """Return 1.4826 median |x - median x| (replicates,) of values (n,); NaN where nothing counts."""
    if not len(x):
        return np.full(len(weight), np.nan)
    deviation = np.abs(x - weighted_median(x, weight)[:, None])
    found = GAUSSIAN * weighted_median(deviation, weight)
    return np.where(weight.any(1), found, np.nan)


def distances_from_uniform(u: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the statistics (replicates,) of Kolmogorov and Smirnov, and of Cramer and von Mises, of values in 0..1."""
    order = np.argsort(u)
    u, counted = u[order], np.cumsum(weight[:, order], axis=1)
    total = counted[:, -1:]
    share = np.concatenate([np.zeros((len(weight), 1)), counted / total], axis=1)  # below, and from each value on
    largest = np.maximum((share[:, 1:] - u).max(1), (u - share[:, :-1]).max(1))
    ends = np.concatenate([[0], u, [1]])
    squares = share**2 @ np.diff(ends) - share @ np.diff(ends**2) + 1 / 3  # of share - u, over all steps
    return largest, total[:, 0] * squares


def transport_distance(place: Floats, mass: Floats, x: Floats, weight: Floats) -> Floats:
    """Return the Wasserstein distance (replicates,) of mass (replicates, m) at places (m,) from values (n,)."""
    places = np.concatenate([place, x])
    order = np.argsort(places)
    both = np.concatenate([mass / mass.sum(1, keepdims=True), -weight / weight.sum(1, keepdims=True)], axis=1)
    between = np.abs(np.cumsum(both[:, order], axis=1))[:, :-1]
    return np.asarray(between @ np.diff(places[order]))
