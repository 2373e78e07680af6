"""Every key of the configuration, with its type: of the groups of a run, of networks and of tasks."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from omegaconf import OmegaConf

from ictconvention.configuration.composing.folders import config_folder
from ictconvention.configuration.registry import (
    default_task_options,
    own_networks,
    own_tasks,
)
from ictconvention.configuration.schema import RunOptions


def known_keys() -> Iterator[str]:
    """Yield every key of the configuration, such as trainer.batch_size, and those of the networks that are known."""
    known = [key for key, _ in _all_types()]
    own = [f"model.{one.name}" for entry in own_networks().values() for one in fields(entry.options)]
    own += [f"task.{name}" for task in own_tasks() for name in _flat_keys(default_task_options(task))]
    for group in ("model", "task"):
        for path in (config_folder() / group).glob("*.yaml"):
            own += [f"{group}.{name}" for name in _keys_in(path, path.stat().st_mtime_ns)]
    yield from dict.fromkeys([*known, *own])


@lru_cache(maxsize=256)
def _keys_in(path: Path, changed: int) -> tuple[str, ...]:
    """Return the keys in a file of ours, read once as long as nobody changes it (its time is in ns)."""
    return tuple(_flat_keys(OmegaConf.to_container(OmegaConf.load(path))))


def _flat_keys(content: Any) -> Iterator[str]:
    """Yield the keys of nested values, groups among them, such as bins and bins.low."""
    for name, value in content.items() if isinstance(content, dict) else ():
        yield str(name)
        yield from (f"{name}.{inner}" for inner in _flat_keys(value))


def keys_taking(kind: Any) -> list[str]:
    """Return the keys whose value is of a type, such as str, or may be, beside null and others."""
    return [key for key, own in _all_types() if own == kind or kind in get_args(own)]


@cache
def _all_types() -> tuple[tuple[str, Any], ...]:
    """Return every key of a run's options with its type."""
    return tuple(_types(RunOptions))


def _types(group: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(group)
    for one in fields(group):
        kind = hints[one.name]
        yield f"{prefix}{one.name}", kind
        for inner in (kind, *get_args(kind)):
            if is_dataclass(inner) and isinstance(inner, type):
                yield from _types(inner, f"{prefix}{one.name}.")
