"""What the mean of several networks gives: of the log probabilities of one form's pairs of fold and seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, islice

import numpy as np

from experiments.ict.arms import ARMS
from experiments.ict.pairs import SCORES, Pair, scores_of
from experiments.ict.results import Result
from experiments.markdown import head, line

NUMBERS = (2, 3, 5, 15)  # of networks
SETS = 10  # of so many networks, at most, that are averaged


def average(members: Sequence[Result]) -> Result:
    """Return the mean of the log probabilities of networks that predict the same objects, normalised.

    The record is that of the first, with the core-seconds of all.

    Raises
    ------
    ValueError
        They predict other objects.
    """
    first = members[0]
    if any(not np.array_equal(one.ids, first.ids) or not np.array_equal(one.label, first.label) for one in members):
        raise ValueError("the networks predict other objects")
    with np.errstate(divide="ignore"):
        logs = np.mean([np.log(one.likely) for one in members], axis=0)
    likely = np.exp(logs - logs.max(1, keepdims=True))
    spent = [one.record["core_seconds"] for one in members]
    record = {**first.record, "core_seconds": None if None in spent else sum(spent)}
    return replace(first, record=record, likely=likely / likely.sum(1, keepdims=True))


def lines_of_means(arms: Mapping[str, Mapping[Pair, Result]]) -> Iterator[str]:
    """Yield the table of a regime: of each form, means of 2, 3, 5 and 15 networks beside the networks alone."""
    rows = [
        (name, number, [*islice(combinations(sorted(arms[name]), number), SETS)])
        for name in ARMS
        for number in NUMBERS
        if len(arms.get(name, ())) >= number
    ]
    if not rows:
        return
    yield from head("mean of networks", "number", "core-seconds of all", *SCORES.values())
    for name, number, sets in rows:
        found = [_gain([arms[name][pair] for pair in pairs]) for pairs in sets]
        gains = [_in_words([of[score] for _, _, of in found], [of[score] for _, of, _ in found]) for score in SCORES]
        spent = [cost for cost, _, _ in found if cost is not None]
        yield line(name, str(number), f"{np.mean(spent):.0f}" if spent else "-", *gains)
    yield ""
    yield "Log probabilities are averaged; after each score, how much more it is than the mean of the same networks'."
    yield ""


def _gain(members: Sequence[Result]) -> tuple[float | None, dict[str, float], dict[str, float]]:
    """Return the core-seconds of all, the mean of the scores, and what the scores of the mean have more."""
    mean = average(members)
    alone = [scores_of(one) for one in members]
    of_mean = scores_of(mean)
    means = {name: float(np.mean([one[name] for one in alone])) for name in SCORES}
    return mean.record["core_seconds"], means, {name: of_mean[name] - means[name] for name in SCORES}


def _in_words(gains: Sequence[float], alone: Sequence[float]) -> str:
    return f"{np.mean(alone) + np.mean(gains):.1f}, {np.mean(gains):+.1f}"
