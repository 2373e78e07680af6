"""The target's likeliest class as a label, where it is sure: FixMatch (Sohn 2020), FreeMatch (Wang 2023)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.feeding.batch import UNLABELLED, SeriesBatch
from ictconvention.learning.forms.form import Form

PAST = 0.99  # weight of the past in what the adaptive thresholds follow (published: 0.999, of a million steps)


class HardLabels(Form):
    """1(max q >= t_c) CE(p, c), with the target's probabilities q and its likeliest class c = argmax q.

    The threshold t_c is a number; or, "adaptive", that of FreeMatch,

        t_c = m_c / max_k m_k * s,   s <- g s + (1 - g) mean(max q),   m <- g m + (1 - g) mean(q),

    which is lower for a class that the target finds seldom; s and all m_c begin at 1/C. They follow objects without a
    label where there are any in the batch, and all objects where not.

    Parameters
    ----------
    classes : int
        C.
    threshold : float or "adaptive"
        Probability from which the target is sure.
    """

    def __init__(self, classes: int, threshold: float | Literal["adaptive"]) -> None:
        super().__init__()
        self.threshold = threshold
        self.sureness: Tensor
        self.share: Tensor
        self.register_buffer("sureness", torch.tensor(1 / classes), persistent=False)
        self.register_buffer("share", torch.full((classes,), 1 / classes), persistent=False)

    def forward(self, own: Tensor, other: Tensor | None, batch: SeriesBatch) -> Tensor:
        """Return the loss of logits (n, classes) by the target's (n, classes), 0 where it is not sure."""
        assert other is not None
        expected = other.detach().float().softmax(1)
        if self.threshold == "adaptive":
            if self.training:
                self._follow(expected, batch.label == UNLABELLED)
            least = self.share / self.share.max() * self.sureness
        else:
            least = torch.full_like(self.share, float(self.threshold))
        sure, label = expected.max(1)
        each = F.cross_entropy(own.float(), label, reduction="none")
        return torch.where(sure >= least[label], each, 0)

    def _follow(self, expected: Tensor, apart: Tensor) -> None:
        weight = torch.where(apart.any(), apart, True).to(expected.dtype)
        mean = (weight[:, None] * expected).sum(0) / weight.sum()
        sure = (weight * expected.amax(1)).sum() / weight.sum()
        self.share = PAST * self.share + (1 - PAST) * mean
        self.sureness = PAST * self.sureness + (1 - PAST) * sure
