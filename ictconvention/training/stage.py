"""One stage in training: from a learner with its first weights to the weights of its best training epoch."""

import logging
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.trainer.states import TrainerStatus

from ictconvention.configuration.schema import RunOptions, stage_of
from ictconvention.core.errors import pluralize
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.runs.checkpoints import (
    RelocatableCheckpoint,
    WholeCheckpoints,
    check_weights,
    load_checkpoint,
    take_weights,
)
from ictconvention.runs.machine import Precision, rank_zero
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import MetricsTable, Status
from ictconvention.training.dashboard import Dashboard
from ictconvention.training.epoch_report import EpochReport, progress_bars
from ictconvention.training.seeding import BatchSeeds

logger = logging.getLogger(__name__)

LAPTOP = 30  # frames of a sequence in profile=laptop


@dataclass(frozen=True)
class Records:
    """Where a run keeps its records; only the process that writes has them."""

    metrics: MetricsTable
    status: Status
    dashboard: Dashboard


def fit(
    options: RunOptions,
    learner: Learner,
    data: SeriesDataModule,
    folder: RunFolder,
    precision: Precision,
    records: Records | None,
    later: int,
) -> None:
    """Train a stage, and give the learner the weights of the training epoch that it keeps.

    In a run that was stopped, a finished stage is not trained again, and an unfinished one resumes after its last
    training epoch, unless `resume` is never.

    Parameters
    ----------
    options, learner, data
        Options, learner and data of the stage.
    folder : RunFolder
        Folder of the run.
    precision : "32-true" or "bf16-mixed"
        Precision of the run.
    records : Records, optional
        Records of the process that writes.
    later : int
        Objects that the stages after this one draw in all their training epochs.
    """
    stage, of_stage = data.stage, stage_of(options, data.stage)
    finished, before, best_file = (folder.weights(stage, kept) for kept in ("final", "last", "best"))
    if finished.exists():
        logger.info(f"{stage}: finished before")
        if rank_zero():
            for path in (before, best_file):  # of a run that was killed just then
                path.unlink(missing_ok=True)
        take_weights(learner, load_checkpoint(finished), finished)
        return
    objects = len(data.positions(*data.train_parts))
    if going_on := options.resume == "auto" and before.exists():
        check_weights(learner.state_dict(), load_checkpoint(before), before)  # Lightning would convert them
    done = "" if records is None else f" {records.status.content['epochs'].get(stage)}"
    word = f", resumes after training epoch{done}" if going_on else ""
    logger.info(f"{stage}: {pluralize(objects, 'object')}, {pluralize(of_stage.max_epochs, 'training epoch')}{word}")
    kept: dict[str, Any] = {"dirpath": finished.parent, "enable_version_counter": False}
    last = RelocatableCheckpoint(filename=before.stem, **kept)
    best = RelocatableCheckpoint(filename=best_file.stem, monitor=f"{stage}/val/loss_balanced", **kept)
    keeping = [best, last] if of_stage.keep == "best" else [last]  # `last` after `best`, whose choice it stores
    journal = (
        []
        if records is None
        else [
            EpochReport(
                stage,
                objects,
                later,
                options.sequence.max_frames <= LAPTOP,
                records.metrics,
                records.status,
                records.dashboard,
            )
        ]
    )
    shown = progress_bars()
    trainer = lightning.Trainer(
        default_root_dir=finished.parent,  # where Lightning looks for the checkpoint of a job that Slurm requeued
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=options.trainer.devices,
        num_nodes=options.trainer.num_nodes,
        strategy="ddp" if options.trainer.processes > 1 else options.strategy.kind,
        accumulate_grad_batches=options.trainer.accumulate,
        precision=precision,
        max_epochs=of_stage.max_epochs,
        callbacks=[BatchSeeds(options.seed, stage), *journal, *shown, *keeping],
        plugins=[WholeCheckpoints()],
        logger=False,
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if data.split.parts[f"{stage}_validation"] else 0,
        enable_model_summary=False,
        enable_progress_bar=bool(shown),
    )
    try:
        trainer.fit(learner, data, ckpt_path=before if going_on else None, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from None
        raise
    chosen = best_file if of_stage.keep == "best" else before
    take_weights(learner, load_checkpoint(chosen), chosen)
    trainer.strategy.barrier()  # every process has read it
    if rank_zero():
        chosen.replace(finished)
        for path in (before, best_file):
            path.unlink(missing_ok=True)
