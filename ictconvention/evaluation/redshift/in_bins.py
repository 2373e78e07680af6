"""Bias, scatter and outliers in bins of the true redshift, of the predicted one and of magnitude. Knows no survey."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.measures import Measure, Measures, Rows
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.redshift.pdf import Floats, point_estimates
from ictconvention.evaluation.redshift.scores import FAR, bin_of, errors, point_scores
from ictconvention.evaluation.significance import intervals

BINS = 8
TRUE, PREDICTED = "z", "z_p"  # quantities that need no survey
SCORES = ("sigma_mad", "bias", *FAR)
Span = tuple[float | None, float | None, float | None]  # a value, and the ends of its 95 % interval


@dataclass(frozen=True)
class InBin:
    """The scores of the objects of one bin.

    Parameters
    ----------
    quantity : str
        What the bin is of.
    low, high : float or None
        Its ends; None of the first and the last, which are open.
    objects : float
        How many have a redshift, the mean over the seeds.
    scores : mapping of str to (float, float, float)
        `SCORES`, each with the ends of its 95 % interval; None where the bin is empty.
    """

    quantity: str
    low: float | None
    high: float | None
    objects: float
    scores: Mapping[str, Span]

    @property
    def record(self) -> dict[str, Any]:
        """The same in plain values."""
        ends = {"low": self.low, "high": self.high, "objects": self.objects}
        return {**ends, **{name: list(of) for name, of in self.scores.items()}}


class _BinMeasures(Measures):
    """The scores in the bins of one quantity, for the bootstrap.

    Parameters
    ----------
    edges : array (bins + 1,)
        Of the PDFs.
    cuts : array (BINS - 1,)
        Between the bins of the quantity.
    values : array (n,), optional
        The quantity of each object; None: the predicted redshift.
    """

    compared: ClassVar[tuple[Measure, ...]] = tuple(
        Measure(f"{name}/{number}", name) for number in range(BINS) for name in (*SCORES, "objects")
    )

    def __init__(self, edges: Floats, cuts: Floats, values: Floats | None) -> None:
        self.edges, self.cuts, self.values = edges, cuts, values

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the scores of each bin (replicates,), NaN where none of its objects counts."""
        z = np.asarray(label, dtype=np.float64)
        z_p = point_estimates(rows["row"], self.edges)["mean"]
        values = z_p if self.values is None else self.values
        dz, known = errors(z_p, z), np.isfinite(z) & np.isfinite(values)
        place = np.where(known, bin_of(values, np.concatenate([[-np.inf], self.cuts, [np.inf]])), -1)
        found: dict[str, NDArray[np.float64]] = {}
        for number in range(BINS):
            here = place == number
            often = np.asarray(weight[:, here], dtype=np.float64)
            scores = point_scores(dz[here], often)
            found |= {f"{name}/{number}": scores[name] for name in SCORES}
            found[f"objects/{number}"] = often.sum(1)
        return found


def cuts_of(values: Floats) -> Floats:
    """Return the cuts (BINS - 1,) between bins of equal numbers of the values that are known, to 4 digits."""
    known = values[np.isfinite(values)]
    cuts = np.quantile(known, np.arange(1, BINS) / BINS) if len(known) else np.full(BINS - 1, np.nan)
    return np.array([float(f"{x:.4g}") for x in cuts])


def score_in_bins(
    model: Pooled,
    edges: Floats,
    group: NDArray[np.integer],
    others: Mapping[str, Floats],
    replicates: int,
) -> list[InBin]:
    """Return the scores in `BINS` bins of each quantity, the mean over the seeds, with bootstrap intervals.

    The bins have equal numbers of objects; those of the predicted redshift are those of the true one, so that models
    are compared in the same bins.

    Parameters
    ----------
    model : Pooled
        PDFs, and true redshifts, NaN where they are not known.
    edges : array (bins + 1,)
        Of the PDFs.
    group : array (n,)
        Groups of objects that are drawn whole.
    others : mapping of str to array (n,)
        Further quantities of the objects by name, such as a magnitude.
    replicates : int
        Bootstrap replicates.
    """
    z = np.asarray(model.label, dtype=np.float64)
    of_z = cuts_of(z)
    asked: list[tuple[str, Floats | None, Floats]] = [(TRUE, z, of_z), (PREDICTED, None, of_z)]
    asked += [(name, values, cuts_of(np.where(np.isfinite(z), values, np.nan))) for name, values in others.items()]
    rows = []
    for name, values, cuts in asked:
        if np.isfinite(cuts).all():
            found = intervals(model, group, _BinMeasures(edges, cuts, values), replicates)
            rows += [_in_bin(name, cuts, number, found) for number in range(BINS)]
    return rows


def _in_bin(name: str, cuts: Floats, number: int, found: Mapping[str, Sequence[float]]) -> InBin:
    ends = [None, *cuts.tolist(), None]
    scores = {score: _span(found[f"{score}/{number}"]) for score in SCORES}
    return InBin(name, ends[number], ends[number + 1], found[f"objects/{number}"][0], scores)


def _span(found: Sequence[float]) -> Span:
    value, low, high = (float(x) if np.isfinite(x) else None for x in found)
    return value, low, high


def replicates_for(objects: int) -> int:
    """Return how many bootstrap replicates are drawn of so many objects where thousands of objects cost too much."""
    return int(np.clip(2_000_000 // max(objects, 1), 100, 1000))
