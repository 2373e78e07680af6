"""Whether one model is ahead of another, beyond the luck of the objects drawn and of the seeds trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior

Metric = Literal["f1_macro", "balanced_accuracy", "worst_class_recall"]
METRICS: dict[Metric, str] = {
    "f1_macro": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "worst_class_recall": "worst recall",
}
AT: dict[Metric, Prior] = {  # class shares at which each is decided
    "f1_macro": Prior.SURVEY,
    "balanced_accuracy": Prior.UNIFORM,
    "worst_class_recall": Prior.UNIFORM,
}
REPLICATES = 4000
LEVEL = 0.95
SEED_SCATTER: dict[Metric, float] = {  # [points] between seeds of short training; not in the interval of one seed
    "f1_macro": 1.3,
    "balanced_accuracy": 1.3,  # of differences between ICT, ConvEntion and controls in a trial of short training
    "worst_class_recall": 5.2,  # the recall of one of four classes moves up to four times as far as their mean
}
FAR = 5  # times that scatter which the interval of few trainings must keep from zero
FREEDOM = 4  # least degrees of freedom, cells times seeds beyond the first, that tell the scatter of seeds well enough


@dataclass(frozen=True)
class Difference:
    """How far a model is ahead of another in one metric.

    Parameters
    ----------
    metric : str
    value : float
        First minus second, both as means over their seeds of the metric of the pooled predictions.
    low, high : float
        The 95 % interval.
    seeds : int
        The lesser number of seeds of the two.
    cells : int
        Cells (folds) whose seeds are independent.
    """

    metric: Metric
    value: float
    low: float
    high: float
    seeds: int
    cells: int = 1

    @property
    def established(self) -> bool:
        """Whether the interval excludes zero; where it can hardly know the scatter of seeds, by far more than that."""
        enough = self.cells * (self.seeds - 1) >= FREEDOM
        return max(self.low, -self.high) > (0 if enough else FAR * SEED_SCATTER[self.metric] / 100)


def differences(
    first: Pooled, second: Pooled, group: NDArray[np.integer], replicates: int = REPLICATES, seed: int = 0
) -> tuple[Difference, ...]:
    """Compare two models on the same objects, by a hierarchical bootstrap of objects and trainings.

    Each replicate draws sky groups within each class with replacement, the same for both models, and for each model
    and each cell (fold) its seeds anew. Of S seeds S - 1 are drawn, so that the variance of the mean over seeds comes
    out without bias (Rao & Wu 1988); of one seed there is no scatter to draw from.

    Parameters
    ----------
    first, second : Pooled
        Predictions of the same objects.
    group : array (n,)
        Sky group of each object.
    replicates : int
        Bootstrap replicates.
    seed : int
        Seed of the draws.

    Returns
    -------
    tuple of Difference
        One for each of `METRICS`.

    Raises
    ------
    ValueError
        The objects are not the same.
    """
    if not (np.array_equal(first.ids, second.ids) and np.array_equal(first.label, second.label)):
        raise ValueError("the models predict different objects")
    rng = np.random.default_rng(seed)
    weight = object_weights(first.label, group, replicates, rng)
    found = []
    drawn: dict[tuple[int, str], NDArray[np.float64]] = {}
    for number, model in enumerate((first, second)):
        counts = {at: _confusions(model, at, weight) for at in set(AT.values())}
        chosen = _seed_draws(model, replicates, rng)
        for metric, at in AT.items():
            drawn[number, metric] = confusion_scores(_sum_of(counts[at], chosen))[metric].mean(1)
    for metric in METRICS:
        value = score(first, metric) - score(second, metric)
        replicated = drawn[0, metric] - drawn[1, metric]
        seeds = min(len(first.likely), len(second.likely))
        found.append(Difference(metric, value, *interval(replicated), seeds, int(first.cell.max()) + 1))
    return tuple(found)


def score(model: Pooled, metric: Metric) -> float:
    """Return a metric of pooled predictions, as the mean over seeds; decisions at the class shares of `AT`."""
    counts = _confusions(model, AT[metric], np.ones((1, len(model.label)), dtype=np.float32))
    return float(confusion_scores(counts.sum(1))[metric].mean())


def interval(replicated: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lower and upper end of the 95 % interval of bootstrap replicates (replicates,)."""
    low, high = np.quantile(replicated, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def object_weights(
    label: NDArray[np.integer], group: NDArray[np.integer], replicates: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return how often each replicate draws each object, (replicates, n): by groups, within each class."""
    weight = np.zeros((replicates, len(label)), dtype=np.float32)
    for c in np.unique(label):
        here = np.flatnonzero(label == c)
        members = np.unique(group[here], return_inverse=True)[1]
        units = int(members.max()) + 1
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=replicates)
        weight[:, here] = drawn[:, members]
    return weight


def _confusions(model: Pooled, at: Prior, weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return weighted confusion matrices, (replicates, cells, seeds, classes, classes): true, then predicted."""
    likely = model.at(at)
    seeds, _, classes = likely.shape
    cells = [np.flatnonzero(model.cell == cell) for cell in range(int(model.cell.max()) + 1)]
    counts = np.zeros((len(weight), len(cells), seeds, classes, classes))
    for cell, here in enumerate(cells):
        for s in range(seeds):
            guess = likely[s, here].argmax(1)
            counts[:, cell, s] = confusion_counts(model.label[here], guess, classes, weight[:, here])
    return counts


def _seed_draws(model: Pooled, replicates: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which seeds each replicate takes in each cell, (replicates, cells, S - 1), or of a single seed itself."""
    seeds = len(model.likely)
    return rng.integers(0, seeds, (replicates, int(model.cell.max()) + 1, max(seeds - 1, 1)))


def _sum_of(counts: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the confusion matrices of the chosen seeds, summed over cells, (replicates, chosen, classes, classes)."""
    return np.asarray(np.take_along_axis(counts, chosen[..., None, None], axis=2).sum(1))


def sentence(first: str, second: str, found: Sequence[Difference]) -> str:
    """Say in plain words how far the first model is ahead of the second, and whether that is established.

    Parameters
    ----------
    first, second : str
        Names of the models.
    found : sequence of Difference
        As `differences` gives them.
    """
    return f"{first} against {second}: " + "; ".join(map(_in_words, found)) + "."


def _in_words(one: Difference) -> str:
    name, points = METRICS[one.metric], 100 * one.value
    low, high = (round(100 * end, 1) + 0.0 for end in (one.low, one.high))  # no minus before a zero
    if low == high == round(points, 1) == 0:
        return f"{name} the same, whichever of these objects are drawn"
    span = f"(95 % interval {low:+.1f} to {high:+.1f})"
    if abs(points) < 0.05:
        return f"{name} level {span}: neither is ahead"
    beyond = one.low > 0 or one.high < 0
    by = " by one seed" if one.seeds == 1 else " by so few trainings"
    verdict = "established" if one.established else "not established" + (by if beyond else "")
    return f"{name} {'ahead' if points > 0 else 'behind'} by {abs(points):.1f} points {span}, {verdict}"


def describe_seeds(seeds: int, cells: int) -> str:
    """Say whether the intervals hold the scatter of seeds, for models of so many seeds in so many cells (folds)."""
    usual, worst = SEED_SCATTER["balanced_accuracy"], SEED_SCATTER["worst_class_recall"]
    scatter = f"about {usual} points, of a worst recall up to {worst}"
    margin = f"only what keeps {FAR} times as far from zero is called established."
    if seeds == 1:
        return (
            "One seed: the intervals are those of the objects alone. What another seed does "
            f"({scatter}) is not in them; {margin}"
        )
    held = f"The intervals hold the luck of the objects and of {seeds} seeds"
    if cells * (seeds - 1) < FREEDOM:
        return f"{held}, which in so few folds tell little of what others would do ({scatter}); {margin}"
    return f"{held}; each is of one comparison, and of many some miss by chance."


def mcnemar(first: Pooled, second: Pooled) -> tuple[int, int, float]:
    """Describe two sets of fixed predictions: McNemar's exact test of the first seeds at the survey's class shares.

    It knows nothing of other trainings, so it says nothing about which model is better.

    Returns
    -------
    only_first, only_second, p : int, int, float
        Objects that only one of the two has right, and the two-sided probability of so uneven a pair.
    """
    right = [model.likely[0].argmax(1) == model.label for model in (first, second)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    if only_first + only_second == 0:
        return 0, 0, 1.0
    return only_first, only_second, float(binomtest(only_first, only_first + only_second).pvalue)
