"""Class-conditional conformal sets (Vovk 2012, Mondrian): of each class, as many objects as wanted have it in the set.

A class is in the set of an object unless the object is among the least typical of that class: its probability is ranked
among those of the validation objects of the class, which no weight was fitted to. If these and the object are alike,
that is exchangeable within their class, the set misses the class of at most 1 - coverage of its objects, whatever the
network is. They are not quite alike: validation has chosen the temperature, which costs nothing that can be measured,
and with `keep=best` the training epoch, which costs a little. Of networks that have nothing in common, the worst case,
the best of 30 misses 3 % more with 20 validation objects in a class and 1 % more with 100 (`tests/evaluation/sets`);
epochs of one training have much in common. The coverage of the tested objects, which chose nothing, is in each result.
Under other class shares nothing within a class changes, so that the weights of a weighted quantile would all be
equal: probabilities are moved to the shares first, those of validation too, and the ranks are exact at each.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SMALL = 1e-9  # by which a p-value may miss a bound that it equals in exact numbers
MERGED = 2.0  # times the mean of p-values of several networks is one, however they depend (Vovk & Wang 2020)


def p_values(
    validation: NDArray[np.floating], label: NDArray[np.integer], row: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return how typical objects are of each class, (m, classes), from above 0 to 1.

    It is (k + 1) / (n + 1), where k of the n validation objects of the class have at most the object's probability of
    it. Of objects of the class it is at most a in at most a share a of cases.

    Parameters
    ----------
    validation : array (n, classes)
        Probabilities of objects that no weight was fitted to.
    label : array (n,)
        Their classes.
    row : array (m, classes)
        Probabilities of the objects, at the same class shares.
    """
    found = np.empty(row.shape)
    for c in range(row.shape[1]):
        own = np.sort(validation[label == c, c])
        found[:, c] = (np.searchsorted(own, row[:, c], side="right") + 1) / (len(own) + 1)
    return found


def merge(of_groups: Sequence[NDArray[np.floating]], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the p-values (m, classes) of networks with validation parts of their own, together.

    Parameters
    ----------
    of_groups : sequence of arrays (m, classes)
        Those of each.
    counts : boolean array (groups, m)
        Which count for which object, at least one for each.
    """
    weight = counts.astype(np.float64)[:, :, None]
    mean = (np.stack(of_groups) * weight).sum(0) / weight.sum(0)
    several = (counts.sum(0) > 1)[:, None]
    return np.asarray(np.where(several, np.minimum(MERGED * mean, 1), mean))


def draw_sets(p: NDArray[np.floating], coverage: float) -> NDArray[np.bool_]:
    """Return which classes are in the sets, (m, classes): those of which the objects are typical enough."""
    return np.asarray(p > 1 - coverage + SMALL)


def least_objects(coverage: float, groups: int = 1) -> int:
    """Return how many validation objects a class needs; with fewer it is in every set.

    Parameters
    ----------
    coverage : float
        From 0 to 1, both exclusive.
    groups : int
        Networks with validation parts of their own that predict together.
    """
    factor = MERGED if groups > 1 else 1.0
    return int(np.ceil(factor / (1 - coverage) - SMALL)) - 1


def thresholds(validation: NDArray[np.floating], label: NDArray[np.integer], coverage: float) -> list[float | None]:
    """Return the probability from which on each class is in the set; None where it always is.

    The rank is that of the (n + 1)(1 - coverage) rule, so that these decide as `p_values` does at the same shares.
    """
    found: list[float | None] = []
    for c in range(validation.shape[1]):
        own = np.sort(validation[label == c, c])
        place = int(np.floor((1 - coverage) * (len(own) + 1) + SMALL)) - 1  # k + 1 must be above this product
        found.append(float(own[place]) if place >= 0 else None)
    return found
