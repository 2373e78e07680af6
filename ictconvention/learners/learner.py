"""What all learners share: the stage they train, evaluation, optimiser and schedule."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassRecall

from ictconvention.data.series import SeriesBatch
from ictconvention.learners.inputs import Inputs
from ictconvention.learners.losses import classification
from ictconvention.learners.optimiser import optimiser_for
from ictconvention.options import OptimiserOptions

Views = tuple[SeriesBatch, ...]


class Prediction(NamedTuple):
    """Positions in the survey (B,) of some objects, and their logits (B, classes)."""

    position: Tensor
    logits: Tensor


class Learner(lightning.LightningModule, ABC):
    """A network in training.

    Parameters
    ----------
    network : Module
        What is trained; its parameters are the optimiser's.
    inputs : Inputs
        From a batch to the arguments of the network.
    classes : sequence of str
        Names of the classes.
    stage : str
        "pretrain" or "finetune"; begins the name of every metric.
    optimiser : OptimiserOptions
        How it is trained.
    class_weights : array (classes,), optional
        Weights in the cross-entropy, see `sampler.class_weights`; 1 by default.
    focal : float
        Gamma of the focal loss.
    """

    def __init__(
        self,
        network: nn.Module,
        inputs: Inputs,
        classes: Sequence[str],
        stage: str,
        optimiser: OptimiserOptions = OptimiserOptions(),
        class_weights: Any = None,
        focal: float = 0.0,
    ) -> None:
        super().__init__()
        self.network, self.inputs, self.classes, self.stage = network, inputs, tuple(classes), stage
        self.optimiser, self.focal = optimiser, focal
        weights = torch.ones(len(self.classes)) if class_weights is None else torch.as_tensor(class_weights)
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights.float(), persistent=False)  # each stage has its own
        n = len(self.classes)
        self.scores = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(n, average="micro"),
                "balanced_accuracy": MulticlassAccuracy(n, average="macro"),
                "f1_macro": MulticlassF1Score(n, average="macro"),
                "recall": MulticlassRecall(n, average="none"),
            }
        )
        self.losses = ClassLoss(n)

    @abstractmethod
    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return the `loss` of the training views of some objects, and its terms by name."""

    @abstractmethod
    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the logits (B, classes) that predict."""

    def cross_entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the mean of eq. 2 over a batch, in the training's weights."""
        return classification(logits.float(), label, self.class_weights, self.focal).mean()

    def training_step(self, views: Views, batch_index: int) -> Tensor:
        """Return the loss of a batch; log it and its terms, as means over the training epoch."""
        terms = self.loss(views)
        for name, value in terms.items():
            shown, where = name == "loss", f"{self.stage}/train/{name}"
            self.log(where, value.detach(), batch_size=len(views[0]), prog_bar=shown, on_step=False, on_epoch=True)
        return terms["loss"]

    def validation_step(self, views: Views, batch_index: int) -> None:
        """Score a batch of the validation part."""
        self._score(views[0], self.logits(views[0]))

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the validation part."""
        self._log_scores(f"{self.stage}/val")

    def test_step(self, views: Views, batch_index: int) -> None:
        """Score a batch of the test part."""
        self._score(views[0], self.logits(views[0]))

    def on_test_epoch_end(self) -> None:
        """Log the scores of the test part."""
        self._log_scores("test")

    def predict_step(self, views: Views, batch_index: int) -> Prediction:
        """Return the logits of a batch."""
        return Prediction(views[0].index, self.logits(views[0]).float())

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and its schedule per optimiser step."""
        optimiser, schedule = optimiser_for(self.network, self.optimiser, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer says, or else as the optimiser's options do."""
        self.clip_gradients(optimizer, gradient_clip_val or self.optimiser.clip, gradient_clip_algorithm or "norm")

    def _score(self, batch: SeriesBatch, logits: Tensor) -> None:
        self.scores.update(logits.float(), batch.label)
        self.losses.update(logits.float(), batch.label)

    def _log_scores(self, where: str) -> None:
        scores = cast(dict[str, Tensor], self.scores.compute())
        recall = scores.pop("recall")
        values = scores | self.losses.compute()
        values |= {f"recall/{name}": value for name, value in zip(self.classes, recall, strict=True)}
        self.log_dict({f"{where}/{name}": value.float() for name, value in values.items()})
        self.scores.reset()
        self.losses.reset()


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
