"""What is counted of the classes while a network trains: scores of a confusion matrix, and two means of the loss."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.classification import MulticlassConfusionMatrix

from ictconvention.evaluation.confusion import confusion_scores
from ictconvention.feeding.batch import UNLABELLED


class ClassMetrics(nn.Module):
    """Scores of the predicted classes and means of the cross-entropy, over all objects that have a class.

    Parameters
    ----------
    names : sequence of str
        Names of the classes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names
        self.confusion = MulticlassConfusionMatrix(len(names))
        self.losses = ClassLoss(len(names))

    def update(self, outputs: Tensor, label: Tensor) -> None:
        """Add the logits (B, classes) of a batch and its classes (B,), some perhaps `UNLABELLED`."""
        known = label != UNLABELLED
        self.confusion.update(outputs[known].float(), label[known])
        self.losses.update(outputs[known].float(), label[known])

    def compute(self) -> dict[str, Tensor]:
        """Return the scores and the losses by name."""
        return class_scores(self.confusion.compute(), self.names) | self.losses.compute()

    def reset(self) -> None:
        """Forget what was added."""
        self.confusion.reset()
        self.losses.reset()


def class_scores(confusion: Tensor, classes: Sequence[str]) -> dict[str, Tensor]:
    """Return scores from a confusion matrix, rows true; classes without an object are left out."""
    found = confusion_scores(confusion.cpu().numpy())
    recalls = {f"recall/{name}": x for name, x in zip(classes, found["recall"], strict=True) if np.isfinite(x)}
    chief = {name: found[name] for name in ("accuracy", "balanced_accuracy", "f1_macro")}
    return {
        name: torch.tensor(x, dtype=torch.float64, device=confusion.device) for name, x in (chief | recalls).items()
    }


class ClassLoss(Metric):
    """Cross-entropy over all objects (`loss_ce`), and as the mean of the classes' means (`loss_balanced`).

    Parameters
    ----------
    classes : int
    """

    full_state_update = False

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(classes, dtype=torch.float64), dist_reduce_fx="sum")
        self.total: Tensor
        self.count: Tensor

    def update(self, logits: Tensor, label: Tensor) -> None:
        """Add the logits (B, classes) of objects of known classes (B,)."""
        loss = F.cross_entropy(logits, label, reduction="none").double()
        self.total.index_add_(0, label, loss)
        self.count += torch.bincount(label, minlength=len(self.count))

    def compute(self) -> dict[str, Tensor]:
        """Return both means; classes without an object are left out."""
        seen = self.count > 0
        return {
            "loss_ce": self.total.sum() / self.count.sum(),
            "loss_balanced": (self.total[seen] / self.count[seen]).mean(),
        }
