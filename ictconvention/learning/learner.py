"""What all learners share: the stage they train, evaluation, optimiser and schedule."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import lightning
import torch
from torch import Tensor, nn

from ictconvention.configuration.options import OptimiserOptions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.spec import DataSpec
from ictconvention.feeding.turned_maps import turned_masks
from ictconvention.learning.domain import DomainHead
from ictconvention.learning.flux import FluxHead
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.learning.teacher import Teacher
from ictconvention.networks.heads import Branch
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.network import Network
from ictconvention.tasks.classes import Classes
from ictconvention.tasks.task import Task

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
    spec : DataSpec
        What it is fed: `data.spec`.
    optimiser : OptimiserOptions
        How it is trained.
    task : Task, optional
        What it learns; by default the classes.
    flux : FluxHead, optional
        What learns fluxes besides.

    Raises
    ------
    ValueError
        Network, inputs and data do not fit together.
    """

    def __init__(
        self,
        network: nn.Module,
        inputs: Inputs,
        spec: DataSpec,
        optimiser: OptimiserOptions = OptimiserOptions(),
        task: Task | None = None,
        flux: FluxHead | None = None,
    ) -> None:
        super().__init__()
        if (scaled := len(inputs.scaling.scale)) != len(spec.bands):
            raise ValueError(
                f"the scaling has {scaled} bands, the data have {', '.join(spec.bands)}; scale by data.scales"
            )
        if not inputs.finds(spec.contents):
            raise ValueError(f"{type(inputs).__name__} reads {inputs.reads}, and the batches hold {spec.contents!r}")
        self.network, self.inputs, self.spec, self.optimiser = network, inputs, spec, optimiser
        self.flux = flux
        self.domain: DomainHead | None = None  # while a stage trains against it, see `begin_domains`
        self.teacher: Teacher | None = None  # while a stage learns from it
        self.class_weights: Tensor
        self.register_buffer(
            "class_weights", torch.tensor(spec.class_weights), persistent=False
        )  # each stage has its own
        self.logit_offset: Tensor | None
        offset = None if spec.logit_offset is None else torch.tensor(spec.logit_offset)
        self.register_buffer("logit_offset", offset, persistent=False)
        self.task = Classes(spec.classes) if task is None else task
        self.metrics = self.task.make_metrics()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in a checkpoint, in plain values, of which data its weights are."""
        checkpoint["task"] = asdict(self.spec)
        if self.domain is not None:  # apart from the weights: what predicts has no such head
            weights = checkpoint["state_dict"]
            checkpoint["domain"] = {name: weights.pop(f"domain.{name}") for name in self.domain.state_dict()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the head on domains from where `on_save_checkpoint` puts it."""
        if self.domain is not None:
            checkpoint["state_dict"] |= {f"domain.{name}": value for name, value in checkpoint["domain"].items()}

    def begin_domains(self, strength: float, seed: int) -> DomainHead:
        """Return a new head that tells objects with a label from those without, against which this stage trains.

        Without `end_domains` it would be among the weights.

        Raises
        ------
        ValueError
            The batches of the stage hold no objects without a label.
        """
        if self.spec.domains is None:
            raise ValueError("the batches have no objects of both domains: SeriesDataModule(domains=True)")
        seen = self.get_parameter(f"{self.output_layers[0]}.weight").shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.domain = DomainHead(seen, strength, self.spec.domains)
        return self.domain

    def end_domains(self) -> None:
        """Leave the head out, which is none of the network's."""
        self.domain = None

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Tell the head on domains how far the stage has come."""
        if self.domain is not None:
            self.domain.progress = self.trainer.global_step / float(self.trainer.estimated_stepping_batches)

    @abstractmethod
    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return the `loss` of the training views of some objects, and its terms by name."""

    @abstractmethod
    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the outputs (B, outputs) that predict: of most tasks logits, (B, classes)."""

    @abstractmethod
    def features_and_logits(self, batch: SeriesBatch) -> tuple[Tensor, Tensor]:
        """Return what the last layer sees (B, features), and the logits (B, classes) that it makes of it."""

    @property
    @abstractmethod
    def trunks(self) -> dict[str, Network]:
        """The networks that give features, by their names in the learner; the one that predicts first."""

    @property
    @abstractmethod
    def predictor(self) -> Network | Branch:
        """What predicts; its `forward_padded` can be exported."""

    @property
    @abstractmethod
    def output_layers(self) -> list[str]:
        """The names of the layers whose rows are the classes."""

    def learned(self, batch: SeriesBatch) -> Tensor:
        """Return what the task's loss compares a batch with: its labels or its truth (B,), or its masks (B, H, W)."""
        if self.task.learns_masks:
            return turned_masks(batch)
        if not self.task.learns_truth:
            return batch.label
        if batch.truth is None:
            raise ValueError(f"the task {self.task.name} learns from numbers: SeriesDataModule(truth=...)")
        return batch.truth

    def cross_entropy(self, logits: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean of the task's loss over a batch, eq. 2, in the weights of training and of objects (B,)."""
        each = self.task.loss(self.offset(logits.float()), label, self.class_weights, self.spec.focal)
        return (each if weight is None else weight * each).mean()

    def add_teacher(self, terms: dict[str, Tensor], logits: Tensor, batch: SeriesBatch, views: int = 1) -> Tensor:
        """Return the loss of labels and teacher, (1 - w) loss_ce + w loss_teacher, the latter put among the terms.

        Parameters
        ----------
        terms : dict of str to tensor
            With `loss_ce`, which is all of the loss where there is no teacher.
        logits : tensor (n, classes)
            Of all views.
        batch : SeriesBatch
            Whose `index` and `weight` (n,) are those of the logits.
        views : int
            How many views' means are summed in `loss_ce`.
        """
        if self.teacher is None:
            return terms["loss_ce"]
        each = self.teacher(self.offset(logits.float()), batch.index)
        terms["loss_teacher"] = views * (each if batch.weight is None else batch.weight * each).mean()
        return (1 - self.teacher.weight) * terms["loss_ce"] + self.teacher.weight * terms["loss_teacher"]

    def offset(self, logits: Tensor) -> Tensor:
        """Return logits (B, classes) as the loss sees them: f + tau log(shares), see `Imbalance.adjustment`."""
        return logits if self.logit_offset is None else logits + self.logit_offset

    def training_step(self, views: Views, batch_index: int) -> Tensor:
        """Return the loss of a batch; log it and its terms, as means over the training epoch."""
        terms = self.loss(views)
        for name, value in terms.items():
            self.log(
                f"{self.spec.stage}/train/{name}",
                value.detach(),
                batch_size=len(views[0]),
                prog_bar=name == "loss",
                on_step=False,
                on_epoch=True,
                sync_dist=True,
            )
        return terms["loss"]

    def on_validation_start(self) -> None:
        """Take the first process's batch statistics, as its checkpoint does and the next training step would."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    on_test_start = on_predict_start = on_validation_start

    def validation_step(self, views: Views, batch_index: int) -> None:
        """Score a batch of the validation part."""
        self.metrics.update(self.logits(views[0]), self.learned(views[0]))

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the validation part."""
        self._log_scores(f"{self.spec.stage}/val")

    def test_step(self, views: Views, batch_index: int) -> None:
        """Score a batch of the test part."""
        self.metrics.update(self.logits(views[0]), self.learned(views[0]))

    def on_test_epoch_end(self) -> None:
        """Log the scores of the test part."""
        self._log_scores("test")

    def predict_step(self, views: Views, batch_index: int) -> Prediction:
        """Return the logits of a batch."""
        return Prediction(views[0].index, self.task.logits(self.logits(views[0]).float()))

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and its schedule per optimiser step."""
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ValueError("the schedules need an end: give the Trainer max_epochs or max_steps")
        heads = [head for head in (self.flux, self.domain) if head is not None]
        trained = nn.ModuleList([self.network, *heads]) if heads else self.network
        optimiser, schedule = optimiser_for(trained, self.optimiser, int(steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as the trainer says, or else as the optimiser's options do."""
        self.clip_gradients(optimizer, gradient_clip_val or self.optimiser.clip, gradient_clip_algorithm or "norm")

    def log_each(self, where: str, values: Mapping[str, Tensor]) -> None:
        """Log values that are those of all processes already."""
        for name, value in values.items():
            self.log(f"{where}/{name}", value.float(), sync_dist=True)

    def _log_scores(self, where: str) -> None:
        self.log_each(where, self.metrics.compute())
        self.metrics.reset()


def input_shape(spec: DataSpec) -> InputShape:
    """Return what a network must be built for, to learn from these data."""
    sizes = (spec.stamp_size, spec.max_frames, spec.frames_per_group, 2 if spec.residuals else 1)
    return InputShape(spec.bands, *sizes, spec.pixel_scale, spec.reddening, bool(spec.points))


def check_fit(trunk: Network, inputs: Inputs, spec: DataSpec) -> Network:
    """Return a network's trunk, or raise a ValueError that says where inputs or data do not fit it."""
    if not isinstance(inputs, trunk.takes):
        raise ValueError(f"{type(trunk).__name__} takes {trunk.takes.__name__}, not {type(inputs).__name__}")
    trunk.check_shape(input_shape(spec))
    return trunk
