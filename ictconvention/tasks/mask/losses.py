"""What is least where masks are right: the cross-entropy of known pixels, or the divergence of the shares."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.evaluation.masks.kl import EPSILON
from ictconvention.survey.masks.mask_file import IGNORED

LEAST = 1e-6  # doubt of a focal loss, since the slope of a root is infinite at 0


def pixel_loss(logits: Tensor, mask: Tensor, weights: Tensor, focal: float = 0.0) -> Tensor:
    """Return the cross-entropy of each picture (B,), whose mean over a batch is that over its known pixels.

    Of one-hot pixels p this is sum p log(p / q), the divergence of the network's probabilities q.

    Parameters
    ----------
    logits : tensor (B, classes, H, W)
        From the network.
    mask : integer tensor (B, H, W)
        The class of each pixel; 255 is not known, and has no gradient.
    weights : tensor (classes,)
        Weight of a pixel of each class, of mean 1 over the known pixels.
    focal : float
        Gamma of the focal loss; 0 is the cross-entropy.

    Returns
    -------
    tensor (B,)
        Sums over the pixels of a picture, times B over the number of known pixels in the batch.
    """
    known = mask != IGNORED
    target = torch.where(known, mask, 0).long()
    each = F.cross_entropy(logits, target, reduction="none")
    if focal:
        each = (1 - torch.exp(-each)).clamp(min=LEAST).pow(focal) * each
    each = torch.where(known, weights[target] * each, 0)
    return each.sum((1, 2)) * (len(mask) / known.sum().clamp(min=1).to(each.dtype))


def share_loss(predicted: Tensor, mask: Tensor) -> Tensor:
    """Return the divergence (B,) of predicted shares from those of the known pixels; 0 for a picture without any.

    As `kl.divergences`; the mean over a batch is that over its pictures with a known pixel.

    Parameters
    ----------
    predicted : tensor (B, classes)
        Rows that sum to 1.
    mask : integer tensor (B, H, W)
        As of `pixel_loss`.
    """
    counts = count_classes(mask, predicted.shape[1]).to(predicted.dtype)
    known = counts.sum(1)
    y = counts / known.clamp(min=1)[:, None] + EPSILON
    each = torch.where(known > 0, (y * (y / (predicted + EPSILON)).log()).sum(1), 0)
    return each * (len(mask) / (known > 0).sum().clamp(min=1).to(each.dtype))


def mean_shares(logits: Tensor, there: Tensor | None = None) -> Tensor:
    """Return the mean probabilities (B, classes) of the pixels of logits (B, classes, H, W), or of (B, classes).

    Of pixels, those that are `there` (B, H, W); by default all.
    """
    return mean_pixels(logits.softmax(1), there) if logits.ndim > 2 else logits.softmax(1)


def mean_pixels(maps: Tensor, there: Tensor | None = None) -> Tensor:
    """Return the mean (B, classes) of the pixels of maps (B, classes, H, W) that are `there` (B, H, W); else of all."""
    if there is None:
        return maps.flatten(2).mean(2)
    return (maps * there[:, None]).sum((2, 3)) / there.sum((1, 2)).clamp(min=1)[:, None]


def known_pixels_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return `share_loss` of the mean probabilities of the pixels that the mask knows; of (B, classes), of these.

    Both sides are then of the same pixels: none without data, and no cloud, is taken for land.
    """
    return share_loss(mean_shares(logits, mask != IGNORED), mask)


def count_classes(mask: Tensor, classes: int) -> Tensor:
    """Return the known pixels of each class (B, classes) in masks (B, H, W)."""
    return count_pairs(torch.zeros_like(mask), mask, 1, classes)[:, 0]


def count_confusion(mask: Tensor, guess: Tensor, classes: int) -> Tensor:
    """Return the confusion of the known pixels (B, classes, classes), rows true, of masks and guesses (B, H, W)."""
    return count_pairs(mask, guess, classes, classes)


def count_pairs(first: Tensor, second: Tensor, rows: int, columns: int) -> Tensor:
    """Return how many pixels of each picture have each pair of values (B, rows, columns); 255 counts nowhere."""
    known = ((first != IGNORED) & (second != IGNORED)).flatten(1)
    cell = (first.long() * columns + second.long()).flatten(1)
    cell = torch.where(known, cell, rows * columns)
    counts = torch.zeros(len(first), rows * columns + 1, dtype=torch.int64, device=first.device)
    counts.scatter_add_(1, cell, torch.ones_like(cell))
    return counts[:, :-1].reshape(-1, rows, columns)
