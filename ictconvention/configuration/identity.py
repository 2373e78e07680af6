"""What each option of a run counts for: said once, beside the option, as in `width: Annotated[float, SHAPES]`.

An option that says nothing is part of what a run is: its value is in the run's hash, and `result.json` has a copy.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Flag, auto
from functools import cache
from typing import Any, get_args, get_type_hints


class Role(Flag):
    """What else an option counts for. It may have several roles; those of a group hold for each option in it.

    Examples
    --------
    >>> from typing import Annotated
    >>> @ict.option_group
    ... class Mine(ict.ModelOptions):
    ...     channels: Annotated[int, ict.SHAPES] = 16  # weights of 16 channels fit no network of 8
    """

    SHAPES = auto()
    LABEL = auto()
    CONTENT = auto()
    PLACE = auto()
    CELL = auto()
    ADDED = auto()


SHAPES = Role.SHAPES  # it makes the network: the weights of a run fit another where these are the same
LABEL = Role.LABEL  # a name: recorded, and not in the hash
CONTENT = Role.CONTENT  # it counts by what it leads to, such as the hash of a split, and not by itself
PLACE = Role.PLACE  # of the machine or the moment: it decides no number, and no record has a copy
CELL = Role.CELL  # it may differ between the runs of one model
ADDED = Role.ADDED  # runs were made before there was this option: at its default it is as if it were not there


def roles_of(options: Any, prefix: str = "") -> dict[str, Role]:
    """Return the roles of every option, and of every group, by key such as trainer.batch_size.

    Parameters
    ----------
    options : dataclass, or an instance of one
        An instance has the options of the very groups that it holds; a class, those of the groups that it names.
    prefix : str
        Before each key.
    """
    kind = options if isinstance(options, type) else type(options)
    hints, plain = _hints(kind)
    roles: dict[str, Role] = {}
    for one in fields(kind):
        said = [role for role in getattr(hints[one.name], "__metadata__", ()) if isinstance(role, Role)]
        own = Role(0)
        for role in said:
            own |= role
        roles[f"{prefix}{one.name}"] = own
        kinds = (plain[one.name], *get_args(plain[one.name])) if isinstance(options, type) else ()
        for group in kinds or (getattr(options, one.name),):
            if is_dataclass(group):
                roles |= {key: own | role for key, role in roles_of(group, f"{prefix}{one.name}.").items()}
    return roles


@cache
def _hints(kind: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the types of the options of a class, by name: with what they are annotated with, and without."""
    return get_type_hints(kind, include_extras=True), get_type_hints(kind)


def leave_out(content: Mapping[str, Any], options: Any, roles: Role) -> dict[str, Any]:
    """Return nested values by key without those that have any of these roles, nor groups of which nothing stays.

    Parameters
    ----------
    content : mapping
        Values of the options; a key that no option has stays.
    options : dataclass, or an instance of one
        See `roles_of`.
    roles : Role
        Which are left out.
    """
    known = roles_of(options)

    def kept(group: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        found = {}
        for name, value in group.items():
            if known.get(f"{prefix}{name}", Role(0)) & roles:
                continue
            if isinstance(value, Mapping) and value:
                if inner := kept(value, f"{prefix}{name}."):
                    found[name] = inner
            else:
                found[name] = value
        return found

    return kept(content, "")


def leave_out_added(content: Mapping[str, Any], options: Any) -> dict[str, Any]:
    """Return nested values by key without the options that are `ADDED` and have their defaults, nor what gets empty.

    Parameters
    ----------
    content : mapping
        Values of the options; a key that no option has stays.
    options : dataclass, or an instance of one
        See `roles_of`.
    """
    kind = options if isinstance(options, type) else type(options)
    known, (hints, plain) = {one.name: one for one in fields(kind)}, _hints(kind)
    kept: dict[str, Any] = {}
    for name, value in content.items():
        if name in known:
            added = any(isinstance(role, Role) and ADDED in role for role in getattr(hints[name], "__metadata__", ()))
            if added and value == known[name].default:
                continue
            group = plain[name] if isinstance(options, type) else getattr(options, name)
            if isinstance(value, Mapping) and is_dataclass(group):
                inner = leave_out_added(value, group)
                if value and not inner:
                    continue
                value = inner
        kept[name] = value
    return kept


def values_with(options: Any, role: Role) -> dict[str, Any]:
    """Return the values of the options that have a role, by key such as model.width; of an instance of a dataclass."""
    found: dict[str, Any] = {}
    for key, roles in roles_of(options).items():
        if role in roles:
            value = options
            for name in key.split("."):
                value = getattr(value, name)
            found[key] = value
    return {key: value for key, value in found.items() if not is_dataclass(value)}
