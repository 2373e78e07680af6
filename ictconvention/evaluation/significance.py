"""Whether one model is ahead of another, beyond the luck of the objects drawn and of the seeds trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ictconvention.evaluation.measures import Measure, Measures
from ictconvention.evaluation.predictions import Pooled

REPLICATES = 4000
LEVEL = 0.95
FAR = 5  # times that scatter which the interval of few trainings must keep from zero
FREEDOM = 4  # least degrees of freedom, cells times seeds beyond the first, that tell the scatter of seeds well enough


@dataclass(frozen=True)
class Difference:
    """How far a model is from another in one score.

    Parameters
    ----------
    measure : Measure
        The score.
    value : float
        First minus second, both as means over their seeds of the score of the pooled predictions.
    low, high : float
        The 95 % interval.
    seeds : int
        The lesser number of seeds of the two.
    cells : int
        Cells (folds) whose seeds are independent.
    """

    measure: Measure
    value: float
    low: float
    high: float
    seeds: int
    cells: int = 1

    @property
    def established(self) -> bool:
        """Whether the interval excludes zero; where it can hardly know the scatter of seeds, by far more than that."""
        clear = max(self.low, -self.high)
        if self.cells * (self.seeds - 1) >= FREEDOM:
            return clear > 0
        return self.measure.scatter is not None and clear > FAR * self.measure.scatter / self.measure.scale


def differences(
    first: Pooled,
    second: Pooled,
    group: NDArray[np.integer],
    measures: Measures,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Compare two models on the same objects, by a hierarchical bootstrap of objects and trainings.

    Each replicate draws groups of objects within each stratum (class) with replacement, the same for both models, and
    for each model and each cell (fold) its seeds anew. Of S seeds S - 1 are drawn, so that the variance of the mean
    over seeds comes out without bias (Rao & Wu 1988); of one seed there is no scatter to draw from.

    Parameters
    ----------
    first, second : Pooled
        Predictions of the same objects.
    group : array (n,)
        Group of each object, such as its sky group.
    measures : Measures
        The scores of their task.
    replicates : int
        Bootstrap replicates.
    seed : int
        Seed of the draws.

    Returns
    -------
    tuple of Difference
        One for each of `measures.compared` that both models have: a score may be of objects that are not there.

    Raises
    ------
    ValueError
        The objects are not the same.
    """
    if not first.is_of_objects_of(second):
        raise ValueError("the models predict different objects")
    rng = np.random.default_rng(seed)
    weight = object_weights(measures.strata(first.label), group, replicates, rng)
    drawn, value = [], []
    for model in (first, second):
        chosen = _seed_draws(model, replicates, rng)
        drawn.append(_replicated(model, measures, weight, chosen, measures.compared))
        value.append(mean_scores(model, measures))
    seeds = min(first.seeds, second.seeds)
    return tuple(
        Difference(
            measure,
            value[0][measure.name] - value[1][measure.name],
            *interval(drawn[0][measure.name] - drawn[1][measure.name]),
            seeds,
            first.cells,
        )
        for measure in measures.compared
        if np.isfinite([of[measure.name] for of in value]).all()
    )


def intervals(
    model: Pooled,
    group: NDArray[np.integer],
    measures: Measures,
    replicates: int = REPLICATES,
    seed: int = 0,
    scores: Sequence[Measure] | None = None,
) -> dict[str, tuple[float, float, float]]:
    """Return each score of a model by name, as a mean over seeds, with the ends of its 95 % interval.

    Objects and seeds are drawn as in `differences`; `scores` are those that are compared, or others that `weigh` gives.
    """
    scores = measures.compared if scores is None else scores
    rng = np.random.default_rng(seed)
    weight = object_weights(measures.strata(model.label), group, replicates, rng)
    drawn = _replicated(model, measures, weight, _seed_draws(model, replicates, rng), scores)
    value = mean_scores(model, measures, scores)
    return {name: (value[name], *interval(replicated)) for name, replicated in drawn.items()}


def mean_scores(model: Pooled, measures: Measures, scores: Sequence[Measure] | None = None) -> dict[str, float]:
    """Return the scores of pooled predictions by name, as means over seeds: those compared, or others."""
    scores = measures.compared if scores is None else scores
    once = np.ones((1, len(model.ids)), dtype=np.float32)
    found = [measures.weigh(model.of_seed(s), model.label, once) for s in range(model.seeds)]
    return {one.name: float(np.mean([of_seed[one.name][0] for of_seed in found])) for one in scores}


def interval(replicated: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lower and upper end of the 95 % interval of bootstrap replicates (replicates,).

    A replicate is NaN that has drawn no object of those that a score is of; the others count.
    """
    known = replicated[np.isfinite(replicated)]
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def object_weights(
    stratum: NDArray[np.integer], group: NDArray[np.integer], replicates: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return how often each replicate draws each object, (replicates, n): by groups, within each stratum."""
    weight = np.zeros((replicates, len(stratum)), dtype=np.float32)
    for c in np.unique(stratum):
        here = np.flatnonzero(stratum == c)
        members = np.unique(group[here], return_inverse=True)[1]
        units = int(members.max()) + 1
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=replicates)
        weight[:, here] = drawn[:, members]
    return weight


def _replicated(
    model: Pooled,
    measures: Measures,
    weight: NDArray[np.float32],
    chosen: NDArray[np.int64],
    asked: Sequence[Measure],
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of each replicate (replicates,), as means over the seeds that it takes."""
    replicates, cells, number = chosen.shape
    taken, which = np.unique(chosen.transpose(0, 2, 1).reshape(-1, cells), axis=0, return_inverse=True)
    which, everyone = which.reshape(replicates, number), np.arange(len(model.ids))
    found = {one.name: np.empty((replicates, number)) for one in asked}
    for k, seeds in enumerate(taken):
        rows = {name: values[seeds[model.cell], everyone] for name, values in model.rows.items()}
        here = np.nonzero(which == k)
        scores = measures.weigh(rows, model.label, weight[here[0]])
        for name, values in found.items():
            values[here] = scores[name]
    return {name: values.mean(1) for name, values in found.items()}


def _seed_draws(model: Pooled, replicates: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which seeds each replicate takes in each cell, (replicates, cells, S - 1), or of a single seed itself."""
    return rng.integers(0, model.seeds, (replicates, model.cells, max(model.seeds - 1, 1)))


def own_sentence(name: str, found: Mapping[str, tuple[float, float, float]], scores: Sequence[Measure]) -> str:
    """Say in plain words the scores of one model, with the intervals that `intervals` gives."""
    said = []
    for one in scores:
        value, *ends = found[one.name]
        low, high = (one.write(end) for end in ends)
        if np.isfinite(value):
            unit = f" {one.unit}" if one.unit else ""
            said.append(f"{one.title} {one.write(value)}{unit} ({low} to {high})")
    return f"{name}, with 95 % intervals: {'; '.join(said)}."


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
    measure = one.measure
    size = measure.write(abs(one.value))
    ends = (one.low, one.high) if measure.rising else (-one.high, -one.low)  # above 0: ahead
    low, high = (measure.write(end, signed=True) for end in ends)
    if float(size) == float(low) == float(high) == 0:
        return f"{measure.title} the same, whichever of these objects are drawn"
    span = f"(95 % interval {low} to {high})"
    if float(size) == 0:
        return f"{measure.title} level {span}: neither is ahead"
    unit = " points" if measure.unit == "%" else f" {measure.unit}" if measure.unit else ""
    ahead = (one.value > 0) == measure.rising
    beyond = one.low > 0 or one.high < 0
    by = " by one seed" if one.seeds == 1 else " by so few trainings"
    verdict = "established" if one.established else "not established" + (by if beyond else "")
    return f"{measure.title} {'ahead' if ahead else 'behind'} by {size}{unit} {span}, {verdict}"


def describe_seeds(seeds: int, cells: int, measures: Measures) -> str:
    """Say whether the intervals hold the scatter of seeds, for models of so many seeds in so many cells (folds)."""
    scatter = f" ({measures.scatter_said})" if measures.scatter_said else ""
    margin = f"only what keeps {FAR} times as far from zero is called established."
    if not scatter:
        margin = "how far is not known for these scores, and nothing is called established."
    if seeds == 1:
        return (
            "One seed: the intervals are those of the objects alone. What another seed does"
            f"{scatter} is not in them; {margin}"
        )
    held = f"The intervals hold the luck of the objects and of {seeds} seeds"
    if cells * (seeds - 1) < FREEDOM:
        return f"{held}, which in so few folds tell little of what others would do{scatter}; {margin}"
    return f"{held}; each is of one comparison, and of many some miss by chance."


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Describe two sets of fixed predictions: McNemar's exact test of what each has right, (n,).

    It knows nothing of other trainings, so it says nothing about which model is better.

    Returns
    -------
    only_first, only_second, p : int, int, float
        Objects that only one of the two has right, and the two-sided probability of so uneven a pair.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 0, 0, 1.0
    return only_first, only_second, float(binomtest(only_first, only_first + only_second).pvalue)
