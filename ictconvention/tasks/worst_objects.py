"""The objects whose class all models together get most wrong. From probabilities; knows no survey."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior


@dataclass(frozen=True)
class WorstObject:
    """An object whose label the models do not believe.

    Parameters
    ----------
    id : str
    label : int
        Its class, a position in the class names.
    believed : float
        Probability of its label, the mean over seeds and models.
    said : array (models, classes)
        Probabilities of each model, the mean over its seeds.
    """

    id: str
    label: int
    believed: float
    said: NDArray[np.float64]


def worst_objects(models: Sequence[Pooled], most: int = 12) -> list[WorstObject]:
    """Return the objects of the least probability of their label at equal class shares.

    The worst object of every class comes first, then the second of every class, so that a large class leaves room to
    the small ones.

    Parameters
    ----------
    models : sequence of Pooled
        Pooled predictions of the same objects, one for each model.
    most : int
        How many objects.

    Returns
    -------
    list of WorstObject
        By class, the worst first.
    """
    first = models[0]
    said = np.stack([model.at(Prior.UNIFORM).mean(0) for model in models])
    believed = said[:, np.arange(len(first.label)), first.label].mean(0)
    rank = np.empty(len(first.label), dtype=np.int64)
    for c in np.unique(first.label):
        here = np.flatnonzero(first.label == c)
        rank[here[np.argsort(believed[here], kind="stable")]] = np.arange(len(here))
    chosen = np.lexsort((believed, rank))[:most]
    return [
        WorstObject(str(first.ids[i]), int(first.label[i]), float(believed[i]), said[:, i])
        for i in sorted(chosen, key=lambda i: (first.label[i], rank[i]))
    ]
