"""What the network said of each object in passes before, in the place of a target network's pass.

Temporal ensembling (Laine & Aila 2017) and early-learning regularisation (Liu et al. 2020): the cost of one view.
"""

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.learning.forms.form import Form

LEAST = 1e-4  # of a probability, as in the published code of early learning


class Memory(Form):
    """An average of the probabilities of each object, z <- a z + (1 - a) p, each time that it comes.

    An object is known by its position in the survey. Where it comes several times in a batch (both views, or drawn
    twice), p is their mean.

    Parameters
    ----------
    classes : int
        Number of classes.
    past : float
        a, in [0, 1).
    """

    def __init__(self, classes: int, past: float) -> None:
        super().__init__()
        self.past = past
        self.average: Tensor
        self.times: Tensor
        self.register_buffer("average", torch.zeros(0, classes), persistent=False)
        self.register_buffer("times", torch.zeros(0, dtype=torch.int64), persistent=False)

    def recall(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return z / (1 - a^t) of objects (n, classes), and how often each has come before, t (n,)."""
        self._reach(index)
        times = self.times[index]
        whole = 1 - self.past ** times.clamp(min=1).float()
        return self.average[index] / whole[:, None], times

    def add(self, index: Tensor, probabilities: Tensor) -> None:
        """Add the probabilities (n, classes) of objects (n,)."""
        self._reach(index)
        objects, place, count = index.unique(return_inverse=True, return_counts=True)
        mean = torch.zeros(len(objects), probabilities.shape[1], device=probabilities.device)
        mean = mean.index_add(0, place, probabilities.float()) / count[:, None]
        self.average[objects] = self.past * self.average[objects] + (1 - self.past) * mean
        self.times[objects] += 1

    def _reach(self, index: Tensor) -> None:
        """Make room for objects."""
        if (more := int(index.max()) + 1 - len(self.times)) > 0:
            self.average = torch.cat([self.average, self.average.new_zeros(more, self.average.shape[1])])
            self.times = torch.cat([self.times, self.times.new_zeros(more)])


class TemporalEnsemble(Memory):
    """sum_c (p_c - z_c)^2 with the average z of the passes before, of which the first has none to compare with."""

    def forward(self, own: Tensor, other: Tensor | None, batch: SeriesBatch) -> Tensor:
        """Return the squared distance of the probabilities of logits (n, classes) to those that are remembered."""
        found = own.float().softmax(1)
        before, times = self.recall(batch.index)
        each = torch.where(times > 0, (found - before).square().sum(1), 0)
        if self.training:
            self.add(batch.index, found.detach())
        return each


class EarlyLearning(Memory):
    """log(1 - sum_c p_c z_c) with the average z, this pass in it: the gradient holds on to what was learned early.

    The published weight is 3, with a = 0.7.
    """

    def forward(self, own: Tensor, other: Tensor | None, batch: SeriesBatch) -> Tensor:
        """Return the regularisation of logits (n, classes), at most 0."""
        found = own.float().softmax(1).clamp(LEAST, 1 - LEAST)
        if self.training:
            known = found.detach()
            self.add(batch.index, known / known.sum(1, keepdim=True))
        self._reach(batch.index)
        return torch.log1p(-(found * self.average[batch.index]).sum(1))
