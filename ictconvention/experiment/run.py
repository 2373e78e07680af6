"""One run from options to result: pre-train, fine-tune, test."""

import json
import os
import platform
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray
from omegaconf import OmegaConf

from ictconvention import __version__
from ictconvention.atomic import held, whole_file
from ictconvention.data.datamodule import SeriesDataModule
from ictconvention.data.sampler import class_draws
from ictconvention.data.split import Split
from ictconvention.data.split_rule import make_split
from ictconvention.data.survey import Survey
from ictconvention.data.task import Stage
from ictconvention.errors import UsageError, counted, readable_os_errors
from ictconvention.evaluation.calibration import at_prior, fitted_temperature, probabilities
from ictconvention.evaluation.scores import scores
from ictconvention.experiment.assembly import data_of, learner_of, run_hash, stage_of, survey_of
from ictconvention.experiment.memory import keep_freed_memory
from ictconvention.experiment.quiet import quiet
from ictconvention.experiment.schema import RunOptions, TrainerOptions
from ictconvention.experiment.seeding import BatchSeeds
from ictconvention.learners.learner import Learner

Precision = Literal["32-true", "bf16-mixed"]
STAGES: tuple[Stage, ...] = ("pretrain", "finetune")
PACKAGES = ("torch", "lightning", "numpy", "torchmetrics", "hydra-core", "scikit-learn", "pyarrow")


def run(options: RunOptions, say: Callable[[str], object] = print) -> Path:
    """Train and test one model on one fold.

    Parameters
    ----------
    options : RunOptions
        What to train, on what, how long.
    say : function
        Told what happens, a line at a time.

    Returns
    -------
    Path
        The run's folder: `config.yaml`, `environment.json`, `split.json`, `metrics/`, `checkpoints/`,
        `predictions.parquet`, `result.json`.
    """
    if not rank_zero():
        say = _silent
    keep_freed_memory()
    with quiet():
        return _run(options, say)


def checked_machine(options: TrainerOptions) -> None:
    """Refuse what this machine cannot do; without a GPU, n devices are n processes.

    Raises
    ------
    UsageError
        It has fewer GPUs, or its GPU knows no bfloat16.
    """
    if not torch.cuda.is_available():
        return
    if options.devices > (present := torch.cuda.device_count()):
        found = f"trainer.devices is {options.devices}, this machine has {counted(present, 'GPU')}"
        raise UsageError(found, "trainer.devices", f"take at most {present}, or another machine")
    if options.precision == "bf16-mixed" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UsageError("this GPU has no bfloat16", "trainer.precision", "take trainer.precision=32-true, or auto")


def _run(options: RunOptions, say: Callable[[str], object]) -> Path:
    checked_machine(options.trainer)
    survey = survey_of(options)
    split = make_split(survey.object_table(), **asdict(options.fold))
    folder = _folder(options, survey, split)
    say(f"{_simulated(survey)}survey {survey.header.name}: {len(survey)} objects at {survey.path}")
    say(f"run: {folder}, {precision_of(options.trainer)}")
    with held(folder) if rank_zero() else nullcontext():
        return _stages(options, survey, split, folder, say)


def _stages(options: RunOptions, survey: Survey, split: Split, folder: Path, say: Callable[[str], object]) -> Path:
    if (folder / "result.json").exists():
        say("finished before; remove the folder to run it again")
        return folder
    learner, data = None, None
    for stage in STAGES:
        if stage_of(options, stage).max_epochs:
            data = data_of(options, survey, split, stage)
            learner = learner_of(options, data, learner)
            _fit(options, learner, data, folder, say)
    assert learner is not None  # the options have at least one stage
    assert data is not None
    if not rank_zero():
        return folder
    result = _tested(options, learner, data, folder) | {
        "survey": {"name": survey.header.name, "simulated": survey.header.simulated, "hash": survey.hash},
        "split": split.hash,
        "config": _portable(options),
        "version": __version__,
    }
    _write_json(folder / "result.json", result)
    for part, shares in (("test", "the survey's class shares"), ("test_uniform", "equal class shares")):
        found = result[part]
        say(
            f"{_simulated(survey)}test part, {found['objects']} objects, at {shares}: "
            f"accuracy {found['accuracy']:.3f}, "
            f"balanced accuracy {found['balanced_accuracy']:.3f}, macro F1 {found['f1_macro']:.3f}, "
            f"worst recall {found['worst_class_recall']:.3f}"
        )
    return folder


def rank_zero() -> bool:
    """Return whether this is the process that speaks and writes: Lightning starts the others with a rank."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def precision_of(options: TrainerOptions) -> Precision:
    """Return the precision that was asked for; for `auto`, bf16-mixed where the machine is fast at it."""
    if options.precision != "auto":
        return options.precision
    fast = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def _simulated(survey: Survey) -> str:
    return "simulated " if survey.header.simulated else ""


def _silent(line: str) -> None:
    """Say nothing."""


def _folder(options: RunOptions, survey: Survey, split: Split) -> Path:
    hash8 = run_hash(options, survey, split, precision_of(options.trainer))[:8]
    folder = Path(options.runs) / options.name / f"fold{options.fold.index}-seed{options.seed}-{hash8}"
    with readable_os_errors("making the folder of the run", folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not rank_zero():
        return folder
    split.save(folder / "split.json")
    with whole_file(folder / "config.yaml", "saving the configuration") as partial:
        OmegaConf.save(OmegaConf.create(asdict(options)), partial)
    environment = {
        "packages": {name: version(name) for name in PACKAGES} | {"ictconvention": __version__},
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {torch.cuda.device_count()} GPUs",
        "precision": precision_of(options.trainer),
    }
    _write_json(folder / "environment.json", environment)
    return folder


def _trainer(options: RunOptions, **keywords: Any) -> lightning.Trainer:
    devices = options.trainer.devices
    return lightning.Trainer(
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=precision_of(options.trainer),
        num_sanity_val_steps=0,
        enable_model_summary=False,
        **keywords,
    )


def _fit(
    options: RunOptions, learner: Learner, data: SeriesDataModule, folder: Path, say: Callable[[str], object]
) -> None:
    """Train a stage, and give the learner the weights of the best training epoch by validation.

    In a run that was stopped, a finished stage is not trained again, and an unfinished one goes on behind its last
    training epoch, unless `resume` is never.
    """
    stage, epochs = data.stage, stage_of(options, data.stage).max_epochs
    finished = folder / "checkpoints" / f"{stage}.ckpt"
    if finished.exists():
        say(f"{stage}: finished before")
        learner.load_state_dict(torch.load(finished, weights_only=True)["state_dict"])
        return
    say(f"{stage}: {len(data.positions(*data.train_parts))} objects, {epochs} training epochs")
    kept: dict[str, Any] = {"dirpath": finished.parent, "enable_version_counter": False}
    best = ModelCheckpoint(filename=f"{stage}-best", monitor=f"{stage}/val/loss_balanced", **kept)
    last = ModelCheckpoint(filename=f"{stage}-last", **kept)  # behind `best`, whose choice it stores
    before = finished.with_name(f"{stage}-last.ckpt")
    going_on = options.resume == "auto" and before.exists()
    if going_on:
        say(f"{stage}: goes on behind its last training epoch")
    logger = CSVLogger(folder, name="metrics", version=stage)
    callbacks = [BatchSeeds(options.seed, stage), best, last]
    trainer = _trainer(options, max_epochs=epochs, callbacks=callbacks, logger=logger)
    trainer.fit(learner, data, ckpt_path=before if going_on else None, weights_only=True)
    learner.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
    trainer.strategy.barrier()  # every process has read it
    if rank_zero():
        Path(best.best_model_path).replace(finished)
        before.unlink()


def _tested(options: RunOptions, learner: Learner, data: SeriesDataModule, folder: Path) -> dict[str, Any]:
    """Calibrate on the validation part, predict the test parts, save the predictions and return their scores.

    `test` holds the scores of the probabilities at the class shares of the fine-tuning part, the sky's as far as the
    survey knows them; they are what is saved. `test_uniform` holds those at equal shares: the decisions that serve
    every class alike, of which balanced accuracy and the worst recall speak.
    """
    labels = data.training.labels
    train = labels[data.positions(f"{data.stage}_train")]
    natural = np.bincount(train, minlength=len(learner.task.classes))
    trained = class_draws(train, len(natural), data.imbalance) * np.array(learner.task.class_weights)

    def logits(part: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        positions, found = _predicted(options, learner, data, part)
        return positions, at_prior(found, trained / trained.sum(), natural / natural.sum())

    position, validation = logits(f"{data.stage}_validation")
    temperature = fitted_temperature(validation, labels[position])
    result: dict[str, Any] = {"temperature": temperature}
    for part in ("test", "extra_test"):
        if data.split.parts[part]:
            position, found = logits(part)
            likely = probabilities(found, temperature)
            alike = likely / np.where(natural, natural, np.inf)
            result[part] = scores(likely, labels[position], learner.task.classes)
            result[f"{part}_uniform"] = scores(
                alike / alike.sum(1, keepdims=True), labels[position], learner.task.classes
            )
            name = "predictions.parquet" if part == "test" else f"predictions_{part}.parquet"
            _save_predictions(folder / name, data.survey, options, position, labels[position], likely)
    return result


def _predicted(
    options: RunOptions, learner: Learner, data: SeriesDataModule, part: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the positions in the survey (n,) and the logits (n, classes) of all objects of a part, in one process."""
    data.trainer = None  # the parts are not shared out
    alone = replace(options, trainer=replace(options.trainer, devices=1))
    predicting = _trainer(alone, logger=False, enable_checkpointing=False)
    found: Any = predicting.predict(learner, data.evaluation_loader(part))
    return (
        torch.cat([part.position for part in found]).numpy(),
        torch.cat([part.logits for part in found]).double().numpy(),
    )


def _save_predictions(
    path: Path,
    survey: Survey,
    options: RunOptions,
    position: NDArray[np.int64],
    label: NDArray[np.int64],
    likely: NDArray[np.float64],
) -> None:
    classes = survey.header.classes
    columns: dict[str, Any] = {
        "id": [survey.ids[i] for i in position],
        "fold": np.full(len(position), options.fold.index),
        "label": [classes[i] for i in label],
        **{name: likely[:, c] for c, name in enumerate(classes)},
    }
    with whole_file(path, "saving the predictions") as partial:
        pq.write_table(pa.table(columns), partial)


def _portable(options: RunOptions) -> dict[str, Any]:
    """Return the options without what may differ between machines."""
    content = asdict(options)
    for name in ("resume", "runs", "surveys"):
        content.pop(name)
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with whole_file(path, f"saving {path.name}") as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
