"""A run: all groups of its options, and what they must not say together. Imports nothing heavy."""

import re
from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import NonNegativeInt, model_validator

from ictconvention.configuration.identity import CELL, CONTENT, LABEL, PLACE
from ictconvention.configuration.learner_options import OF_CLASSES, LearnerOptions
from ictconvention.configuration.options import (
    Augmentation,
    Imbalance,
    ModelOptions,
    SequenceOptions,
    ShiftOptions,
    TaskOptions,
    check_online_frames,
    option_group,
)
from ictconvention.configuration.run_groups import (
    AsymmetryOptions,
    FoldOptions,
    LoggerOptions,
    PixelOptions,
    SamplerOptions,
    StagesOptions,
    StrategyOptions,
    SurveyOptions,
    TrainerOptions,
)


@option_group
class RunOptions:
    """A run: one model, one fold, all stages. The groups are those of the folder `conf`."""

    name: Annotated[str, LABEL] = "run"
    mode: Annotated[Literal["train", "test"], PLACE] = "train"
    run: Annotated[str | None, PLACE] = None
    seed: Annotated[NonNegativeInt, CELL] = 0
    resume: Annotated[Literal["auto", "never"], PLACE] = "auto"
    init_from: Annotated[str | None, CONTENT | PLACE] = None
    split: Annotated[str | None, CONTENT | PLACE] = None
    runs: Annotated[str, PLACE] = "runs"
    surveys: Annotated[str, PLACE] = "surveys"
    figures: Annotated[bool, PLACE] = True
    survey: SurveyOptions = field(default_factory=SurveyOptions)
    task: TaskOptions = field(default_factory=TaskOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    learner: LearnerOptions = field(default_factory=LearnerOptions)
    augmentation: Augmentation = field(default_factory=Augmentation)
    imbalance: Imbalance = field(default_factory=Imbalance)
    shift: ShiftOptions = field(default_factory=ShiftOptions)
    fold: Annotated[FoldOptions, CONTENT] = field(default_factory=FoldOptions)
    sequence: SequenceOptions = field(default_factory=SequenceOptions)
    pixels: PixelOptions = field(default_factory=PixelOptions)
    views: AsymmetryOptions = field(default_factory=AsymmetryOptions)
    sampler: SamplerOptions = field(default_factory=SamplerOptions)
    stage: StagesOptions = field(default_factory=StagesOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    strategy: Annotated[StrategyOptions, PLACE] = field(default_factory=StrategyOptions)
    logger: Annotated[LoggerOptions, PLACE] = field(default_factory=LoggerOptions)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not re.fullmatch(r"[^\W_][\w .+-]*", self.name):
            raise ValueError(f"name is {self.name!r}; take one that can name a folder")
        if (self.mode == "test") != (self.run is not None):
            raise ValueError(
                f"mode is {self.mode} and run is {self.run}; give both to test a run: mode=test run=FOLDER"
            )
        check_online_frames(self.views.online_frames, self.sequence, "views.online_frames")
        if self.learner.kind == "supervised" and self.views.online_frames is not None:
            raise ValueError("views.online_frames is for ICT; choose learner=ict")
        both = self.stage.pretrain.max_epochs and self.stage.finetune.max_epochs
        if self.fold.protocol == "single" and both and self.stage.pretrain.classification != 0:
            found = "fold.protocol is single, for one stage with labels, and both stages have training epochs"
            fix = "set stage.finetune.max_epochs=0, or stage.pretrain.max_epochs=0"
            raise ValueError(f"{found}; {fix}, or pre-train without labels: stage.pretrain.classification=0")
        if self.shift.kind != "none" and self.task.kind != "redshift":
            found = f"shift.kind is {self.shift.kind}, which is of redshifts, and task.kind is {self.task.kind}"
            raise ValueError(f"{found}; take task=redshift, or shift=none")
        balanced = [name for name in ("sampling", "weighting") if getattr(self.imbalance, name)]
        if self.shift.kind == "weights" and balanced:
            found = f"shift.kind is weights, of redshifts as they are, and imbalance.{balanced[0]} balances their bins"
            raise ValueError(f"{found}; set imbalance=none, or shift=none")
        if self.shift.kind == "adversarial" and self.learner.kind == "ict" and not self.learner.unlabelled:
            found = "shift.kind is adversarial, whose objects without a redshift join every term of ICT"
            raise ValueError(f"{found}; set learner.unlabelled=true, or learner=supervised")
        self._check_classification()
        self._check_consistency()
        self._check_forms()
        return self

    def _check_forms(self) -> None:
        """Refuse forms of ICT, and of the loss, where the learner, the task or the machine does not fit them."""
        learner, classes = self.learner, self.task.kind == "classes"
        forms = {
            "learner.consistency_on": learner.consistency_on if learner.consistency_on in OF_CLASSES else "",
            "learner.memory": "" if learner.memory == "none" else learner.memory,
            "learner.weak_labels": "" if learner.weak_labels == "given" else learner.weak_labels,
            "imbalance.adjustment": f"{self.imbalance.adjustment:g}" if self.imbalance.adjustment else "",
            "learner.teacher": ", ".join(learner.teachers),
        }
        if (key := next((key for key, value in forms.items() if value), None)) and not classes:
            found = f"{key} is {forms[key]}, which is of classes, and task.kind is {self.task.kind}"
            why = "its outputs are no classes of objects, of which one is sure, rare or mistaken"
            raise ValueError(f"{found}: {why}; take task=classes, or leave out {key}")
        if self.learner.kind == "supervised":
            forms |= {"views.count": "" if self.views.count == 2 else "1"}
            forms |= dict.fromkeys(("imbalance.adjustment", "learner.teacher"), "")
            forms["learner.token_subsets"] = str(learner.token_subsets or "")
            if key := next((key for key, value in forms.items() if value), None):
                raise ValueError(f"{key} is {forms[key]}, which is of ICT; choose learner=ict, or leave it out")
        if learner.token_subsets and self.views.count == 2:
            found = f"learner.token_subsets is {learner.token_subsets}, subsets of one view, and views.count is 2"
            raise ValueError(f"{found}; set views.count=1")
        if learner.kind == "ict" and self.views.count == 1 and learner.compares_views and not learner.token_subsets:
            found = "views.count is 1, and one view is compared with nothing"
            raise ValueError(f"{found}; set learner.consistency=0, learner.memory or learner.token_subsets, or count=2")
        if learner.weak_labels == "referee" and self.views.target_share < 1:
            found = "learner.weak_labels is referee, and the target does not see all objects"
            raise ValueError(f"{found}; set views.target_share=1")
        if learner.memory != "none" and self.trainer.processes > 1:
            found = (
                f"learner.memory is {learner.memory}, which one process keeps, and there are {self.trainer.processes}"
            )
            raise ValueError(f"{found}; set trainer.devices=1 and trainer.num_nodes=1, or learner.memory=none")
        mates = learner.consistency_on == "class_mates"
        adapts = learner.consistency_on == "labels" and learner.threshold == "adaptive"
        if learner.kind == "ict" and (mates or adapts) and self.trainer.processes > 1:
            found = f"what learner.consistency_on={learner.consistency_on} keeps of the classes, one process keeps"
            raise ValueError(f"{found}, and there are {self.trainer.processes}; set trainer.devices=1 and num_nodes=1")
        if self.sampler.unlabelled is not None and not learner.unlabelled and self.shift.kind != "adversarial":
            found = (
                "sampler.unlabelled is how many objects without a class a training epoch draws, and none of them trains"
            )
            raise ValueError(f"{found}; set learner.unlabelled=true, or leave it out")

    def _check_consistency(self) -> None:
        """Refuse a weight of eq. 1 in a stage of a learner that compares nothing, or that leaves nothing to learn."""
        for name, one in (("pretrain", self.stage.pretrain), ("finetune", self.stage.finetune)):
            key = f"stage.{name}.consistency"
            if one.consistency is None or not one.max_epochs:
                continue
            if self.learner.kind != "ict" or not self.learner.consistency:
                raise ValueError(
                    f"{key} is for two views that are compared; choose learner=ict, with learner.consistency"
                )
            if not one.consistency and one.classification == 0:
                raise ValueError(f"{key} and stage.{name}.classification are both 0: nothing trains")

    def _check_classification(self) -> None:
        """Refuse a stage of ICT without the classification term that would teach nothing, or that ends the run."""
        last = "finetune" if self.stage.finetune.max_epochs else "pretrain"
        if self.learner.kind == "ict" and self.learner.classification == 0:
            fix = "for pre-training without labels set stage.pretrain.classification=0"
            raise ValueError(f"learner.classification is 0, and nothing else trains what predicts; {fix}")
        for name, one in (("pretrain", self.stage.pretrain), ("finetune", self.stage.finetune)):
            key, guarded = f"stage.{name}.classification", self.learner.predictor or self.learner.variance
            if one.classification is None or not one.max_epochs:
                continue
            if self.learner.kind != "ict":
                raise ValueError(f"{key} is for ICT; choose learner=ict")
            if one.classification:
                continue
            if name == last:
                raise ValueError(
                    f"{key} is 0 in the last stage, and nothing trains what predicts; take a weight above 0"
                )
            if not (self.learner.projects and guarded):
                fix = "set learner.predictor=true or learner.variance, and consistency_on=projection"
                raise ValueError(f"{key} is 0, and without a guard the projections collapse; {fix}")
            if one.keep == "best":
                fix = f"set stage.{name}.keep=last"
                raise ValueError(f"{key} is 0, so that no validation score chooses the best training epoch; {fix}")
