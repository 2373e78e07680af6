"""The split of a run, and the data of its stages."""

import logging
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.options import Imbalance, Stage, ViewOptions
from ictconvention.configuration.registry import find_network, find_task
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import (
    labelled_stage,
    labelled_stages,
    learner_in,
    parts_of,
    stage_of,
    stages_of,
)
from ictconvention.core.errors import SplitError, pluralize, shorten
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.reddening import has_reddening, read_reddening
from ictconvention.networks.inputs.inputs import Inputs
from ictconvention.survey.labels.photometric import measure_noise, read_weak
from ictconvention.survey.labels.targets import SINGLE, STAGES
from ictconvention.survey.labels.ways import too_few
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split, ways_to_draw
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task

logger = logging.getLogger(__name__)


def load_or_draw_split(options: RunOptions, survey: Survey) -> Split:
    """Read the split of a run, or draw it, and see that it has what the run needs.

    Raises
    ------
    SplitError
        A part that the run needs is empty, or a class has no object to train on.
    """
    task, stages, rule = make_task(options, survey), labelled_stages(options), asdict(options.fold)
    table = task.split_table(survey)
    if options.split is None:
        split = make_split(table, **rule, stages=stages)
    else:
        split = Split.load(options.split, table, stages)
        _say_unused(options, split)
    needed = [f"{stages[-1]}_validation", "test", *(f"{stage}_train" for stage in stages)]
    choosing = [stage for stage in stages_of(options) if stage_of(options, stage).keep == "best"]
    needed += [f"{labelled_stage(options, stage)}_validation" for stage in choosing]
    for part in dict.fromkeys(needed):
        if not split.parts[part]:
            found, where = f"the part {part} is empty", f"split of survey {survey.header.name}"
            if options.split is None:
                raise too_few(found, where, ways_to_draw(table, rule, stages), stages, "E-SPLIT-EMPTY")
            fix = "give it objects"
            fix += "; a stage with keep=last needs no validation" if part == "pretrain_validation" else ""
            raise SplitError(found, where, fix, "E-SPLIT-EMPTY")
    task.check_split(survey, split, stages[-1])
    return split


def _say_unused(options: RunOptions, split: Split) -> None:
    """Warn of labelled parts of a file that no stage of the run learns from."""
    labelled = [f"{stage}_{part}" for stage in STAGES for part in ("train", "validation")]
    if unused := [part for part in labelled if part not in parts_of(options) and split.parts[part]]:
        number = pluralize(sum(len(split.parts[part]) for part in unused), "object")
        why = f"train nothing, since this run has no such stage; `split --protocol {SINGLE}` has all in one stage"
        logger.warning(f"split: {number} of {shorten(unused)} {why}")


def make_task(options: RunOptions, survey: Survey) -> Task:
    """Return what the options of a run learn of a survey.

    Raises
    ------
    UsageError
        The survey cannot teach it.
    """
    kind: type[Task] = find_task(options.task.kind)
    return kind.begin(survey, options.task)


def make_data(
    options: RunOptions, survey: Survey, split: Split, stage: Stage, weights: NDArray[np.float64] | None = None
) -> SeriesDataModule:
    """Return the data of a stage; weights (n,) are those of the survey's objects in the loss."""
    ict = options.learner.kind == "ict"
    takes: type[Inputs] = find_network(options.model.kind, options.model.module).network.takes
    reddening = read_reddening(survey) if takes_reddening(options, survey) else None
    task, learner = make_task(options, survey), learner_in(options, stage)
    label_free = ict and learner.classification == 0
    labels, count = task.read_labels(survey), options.views.count if ict else 1
    weak, noise = judge_labels(options, survey, split, stage, labels)
    return SeriesDataModule(
        survey,
        split,
        stage,
        sequence=options.sequence,
        augmentation=options.augmentation,
        views=ViewOptions(count, options.views.online_frames, options.views.target_share),
        imbalance=Imbalance() if label_free else options.imbalance,
        contents=takes.contents_with(options.pixels.channels, options.sequence.photometry),
        batch_size=options.trainer.batch_size,
        unlabelled=options.learner.unlabelled,
        seed=options.seed,
        workers=options.trainer.workers,
        accumulate=options.trainer.accumulate,
        names=task.names,
        labels=labels,
        truth=task.read_truth(survey) if task.learns_truth else None,
        reddening=reddening,
        parts_of=labelled_stage(options, stage),
        label_free=label_free,
        flux_of=f"{labelled_stages(options)[0]}_train" if options.learner.flux else None,
        weights=weights,
        pixels=task.count_pixels(survey),
        domains=options.shift.kind == "adversarial" and stage == stages_of(options)[-1],
        order=options.sampler.order,
        draws=stage_of(options, stage).draws,
        unlabelled_draws=options.sampler.unlabelled,
        weak=weak,
        noise=noise,
    )


def judge_labels(
    options: RunOptions, survey: Survey, split: Split, stage: Stage, labels: NDArray[np.int64]
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64] | None]:
    """Return which objects have a photometric label, and the noise of these; none where the stage learns as given.

    Raises
    ------
    SplitError
        The noise of photometric labels is asked for, and no training object has both kinds of label.
    """
    parts = [f"{one}_train" for one in labelled_stages(options)]
    weak = read_weak(survey) if options.learner.weak_labels != "given" else np.zeros(0, dtype=bool)
    if not weak.any() or not weak[survey.positions(split.parts[f"{labelled_stage(options, stage)}_train"])].any():
        return None, None
    trained = [id_ for part in parts for id_ in split.parts[part]]
    return weak, measure_noise(survey, labels, survey.header.classes, trained)


def takes_reddening(options: RunOptions, survey: Survey) -> bool:
    """Return whether the network of a run takes E(B-V), and the survey has it."""
    takes: type[Inputs] = find_network(options.model.kind, options.model.module).network.takes
    return takes.takes_reddening and bool(getattr(options.model, "reddening", True)) and has_reddening(survey)
