"""The shares of the classes where predictions are used: given, or estimated from the predictions themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

STEPS, CHANGE = 10_000, 1e-8  # of the iteration: at most so many, until no share changes by more
DRAWS, MOST, COARSE = 200, 2000, 1e-5  # of a bootstrap; objects of one; and the change at which its iterations end
LEAST = 5  # tested objects of a class, for what it is taken for
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
    start = np.mean(own, axis=0)
    return _most_likely(*_rows(likely, own, counts), start, start, IMAGINED)


@dataclass(frozen=True, eq=False)
class SharesInterval:
    """Where the shares of the classes lie that were estimated: 95 % intervals.

    Parameters
    ----------
    low, high : arrays (classes,)
        Their ends.
    with_confusion : bool
        Whether they hold how much is known of which class is taken for which, or the draw of the objects alone.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    with_confusion: bool


def shares_interval(
    shares: NDArray[np.float64],
    likely: Sequence[NDArray[np.floating]],
    own: Sequence[NDArray[np.floating]],
    counts: NDArray[np.bool_] | None = None,
    tested: Sequence[tuple[NDArray[np.str_], NDArray[np.integer], NDArray[np.floating]]] = (),
    seed: int = 0,
) -> SharesInterval:
    """Return 95 % intervals of shares that were estimated, by a bootstrap.

    Each of `DRAWS` draws objects anew and estimates their shares. It draws as well the tested objects of each class,
    whose labels are known, weighs them so that they have `shares`, and estimates theirs: by how much that is not
    `shares`, the first is moved. So the interval holds what is not known of the confusion, and where that says that the
    estimate leans to a side, lies to its other; it is widened then until the estimate is in it.

    Parameters
    ----------
    shares : array (classes,)
        As of `estimate_shares` of the same arguments.
    likely, own, counts
        As of `estimate_shares`.
    tested : sequence of (array (m,), array (m,), array (m, classes)), optional
        Of each network the ids and labels of its tested objects, and its probabilities of them at its `own`
        shares. An object of several networks is drawn once, with all its rows. Where a class has fewer than `LEAST`
        objects, none are looked at.
    seed : int
        Draws the objects.
    """
    rng = np.random.default_rng(seed)
    rows, weight = _rows(likely, own, counts)
    n, start = len(likely[0]), np.mean(own, axis=0)
    few = min(n, MOST)  # of a large survey fewer are drawn, and vary more
    label, ratio = np.zeros(0, dtype=np.int64), np.zeros((0, len(shares)))
    object_of = np.zeros(0, dtype=np.int64)
    if tested:
        ids = np.concatenate([ids for ids, _, _ in tested])
        _, first, object_of = np.unique(ids, return_index=True, return_inverse=True)
        label = np.concatenate([np.asarray(labels) for _, labels, _ in tested])[first]
        ratio = np.concatenate([one / at for (_, _, one), at in zip(tested, own, strict=True)])
    rows_of = np.bincount(object_of, minlength=len(label))
    of_class = [np.flatnonzero(label == c) for c in range(len(shares))]
    with_confusion = min(map(len, of_class)) >= LEAST
    drawn = np.zeros((DRAWS, len(shares)))
    for number in range(DRAWS):
        again = np.bincount(rng.integers(n, size=few), minlength=n).astype(np.float64)
        used = again > 0
        some = np.tile(used, len(likely))
        imagined = IMAGINED * few / n
        found = _most_likely(rows[some], (weight * np.tile(again, len(likely)))[some], start, shares, imagined, COARSE)
        drawn[number] = shares + (found - shares) * np.sqrt(few / n)
        if with_confusion:
            each = np.zeros(len(label))
            for there, share in zip(of_class, shares, strict=True):
                np.add.at(each, rng.choice(there, len(there)), n * share / len(there))
            own_weight = (each / rows_of)[object_of]
            used = own_weight > 0
            at = _most_likely(ratio[used], own_weight[used], start, shares, IMAGINED, COARSE)
            drawn[number] -= at - shares
    low, high = np.clip(np.percentile(drawn, [2.5, 97.5], axis=0), 0, 1)
    return SharesInterval(np.minimum(low, shares), np.maximum(high, shares), with_confusion)


def _rows(
    likely: Sequence[NDArray[np.floating]], own: Sequence[NDArray[np.floating]], counts: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return likelihood ratios (networks * n, classes) of all networks, and how much each counts (networks * n,)."""
    weight = np.ones((len(likely), len(likely[0]))) if counts is None else counts.astype(np.float64)
    weight = weight / weight.sum(0)
    rows = [np.asarray(one, dtype=np.float64) / np.asarray(at) for one, at in zip(likely, own, strict=True)]
    return np.concatenate(rows), weight.ravel()


def _most_likely(
    rows: NDArray[np.float64],
    weight: NDArray[np.float64],
    start: NDArray[np.float64],
    first: NDArray[np.float64],
    imagined: float,
    change: float = CHANGE,
) -> NDArray[np.float64]:
    """Return the shares at which rows (n, classes) are most likely, and `imagined` objects at the shares `start`."""
    shares = first
    for _ in range(STEPS):
        moved = rows * shares
        objects = (weight / moved.sum(1)) @ moved + imagined * start
        before, shares = shares, objects / objects.sum()
        if np.abs(shares - before).max() < change:
            break
    return np.asarray(shares)
