"""A PDF over bins of redshift, constant within each: its points, intervals, ranks and CRPS. Knows no survey."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Array = TypeVar("Array", Floats, "Tensor")
ODDS = 0.06  # half the width of the interval of the odds, times 1 + z_p


def centres_of(edges: Floats) -> Floats:
    """Return the centres (bins,) of bins by their edges (bins + 1,)."""
    return np.asarray((edges[:-1] + edges[1:]) / 2)


def point_estimates(pdf: Floats, edges: Floats) -> dict[str, Floats]:
    """Return the mean, median and mode (n,) of PDFs (n, bins), all as if each bin stood at its centre.

    The left edges of the bins, which a published script takes, would add a bias of half a bin.
    """
    centres = centres_of(edges)
    half = (np.cumsum(pdf, axis=1) >= 0.5 * pdf.sum(1, keepdims=True)).argmax(1)
    return {"mean": pdf @ centres, "median": centres[half], "mode": centres[pdf.argmax(1)]}


def cumulative(pdf: Floats, edges: Floats, z: Floats) -> Floats:
    """Return the probability below redshifts z (n,) or (n, m) by PDFs (n, bins); of the true ones it is the PIT."""
    places = z.reshape(len(pdf), -1)
    below = np.clip((places[:, :, None] - edges[:-1]) / np.diff(edges), 0, 1)
    return np.asarray(np.einsum("nmb,nb->nm", below, pdf).reshape(z.shape))


def quantiles(pdf: Floats, edges: Floats, shares: Sequence[float]) -> Floats:
    """Return the redshifts (n, shares) below which PDFs (n, bins) have these shares."""
    above = np.concatenate([np.zeros((len(pdf), 1)), np.cumsum(pdf, axis=1)], axis=1)
    above /= above[:, -1:]
    return np.array([np.interp(shares, own, edges) for own in above]).reshape(len(pdf), len(shares))


def interval(pdf: Floats, edges: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the ends (n,) of the central interval of a probability."""
    ends = quantiles(pdf, edges, [(1 - level) / 2, (1 + level) / 2])
    return ends[:, 0], ends[:, 1]


def odds(pdf: Floats, edges: Floats) -> Floats:
    """Return the probability (n,) within `ODDS` (1 + z_p) of the mean z_p of PDFs (n, bins)."""
    mean = point_estimates(pdf, edges)["mean"]
    reach = ODDS * (1 + mean)
    ends = cumulative(pdf, edges, np.stack([mean - reach, mean + reach], axis=1))
    return np.asarray(ends[:, 1] - ends[:, 0])


def crps(pdf: Array, z: Array, edges: Array) -> Array:
    """Return the continuous ranked probability score (n,), the integral of (F(x) - [x >= z])^2, in closed form.

    F rises linearly within a bin, so that the square of it is integrated exactly; less is better. For arrays of numpy
    and tensors of torch alike.

    Parameters
    ----------
    pdf : array (n, bins)
        Probabilities that sum to 1.
    z : array (n,)
        True redshifts; one outside the bins adds its distance from them.
    edges : array (bins + 1,)
        Edges of the bins.
    """
    low, width = edges[:-1], edges[1:] - edges[:-1]
    above = pdf.cumsum(1)
    below = above - pdf
    share = ((z[:, None] - low) / width).clip(0, 1)  # of each bin that lies below z
    at = below + pdf * share
    before = share * (below**2 + below * at + at**2)
    after = (1 - share) * ((1 - at) ** 2 + (1 - at) * (1 - above) + (1 - above) ** 2)
    outside = (edges[0] - z).clip(0) + (z - edges[-1]).clip(0)
    found: Array = (width * (before + after)).sum(1) / 3 + outside
    return found


def mean_of_nearest(kernels: Floats, nearest: NDArray[np.int64]) -> Floats:
    """Return the mean PDF (m, bins) of neighbours (m, count), one neighbour at a time: all at once take gigabytes."""
    total = np.zeros((len(nearest), kernels.shape[1]))
    for neighbour in nearest.T:
        total += kernels[neighbour]
    return np.asarray(total / nearest.shape[1])


def widen(redshift: Floats, width: float, edges: Floats) -> Floats:
    """Return a Gaussian of sd width (1 + z) about each redshift (n,), as PDFs (n, bins): nothing is outside them."""
    below = ndtr((edges - redshift[:, None]) / (width * (1 + redshift[:, None])))
    mass = np.diff(below, axis=1)
    return np.asarray(mass / mass.sum(1, keepdims=True))
