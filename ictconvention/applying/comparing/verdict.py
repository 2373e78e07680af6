"""What is to be expected of a network on a survey, in one sentence: by what its features and its frames tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import pluralize
from ictconvention.evaluation.shift.two_samples import LEAST, TwoSamples, area_and_variance
from ictconvention.measuring.conditions import ObservingConditions

ALIKE, UNLIKE = 0.6, 0.8  # AUC below which surveys are alike, and from which scores of one say little of the other
TELLS = 0.65  # AUC from which a quantity is named
FEWEST = 10  # objects of which a quantity is known


@dataclass(frozen=True)
class Quantity:
    """One thing that is known of how objects were observed, in both surveys.

    Parameters
    ----------
    name, unit : str
        Such as "seeing in r" and "arcsec".
    known, here : tuple of float
        The 16th, 50th and 84th percentile over the objects of the run, and over those of the survey; NaN where unknown.
    auc : float
        How well it alone tells the two apart, from .5; NaN where it is known of too few.
    """

    name: str
    unit: str
    known: tuple[float, float, float]
    here: tuple[float, float, float]
    auc: float


def compare_conditions(known: ObservingConditions, here: ObservingConditions, bands: Sequence[str]) -> list[Quantity]:
    """Return how objects of a run and of a survey were observed, side by side."""
    found = []
    for (name, unit, ours), (_, _, theirs) in zip(known.named(bands), here.named(bands), strict=True):
        ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
        auc = np.nan
        if min(len(ours), len(theirs)) >= FEWEST:
            area, _ = area_and_variance(ours, theirs)
            auc = max(area, 1 - area)
        found.append(Quantity(name, unit, _spread(ours), _spread(theirs), float(auc)))
    return found


def describe(found: TwoSamples | None, sizes: tuple[int, int], quantities: Sequence[Quantity]) -> str:
    """Return the verdict: whether the surveys are alike to the network, what follows, and what differs most.

    Parameters
    ----------
    found : TwoSamples, optional
        How well features tell them apart; None with too few objects.
    sizes : pair of int
        Objects of the run, and of the survey.
    quantities : sequence of Quantity
        How they were observed.
    """
    if found is None:
        counts = f"{pluralize(sizes[1], 'object')} here and {sizes[0]} of the run, and {LEAST} of each are needed"
        return f"whether this survey is like the training survey cannot be told: {counts}"
    how = f"AUC {found.auc:.2f}, 95% {found.low:.2f} to {found.high:.2f}, {found.size} objects each; .5: not told apart"
    if found.auc < UNLIKE <= found.high and found.low <= 0.5:
        what, then = "is like the training survey or unlike it, which so few objects do not tell", "take more objects"
    elif found.low <= 0.5 or found.auc < ALIKE:
        what, then = "is like the training survey", "as far as features tell, the scores of the run hold here"
    elif found.auc < UNLIKE:
        what, then = "differs from the training survey", "test the run on objects of it whose classes are known"
    else:
        what = "is unlike the training survey"
        then = "trust no probability before it is tested on objects of it that are known, or fine-tune (init_from)"
    return f"this survey {what} to this network ({how}): {then}{_most_different(quantities)}"


def _most_different(quantities: Sequence[Quantity]) -> str:
    told = [one for one in quantities if one.auc >= TELLS]
    if not told:
        return ""
    most = max(told, key=lambda one: one.auc)
    unit = f" {most.unit}" if most.unit else ""
    return f"; most different: {most.name}, {most.here[1]:.3g}{unit} where the run has {most.known[1]:.3g}"


def _spread(values: NDArray[np.float64]) -> tuple[float, float, float]:
    if not len(values):
        return (np.nan, np.nan, np.nan)
    low, middle, high = np.percentile(values, [16, 50, 84]).tolist()
    return (low, middle, high)
