"""Put groups of objects into places, so that each place gets its number of every class. Knows no survey."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.survey.labels.targets import Ints


def allocate(members: Ints, targets: Ints, avoid: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Put each group into a place, so that the counts of each class come as near to the targets as groups allow.

    Parameters
    ----------
    members : array (G, C)
        Objects of each class in each group; groups without any get -1.
    targets : array (P, C)
        Objects of each class wanted in each place.
    avoid : array (G, P)
        Places a group is not put into.
    rng : Generator
        Draws among equals.

    Returns
    -------
    array (G,)
        A place for each group: large groups first, each where its classes are needed most; then single objects fill
        up, which meets the targets exactly when there are enough of them.
    """
    place = np.full(len(members), -1)
    left = targets.astype(np.int64).copy()
    size = members.sum(axis=1)
    scale = np.maximum(members.sum(axis=0), 1)
    crowds = np.flatnonzero(size > 1)
    crowds = crowds[np.lexsort((rng.permutation(len(crowds)), -size[crowds]))]
    bound = np.flatnonzero((size == 1) & avoid.any(axis=1))
    for g in [*crowds, *rng.permutation(bound)]:
        need = np.where(members[g] > 0, left / scale, np.inf).min(axis=1)
        place[g] = np.where(avoid[g], -np.inf, need).argmax()
        left[place[g]] -= members[g]
    for c in range(members.shape[1]):
        single = np.flatnonzero((size == 1) & ~avoid.any(axis=1) & (members[:, c] == 1))
        filling = np.maximum(left[:, c], 0)
        while filling.sum() > len(single):
            filling[filling.argmax()] -= 1
        while filling.sum() < len(single):
            filling[(left[:, c] - filling).argmax()] += 1
        place[single] = rng.permutation(np.repeat(np.arange(len(filling)), filling))
    return place
