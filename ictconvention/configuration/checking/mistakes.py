"""A value that pydantic refused, in words: what it is, which values its key may have, and what to write instead."""

import re
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from ictconvention.configuration.checking.known_keys import known_keys
from ictconvention.configuration.options import ModelOptions, TaskOptions
from ictconvention.configuration.registry import (
    all_networks,
    all_tasks,
)
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError, did_you_mean

LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}  # what pydantic calls them, and how we do
OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


def explain_mistake(error: ValidationError, prefix: str) -> UsageError:
    """Return the first thing that pydantic found, in words."""
    first = error.errors()[0]
    known, kind, place = set(known_keys()), str(first["type"]), first["loc"]
    code = "E-CONFIG-UNKNOWN" if kind == "unexpected_keyword_argument" else "E-CONFIG-VALUE"
    key = (prefix + ".".join(map(str, place))).removesuffix(".") or "the configuration"
    while kind != "unexpected_keyword_argument" and "." in key and key not in known:
        key = key.rpartition(".")[0]  # after it stands which of several types, or which place of a list
    if kind == "unexpected_keyword_argument" and key in known:  # of another choice of its group
        found, fix = f"{key} is not a key of this choice", "leave it out, or make another choice"
    elif kind == "unexpected_keyword_argument":
        found, fix = f"unknown key {key!r}{did_you_mean(key, known)}", "correct its name, or leave it out"
    elif kind == "value_error":
        found, _, fix = str(first["msg"]).removeprefix("Value error, ").partition("; ")
        fix = fix or "correct it"
    else:
        found = f"{key} is {first['input']!r}"
        fix = str(first["msg"]).replace("Input should be", "it should be")
        fix = fix.replace("a valid array", "a list, written '[a,b]' (in quotes, for the shell)")
        fix = _instead(key, first["input"], kind, bool(place) and isinstance(place[-1], int)) or fix
        for other in error.errors()[1:]:  # a word that may stand there too
            if other["type"] == "literal_error" and f"{prefix}{'.'.join(map(str, other['loc'][:-1]))}" == key:
                fix += f", or {other['ctx']['expected']}"
    return UsageError(found, key, fix, code)


def describe_range(key: str) -> str:
    """Return the numbers that a key may have, in words, such as "a number: at least 0 and at most 1"."""
    *groups, name = key.split(".")
    kind: Any = RunOptions
    for group in groups:
        kind = _hint(kind, group)
    kind = _hint(kind, name)
    if get_origin(kind) is Annotated and type(None) in get_args(get_args(kind)[0]):
        kind = get_args(kind)[0]  # without what it counts for
    optional = type(None) in get_args(kind)
    number = get_args(kind)[0] if optional else kind
    limits = [limit for one in getattr(number, "__metadata__", ()) for limit in getattr(one, "metadata", [one])]
    words = [f"{word} {getattr(one, name)}" for one in limits for name, word in LIMITS.items() if hasattr(one, name)]
    noun = "a whole number" if get_args(number)[:1] == (int,) else "a number"
    return f"{noun}: {' and '.join(words)}{', or null' * optional}" if words else noun


def _hint(kind: Any, name: str) -> Any:
    """Return the type of an option of a group, or of those of networks and tasks that extend it."""
    own: list[type] = [kind]
    if kind is ModelOptions:
        own += [entry.options for entry in all_networks()]
    elif kind is TaskOptions:
        own += [entry.options for entry in all_tasks()]
    return next(hints[name] for one in own if name in (hints := get_type_hints(one, include_extras=True)))


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
