"""How right predicted redshifts are: bias, scatter, outliers, and whether the PDFs are what they say they are."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.redshift.pdf import (
    Floats,
    centres_of,
    crps,
    cumulative,
    interval,
    point_estimates,
)
from ictconvention.evaluation.redshift.weighted import (
    distances_from_uniform,
    scatter,
    transport_distance,
    weighted_mean,
)

FAR = {"outliers_05": 0.05, "outliers_15": 0.15}  # of |dz|
LEVELS = {"coverage_68": 0.6827, "coverage_95": 0.9545}  # of central intervals
LEAST = 1e-12  # probability whose logarithm stands for those of smaller ones
BEYOND = 95  # percentile of the redshifts of training, beyond which a network has hardly seen any
BEYOND_KEY = f"z_{BEYOND}"
AT_ONCE = 200  # replicates whose errors are in memory


def errors(z_p: Floats, z: Floats) -> Floats:
    """Return dz = (z_p - z) / (1 + z)."""
    return np.asarray((z_p - z) / (1 + z))


def point_scores(dz: Floats, weight: Floats) -> dict[str, Floats]:
    """Return the scores (replicates,) of errors (n,) that count so often (replicates, n); NaN where none does.

    bias, sigma_MAD = 1.4826 median |dz - median dz|, outlier shares, RMSE.
    """
    return {
        "bias": weighted_mean(dz, weight),
        "sigma_mad": scatter(dz, weight),
        **{name: weighted_mean((np.abs(dz) > far).astype(float), weight) for name, far in FAR.items()},
        "rmse": np.sqrt(weighted_mean(dz**2, weight)),
    }


def bin_of(z: Floats, edges: Floats) -> NDArray[np.int64]:
    """Return the bin of redshifts; the first or the last for those outside."""
    return np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(edges) - 2)


def log_losses(pdf: Floats, edges: Floats, z: Floats) -> Floats:
    """Return minus the logarithm of the probability of the bins of redshifts (n,)."""
    own = pdf[np.arange(len(pdf)), bin_of(z, edges)]
    return np.asarray(-np.log(np.maximum(own, LEAST)))


class Scored:
    """PDFs and the true redshifts of the same objects, of which a score is asked for whatever each counts.

    Parameters
    ----------
    pdf : array (n, bins)
    edges : array (bins + 1,)
    z : array (n,)
        True redshifts; objects whose is NaN count nowhere.
    beyond : float, optional
        The training's 95th percentile of redshift.
    """

    def __init__(self, pdf: Floats, edges: Floats, z: Floats, beyond: float | None = None) -> None:
        self.known = np.isfinite(z)
        self.pdf, self.edges, self.z = pdf[self.known], edges, z[self.known]
        self.z_p = point_estimates(self.pdf, edges)["mean"]
        self.dz = errors(self.z_p, self.z)
        self.far = self.z > (np.inf if beyond is None else beyond)
        self._pit = np.clip(cumulative(self.pdf, edges, self.z), 0, 1)
        ends = {name: interval(self.pdf, edges, level) for name, level in LEVELS.items()}
        covered = {name: (self.z >= low) & (self.z <= high) for name, (low, high) in ends.items()}
        self._of_each = {
            "crps": crps(self.pdf, self.z, edges),
            "log_loss": log_losses(self.pdf, edges, self.z),
            **{name: inside.astype(float) for name, inside in covered.items()},
        }

    def scores(self, weight: NDArray[np.floating]) -> dict[str, Floats]:
        """Return all scores by name, (replicates,), of objects that count so often, (replicates, n).

        Those of the points; CRPS, log loss and coverage; `pit_ks` and `pit_cvm`, the distances of the PIT from uniform
        of Kolmogorov and Smirnov and of Cramer and von Mises; `nz_wasserstein`, that of the summed PDFs from the true
        redshifts; `bias_beyond_95` and `objects_beyond_95`, of objects beyond the training's 95th percentile.
        """
        parts = [self._score(weight[k : k + AT_ONCE, self.known].astype(float)) for k in range(0, len(weight), AT_ONCE)]
        return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}

    def _score(self, weight: Floats) -> dict[str, Floats]:
        pit_ks, pit_cvm = distances_from_uniform(self._pit, weight)
        far = weight[:, self.far]
        return {
            **point_scores(self.dz, weight),
            **{name: weighted_mean(values, weight) for name, values in self._of_each.items()},
            "pit_ks": pit_ks,
            "pit_cvm": pit_cvm,
            "nz_wasserstein": transport_distance(centres_of(self.edges), weight @ self.pdf, self.z, weight),
            f"bias_beyond_{BEYOND}": weighted_mean(self.dz[self.far], far),
            f"objects_beyond_{BEYOND}": far.sum(1),
        }


def redshift_scores(pdf: Floats, edges: Floats, z: Floats, beyond: float | None = None) -> dict[str, float | None]:
    """Return all scores of PDFs (n, bins) by the redshifts (n,) that are known, one at least; see `Scored`.

    The point estimate is the mean of the PDF.
    """
    found = Scored(pdf, edges, z, beyond).scores(np.ones((1, len(z))))
    number = int(found.pop(f"objects_beyond_{BEYOND}")[0])
    scores = {name: float(x[0]) if np.isfinite(x[0]) else None for name, x in found.items()}
    return {**scores, f"objects_beyond_{BEYOND}": number}
