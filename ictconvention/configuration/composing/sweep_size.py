"""How many runs a sweep asks for, known before Hydra writes out every combination: a range has no end of values."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ictconvention.configuration.composing.folders import ConfigFolders
from ictconvention.core.errors import UsageError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

MOST_JOBS = 10_000  # of a sweep: each is composed and checked before the first begins
SWEEPER = "hydra/sweeper"  # group of Hydra's; another than basic draws from a range, and does not write it out
OF_SWEEPER = "hydra.sweeper.params"  # further values of keys, beside the overrides


def check_sweep_size(
    overrides: Iterable["Override"], folders: ConfigFolders, params: Mapping[str, Any] | None = None
) -> None:
    """Refuse a sweep of more than `MOST_JOBS` runs, and one of none.

    Parameters
    ----------
    overrides : iterable of Override
        As they were parsed; those with several values count, and what they give to `hydra.sweeper.params`.
    folders : ConfigFolders
        Where the choices are, which a glob counts.
    params : mapping, optional
        What files of choices give to it: further values of keys.

    Raises
    ------
    UsageError
        Naming the number, or the key that has no value.
    """
    given = list(overrides)
    if any(one.key_or_group == SWEEPER and one.value() != "basic" for one in given if not one.is_sweep_override()):
        return
    last = {one.key_or_group: one for one in given}  # of a key that stands twice, the last one holds
    jobs = 1.0
    for key, one in (_parsed({**(params or {}), **_given(last)}) | last).items():
        if one.is_sweep_override():
            jobs *= _number(key, one, folders)
    if jobs > MOST_JOBS:
        named = f"{jobs:.0f}" if jobs < math.inf else "endlessly many"
        raise UsageError(
            f"this is a sweep of {named} runs, more than {MOST_JOBS}",
            ", ".join(key for key, one in last.items() if one.is_sweep_override()) or OF_SWEEPER,
            "give fewer values, or several sweeps",
            "E-CONFIG-SWEEP",
        )


def _given(last: Mapping[str, "Override"]) -> dict[str, Any]:
    """Return what overrides give to `hydra.sweeper.params`, as a whole or key by key."""
    found: dict[str, Any] = {}
    for key, one in last.items():
        if one.is_sweep_override():
            continue
        if key == OF_SWEEPER and isinstance(value := one.value(), dict):
            found |= {str(name): inner for name, inner in value.items()}
        elif key.startswith(f"{OF_SWEEPER}."):
            found[key.removeprefix(f"{OF_SWEEPER}.")] = one.value()
    return found


def _parsed(params: Mapping[str, Any]) -> dict[str, "Override"]:
    """Return the overrides that `hydra.sweeper.params` stands for."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    found = {}
    for key, value in params.items():
        try:
            found[str(key)] = OverridesParser.create().parse_override(f"{key}={value}")
        except (HydraException, ValueError, RecursionError):
            raise UsageError(
                f"{key} of {OF_SWEEPER} is {value!r}, no value", OF_SWEEPER, "write -m KEY=VALUE", "E-CONFIG-SYNTAX"
            ) from None
    return found


def _number(key: str, one: "Override", folders: ConfigFolders) -> float:
    """Return how many values an override gives; infinite where a range has no end."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob, RangeSweep

    match one._value:
        case ChoiceSweep() as choice:
            number = float(len(choice.list))
        case RangeSweep() as values:
            number = _length(key, values.start, values.stop, values.step)
        case Glob() as pattern:
            number = float(len(pattern.filter(folders.choices(key))))
        case _:  # an interval, of which the sweeper says that it takes none
            return 1.0
    if not number:
        raise UsageError(f"{key} has no value in this sweep", key, "give it at least one", "E-CONFIG-SWEEP")
    return number


def _length(key: str, start: Any, stop: Any, step: Any) -> float:
    ends = [float(one) for one in (start, stop, step)]
    if any(math.isnan(one) for one in ends) or not ends[2]:
        fix = f"write {key}=range(START,STOP,STEP), with a STEP that is not 0"
        raise UsageError(f"{key} is a range from {start} to {stop} by {step}", key, fix, "E-CONFIG-SWEEP")
    length = (ends[1] - ends[0]) / ends[2]
    return float(max(0, math.ceil(length))) if math.isfinite(length) else max(0.0, length)
