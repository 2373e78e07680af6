"""A configuration, checked: every key, type and range, or the first mistake in words."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, make_dataclass, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ictconvention.configuration.checking.mistakes import explain_mistake
from ictconvention.configuration.functions import OURS, find_function, function_source
from ictconvention.configuration.options import ModelOptions, TaskOptions
from ictconvention.configuration.registry import (
    find_network,
    find_task_entry,
    is_known,
    is_known_task,
    task_source,
)
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError

Checked = TypeVar("Checked")
LARGEST = 2**63 - 1  # whole number; torch takes no larger seed, and no machine as many of anything
OF_PICTURES = ("brightness", "contrast", "shift", "blur", "noise", "reddening")  # keys of an augmentation


def validate_config(config: Mapping[str, Any]) -> RunOptions:
    """Return the options that a composed configuration holds.

    The network is found last of all, since that imports torch.

    Raises
    ------
    UsageError
        A key is unknown (the nearest is named), a value is of the wrong type or out of range, or a module is named that
        was not imported.
    """
    _refuse_impossible(config)
    options = _validated(config)
    if (module := options.model.module) is not None and module not in sys.modules:
        found = f"a file names the module {module}, and no file makes this package import code"
        fix = f"name it in the command, if you trust it: model.module={module}"
        raise UsageError(found, "model.module", fix, "E-MODULE-UNKNOWN")
    if options.learner.tau_schedule not in OURS["learner.tau_schedule"]:
        find_function("learner.tau_schedule", options.learner.tau_schedule)
    if options.augmentation.function is not None:
        find_function("augmentation.function", options.augmentation.function)
    return _with_network(options, config)


def _refuse_impossible(config: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse what no key can have, whichever: a text with NUL or half a letter, a number beyond 64 bits, bytes."""
    for name, value in config.items():
        key = f"{prefix}{name}"
        for one in value if isinstance(value, list) else [value]:
            found = ""
            if isinstance(one, Mapping):
                _refuse_impossible(one, f"{key}.")
            elif isinstance(one, str) and ("\0" in one or (not one.isprintable() and not _encodes(one))):
                found = f"{key} is {one!r}, which has the character NUL, or half a letter"
            elif isinstance(one, int) and abs(one) > LARGEST:
                found = f"{key} is a whole number of {len(str(one))} digits"
            elif isinstance(one, bytes):  # YAML's !!binary
                found = f"{key} is {one!r}, neither text nor a number"
            if found:
                raise UsageError(found, key, "correct it", "E-CONFIG-VALUE")


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
    options = _with_task(options, config) if is_known_task(options.task.kind) else options
    base = {one.name for one in fields(ModelOptions)}
    unknown = make_dataclass("UnknownOptions", [name for name in model if name not in base], frozen=True)
    kind = make_dataclass("RecordedOptions", [], bases=(ModelOptions, unknown), frozen=True)
    recorded: ModelOptions = object.__new__(kind)
    for name, value in ({one.name: one.default for one in fields(ModelOptions)} | model).items():
        object.__setattr__(recorded, name, value)
    return replace(options, model=recorded)


def _validated(config: Mapping[str, Any]) -> RunOptions:
    """Return the options, those of the network and of the task as far as each of them has them."""
    for group, options in (("model", ModelOptions), ("task", TaskOptions)):
        if isinstance(given := config.get(group), dict):
            common = {one.name for one in fields(options)}
            config = {**config, group: {name: value for name, value in given.items() if name in common}}
    return _checked(RunOptions, config, "")


def _with_network(options: RunOptions, config: Mapping[str, Any]) -> RunOptions:
    """Put in the options of the network, and see that it fits the others."""
    entry = find_network(options.model.kind, options.model.module)
    model = _checked(entry.options, config.get("model", {}), "model.")
    if entry.network.takes.reads == "photometry" and options.pixels.channels != "direct":
        found = f"pixels.channels is {options.pixels.channels}, and model.kind {entry.name} reads no pixels"
        raise UsageError(found, "pixels.channels", "leave it out", "E-CONFIG-CONFLICT")
    if options.sequence.photometry and not getattr(entry.network.takes, "takes_points", False):
        found = f"sequence.photometry is true, and {entry.name} takes no photometry without pixels"
        fix = "take model=frame_transformer, light_curve_transformer or light_curve, or leave it out"
        raise UsageError(found, "sequence.photometry", fix, "E-CONFIG-CONFLICT")
    if options.learner.token_subsets and options.sequence.photometry:
        found = "learner.token_subsets is of tokens of frames, and sequence.photometry adds tokens without any"
        raise UsageError(found, "learner.token_subsets", "set one of the two alone", "E-CONFIG-CONFLICT")
    if options.learner.token_subsets and not getattr(entry.network, "has_tokens", False):
        asked = f"learner.token_subsets is {options.learner.token_subsets}"
        found = f"{asked}, and model.kind {entry.name} has no tokens to choose among"
        fix = "set learner.token_subsets=0, or take model=frame_transformer"
        raise UsageError(found, "learner.token_subsets", fix, "E-CONFIG-CONFLICT")
    _check_pictures(replace(options, model=model), bool(getattr(entry.network.takes, "pictures", False)))
    check_network_pixels(replace(options, model=model))
    options = _with_task(options, config)
    if entry.source is not None and model.module is None:
        model = replace(model, module=entry.module)  # for those who read the run without it
    return replace(options, model=model)


def _with_task(options: RunOptions, config: Mapping[str, Any]) -> RunOptions:
    """Put in the options of the task, and see that it fits the others."""
    entry = find_task_entry(options.task.kind)
    options = replace(options, task=_checked(entry.options, config.get("task", {}), "task."))
    if check := getattr(entry.task, "check_options", None):  # a class that is registered need not extend Task
        check(options)
    return options


def _check_pictures(options: RunOptions, pictures: bool) -> None:
    """Refuse what takes bands from a picture by the way, what is for pictures alone, and weights of two places.

    Parameters
    ----------
    options : RunOptions
        Options of the run, with those of its network.
    pictures : bool
        Whether the network sees pictures.
    """
    kind, found, key, fix = options.model.kind, "", "", ""
    if pictures and options.sequence.select != "nights":
        key, fix = "sequence.select", "set sequence.select=nights; augmentation.bands leaves out bands"
        found = f"sequence.select is frames, which would leave out bands of a picture, and {kind} sees pictures"
    elif pictures and options.views.online_frames is not None:
        key, fix = "views.online_frames", "leave it out"
        found = f"views.online_frames would leave out bands of a picture, and {kind} sees pictures"
    elif not pictures and (drawn := [name for name in OF_PICTURES if getattr(options.augmentation, name)]):
        zero = " ".join(f"augmentation.{name}=0" for name in drawn)
        key, fix = "augmentation", f"take {zero}, or another augmentation"
        found = f"{', '.join(drawn)}: these are drawn for pictures, and {kind} compares fluxes of several frames"
    elif not pictures and options.pixels.scaling in ("imagenet", "centred"):
        key, fix = "pixels.scaling", "take asinh or standardise"
        found = f"pixels.scaling={options.pixels.scaling} is for pictures, and {kind} sees sequences of fluxes"
    model = options.model
    file, freeze = getattr(model, "weights", None), getattr(model, "freeze", "none")
    if file is not None and options.init_from is not None:
        key, fix = "model.weights", "give one of the two"
        found = "model.weights is a file and init_from a run, and a network begins with the weights of one"
    elif freeze == "encoder" and file is None and options.init_from is None:
        key, fix = "model.freeze", "give model.weights=FILE or init_from=RUN, or leave out model.freeze"
        found = "model.freeze is encoder, whose weights would be random for ever"
    elif freeze == "encoder" and options.learner.flux:
        key, fix = "learner.flux", "set learner.flux=0, or model.freeze=none"
        found = f"learner.flux is {options.learner.flux:g} for the sake of the encoder, and model.freeze lets that rest"
    elif freeze == "encoder" and options.shift.kind == "adversarial":
        key, fix = "shift.kind", "set shift=none, or model.freeze=none"
        found = "shift.kind is adversarial, which changes the features, and model.freeze lets the encoder rest"
    if found:
        raise UsageError(found, key, fix, "E-CONFIG-CONFLICT")


def check_network_pixels(options: RunOptions, stamp: tuple[int, float] | None = None) -> None:
    """Refuse a network whose options ask for what the pixels have not.

    Parameters
    ----------
    options : RunOptions
        Options of the run, with those of its network.
    stamp : int, float, optional
        Pixels along a side of a stamp, and the size of one [arcsec]; none before the survey is known.

    Raises
    ------
    UsageError
        They do not fit.
    """
    network = find_network(options.model.kind, options.model.module).network
    try:
        if check := getattr(network, "check_pixels", None):  # a class that is registered need not extend Network
            check(options.model, 2 if options.pixels.channels == "direct+residual" else 1, stamp)
    except ValueError as error:
        found, _, fix = str(error).partition(": ")
        raise UsageError(found, "model", fix or "change one of them", "E-CONFIG-CONFLICT") from None


def sources_of(options: RunOptions) -> dict[str, str]:
    """Return the SHA-256 of each file of a user's own that a run depends on, by the key that names what it is for."""
    found = {
        "model.kind": find_network(options.model.kind, options.model.module).source,
        "task.kind": task_source(options.task.kind),
        "learner.tau_schedule": function_source("learner.tau_schedule", options.learner.tau_schedule),
        "augmentation.function": function_source("augmentation.function", options.augmentation.function),
    }
    return {key: source for key, source in found.items() if source is not None}


def _checked(kind: type[Checked], config: Mapping[str, Any], prefix: str) -> Checked:
    """Return a group of options with the values of a configuration; the keys of errors begin with the prefix."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(config), strict=True, extra="forbid")
    except ValidationError as error:
        raise explain_mistake(error, prefix) from None
