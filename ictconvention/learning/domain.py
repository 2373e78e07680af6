"""A head that tells objects with a label from those without, and by whose reversed gradient features forget which.

Domain-adversarial training (Ganin et al. 2016, DANN). No prediction uses the head: it is there while its stage trains.
"""

from math import exp
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.feeding.batch import UNLABELLED
from ictconvention.networks.parts.precision import full_precision

HIDDEN = 64  # units of the one hidden layer
STEEPNESS = 10.0  # of the rise of the reversal, as published


class Reversal(torch.autograd.Function):
    """The identity, whose gradient comes back times minus a factor."""

    @staticmethod
    def forward(context: Any, values: Tensor, factor: float) -> Tensor:
        """Return the values as they are."""
        context.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the reversed gradient."""
        return -context.factor * gradients[0], None


def reversal_at(progress: float, strength: float) -> float:
    """Return the factor of the reversed gradient at a share of a stage, from 0 at its begin to nearly `strength`.

    strength (2 / (1 + exp(-10 progress)) - 1), eq. 14 of Ganin et al. 2016: the head learns first, and the features are
    not chased by one that knows nothing.
    """
    return strength * (2 / (1 + exp(-STEEPNESS * progress)) - 1)


class DomainHead(nn.Module):
    """From features to a logit that an object has no label, as those to be predicted.

    It learns to tell; the features get its gradient reversed, times `strength` at the end.

    Parameters
    ----------
    features : int
        Number of features.
    strength : float
        Of the reversed gradient, beside the task's own.
    weights : pair of float
        How much an object with a label counts, and one without: that both kinds weigh the same, see `DataSpec.domains`.

    Examples
    --------
    >>> from ictconvention.learning.domain import DomainHead
    >>> DomainHead(features=128, strength=1.0, weights=(1.0, 1.0))(torch.zeros(3, 128)).shape
    torch.Size([3])
    """

    def __init__(self, features: int, strength: float, weights: tuple[float, float]) -> None:
        super().__init__()
        self.strength, self.weights = strength, weights
        self.progress = 0.0  # of the stage, from 0 to 1: the learner says it before each step
        self.layers = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (B,) of features (B, features)."""
        logits: Tensor = full_precision(self.layers, features)
        return logits.squeeze(1)

    def loss(self, features: Tensor, label: Tensor) -> Tensor:
        """Return the mean cross-entropy of a batch, whose gradient reaches the features reversed.

        Parameters
        ----------
        features : tensor (B, features)
            What the last layer sees.
        label : tensor (B,)
            Labels, or `UNLABELLED`.
        """
        apart = label == UNLABELLED
        logits = self(Reversal.apply(features, reversal_at(self.progress, self.strength)))
        each = F.binary_cross_entropy_with_logits(logits, apart.to(logits.dtype), reduction="none")
        of_labelled, of_others = self.weights
        return (torch.where(apart, of_others, of_labelled) * each).mean()
