"""What is least where the PDF of a redshift is right: cross-entropy of hard or soft labels, CRPS, or a regression."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.evaluation.redshift.pdf import crps

HUBER = 2.0  # standard deviations beyond which an error counts by its size, not by its square
SHARPEST, VAGUEST = -7.0, 2.0  # ln sigma of z / (1 + z)
MEAN_AND_SIGMA = 2  # outputs of a regression


def bins_of(z: Tensor, edges: Tensor) -> Tensor:
    """Return the bin of each redshift (B,); the first or last for one outside, or NaN."""
    return (torch.bucketize(z.contiguous(), edges, right=True) - 1).clamp(0, len(edges) - 2)


def soften(z: Tensor, edges: Tensor, sd: Tensor) -> Tensor:
    """Return labels (B, bins): the probability of each bin by a Gaussian about z (B,), cut off at the outer edges."""
    ends = (edges - z[:, None]) / (sd[:, None] * 2**0.5)
    mass = torch.erf(ends).diff(dim=1)
    return mass / mass.sum(1, keepdim=True)


def hard_loss(logits: Tensor, z: Tensor, edges: Tensor, focal: float = 0.0) -> Tensor:
    """Return the cross-entropy (B,) of the bin of z; focal as of `Task.loss`."""
    each = F.cross_entropy(logits, bins_of(z, edges), reduction="none")
    return (1 - torch.exp(-each)) ** focal * each if focal else each


def soft_loss(logits: Tensor, z: Tensor, edges: Tensor, sd: Tensor, focal: float = 0.0) -> Tensor:
    """Return the cross-entropy (B,) of the Gaussian label of z, of standard deviation sd (B,)."""
    label = soften(z, edges, sd)
    each = F.cross_entropy(logits, label, reduction="none")
    return (1 - (label * logits.softmax(1)).sum(1)) ** focal * each if focal else each


def crps_loss(logits: Tensor, z: Tensor, edges: Tensor) -> Tensor:
    """Return the CRPS (B,) of the PDF in units of the range of the bins, so that it is about as large as others."""
    return crps(logits.softmax(1), z, edges) / (edges[-1] - edges[0])


def regression_loss(outputs: Tensor, z: Tensor) -> Tensor:
    """Return the Huber loss of ((y - mean) / sigma) plus ln sigma (B,), of y = z / (1 + z); outputs mean, ln sigma."""
    log_sigma = outputs[:, 1].clamp(SHARPEST, VAGUEST)
    off = (z / (1 + z) - outputs[:, 0]) / log_sigma.exp()
    return F.huber_loss(off, torch.zeros_like(off), reduction="none", delta=HUBER) + log_sigma


def gaussian_logits(outputs: Tensor, edges: Tensor) -> Tensor:
    """Return logits (B, bins) of the Gaussian in y = z / (1 + z) that a regression's outputs (B, 2) say."""
    y = edges / (1 + edges)
    centre, width = (y[1:] + y[:-1]) / 2, y[1:] - y[:-1]
    log_sigma = outputs[:, 1:].clamp(SHARPEST, VAGUEST)
    return -0.5 * ((centre - outputs[:, :1]) / log_sigma.exp()) ** 2 + width.log()
