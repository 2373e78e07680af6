"""Objects of the same class, and its prototype, as what a projection is compared with: BCL (Zhu et al. 2022)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.feeding.batch import UNLABELLED, SeriesBatch
from ictconvention.learning.forms.form import Form
from ictconvention.networks.heads import PROJECTED

PAST = 0.9  # weight of the past in a prototype, each time that its class comes


class ClassMates(Form):
    """Balanced contrastive learning with class prototypes, of a projection z_i of class y,.

        - w_y mean_{j in M_i} log[ exp(z_i z_j / T) / sum_k mean_{j in B_k} exp(z_i z_j / T) ]

    B_k: the target's projections of the objects of class k in the batch, and the prototype of k. M_i: those of B_y but
    the object's own. As each class is a mean in the sum, it counts the same there however rare it is. A prototype is
    the moving average of the target's projections of its class. All projections have unit length. Objects without a
    class have no mates, and count 0. w_y is the weight of the class in the cross-entropy.

    Parameters
    ----------
    class_weights : tensor (classes,)
        w.
    temperature : float
        T.
    """

    def __init__(self, class_weights: Tensor, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.weights: Tensor
        self.prototypes: Tensor
        self.register_buffer("weights", class_weights.clone(), persistent=False)
        self.register_buffer("prototypes", torch.zeros(len(class_weights), PROJECTED), persistent=False)

    def forward(self, own: Tensor, other: Tensor | None, batch: SeriesBatch) -> Tensor:
        """Return the loss of projections (n, 128) by the target's of the same objects (n, 128)."""
        assert other is not None
        label, classes = batch.label, len(self.weights)
        z, mates = F.normalize(own.float(), dim=1), F.normalize(other.detach().float(), dim=1)
        if self.training:
            self._follow(mates, label)
        prototypes = F.normalize(self.prototypes, dim=1)
        others = torch.cat([mates, prototypes])
        there = self.prototypes.any(1)  # a class that has not come yet has no prototype
        known = F.one_hot(label.clamp(min=0), classes).bool() & (label != UNLABELLED)[:, None]
        member = torch.cat([known, torch.diag(there)])  # (n + classes, classes): who is in B_k
        cosine = z @ others.T / self.temperature
        number = member.sum(0)
        log_mean = (cosine[:, :, None].masked_fill(~member, -torch.inf).logsumexp(1) - number.clamp(min=1).log()).where(
            number > 0, -torch.inf
        )
        log_probability = cosine - log_mean.logsumexp(1, keepdim=True)
        mate = known.to(z.dtype) @ member.T.to(z.dtype)
        index = batch.index
        mate[:, : len(mates)] *= index[:, None] != index  # neither its own view nor itself
        each = -(mate * log_probability.where(mate > 0, 0)).sum(1) / mate.sum(1).clamp(min=1)
        return self.weights[label.clamp(min=0)] * each  # of an object without a class no mates: 0

    def _follow(self, mates: Tensor, label: Tensor) -> None:
        known = F.one_hot(label.clamp(min=0), len(self.weights)).to(mates.dtype) * (label != UNLABELLED)[:, None]
        count = known.sum(0)[:, None]
        mean = known.T @ mates / count.clamp(min=1)
        moved = torch.where(self.prototypes.any(1, keepdim=True), PAST * self.prototypes + (1 - PAST) * mean, mean)
        self.prototypes = torch.where(count > 0, moved, self.prototypes)
