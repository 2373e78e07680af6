"""How right predicted redshifts are: bias, scatter, outliers, and whether the PDFs are what they say they are."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import cramervonmises, kstest, wasserstein_distance

from ictconvention.evaluation.redshift.pdf import (
    Floats,
    centres_of,
    crps,
    cumulative,
    interval,
    point_estimates,
)

FAR = {"outliers_05": 0.05, "outliers_15": 0.15}  # of |dz|
LEVELS = {"coverage_68": 0.6827, "coverage_95": 0.9545}  # of central intervals
LEAST = 1e-12  # probability whose logarithm stands for those of smaller ones
BEYOND = 95  # percentile of the redshifts of training, beyond which a network has hardly seen any
BEYOND_KEY = f"z_{BEYOND}"


def errors(z_p: Floats, z: Floats) -> Floats:
    """Return dz = (z_p - z) / (1 + z)."""
    return np.asarray((z_p - z) / (1 + z))


def point_scores(dz: Floats) -> dict[str, float]:
    """Return the scores of errors (n,): bias, sigma_MAD = 1.4826 median |dz - median dz|, outlier shares, RMSE."""
    return {
        "bias": float(dz.mean()),
        "sigma_mad": float(1.4826 * np.median(np.abs(dz - np.median(dz)))),
        **{name: float((np.abs(dz) > far).mean()) for name, far in FAR.items()},
        "rmse": float(np.sqrt((dz**2).mean())),
    }


def bin_of(z: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return the bin of redshifts; the first or the last for those outside."""
    return np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(edges) - 2)


def log_losses(pdf: Floats, edges: Floats, z: Floats) -> Floats:
    """Return minus the logarithm of the probability of the bins of redshifts (n,)."""
    own = pdf[np.arange(len(pdf)), bin_of(z, edges)]
    return np.asarray(-np.log(np.maximum(own, LEAST)))


def pdf_scores(pdf: Floats, edges: Floats, z: Floats) -> dict[str, float]:
    """Return the scores of PDFs (n, bins): CRPS, log loss, PIT against a uniform one, coverage, and n(z).

    `pit_ks` and `pit_cvm` are the distances of the PIT from uniform, of Kolmogorov and Smirnov and of Cramer and von
    Mises; `nz_wasserstein` is that of the summed PDFs from the true redshifts.
    """
    pit = np.clip(cumulative(pdf, edges, z), 0, 1)
    covered = {}
    for name, level in LEVELS.items():
        low, high = interval(pdf, edges, level)
        covered[name] = float(((z >= low) & (z <= high)).mean())
    return {
        "crps": float(crps(pdf, z, edges).mean()),
        "log_loss": float(log_losses(pdf, edges, z).mean()),
        "pit_ks": float(kstest(pit, "uniform").statistic),
        "pit_cvm": float(cramervonmises(pit, "uniform").statistic),
        **covered,
        "nz_wasserstein": float(wasserstein_distance(centres_of(edges), z, pdf.sum(0))),
    }


def redshift_scores(pdf: Floats, edges: Floats, z: Floats, beyond: float | None = None) -> dict[str, float | None]:
    """Return all scores of PDFs (n, bins) by the redshifts (n,) that are known, one at least.

    The point estimate is the mean of the PDF. `bias_beyond_95` and `objects_beyond_95` are of objects beyond the
    redshift `beyond`, the training's 95th percentile.
    """
    known = np.isfinite(z)
    pdf, z = pdf[known], z[known]
    dz = errors(point_estimates(pdf, edges)["mean"], z)
    far = z > (np.inf if beyond is None else beyond)
    return {
        **point_scores(dz),
        **pdf_scores(pdf, edges, z),
        f"bias_beyond_{BEYOND}": float(dz[far].mean()) if far.any() else None,
        f"objects_beyond_{BEYOND}": int(far.sum()),
    }
