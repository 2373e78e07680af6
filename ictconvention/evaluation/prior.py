"""The shares of the classes where predictions are used: given, or estimated from the predictions themselves."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

STEPS, CHANGE = 10_000, 1e-8  # of the iteration: at most so many, until no share changes by more
IMAGINED = 10.0  # objects at the classes' own shares that are added, so that networks that know nothing keep these


class Prior(StrEnum):
    """The shares of the classes that probabilities are at; the values name them in tables and in attributes."""

    SURVEY = "likely"  # those of the fine-tuning part
    UNIFORM = "uniform"  # equal ones: the decisions that serve every class alike


def at_shares(
    likely: NDArray[np.floating], own: NDArray[np.floating], wanted: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Move probabilities (n, classes) from their shares of the classes to others (classes,): Bayes' rule."""
    moved = np.asarray(likely, dtype=np.float64) * (np.asarray(wanted) / np.asarray(own))
    return np.asarray(moved / moved.sum(1, keepdims=True))


def at_equal_shares(likely: NDArray[np.floating], own: NDArray[np.floating]) -> NDArray[np.float64]:
    """Move probabilities (n, classes) from their shares, or numbers, of the classes (classes,) to equal shares."""
    return at_shares(likely, own, np.ones(len(own)))


def estimate_shares(
    likely: Sequence[NDArray[np.floating]],
    own: Sequence[NDArray[np.floating]],
    counts: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return the shares of the classes (classes,) under which the objects are most likely (Saerens et al. 2002).

    An expectation-maximisation: the shares are the mean of the probabilities that follow from them, and of `IMAGINED`
    objects. It is right as far as the probabilities are calibrated and each class looks as it did in training.

    Parameters
    ----------
    likely : sequence of arrays (n, classes)
        Probabilities by each of some networks, which are averaged.
    own : sequence of arrays (classes,)
        The shares that each network's probabilities are at.
    counts : boolean array (networks, n), optional
        Which networks are averaged for which object, at least one for each; all by default.
    """
    start = shares = np.mean(own, axis=0)
    weight = np.ones((len(likely), len(likely[0]))) if counts is None else counts.astype(np.float64)
    weight /= weight.sum(0)
    for _ in range(STEPS):
        moved = [at_shares(one, at, shares) for one, at in zip(likely, own, strict=True)]
        objects = np.einsum("rn,rnc->c", weight, moved) + IMAGINED * start
        before, shares = shares, objects / objects.sum()
        if np.abs(shares - before).max() < CHANGE:
            break
    return np.asarray(shares)
