"""Records beside each other, key by key: configurations of models, environments of runs, scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import Any

ABSENT = "–"


@dataclass(frozen=True)
class KeyByKey:
    """Several records, sorted into what they have in common and what not.

    Parameters
    ----------
    common : mapping of str to str
        The value of each key in which all agree.
    differing : mapping of str to mapping of str to str
        By key, the value in each record, by its name; `ABSENT` where it has none.
    """

    common: Mapping[str, str]
    differing: Mapping[str, Mapping[str, str]]


def compare_keys(records: Mapping[str, Mapping[str, Any]]) -> KeyByKey:
    """Put records of one name each beside each other; they may be nested, and an inner key is `outer.inner`."""
    flat = {name: flatten(record) for name, record in records.items()}
    keys = dict.fromkeys(key for record in flat.values() for key in record)
    values = {key: {name: record.get(key, ABSENT) for name, record in flat.items()} for key in keys}
    common = {key: next(iter(of.values())) for key, of in values.items() if len(set(of.values())) == 1}
    return KeyByKey(common, {key: of for key, of in values.items() if key not in common})


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the values of a nested record as text, by key."""
    flat: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat


def largest_difference(first: Any, second: Any) -> float:
    """Return the largest difference between the numbers of two records; infinite for other forms, and for NaN."""
    match first, second:
        case dict(), dict():
            pairs = [(first[name], second[name]) for name in first] if first.keys() == second.keys() else [(0, None)]
        case list(), list():
            pairs = list(zip(first, second, strict=True)) if len(first) == len(second) else [(0, None)]
        case ((bool() | str() | None), _):
            return 0.0 if first == second else inf
        case _:
            difference = abs(first - second) if isinstance(second, int | float) else inf
            return inf if isnan(difference) else difference  # NaN is not a number, and the same as none
    return max((largest_difference(*pair) for pair in pairs), default=0.0)
