"""Groups of options that are of a run as a whole: survey, pixels, views, fold, stages, machine, tracker."""

from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ictconvention.configuration.identity import ADDED, CELL, CONTENT, PLACE, SHAPES
from ictconvention.configuration.options import (
    OptimiserOptions,
    Share,
    Third,
    option_group,
)


@option_group
class SurveyOptions:
    """Which survey: a folder, or a simulated one, made once and found again; its bands and classes; its checks."""

    path: Annotated[str | None, PLACE] = None
    state: Annotated[str | None, PLACE] = None
    kind: Annotated[Literal["sdss", "hosts", "galaxies", "scenes"], CONTENT] = "sdss"
    band_set: Annotated[Literal[5, 9, 11], CONTENT] = 5
    select: Annotated[Literal["magnitude", "redshift", "colour"], CONTENT] = "magnitude"
    catalogue: Annotated[Literal["kcorrect"] | None, CONTENT] = None
    stream: Annotated[Literal["frames", "alerts"], CONTENT | ADDED] = "frames"
    missing: Annotated[Annotated[float, Field(ge=0, le=0.9)], CONTENT] = 0.0
    unlabelled: Annotated[Annotated[float, Field(ge=0, le=0.95)], CONTENT | ADDED] = 0.0
    size: Annotated[PositiveInt | None, CONTENT] = None
    bands: Annotated[tuple[str, ...] | None, CONTENT] = None
    classes: Annotated[tuple[str, ...] | None, ADDED] = None
    objects: Annotated[Annotated[int, Field(ge=100)] | None, CONTENT] = None
    extra_test: Annotated[NonNegativeInt | None, CONTENT] = 0
    seed: Annotated[int, CONTENT] = 0
    verify: Annotated[bool | Literal["auto"], PLACE] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.state is not None and self.path is None:
            raise ValueError(
                f"survey.state is {self.state}, and a survey that is simulated has one state; give survey.path"
            )
        if self.size is not None and self.kind == "sdss":
            raise ValueError(
                f"survey.size is {self.size}, and only pictures of hosts, galaxies and scenes have a size to choose"
            )
        if self.kind != "galaxies":
            of_galaxies = {"band_set": 5, "select": "magnitude", "catalogue": None, "missing": 0.0}
            for name in [name for name, usual in of_galaxies.items() if getattr(self, name) != usual]:
                raise ValueError(f"survey.{name} is {getattr(self, name)}, and only kind=galaxies has it to choose")
        if self.kind != "sdss" and self.stream != "frames":
            raise ValueError(f"survey.stream is {self.stream}, and only kind=sdss has it to choose")
        if self.kind != "scenes" and self.unlabelled:
            raise ValueError(f"survey.unlabelled is {self.unlabelled}, and only kind=scenes has it to choose")
        if self.catalogue is not None and self.band_set != 5:
            raise ValueError(f"survey.band_set is {self.band_set}, and the catalogue {self.catalogue} has 5 bands")
        return self


@option_group
class PixelOptions:
    """What a network sees of a frame, and on which scale."""

    channels: Annotated[Literal["direct", "direct+residual"], SHAPES] = "direct"
    scaling: Annotated[Literal["asinh", "standardise", "imagenet", "centred"], SHAPES] = "asinh"


@option_group
class AsymmetryOptions:
    """Frames of each of ICT's online views, or a third of the target's; null: as many as these, two views in all."""

    count: Annotated[Literal[1, 2], ADDED] = 2  # of the online network; of supervised learning it is 1
    online_frames: int | Third | None = None
    target_share: Annotated[Share, ADDED] = 1.0  # of the objects of a batch

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.online_frames is None and self.target_share < 1:
            found = f"views.target_share is {self.target_share:g}, and the target sees the online views of all objects"
            raise ValueError(f"{found}; leave it out, or set views.online_frames=third")
        if self.online_frames is not None and self.count == 1:
            found = f"views.count is 1, and views.online_frames {self.online_frames} is of two"
            raise ValueError(f"{found}; set views.count=2, or leave out views.online_frames")
        return self


@option_group
class FoldOptions:
    """Which split; see `make_split`."""

    protocol: Literal["rotating", "fixed", "single"] = "rotating"
    index: Annotated[int, CELL] = 0
    count: int = 5
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 <= self.index < self.count:
            raise ValueError(f"fold.index is {self.index}; take 0 to {self.count - 1}, below fold.count")
        return self


@option_group
class StageOptions:
    """How long and how a stage trains, which of its training epochs it keeps, and ICT's weights in it."""

    max_epochs: NonNegativeInt = 50  # 0: no such stage
    draws: Annotated[PositiveFloat, ADDED] = 1.0  # of a training epoch, in units of the objects with a label
    keep: Literal["best", "last"] = "best"
    patience: Annotated[PositiveInt | None, ADDED] = None  # training epochs without a better one; null: any number
    classification: Annotated[NonNegativeFloat | None, ADDED] = None  # null: the learner's
    consistency: Annotated[NonNegativeFloat | None, ADDED] = None  # null: the learner's
    optimiser: OptimiserOptions = field(default_factory=OptimiserOptions)


@option_group
class StagesOptions:
    """The two stages that train."""

    pretrain: StageOptions = field(default_factory=StageOptions)
    finetune: StageOptions = field(default_factory=StageOptions)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pretrain.max_epochs == self.finetune.max_epochs == 0:
            raise ValueError("stage.pretrain.max_epochs and stage.finetune.max_epochs are both 0: nothing trains")
        for name, stage in (("pretrain", self.pretrain), ("finetune", self.finetune)):
            if stage.patience is not None and stage.keep == "last":
                found = f"stage.{name}.patience is {stage.patience}, and keep=last looks for no best training epoch"
                raise ValueError(f"{found}; set stage.{name}.keep=best, or leave out the patience")
        return self


@option_group
class TrainerOptions:
    """On which machine, in which portions."""

    batch_size: PositiveInt = 128
    devices: Annotated[PositiveInt, PLACE] = 1
    num_nodes: Annotated[PositiveInt, PLACE] = 1
    workers: Annotated[NonNegativeInt, PLACE] = 0
    precision: Annotated[Literal["auto", "32-true", "bf16-mixed"], CONTENT | CELL] = "auto"
    accumulate: Annotated[PositiveInt, ADDED] = 1
    compile: Annotated[bool, ADDED] = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.batch_size % self.processes:
            fix = f"take a multiple of trainer.devices, which is {self.devices}"
            if self.num_nodes > 1:
                product = f"{self.devices} times {self.num_nodes}, {self.processes}"
                fix = f"take a multiple of trainer.devices times trainer.num_nodes, {product}"
            raise ValueError(f"trainer.batch_size is {self.batch_size}; {fix}")
        return self

    @property
    def processes(self) -> int:
        """The processes that share each batch: one for each device of each node."""
        return self.devices * self.num_nodes


@option_group
class SamplerOptions:
    """In which order the objects of a training epoch come: any, or block by block of the survey's shards; how many."""

    order: Annotated[Literal["objects", "blocks"], ADDED] = "objects"
    unlabelled: Annotated[PositiveFloat | None, ADDED] = (
        None  # without a label, for each with one; null: each comes once
    )


@option_group
class StrategyOptions:
    """How the devices share a batch: auto, alone or by ddp; ddp also for a single one."""

    kind: Literal["auto", "ddp"] = "auto"


@option_group
class LoggerOptions:
    """Whether a run also has a page at a tracker; `entity` and `offline` are W&B's, `uri` is MLflow's."""

    kind: Literal["csv", "wandb", "tensorboard", "mlflow"] = "csv"
    project: str = "ictconvention"
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    offline: bool = False
    uri: str | None = None
