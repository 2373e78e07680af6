"""What is counted of redshifts while a network trains: the mean loss, and scores of the points."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchmetrics import CatMetric, MeanMetric

from ictconvention.evaluation.redshift.scores import FAR

SCALE = 1.4826  # of the median deviation of a Gaussian


class RedshiftMetrics(nn.Module):
    """The mean loss, bias, sigma_MAD and outlier share over objects whose redshift is known.

    Parameters
    ----------
    loss : function
        From outputs (B, outputs) and redshifts (B,) to losses (B,).
    points : function
        From outputs to redshifts (B,).
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor], points: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.loss, self.points = loss, points
        self.mean, self.errors = MeanMetric(), CatMetric()

    def update(self, outputs: Tensor, label: Tensor) -> None:
        """Add the outputs (B, outputs) of a batch and its redshifts (B,), NaN where unknown."""
        known = torch.isfinite(label)
        if not known.any():
            return
        outputs, z = outputs[known].float(), label[known]
        self.mean.update(self.loss(outputs, z))
        self.errors.update((self.points(outputs) - z) / (1 + z))

    def compute(self) -> dict[str, Tensor]:
        """Return the loss and the scores by name."""
        dz = torch.as_tensor(self.errors.compute()).double().reshape(-1)
        return {
            "loss": self.mean.compute(),
            "bias": dz.mean(),
            "sigma_mad": SCALE * (dz - dz.quantile(0.5)).abs().quantile(0.5),
            "outliers_05": (dz.abs() > FAR["outliers_05"]).double().mean(),
        }

    def reset(self) -> None:
        """Forget what was added."""
        self.mean.reset()
        self.errors.reset()
