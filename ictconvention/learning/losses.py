"""The terms of ICT's loss, one value per object; how they are weighed and added up is the learners' part."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.feeding.batch import UNLABELLED


def consistency(prediction: Tensor, target: Tensor) -> Tensor:
    """Return eq. 1 of ICT-ConvEntion, || z/|z| - z'/|z'| ||^2 = 2 - 2 cos, (B,) from 0 to 4.

    Parameters
    ----------
    prediction, target : tensors (B, D)
        z of one view through the online network, z' of the other through the target network.
    """
    return (F.normalize(prediction, dim=1) - F.normalize(target, dim=1)).square().sum(1)


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the online probabilities from the target's (B,), as a mean teacher.

    Parameters
    ----------
    logits, target : tensors (B, classes)
        Logits of one view through the online network, of the other through the target network.
    """
    expected = target.log_softmax(1)
    return F.kl_div(logits.log_softmax(1), expected, reduction="none", log_target=True).sum(1)


def classification(logits: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
    """Return eq. 2 of ICT-ConvEntion, the weighed cross-entropy (B,); 0 for objects without a label.

    Parameters
    ----------
    logits : tensor (B, classes)
        Logits of one view.
    label : integer tensor (B,)
        Classes, or `UNLABELLED`.
    weights : tensor (classes,)
        Weight of each class.
    focal : float
        Gamma of the focal loss; 0 is the cross-entropy.
    """
    known = label.clamp(min=0)
    cross_entropy = F.cross_entropy(logits, known, reduction="none")
    if focal:
        doubt = (1 - torch.exp(-cross_entropy)).clamp(min=1e-6)  # the slope of a root is infinite at 0
        cross_entropy = doubt.pow(focal) * cross_entropy
    return torch.where(label == UNLABELLED, 0, weights[known] * cross_entropy)


def spread_floor(projection: Tensor) -> Tensor:
    """Return by how much the normalised projections (B, D) spread less than on a whole sphere; a scalar from 0 to 1.

    The standard deviation of each dimension over the batch, in units of the sphere's 1/sqrt(D), is held above 1 by a
    hinge, as the variance term of VICReg does.
    """
    z = F.normalize(projection, dim=1)
    deviation = (z.var(0, correction=0) * z.shape[1] + 1e-4).sqrt()
    return F.relu(1 - deviation).mean()
