"""The file of a search: which keys of a run may be chosen, among which values or within which range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.folders import ConfigFolders
from ictconvention.configuration.identity import PLACE, roles_of
from ictconvention.configuration.overrides import override
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.validation import known_keys
from ictconvention.core.errors import IctConventionError, UsageError, did_you_mean, readable_os_errors

Scalar = str | int | float | bool | None
OF_RANGE = ("low", "high", "log", "step")


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
        Naming the file and the key: the key is unknown, of no result or given twice; its values are none; or a run
        refuses one of them.
    """
    from yaml import MarkedYAMLError, YAMLError, safe_load

    with readable_os_errors("reading the space", path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        content = safe_load(text)
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise UsageError("this file is no yaml", where, "correct the file", "E-CONFIG-FILE") from None
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
        if key == "fold.index" or PLACE in roles.get(key, PLACE & ~PLACE) or key in given:
            why = "is given beside the file" if key in given else "chooses no better network"
            raise UsageError(f"{key} {why}", where, "leave it out of the file", "E-CONFIG-CONFLICT")
        dimensions[key] = _dimension(value, where)
    for key, one in dimensions.items():
        for value in one.tried:
            try:
                compose_run([*words, override(key, value)])
            except IctConventionError as error:
                raise type(error)(error.found, f"{path}, {key}: {value}", error.fix, error.code) from None
    return Space(path, dimensions)


def _dimension(value: object, where: str) -> Choice | Range:
    match value:
        case list():
            for one in value:
                if not isinstance(one, Scalar) or (isinstance(one, str) and _is_number(one)):
                    fix = "write numbers as 1.0e-4, and values of one line each"
                    raise UsageError(f"{one!r} is no plain value", where, fix, "E-CONFIG-VALUE")
            if not value or len({(type(one), one) for one in value}) < len(value):
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
    return Range(numbers["low"], numbers["high"], log, step)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
