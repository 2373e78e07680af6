"""The scores of redshifts by which models are compared; scatter is a median, which no sum over objects gives."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.measures import Measure, Measures, Rows
from ictconvention.evaluation.redshift.pdf import Floats
from ictconvention.evaluation.redshift.scores import BEYOND, BEYOND_KEY, Scored, redshift_scores

SIGNED = ("bias", f"bias_beyond_{BEYOND}")  # less is better of their size alone


def _plain(name: str, title: str, rising: bool = False, by_fold: bool = False) -> Measure:
    return Measure(name, title, rising, scale=1.0, unit="", digits=4, by_fold=by_fold)


class RedshiftMeasures(Measures):
    """Bias, scatter, outliers and CRPS of redshifts in bins.

    Parameters
    ----------
    edges : array (bins + 1,)
        Edges of the bins.
    training : mapping
        What is known of the training part: its 95th percentile of redshift.
    """

    chief: ClassVar[tuple[Measure, ...]] = (
        _plain("sigma_mad", "sigma_MAD", by_fold=True),
        Measure("outliers_05", "outliers .05", False),
        _plain("abs_bias", "|bias|"),
        _plain("crps", "CRPS"),
    )
    compared: ClassVar[tuple[Measure, ...]] = (
        *chief[:2],
        Measure("outliers_15", "outliers .15", False),
        chief[2],
        _plain(f"abs_bias_beyond_{BEYOND}", "|bias| beyond"),
        chief[3],
    )
    columns: ClassVar[tuple[Measure, ...]] = (
        *compared[:3],
        _plain("bias", "bias"),
        _plain(f"bias_beyond_{BEYOND}", "bias beyond"),
        chief[3],
        _plain("pit_ks", "PIT KS"),
        Measure("coverage_68", "coverage of 68 %"),
        Measure("coverage_95", "coverage of 95 %"),
        _plain("nz_wasserstein", "n(z)"),
    )
    with_intervals: ClassVar[bool] = True

    def __init__(self, edges: Floats, training: Mapping[str, Any]) -> None:
        self.edges, self.beyond = edges, training.get(BEYOND_KEY)

    @property
    def said(self) -> str:  # type: ignore[override]
        """What the scores are, and beyond which redshift the bias is also given."""
        beyond = "" if self.beyond is None else f" (z above {self.beyond:.3g})"
        return (
            "Errors are (z_p - z) / (1 + z), z_p the mean of the PDF over bin centres; sigma_MAD is 1.4826 times the "
            "median deviation from their median, outliers err by more than .05 or .15, bias is the mean; bias beyond: "
            f"of objects beyond the {BEYOND}th percentile of the training's redshifts{beyond}. CRPS, and n(z), the "
            "Wasserstein distance of the summed PDFs from the true redshifts, are in redshift; PIT KS is the distance "
            "of the PIT from uniform. Intervals of these two distances lie high, and may leave out the value: objects "
            "that are drawn with repeats follow a distribution less closely."
        )

    @property
    def early(self) -> Mapping[str, Measure]:
        """Scatter and outliers."""
        scatter, outliers, *_ = self.compared
        return {"sigma_mad": replace(scatter, by_fold=False), "outliers_05": outliers}

    @property
    def of_predictions(self) -> tuple[Measure, ...]:
        """Scatter, bias and outliers."""
        scatter, *outliers, bias = self.columns[:4]
        return (scatter, bias, *outliers)

    @property
    def by_training(self) -> Mapping[str, tuple[Measure, ...]]:
        """Scatter, outliers, bias and CRPS."""
        return {"": self.chief}

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return all scores (replicates,), NaN where none of the objects counts that a score is of."""
        scored = Scored(rows["row"], self.edges, np.asarray(label, dtype=np.float64), self.beyond)
        found = scored.scores(weight)
        return found | {f"abs_{name}": np.abs(found[name]) for name in SIGNED}

    def score(self, rows: Rows, label: NDArray[np.generic]) -> Mapping[str, float | None]:
        """Return every score."""
        found = redshift_scores(rows["row"], self.edges, np.asarray(label, dtype=np.float64), self.beyond)
        return found | {f"abs_{name}": None if (x := found[name]) is None else abs(x) for name in SIGNED}

    def count_in_words(self, label: NDArray[np.generic]) -> str:
        """Return the median redshift."""
        return f"median redshift {np.nanmedian(np.asarray(label, dtype=np.float64)):.3f}"
