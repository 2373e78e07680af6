"""Every key of a run's configuration, its type and its range. Imports nothing heavy: a mistake is reported at once."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_type_hints

from omegaconf import OmegaConf
from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from ictconvention.configuration.options import (
    Augmentation,
    ICTOptions,
    Imbalance,
    ModelOptions,
    OptimiserOptions,
    SequenceOptions,
    Stage,
    option_group,
)
from ictconvention.configuration.registry import all_networks, find_network, import_module, is_known, own_networks
from ictconvention.core.errors import UsageError, did_you_mean

Checked = TypeVar("Checked")
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
    workers: NonNegativeInt = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.batch_size % self.devices:
            fix = f"take a multiple of trainer.devices, which is {self.devices}"
            raise ValueError(f"trainer.batch_size is {self.batch_size}; {fix}")
        return self


@option_group
class StrategyOptions:
    """How several devices share a batch."""

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


def validate_config(config: Mapping[str, Any], asked: Collection[str] = ()) -> RunOptions:
    """Return the options that a composed configuration holds.

    The network that it names is imported, last of all; a module of the user's, because `model.module` says so.

    Parameters
    ----------
    config : mapping
        What was composed. A profile may set sizes of another network than this; those are left out.
    asked : collection of str
        Keys that were set one by one: of these none is left out.

    Raises
    ------
    UsageError
        A key is unknown (the nearest is named), or a value is of the wrong type or out of range.
    """
    options = _validated(config)
    if options.model.module is not None and not is_known(options.model.kind):
        import_module(options.model.module)
    model = config.get("model")
    if isinstance(model, dict):
        own = {one.name for one in fields(find_network(options.model.kind).options)}
        if wrong := [f"model.{name}" for name in model if name not in own and f"model.{name}" in asked]:
            found = f"{wrong[0]} is no option of the network {options.model.kind!r}"
            raise UsageError(found, wrong[0], "leave it out, or choose another model")
        others = {one.name for entry in all_networks() for one in fields(entry.options)} - own
        config = {**config, "model": {name: value for name, value in model.items() if name not in others}}
    return _with_network(options, config)


def read_recorded(config: Mapping[str, Any]) -> RunOptions:
    """Return the options that the folder of a run records; as `validate_config`, but no module is imported for it.

    A network whose module was not imported has options of which nobody knows the types.
    """
    model = config.get("model")
    if isinstance(model, dict) and model.get("kind") in ("cnn_gru", "cnn_lstm", "light_curve"):
        early = ("width", "blocks", "heads", "attention", "padding")  # the first versions recorded ConvEntion's too
        config = {**config, "model": {name: value for name, value in model.items() if name not in early}}
    options = _validated(config)
    if is_known(options.model.kind) or not isinstance(model, dict):
        return _with_network(options, config)
    base = {one.name for one in fields(ModelOptions)}
    unknown = make_dataclass("UnknownOptions", [name for name in model if name not in base], frozen=True)
    kind = make_dataclass("RecordedOptions", [], bases=(ModelOptions, unknown), frozen=True)
    recorded: ModelOptions = object.__new__(kind)
    for name, value in ({one.name: one.default for one in fields(ModelOptions)} | model).items():
        object.__setattr__(recorded, name, value)
    return replace(options, model=recorded)


def _validated(config: Mapping[str, Any]) -> RunOptions:
    """Return the options, those of the network as far as every network has them."""
    model = config.get("model")
    if isinstance(model, dict):
        common = {one.name for one in fields(ModelOptions)}
        config = {**config, "model": {name: value for name, value in model.items() if name in common}}
    return _checked(RunOptions, config, "")


def _with_network(options: RunOptions, config: Mapping[str, Any]) -> RunOptions:
    """Put in the options of the network, and see that it fits the others."""
    entry = find_network(options.model.kind, options.model.module)
    model = _checked(entry.options, config.get("model", {}), "model.")
    if entry.network.takes.reads == "photometry" and options.pixels.channels != "direct":
        found = f"pixels.channels is {options.pixels.channels}, and model.kind {entry.name} reads no pixels"
        raise UsageError(found, "pixels.channels", "leave it out")
    return replace(options, model=model)


def _checked(kind: type[Checked], config: Mapping[str, Any], prefix: str) -> Checked:
    """Return a group of options with the values of a configuration; the keys of errors begin with the prefix."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(config), strict=True, extra="forbid")
    except ValidationError as error:
        raise _explained(error, prefix) from None


def _explained(error: ValidationError, prefix: str) -> UsageError:
    """Return the first thing that pydantic found, in words."""
    first = error.errors()[0]
    known, kind, place = set(known_keys()), str(first["type"]), first["loc"]
    key = (prefix + ".".join(map(str, place))).removesuffix(".") or "the configuration"
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
        fix = _instead(key, first["input"], kind, bool(place) and isinstance(place[-1], int)) or fix
    return UsageError(found, key, fix)


def describe_range(key: str) -> str:
    """Return the numbers that a key may have, in words, such as "a number: at least 0 and at most 1"."""
    kind: Any = RunOptions
    for name in key.split("."):
        hints = get_type_hints(kind, include_extras=True)
        if kind is ModelOptions and name not in hints:
            own = [get_type_hints(entry.options, include_extras=True) for entry in all_networks()]
            hints = next(one for one in own if name in one)
        kind = hints[name]
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


def known_keys() -> Iterator[str]:
    """Yield every key of the configuration, such as trainer.batch_size, and those of the networks that are known."""
    yield from _keys_of(RunOptions, "")
    common = {one.name for one in fields(ModelOptions)}
    own = [one.name for entry in own_networks().values() for one in fields(entry.options)]
    files_ = Path(str(files("ictconvention") / "conf" / "model")).glob("*.yaml")
    named = [str(name) for path in files_ for name in OmegaConf.load(path)]
    yield from (f"model.{name}" for name in dict.fromkeys([*own, *named]) if name not in common)


def _keys_of(kind: type, prefix: str) -> Iterator[str]:
    hints = get_type_hints(kind)
    for one in fields(kind):
        name = f"{prefix}{one.name}"
        yield name
        inner = [hints[one.name], *get_args(hints[one.name])]
        for option in inner:
            if is_dataclass(option) and isinstance(option, type):
                yield from _keys_of(option, f"{name}.")
