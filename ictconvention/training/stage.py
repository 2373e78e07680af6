"""One stage in training: from a learner with its first weights to the weights of its best training epoch."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from time import process_time
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerStatus
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.configuration.options import Stage
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import learner_in, stage_of, stages_of
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.learning.teacher import Teacher
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.checkpoints import (
    ANEW,
    RelocatableCheckpoint,
    WholeCheckpoints,
    check_weights,
    load_checkpoint,
    take_weights,
)
from ictconvention.runs.machine import rank_zero
from ictconvention.runs.plan import Plan
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.prepare import Prepared, prepare_shift
from ictconvention.runs.status import TEACHER
from ictconvention.training.epoch_report import EpochReport, Records, progress_bars
from ictconvention.training.masks.shown_chips import ChipsOnPage
from ictconvention.training.patience import Patience
from ictconvention.training.seeding import BatchSeeds
from ictconvention.training.teaching.ask import ask_teachers, make_teacher

logger = logging.getLogger(__name__)

LAPTOP = 30  # frames of a sequence in profile=laptop
ROUNDING = 1e-3  # largest difference of compiled logits, as a share of the largest logit
GRAPHS = 64  # that torch.compile may make of one function: layers, modes and shapes have their own


def is_alone(options: RunOptions) -> bool:
    """Return whether this one process does all of a run, so that its CPU time is what the run costs."""
    asked = options.trainer
    return asked.processes == 1 and not asked.workers and not torch.cuda.is_available()


@dataclass(frozen=True)
class Run:
    """A run at work: what was asked for, what follows from it, and where its records go.

    Parameters
    ----------
    options : RunOptions
    plan : Plan
        Its survey, split, precision, hashes and folder.
    records : Records, optional
        Of the process that writes; the others have none.
    """

    options: RunOptions
    plan: Plan
    records: Records | None

    @property
    def folder(self) -> RunFolder:
        """Folder of the run."""
        return self.plan.folder

    @cached_property
    def prepared(self) -> Prepared:
        """What its answer to a shift makes of the last stage."""
        return prepare_shift(self.options, self.plan.survey, self.plan.split)

    @cached_property
    def feeds(self) -> Mapping[Stage, SeriesDataModule]:
        """The data of each stage that trains, in their order."""
        survey, whole, last = self.plan.survey, self.plan.split, self.prepared
        *earlier, stage = stages_of(self.options)
        feeds = {one: make_data(self.options, survey, whole, one) for one in earlier}
        return {**feeds, stage: make_data(self.options, survey, last.split, stage, last.weights)}

    @cached_property
    def asked(self) -> NDArray[np.float64]:
        """What its teachers say of every object that trains (n, classes), asked when a stage first needs it."""
        begin = process_time()
        positions = np.concatenate([data.positions(*data.train_parts) for data in self.feeds.values()])
        found = ask_teachers(self.plan.teachers.folders, self.plan.survey, positions)
        if self.records is not None and is_alone(self.options):
            self.records.status.measure(TEACHER, process_time() - begin)
        return found

    def teacher(self, stage: Stage) -> Teacher | None:
        """Return what a stage learns from beside its labels; nothing where it has no teacher, or learns no label."""
        if not self.plan.teachers.folders or not learner_in(self.options, stage).classification:
            return None
        return make_teacher(self.options, self.asked, self.feeds[stage])

    def objects(self, stage: Stage) -> int:
        """Return how many objects a training epoch of a stage draws."""
        return self.feeds[stage].drawn

    def later(self, stage: Stage) -> int:
        """Return how many objects the stages after this one draw, in all their training epochs; patience may end it."""
        stages = list(self.feeds)
        after = stages[stages.index(stage) + 1 :]
        return sum(self.objects(other) * stage_of(self.options, other).max_epochs for other in after)

    def may_end_early(self, stage: Stage) -> bool:
        """Return whether patience may end this stage, or one after it, before its last training epoch."""
        stages = list(self.feeds)
        return any(stage_of(self.options, other).patience for other in stages[stages.index(stage) :])


def fit(run: Run, stage: Stage, learner: Learner) -> None:
    """Train a stage, and give the learner the weights of the training epoch that it keeps.

    In a run that was stopped, a finished stage is not trained again, and an unfinished one resumes after its last
    training epoch, unless `resume` is never.
    """
    options, precision, records, data = run.options, run.plan.precision, run.records, run.feeds[stage]
    of_stage, objects = stage_of(options, stage), run.objects(stage)
    finished, before, best_file = (run.folder.weights(stage, kept) for kept in ("final", "last", "best"))
    if finished.exists():
        logger.info(f"{stage}: finished before")
        if rank_zero():
            for path in (before, best_file):  # of a run that was killed just then
                path.unlink(missing_ok=True)
        take_weights(learner, load_checkpoint(finished, ANEW), finished)
        return
    going_on, resumed = options.resume == "auto" and before.exists(), None
    if going_on:
        resumed = load_checkpoint(before, ANEW)
        check_weights(learner.state_dict(), resumed, before)  # Lightning would convert them
    done = None if records is None else records.status.content["epochs"].get(stage)  # a status may have been lost
    word = f", resumes{'' if done is None else f' after training epoch {done}'}" if going_on else ""
    most = f"{'at most ' if of_stage.patience else ''}{pluralize(of_stage.max_epochs, 'training epoch')}"
    logger.info(f"{stage}: {pluralize(objects, 'object')}, {most}{word}")
    kept: dict[str, Any] = {"dirpath": finished.parent, "enable_version_counter": False}
    last = RelocatableCheckpoint(filename=before.stem, **kept)
    monitor = f"{stage}/val/{learner.task.monitor}"
    best = RelocatableCheckpoint(filename=best_file.stem, monitor=monitor, **kept)
    keeping = [best, last] if of_stage.keep == "best" else [last]  # `last` after `best`, whose choice it stores
    short = options.sequence.max_frames <= LAPTOP
    headline = learner.task.headline
    alone = is_alone(options)
    counted = stage, objects, run.later(stage), short, headline
    taught = of_stage.classification != 0 and data.split.counts()[data.train_part].keys() - {None}
    shares = learner.task.name_shares(*data.class_shares()) if taught else ""
    journal: list[lightning.Callback] = []
    if records is not None:
        journal.append(EpochReport(*counted, records, alone, run.may_end_early(stage), shares))
        journal += [ChipsOnPage(stage, data, records.dashboard, precision)] if learner.task.learns_masks else []
    patience = [] if of_stage.patience is None else [Patience(stage, monitor, of_stage.patience)]
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
        callbacks=[BatchSeeds(options.seed, stage), *patience, *journal, *shown, *keeping],  # the report knows the end
        plugins=[WholeCheckpoints()],
        logger=False,
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if data.split.parts[data.validation_part] else 0,
        enable_model_summary=False,
        enable_progress_bar=bool(shown),
    )
    if data.domains:
        head = learner.begin_domains(options.shift.strength, options.seed)
        if resumed is not None:
            take_weights(head, {"state_dict": resumed.get("domain", {})}, before)
    learner.teacher = run.teacher(stage)
    try:
        with _compiled(learner, data) if options.trainer.compile else nullcontext():
            trainer.fit(learner, data, ckpt_path=before if going_on else None, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from None
        raise
    learner.end_domains()
    learner.teacher = None
    chosen = best_file if of_stage.keep == "best" else before
    take_weights(learner, load_checkpoint(chosen), chosen)
    trainer.strategy.barrier()  # every process has read it
    if rank_zero():
        chosen.replace(finished)
        for path in (before, best_file):
            path.unlink(missing_ok=True)


@contextmanager
def _compiled(learner: Learner, data: SeriesDataModule) -> Iterator[None]:
    """Compile the networks of a learner for the body, in place: the names of their weights stay, and the test is plain.

    Raises
    ------
    UsageError
        torch.compile fails on them, or gives other logits than the plain network does for the first objects.
    """
    from torch._dynamo import config
    from torch._dynamo.exc import TorchDynamoException

    # Where graphs break is no news to a user.
    torch._logging.set_logs(dynamo=logging.ERROR, inductor=logging.ERROR)  # type: ignore[attr-defined]
    networks = [network for name, network in learner.named_children() if name in ("network", "target")]
    batch = next(iter(data.evaluation_loader(data.train_parts[0])))[0]
    plain = _logits(learner, batch)
    for network in networks:
        network.compile()
    try:
        with config.patch(recompile_limit=GRAPHS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"torch\.(_dynamo|_inductor|_functorch)")  # about themselves
            if not (differ := (_logits(learner, batch) - plain).abs().max() / plain.abs().max()) < ROUNDING:
                found = f"torch.compile gives other numbers on this network, by {differ:.1g} of the largest logit"
                raise UsageError(
                    found, "trainer.compile", "leave out trainer.compile, and report it to PyTorch", "E-MACHINE-COMPILE"
                )
            yield
    except TorchDynamoException as error:
        found = f"torch.compile fails on this network ({str(error).splitlines()[0]})"
        raise UsageError(found, "trainer.compile", "leave out trainer.compile", "E-MACHINE-COMPILE") from error
    finally:
        for network in networks:
            network._compiled_call_impl = None


@torch.no_grad()
def _logits(learner: Learner, batch: SeriesBatch) -> Tensor:
    """Return what the network makes of a batch, in eval mode and full precision, where it will train."""
    device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    training = learner.training
    logits = learner.eval().to(device).logits(batch.to(device)).double().cpu()
    learner.train(training).to("cpu")
    return logits
