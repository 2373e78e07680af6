"""The stages of a run: which of them train, by which options, and on which parts of the split."""

from dataclasses import replace

from ictconvention.configuration.learner_options import LearnerOptions
from ictconvention.configuration.options import Stage
from ictconvention.configuration.run_groups import StageOptions
from ictconvention.configuration.schema import RunOptions

STAGES: tuple[Stage, ...] = ("pretrain", "finetune")


def learner_in(options: RunOptions, stage: Stage) -> LearnerOptions:
    """Return the options of the learner in a stage."""
    own = stage_of(options, stage).classification
    return options.learner if own is None else replace(options.learner, classification=own)


def stage_of(options: RunOptions, stage: Stage) -> StageOptions:
    """Return the options of a stage."""
    return options.stage.pretrain if stage == "pretrain" else options.stage.finetune


def stages_of(options: RunOptions) -> list[Stage]:
    """Return the stages that train, in their order; there is one at least."""
    return [stage for stage in STAGES if stage_of(options, stage).max_epochs]


def labelled_stage(options: RunOptions, stage: Stage) -> Stage:
    """Return the stage whose parts of the split a stage takes: its own, or in a fold of a single one the first.

    There a pre-training, which reads no label, sees the very objects that are then fine-tuned on.
    """
    return stages_of(options)[0] if options.fold.protocol == "single" else stage


def labelled_stages(options: RunOptions) -> list[Stage]:
    """Return the stages whose parts of the split are taken, in their order."""
    return list(dict.fromkeys(labelled_stage(options, stage) for stage in stages_of(options)))


def validation_chooses(options: RunOptions) -> bool:
    """Return whether the validation part of the last stage has chosen a training epoch whose weights were kept."""
    last = labelled_stages(options)[-1]
    return any(stage_of(options, s).keep == "best" for s in stages_of(options) if labelled_stage(options, s) == last)


def parts_of(options: RunOptions) -> list[str]:
    """Return the parts of the split whose objects train or validate."""
    parts = [f"{stage}_{part}" for stage in labelled_stages(options) for part in ("train", "validation")]
    unlabelled = options.shift.kind == "adversarial"
    unlabelled = unlabelled or (options.learner.unlabelled and "pretrain" in stages_of(options))
    return [*parts, "pretrain_unlabelled"] if unlabelled else parts
