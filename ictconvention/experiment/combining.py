"""What several runs make of the same objects, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.prior import at_shares
from ictconvention.experiment.predict import Applied


@dataclass(frozen=True, eq=False)
class Combined:
    """What some runs of one model make of a survey together: the mean of their probabilities, and their spread.

    An object that some of the runs have trained on is predicted by the others alone; where all have, by all of them,
    and `trained` says so.

    Parameters
    ----------
    classes : sequence of str
    probability : array (n, classes)
        Rows that sum to 1.
    spread : array (n, classes)
        Standard deviation between the runs; NaN where fewer than two count.
    distance, unlike : arrays (n,)
        Means.
    frames : array (n,)
    trained : boolean array (n,)
    """

    classes: Sequence[str]
    probability: NDArray[np.float64]
    spread: NDArray[np.float64]
    distance: NDArray[np.float64]
    unlike: NDArray[np.float64]
    frames: NDArray[np.int64]
    trained: NDArray[np.bool_]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each object, (n,)."""
        return np.asarray(self.probability.argmax(1))

    @property
    def entropy(self) -> NDArray[np.float64]:
        """Entropy of the probabilities [nat], (n,): 0 is certain."""
        p = self.probability
        return np.asarray(-np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0), axis=1))


def combined(parts: Sequence[Applied], shares: NDArray[np.floating] | None) -> Combined:
    """Average what runs make of a survey.

    Parameters
    ----------
    parts : sequence of Applied
        Of networks for the same classes in the same order.
    shares : array (classes,), optional
        Shares of the classes that probabilities are wanted at; None: those of each run's own training.
    """
    trained = np.stack([part.trained for part in parts])
    counts = ~trained | trained.all(0)
    likely = np.stack([at_shares(p.likely, p.run.natural, p.run.natural if shares is None else shares) for p in parts])
    weight = counts / counts.sum(0)
    mean = np.einsum("rn,rnc->nc", weight, likely)
    several = counts.sum(0) > 1
    variance = np.einsum("rn,rnc->nc", counts.astype(float), (likely - mean) ** 2)
    spread = np.sqrt(variance / np.maximum(counts.sum(0) - 1, 1)[:, None])
    spread[~several] = np.nan
    first = parts[0]

    def averaged(name: str) -> NDArray[np.float64]:
        return np.asarray(np.einsum("rn,rn->n", weight, np.stack([getattr(part, name) for part in parts])))

    every = np.asarray(trained.all(0))
    distance, unlike = averaged("distance"), averaged("unlike")
    return Combined(first.run.task.classes, mean, spread, distance, unlike, first.frames, every)
