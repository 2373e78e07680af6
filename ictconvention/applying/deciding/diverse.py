"""Which of many objects to choose, each uncertain and unlike those chosen before it. Knows no run and no survey."""

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 10  # times the budget: so many of the most uncertain objects are chosen among


def find_candidates(doubt: NDArray[np.floating], budget: int) -> NDArray[np.int64]:
    """Return the objects that are chosen among, so many times the budget: the most doubtful, in falling doubt."""
    return np.argsort(-np.asarray(doubt), kind="stable")[: CANDIDATES * budget]


def choose_diverse(
    doubt: NDArray[np.floating],
    features: NDArray[np.floating],
    budget: int,
    precision: NDArray[np.floating] | None = None,
) -> NDArray[np.int64]:
    """Return the objects to choose, in the order of their choice, (at most budget,).

    The first is the one in most doubt. Each of the others has, among the candidates, the largest product of its doubt
    and its distance to the nearest chosen one: a greedy k-centre that doubt weighs. So no two that tell the same are
    chosen while others are left, nor what is merely odd.

    Parameters
    ----------
    doubt : array (n,)
        How much an observation would tell, from 0.
    features : array (n, features)
        What the objects are to a network.
    budget : int
        How many to choose.
    precision : array (features, features), optional
        Inverse covariance of the features, which measures distances; None: that of features scaled to unit scatter.
    """
    order = find_candidates(doubt, budget)
    if not len(order):
        return order
    weight, known = np.asarray(doubt, dtype=np.float64)[order], np.asarray(features, dtype=np.float64)[order]
    if precision is None:
        scatter = known.std(0)
        precision = np.diag(np.where(scatter > 0, scatter, np.inf) ** -2.0)
    nearest = np.full(len(order), np.inf)
    chosen = [0]
    while len(chosen) < min(budget, len(order)):
        away = known - known[chosen[-1]]
        nearest = np.minimum(nearest, np.sqrt(np.maximum(((away @ precision) * away).sum(1), 0)))
        value = weight * nearest
        value[chosen] = -1.0
        chosen.append(int(value.argmax()))  # of equal ones the most doubtful
    return order[chosen]
