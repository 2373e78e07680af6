"""Every key of a run's configuration, its type and its range. Imports nothing heavy: a mistake is reported at once."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, fields, is_dataclass
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from ictconvention.configuration.options import (
    Augmentation,
    ICTOptions,
    Imbalance,
    OptimiserOptions,
    PartialShare,
    SequenceOptions,
    Stage,
    option_group,
)
from ictconvention.core.errors import UsageError, did_you_mean

LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}  # what pydantic calls them, and how we do
OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")
STAGES: tuple[Stage, ...] = ("pretrain", "finetune")


@option_group
class SurveyOptions:
    """Which survey: a folder, or the simulated one, made once and found again; its bands; whether it is verified."""

    path: str | None = None
    bands: tuple[str, ...] | None = None
    objects: Annotated[int, Field(ge=100)] | None = None
    extra_test: NonNegativeInt = 0
    seed: int = 0
    verify: bool | Literal["auto"] = "auto"


@option_group
class ModelOptions:
    """Which network, and its sizes; all but `kind` and `dropout` are ConvEntion's."""

    kind: Literal["convention", "cnn_gru", "cnn_lstm", "light_curve"] = "convention"
    dropout: PartialShare = 0.3
    width: PositiveFloat = 1.0
    blocks: PositiveInt = 2
    heads: Literal[1, 2, 4, 8] = 4
    attention: Literal["pooled", "query"] = "pooled"
    padding: Literal["paper", "masked"] = "paper"


@option_group
class LearnerOptions(ICTOptions):
    """Which learner; all but `kind` are ICT's."""

    kind: Literal["supervised", "ict"] = "ict"


@option_group
class PixelOptions:
    """What a network sees of a frame, and on which scale."""

    channels: Literal["direct", "direct+residual"] = "direct"
    scaling: Literal["asinh", "standardise"] = "asinh"


@option_group
class AsymmetryOptions:
    """Frames of each of ICT's online views; null: as many as the target's, two views in all."""

    online_frames: int | None = None


@option_group
class FoldOptions:
    """Which split; see `make_split`."""

    protocol: Literal["rotating", "fixed"] = "rotating"
    index: int = 0
    count: int = 5
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 <= self.index < self.count:
            raise ValueError(f"fold.index is {self.index}; take 0 to {self.count - 1}, below fold.count")
        return self


@option_group
class StageOptions:
    """How long and how a stage trains, and which of its training epochs it keeps."""

    max_epochs: NonNegativeInt = 50  # 0: no such stage
    keep: Literal["best", "last"] = "best"
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
        return self


@option_group
class TrainerOptions:
    """On which machine, in which portions."""

    batch_size: PositiveInt = 128
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    workers: NonNegativeInt = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    accumulate: PositiveInt = 1
    compile: bool = False

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
class StrategyOptions:
    """How the devices share a batch: auto, alone or by ddp; ddp also for a single one."""

    kind: Literal["auto", "ddp"] = "auto"


@option_group
class LoggerOptions:
    """Whether a run also has a page on Weights & Biases; all but `kind` are W&B's."""

    kind: Literal["csv", "wandb"] = "csv"
    project: str = "ictconvention"
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    offline: bool = False


@option_group
class RunOptions:
    """A run: one model, one fold, all stages. The groups are those of the folder `conf`."""

    name: str = "run"
    mode: Literal["train", "test"] = "train"
    run: str | None = None
    seed: NonNegativeInt = 0
    resume: Literal["auto", "never"] = "auto"
    init_from: str | None = None
    split: str | None = None
    runs: str = "runs"
    surveys: str = "surveys"
    figures: bool = True
    survey: SurveyOptions = field(default_factory=SurveyOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    learner: LearnerOptions = field(default_factory=LearnerOptions)
    augmentation: Augmentation = field(default_factory=Augmentation)
    imbalance: Imbalance = field(default_factory=Imbalance)
    fold: FoldOptions = field(default_factory=FoldOptions)
    sequence: SequenceOptions = field(default_factory=SequenceOptions)
    pixels: PixelOptions = field(default_factory=PixelOptions)
    views: AsymmetryOptions = field(default_factory=AsymmetryOptions)
    stage: StagesOptions = field(default_factory=StagesOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    strategy: StrategyOptions = field(default_factory=StrategyOptions)
    logger: LoggerOptions = field(default_factory=LoggerOptions)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not re.fullmatch(r"[^\W_][\w .+-]*", self.name):
            raise ValueError(f"name is {self.name!r}; take one that can name a folder")
        if (self.mode == "test") != (self.run is not None):
            raise ValueError(
                f"mode is {self.mode} and run is {self.run}; give both to test a run: mode=test run=FOLDER"
            )
        if self.learner.kind == "ict" and self.model.kind != "convention":
            raise ValueError(f"learner.kind is ict, for model.kind {self.model.kind}; ICT trains model=convention")
        if self.model.kind == "light_curve" and self.pixels.channels != "direct":
            found = f"pixels.channels is {self.pixels.channels}, and model.kind light_curve reads no pixels"
            raise ValueError(f"{found}; leave it out")
        shortest, longest = self.sequence.frames_per_group, self.sequence.max_frames
        if (short := self.views.online_frames) is not None and not shortest <= short <= longest:
            raise ValueError(f"views.online_frames is {short}; take {shortest} to {longest}, or null")
        if self.learner.kind == "supervised" and (self.views.online_frames is not None or self.learner.unlabelled):
            raise ValueError("views.online_frames and learner.unlabelled are for ICT; choose learner=ict")
        return self


def stage_of(options: RunOptions, stage: Stage) -> StageOptions:
    """Return the options of a stage."""
    return options.stage.pretrain if stage == "pretrain" else options.stage.finetune


def stages_of(options: RunOptions) -> list[Stage]:
    """Return the stages that train, in their order; there is one at least."""
    return [stage for stage in STAGES if stage_of(options, stage).max_epochs]


def validate_config(config: Mapping[str, Any]) -> RunOptions:
    """Return the options that a composed configuration holds.

    Raises
    ------
    UsageError
        A key is unknown (the nearest is named), or a value is of the wrong type or out of range.
    """
    try:
        return TypeAdapter(RunOptions).validate_json(json.dumps(config), strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        known, kind, place = set(known_keys()), str(first["type"]), first["loc"]
        key = ".".join(map(str, place)) or "the configuration"
        while kind != "unexpected_keyword_argument" and "." in key and key not in known:
            key = key.rpartition(".")[0]  # after it stands which of several types, or which place of a list
        if kind == "unexpected_keyword_argument":
            found, fix = f"unknown key {key!r}{did_you_mean(key, known)}", "correct its name, or leave it out"
        elif kind == "value_error":
            found, _, fix = str(first["msg"]).removeprefix("Value error, ").partition("; ")
            fix = fix or "correct it"
        else:
            found = f"{key} is {first['input']!r}"
            fix = str(first["msg"]).replace("Input should be", "it should be")
            fix = fix.replace("a valid array", "a list, written '[a,b]' (in quotes, for the shell)")
            fix = _instead(key, first["input"], kind, isinstance(place[-1], int)) or fix
        raise UsageError(found, key, fix) from None


def describe_range(key: str) -> str:
    """Return the numbers that a key may have, in words, such as "a number: at least 0 and at most 1"."""
    kind: Any = RunOptions
    for name in key.split("."):
        kind = get_type_hints(kind, include_extras=True)[name]
    optional = type(None) in get_args(kind)
    number = get_args(kind)[0] if optional else kind
    limits = [limit for one in getattr(number, "__metadata__", ()) for limit in getattr(one, "metadata", [one])]
    words = [f"{word} {getattr(one, name)}" for one in limits for name, word in LIMITS.items() if hasattr(one, name)]
    noun = "a whole number" if get_args(number)[:1] == (int,) else "a number"
    return f"{noun}: {' and '.join(words)}{', or null' * optional}" if words else noun


def _instead(key: str, value: Any, kind: str, listed: bool) -> str:
    """Return what to write instead of a value of the wrong type or out of range, where it is known."""
    if kind in OUT_OF_RANGE:
        words = describe_range(key)
        return f"take {words.replace('a number', 'a finite number') if kind == 'finite_number' else words}"
    if kind == "string_type" and isinstance(value, int | float):
        text = f"['{value}']" if listed else f"'{value}'"
        return f'it should be a text: quote it, "{key}={text}"'
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"it should be a whole number: {key}={value:.0f}"
    if kind == "int_type" and isinstance(value, str) and (span := re.fullmatch(r"(\d+)-(\d+)", value)):
        return f"it should be a valid integer; several are a sweep: -m '{key}=range({span[1]},{int(span[2]) + 1})'"
    if inner := [one for one in known_keys() if one.rpartition(".")[0] == key]:
        return f"it is a block, whose keys are set one by one: {', '.join(f'{one}=...' for one in inner[:4])}"
    return ""


def known_keys(kind: type = RunOptions, prefix: str = "") -> Iterator[str]:
    """Yield every key of the configuration, such as trainer.batch_size."""
    hints = get_type_hints(kind)
    for one in fields(kind):
        name = f"{prefix}{one.name}"
        yield name
        inner = [hints[one.name], *get_args(hints[one.name])]
        for option in inner:
            if is_dataclass(option) and isinstance(option, type):
                yield from known_keys(option, f"{name}.")
