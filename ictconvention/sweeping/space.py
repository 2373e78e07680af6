"""The file of a search: which keys of a run may be chosen, among which values or within which range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, prod
from pathlib import Path
from typing import Any

from ictconvention.configuration.checking.known_keys import known_keys
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.composing.folders import ConfigFolders
from ictconvention.configuration.identity import PLACE, roles_of
from ictconvention.configuration.overrides import override
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import IctConventionError, UsageError, did_you_mean, readable_os_errors

Scalar = str | int | float | bool | None
OF_RANGE = ("low", "high", "log", "step")
OF_DATA = ("survey", "task", "fold", "shift", "split", "seed")  # losses of other data, labels or draws do not compare


@dataclass(frozen=True)
class Choice:
    """Some values, one of which is taken."""

    values: tuple[Scalar, ...]

    @property
    def tried(self) -> tuple[Scalar, ...]:
        """The values by which the key is checked: all."""
        return self.values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both are. On a scale of logarithms with `log`."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(one, int) for one in (self.low, self.high, *([] if self.step is None else [self.step])))

    @property
    def tried(self) -> tuple[Scalar, ...]:
        """The values by which the key is checked: the ends."""
        return self.low, self.high


@dataclass(frozen=True)
class Space:
    """What may be chosen, by key of the run."""

    path: Path
    dimensions: Mapping[str, Choice | Range]

    @property
    def size(self) -> int | None:
        """How many combinations there are, where each key has a list of values."""
        lists = [one.values for one in self.dimensions.values() if isinstance(one, Choice)]
        return prod(map(len, lists)) if len(lists) == len(self.dimensions) else None


def read_space(path: Path, words: Sequence[str]) -> Space:
    """Read the file of a search, and check every key with its values as a run would.

    Parameters
    ----------
    path : Path
        Yaml: KEY: [value, ...], or KEY: {low: 1.0e-4, high: 1.0e-2, log: true}, or with `step`.
    words : sequence of str
        What each run is asked for by besides.

    Raises
    ------
    UsageError
        Naming the file and the key: the key is unknown, of no result or given twice; with its values, validation losses
        do not compare; its values are none; or a run refuses one of them.
    """
    content = _read_yaml(path)
    if not isinstance(content, dict) or not content:
        fix = "write lines such as: trainer.batch_size: [64, 128]"
        raise UsageError("a space is keys with their values", path, fix, "E-CONFIG-FILE")
    known, roles = {*known_keys(), *ConfigFolders.named_in(words).groups}, roles_of(RunOptions)
    given = {word.partition("=")[0].lstrip("+") for word in words}
    dimensions: dict[str, Choice | Range] = {}
    for key, value in content.items():
        where = f"{path}, {key}"
        if key not in known:
            raise UsageError(
                f"unknown key {key!r}{did_you_mean(str(key), known)}", where, "correct its name", "E-CONFIG-UNKNOWN"
            )
        if key in given:
            raise UsageError(f"{key} is given beside the file", where, "leave it out of the file", "E-CONFIG-CONFLICT")
        if key.partition(".")[0] in (*OF_DATA, "name") or PLACE in roles.get(key, PLACE & ~PLACE):
            raise _chooses_nothing(key, where)
        dimensions[key] = _dimension(value, where)
    usual = compose_run(words)
    for key, one in dimensions.items():
        for value in one.tried:
            where = f"{path}, {key}: {value}"
            try:
                options = compose_run([*words, override(key, value)])
            except IctConventionError as error:
                raise type(error)(error.found, where, error.fix, error.code) from None
            if any(getattr(options, name) != getattr(usual, name) for name in OF_DATA):  # an experiment brings its own
                raise _chooses_nothing(key, where)
    return Space(path, dimensions)


def _chooses_nothing(key: str, where: str) -> UsageError:
    return UsageError(f"{key} chooses no better network", where, "leave it out of the file", "E-CONFIG-CONFLICT")


def _read_yaml(path: Path) -> object:
    """Return what a yaml file holds; a key that stands twice is refused, of which yaml would take the last."""
    from yaml import MarkedYAMLError, SafeLoader, YAMLError, compose, safe_load

    with readable_os_errors("reading the space", path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        root = compose(text, Loader=SafeLoader)
        _refuse_repeated(root, path)
        for _, node in root.value if getattr(root, "id", "") == "mapping" else []:
            _refuse_repeated(node, path)
        return safe_load(text)
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise UsageError("this file is no yaml", where, "correct the file", "E-CONFIG-FILE") from None
    except ValueError as error:  # a day that no calendar has
        found = f"this file has a value that yaml cannot read ({error})"
        raise UsageError(found, path, "correct the value, or put it in quotes", "E-CONFIG-FILE") from None


def _refuse_repeated(node: Any, path: Path) -> None:
    """Refuse a node of yaml in which a key stands twice."""
    keys = [key for key, _ in node.value] if getattr(node, "id", "") == "mapping" else []
    for place, key in enumerate(keys):
        if key.value in [one.value for one in keys[:place]]:
            where = f"{path}, line {key.start_mark.line + 1}"
            raise UsageError(f"the key {key.value!r} stands twice", where, "give it once", "E-CONFIG-FILE")


def _dimension(value: object, where: str) -> Choice | Range:
    match value:
        case list():
            for one in value:
                if not isinstance(one, Scalar) or (isinstance(one, str) and _is_number(one)):
                    fix = "write numbers as 1.0e-4, and values of one line each"
                    raise UsageError(f"{one!r} is no plain value", where, fix, "E-CONFIG-VALUE")
            if not value or len({*value}) < len(value):  # 1, 1.0 and true are equal, here and to Optuna
                raise UsageError(
                    "its list of values is empty, or has one twice", where, "give each once", "E-CONFIG-VALUE"
                )
            return Choice(tuple(value))
        case dict():
            return _range(value, where)
    raise UsageError(
        f"{value!r} is neither a list nor a range", where, "write [a, b] or {low: a, high: b}", "E-CONFIG-VALUE"
    )


def _range(value: Mapping[Any, Any], where: str) -> Range:
    for name in value:
        if name not in OF_RANGE:
            found = f"a range has no {name!r}{did_you_mean(str(name), OF_RANGE)}"
            raise UsageError(found, where, f"take {', '.join(OF_RANGE)}", "E-CONFIG-UNKNOWN")
    numbers = {name: value[name] for name in ("low", "high", "step") if name in value}
    for name, one in numbers.items():
        if isinstance(one, bool) or not isinstance(one, int | float) or not isfinite(one):
            raise UsageError(f"{name} is {one!r}", where, "give a number, such as 1.0e-4", "E-CONFIG-VALUE")
    log, step = value.get("log", False), numbers.get("step")
    if not isinstance(log, bool):
        raise UsageError(f"log is {log!r}", where, "take true or false", "E-CONFIG-VALUE")
    if not {"low", "high"} <= numbers.keys() or numbers["low"] >= numbers["high"] or (step is not None and step <= 0):
        raise UsageError(
            "a range is from low to a larger high, in steps above 0", where, "give low and high", "E-CONFIG-VALUE"
        )
    if log and (numbers["low"] <= 0 or step is not None):
        raise UsageError("log asks for low above 0, and for no step", where, "leave out log or step", "E-CONFIG-VALUE")
    if step is not None and (left := _after_last_step(numbers["low"], numbers["high"], step)):
        found = f"steps of {step} from {numbers['low']} do not meet {numbers['high']}"
        fix = f"take high: {Decimal(str(numbers['high'])) - left}, which is tried, or another step"
        raise UsageError(found, where, fix, "E-CONFIG-VALUE")
    return Range(numbers["low"], numbers["high"], log, step)


def _after_last_step(low: float, high: float, step: float) -> Decimal:
    """Return how far the upper end of a range is above its last step, in the decimals that are written."""
    return (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
