"""From the options of a run to its parts: the survey, the data of a stage, the learner."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from ictconvention import __version__
from ictconvention.configuration.options import Stage, ViewOptions
from ictconvention.configuration.schema import ModelOptions, RunOptions, stage_of, stages_of
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import SplitError, UsageError, readable_os_errors, shorten
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.task import Task
from ictconvention.learning.ict import ICT
from ictconvention.learning.inputs import FrameInputs, LightCurveInputs, NightInputs
from ictconvention.learning.learner import Learner
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.convention import ConvEntion, ConvEntionEncoder
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.recurrent import Cell, CNNRecurrent
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.warm_start import last_weights
from ictconvention.simulation.simulate import PAPER_OBJECTS, simulate
from ictconvention.survey.bands import check_bands, select_bands
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey

ADDED: dict[str, object] = {"accumulate": 1, "compile": False}  # keys of the trainer, after the first hashes; defaults


def open_or_simulate(options: RunOptions, say: Callable[[str], object]) -> Survey:
    """Open the survey of a run; what is simulated, or of some bands, is made where it is not there yet, once for all.

    Raises
    ------
    SurveyError
        It is not a survey, or a requested band is missing.
    """
    wanted = options.survey
    if wanted.path is not None:
        whole = Survey.open(wanted.path)
    else:
        objects = PAPER_OBJECTS if wanted.objects is None else wanted.objects
        key = digest([objects, wanted.seed, wanted.extra_test, __version__])[:8]

        def simulated(path: Path) -> object:
            say(f"simulating a survey of {objects} labelled objects at {path}, once; other runs find it there")
            return simulate(path, objects, wanted.seed, os.cpu_count() or 1, wanted.extra_test)

        whole = _made_once(Path(options.surveys) / f"simulated-{key}", simulated)
    bands = wanted.bands
    if bands is None or bands == whole.header.bands:
        return whole
    check_bands(whole, bands)
    key = digest([whole.hash, bands, __version__])[:8]

    def selected(path: Path) -> object:
        verify_survey(whole, wanted.verify)  # the new survey has checksums of its own
        say(f"taking the frames in {', '.join(bands)} into a survey of their own at {path}, once")
        return select_bands(whole, bands, path, say)

    return _made_once(Path(options.surveys) / f"{whole.path.name}-bands-{key}", selected)


def _made_once(path: Path, make: Callable[[Path], object]) -> Survey:
    """Open a survey that one process makes for all."""
    if not path.exists():
        with readable_os_errors("making the folder of surveys", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(path.parent, wait=True):  # another run may be at it
            if not path.exists():
                make(path)
    return Survey.open(path)


def load_or_draw_split(options: RunOptions, survey: Survey) -> Split:
    """Read the split of a run, or draw it, and see that it has what the run needs.

    Raises
    ------
    SplitError
        A part that the run needs is empty, or a class has no object to train on.
    """
    table = survey.object_table()
    split = make_split(table, **asdict(options.fold)) if options.split is None else Split.load(options.split, table)
    stages = stages_of(options)
    needed = [f"{stages[-1]}_validation", "test", *(f"{stage}_train" for stage in stages)]
    needed += [f"{stage}_validation" for stage in stages if stage_of(options, stage).keep == "best"]
    for part in dict.fromkeys(needed):
        if not split.parts[part]:
            fix = "give it objects, or a split of your own by split=FILE"
            fix += "; a stage with keep=last needs no validation" if part == "pretrain_validation" else ""
            raise SplitError(f"the part {part} is empty", f"split of survey {survey.header.name}", fix)
    if taken := [name for name in survey.header.classes if name in ("id", "fold", "label")]:
        found = f"a class is called {shorten(taken)}, as a column of the predictions is"
        raise UsageError(found, f"survey {survey.header.name}", "give the class another name")
    last = f"{stages[-1]}_train"
    if absent := [name for name in survey.header.classes if not split.counts()[last].get(name)]:
        found = f"class {shorten(absent)} has no object in {last}"
        fix = "label some objects, or leave the class out of the survey's classes"
        raise SplitError(found, f"survey {survey.header.name}", fix)
    return split


def make_data(options: RunOptions, survey: Survey, split: Split, stage: Stage) -> SeriesDataModule:
    """Return the data of a stage."""
    ict = options.learner.kind == "ict"
    return SeriesDataModule(
        survey,
        split,
        stage,
        sequence=options.sequence,
        augmentation=options.augmentation,
        views=ViewOptions(2 if ict else 1, options.views.online_frames),
        imbalance=options.imbalance,
        contents="photometry" if options.model.kind == "light_curve" else options.pixels.channels,
        batch_size=options.trainer.batch_size,
        unlabelled=options.learner.unlabelled,
        seed=options.seed,
        workers=options.trainer.workers,
        accumulate=options.trainer.accumulate,
    )


def make_learner(options: RunOptions, data: SeriesDataModule, before: Learner | None = None) -> Learner:
    """Return the learner of a stage, with new weights, or going on with those of the stage before."""
    torch.manual_seed(options.seed)
    scaling = before.inputs.scaling if before else Scaling(options.pixels.scaling, *data.scales(options.pixels.scaling))
    learner = new_learner(options, scaling, data.task)
    if before is not None:
        learner.load_state_dict(before.state_dict())
    return learner


def new_learner(options: RunOptions, scaling: Scaling, task: Task) -> Learner:
    """Return the learner that the options of a run make for a task, with new weights."""
    model, classes = options.model, len(task.classes)
    optimiser = stage_of(options, task.stage).optimiser
    planes = len(task.bands) * (2 if task.contents == "direct+residual" else 1)
    match model.kind:
        case "convention" if options.learner.kind == "ict":
            encoder = ConvEntionEncoder(**_sizes(model, options, task))
            return ICT(encoder, FrameInputs(scaling), task, options.learner, optimiser, model.dropout)
        case "convention":
            network = ConvEntion(classes, dropout=model.dropout, **_sizes(model, options, task))
            return Supervised(network, FrameInputs(scaling), task, optimiser)
        case "cnn_gru" | "cnn_lstm":
            cell: Cell = "gru" if model.kind == "cnn_gru" else "lstm"
            recurrent = CNNRecurrent(cell, classes, bands=planes, stamp_size=task.stamp_size, dropout=model.dropout)
            return Supervised(recurrent, NightInputs(scaling), task, optimiser)
        case "light_curve":
            curves = LightCurveRNN(classes, bands=len(task.bands), dropout=model.dropout)
            return Supervised(curves, LightCurveInputs(scaling), task, optimiser)


def _sizes(model: ModelOptions, options: RunOptions, task: Task) -> dict[str, Any]:
    return {
        "bands": len(task.bands),
        "stamp_size": task.stamp_size,
        "max_frames": task.max_frames,
        "frames_per_group": options.sequence.frames_per_group,
        "width": model.width,
        "frame_channels": 2 if task.contents == "direct+residual" else 1,
        "blocks": model.blocks,
        "heads": model.heads,
        "attention": model.attention,
        "padding": model.padding,
    }


def digest(content: object) -> str:
    """Return the SHA-256 of plain values, in hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_hash(
    options: RunOptions, survey: Survey, split: Split, precision: str, part: Literal["run", "pretrain"] = "run"
) -> str:
    """Return the hash of all that decides a run's result, or its pre-training: not its name, folders or workers."""
    content = asdict(options)
    for name in ("name", "mode", "run", "resume", "runs", "surveys", "figures"):
        content.pop(name)
    for name in ("survey", "fold", "split", "logger", "strategy"):
        content.pop(name)
    for name in ("devices", "num_nodes", "workers"):
        content["trainer"].pop(name)
    for name, plain in ADDED.items():
        if content["trainer"][name] == plain:
            content["trainer"].pop(name)
    content["trainer"]["precision"] = precision
    if options.init_from is not None:
        content["init_from"] = weights_hash(last_weights(options.init_from))
    if part == "pretrain":
        content["stage"].pop("finetune")
    return digest([content, survey.hash, split.hash, __version__])
