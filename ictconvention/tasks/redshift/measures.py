"""The scores of redshifts by which models are compared; scatter is a median, which no sum over objects gives."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.measures import Measure, Measures, Rows
from ictconvention.evaluation.redshift.pdf import Floats, crps, point_estimates
from ictconvention.evaluation.redshift.scores import BEYOND, BEYOND_KEY, FAR, errors, redshift_scores

AT_ONCE = 200  # replicates whose errors are in memory


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

    compared: ClassVar[tuple[Measure, ...]] = (
        _plain("sigma_mad", "sigma_MAD", by_fold=True),
        Measure("outliers_05", "outliers .05", False),
        _plain("abs_bias", "|bias|"),
        _plain("crps", "CRPS"),
    )
    columns: ClassVar[tuple[Measure, ...]] = (
        *compared[:2],
        Measure("outliers_15", "outliers .15", False),
        _plain("bias", "bias"),
        _plain("bias_beyond_95", "bias beyond"),
        compared[3],
        _plain("pit_ks", "PIT KS"),
        Measure("coverage_68", "coverage of 68 %"),
        _plain("nz_wasserstein", "n(z)"),
    )

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
            "of the PIT from uniform."
        )

    @property
    def early(self) -> Mapping[str, Measure]:
        """Scatter and outliers."""
        scatter, outliers, *_ = self.compared
        return {"sigma_mad": replace(scatter, by_fold=False), "outliers_05": outliers}

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the compared scores (replicates,); parameters as of `Measures.weigh`."""
        z = np.asarray(label, dtype=np.float64)
        known = np.isfinite(z)
        pdf, z, often = rows["row"][known], z[known], np.asarray(weight[:, known], dtype=np.float64)
        dz, total = errors(point_estimates(pdf, self.edges)["mean"], z), often.sum(1)
        parts = [_scatter(dz, often[k : k + AT_ONCE]) for k in range(0, len(often), AT_ONCE)]
        return {
            "sigma_mad": np.concatenate(parts),
            "outliers_05": often @ (np.abs(dz) > FAR["outliers_05"]) / total,
            "abs_bias": np.abs(often @ dz / total),
            "crps": often @ crps(pdf, z, self.edges) / total,
        }

    def score(self, rows: Rows, label: NDArray[np.generic]) -> Mapping[str, float | None]:
        """Return every score."""
        found = redshift_scores(rows["row"], self.edges, np.asarray(label, dtype=np.float64), self.beyond)
        return {**found, "abs_bias": None if found["bias"] is None else abs(found["bias"])}

    def count_in_words(self, label: NDArray[np.generic]) -> str:
        """Return the median redshift."""
        return f"median redshift {np.nanmedian(np.asarray(label, dtype=np.float64)):.3f}"


def weighted_median(x: Floats, weight: Floats) -> Floats:
    """Return the median (replicates,) of values (replicates, n) that count so often (replicates, n)."""
    order = np.argsort(x, axis=1)
    x, above = np.take_along_axis(x, order, 1), np.cumsum(np.take_along_axis(weight, order, 1), axis=1)
    half = above[:, -1:] / 2
    first, last = (above >= half).argmax(1), (above > half).argmax(1)
    rows = np.arange(len(x))
    return np.asarray((x[rows, first] + x[rows, last]) / 2)


def _scatter(dz: Floats, weight: Floats) -> Floats:
    """Return sigma_MAD (replicates,) of errors (n,) that count so often (replicates, n)."""
    each = np.broadcast_to(dz, weight.shape)
    median = weighted_median(each, weight)
    return np.asarray(1.4826 * weighted_median(np.abs(each - median[:, None]), weight))
