"""What a stage in training tells: a line, a row of metrics and the status after each training epoch; a progress bar."""

import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import RichProgressBar

from ictconvention.configuration.options import Stage
from ictconvention.core.errors import UsageError
from ictconvention.learning.learner import Learner
from ictconvention.networks.pictures.picture_network import PictureNetwork
from ictconvention.runs.machine import rank_zero
from ictconvention.runs.status import MetricsTable, Status
from ictconvention.training.dashboard import Dashboard

logger = logging.getLogger(__name__)

WARM_UP, PACED = 1, 3  # batches before the pace is taken, and at which it is
REDRAWN = 20  # batches after which the bar reads the loss of a device that it must wait for
LONG = 1800  # seconds; a longer run on a machine without a GPU is told so


@dataclass(frozen=True)
class Records:
    """Where a run keeps its records; only the process that writes has them."""

    metrics: MetricsTable
    status: Status
    dashboard: Dashboard


class EpochReport(lightning.Callback):
    """Keeps the records of one stage; before the checkpoints, which Lightning calls last.

    Parameters
    ----------
    stage : str
        Begins the name of its metrics.
    objects : int
        Drawn in a training epoch of this stage.
    later : int
        Drawn in all training epochs of the stages after it.
    short : bool
        Whether the sequences are short already, no more than a laptop's.
    headline : mapping of str to str
        Metrics of validation that the line about a training epoch has, in words.
    records : Records
        Where they go.
    alone : bool
        Whether this process does all the work, so that its CPU time is that of the stage.
    may_end_early : bool
        Whether what is left may be less: patience may end this stage, or one after it.
    shares : str
        At which class shares validation is scored, in words; empty where the task has none.
    """

    def __init__(
        self,
        stage: Stage,
        objects: int,
        later: int,
        short: bool,
        headline: Mapping[str, str],
        records: Records,
        alone: bool = False,
        may_end_early: bool = False,
        shares: str = "",
    ) -> None:
        self.stage, self.objects, self.later, self.short, self.records = stage, objects, later, short, records
        self.headline, self.alone, self.shares = headline, alone, shares
        self.about = "at most about" if may_end_early else "about"
        self.clock = self.cores = self.paced = 0.0
        self.batches = 0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clocks."""
        self.clock, self.cores = time.monotonic(), time.process_time()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """After a few batches on a machine without a GPU, warn of a long run."""
        self.batches += 1
        if self.batches == WARM_UP:
            self.paced = time.monotonic()
        elif self.batches == PACED and not torch.cuda.is_available():
            seconds = (time.monotonic() - self.paced) / (PACED - WARM_UP) / (len(batch[0]) * trainer.world_size)
            left = seconds * self.objects_left(trainer, trainer.current_epoch)
            if left > LONG:
                short = "" if self.short else "; profile=laptop trains a narrow network on fewer frames in minutes"
                logger.warning(
                    f"this takes {self.about} {describe_duration(left)} on this machine, which has no GPU{short}"
                )

    def objects_left(self, trainer: lightning.Trainer, epochs: int) -> int:
        """Return how many objects will be drawn after some training epochs, here and in the stages to come."""
        here = 0 if trainer.should_stop else (trainer.max_epochs or 0) - epochs
        return self.objects * here + self.later

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the training epoch's metrics, and say the chief ones."""
        if not rank_zero():
            return
        seconds, epoch = time.monotonic() - self.clock, trainer.current_epoch + 1
        row = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(self.stage)}
        if not isfinite(loss := row[f"{self.stage}/train/loss"]):
            fix = f"take a smaller stage.{self.stage}.optimiser.learning_rate, or a clip"
            raise UsageError(
                f"the loss is {loss}: the training has diverged",
                f"{self.stage}, epoch {epoch}",
                fix,
                "E-TRAINING-DIVERGED",
            )
        row["step"] = trainer.global_step
        self.records.metrics.add(self.stage, epoch, row)
        core_seconds = time.process_time() - self.cores if self.alone else None
        self.records.status.end_epoch(self.stage, epoch, seconds, core_seconds)
        self.records.dashboard.log(self.stage, epoch, row)
        words = [f"{self.stage}, training epoch {epoch} of {trainer.max_epochs}: loss {loss:.3f}"]
        shown = {said: row.get(f"{self.stage}/val/{name}") for name, said in self.headline.items()}
        if found := [f"{said} {value:.3f}" for said, value in shown.items() if value is not None]:
            at = f" at {self.shares}" if self.shares else ""
            words.append(f"validation{at}: {', '.join(found)}")
        left = seconds * self.objects_left(trainer, epoch) / self.objects
        rest = f", {self.about} {describe_duration(left)} of training left" if left else ""
        logger.info("; ".join(words) + f"; {describe_duration(seconds)}{rest}")

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """End the other processes that Lightning has started: each would tell of a lost peer at length."""
        for process in getattr(trainer.strategy.launcher, "procs", []):
            process.kill()


class Bar(RichProgressBar):
    """Lightning's bar with the running loss; it goes when its training epoch ends, whose line stays."""

    def __init__(self) -> None:
        super().__init__(leave=False)
        self.loss: float | torch.Tensor = 0.0  # where the batches are
        self.shown = 0.0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Take in the loss of a batch, without waiting for the device at each of them."""
        loss: torch.Tensor = outputs["loss"].detach()
        self.loss = self.loss + (loss - self.loss) / min(batch_idx + 1, 20)
        if loss.device.type == "cpu" or batch_idx % REDRAWN == 0:
            self.shown = float(self.loss)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def _get_train_description(self, current_epoch: int) -> str:
        """Return what stands before the bar; Lightning counts from 0."""
        return f"training epoch {current_epoch + 1}/{self.trainer.max_epochs}"

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what stands after the bar."""
        return {"loss": round(self.shown, 3)} if trainer.training else {}


def progress_bars() -> list[lightning.Callback]:
    """Return a progress bar where somebody watches: on a terminal, in the process that speaks."""
    return [Bar()] if sys.stdout.isatty() and rank_zero() else []


def describe_network(learner: Learner) -> str:
    """Return the parameters of a learner's networks, part by part."""

    def counts(module: torch.nn.Module, trained: bool = False) -> int:
        return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not trained)

    def words(number: int) -> str:
        return f"{number:,}".replace(",", " ")

    network = learner.network
    parts = [f"{name} {words(counts(part))}" for name, part in network.named_children() if counts(part)]
    text = f"network: {type(network).__name__}, {words(counts(network))} parameters ({', '.join(parts)})"
    if any(isinstance(part, PictureNetwork) and part.frozen for part in network.modules()):
        text += f", of which {words(counts(network, trained=True))} are trained: the encoder is frozen"
    target = getattr(learner, "target", None)
    return text + (f"; target, which follows it: {words(counts(target))}" if target is not None else "")


def describe_duration(seconds: float) -> str:
    """Return a duration in one or two units: 8 s, 3 min, 2 h 10 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
