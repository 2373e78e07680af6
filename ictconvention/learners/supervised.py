"""Supervised learning: one view, one network, the cross-entropy."""

from torch import Tensor

from ictconvention.data.series import SeriesBatch
from ictconvention.learners.learner import Learner, Views


class Supervised(Learner):
    """Trains ConvEntion, CNN+GRU, CNN+LSTM or the light-curve RNN; parameters as of `Learner`."""

    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the logits (B, classes) of a batch."""
        logits: Tensor = self.network(*self.inputs(batch))
        return logits

    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return eq. 2 of the one view."""
        return {"loss": self.cross_entropy(self.logits(views[0]), views[0].label)}
