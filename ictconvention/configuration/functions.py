"""Functions of a user's own that have a name in the configuration: schedules of tau, and augmentations."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from ictconvention.configuration.registry import source_hash
from ictconvention.core.errors import UsageError, did_you_mean

Kind = Literal["learner.tau_schedule", "augmentation.function"]  # the key that names one
OURS: dict[Kind, tuple[str, ...]] = {"learner.tau_schedule": ("constant", "cosine"), "augmentation.function": ()}
Function = TypeVar("Function", bound=Callable[..., Any])

_functions: dict[Kind, dict[str, tuple[Callable[..., Any], str]]] = {kind: {} for kind in OURS}  # and their sources


def register_tau_schedule(name: str) -> Callable[[Function], Function]:
    """Give a schedule of tau its name in the configuration; a decorator.

    The function takes the optimiser step, counted from 0, the number of steps and `learner.tau`, and returns the weight
    of the target's past, in [0, 1].

    Parameters
    ----------
    name : str
        What `learner.tau_schedule` calls it.

    Examples
    --------
    >>> @ict.register_tau_schedule("linear")
    ... def rise(step: int, steps: int, tau: float) -> float:
    ...     return tau + (1 - tau) * step / steps
    """
    return _register("learner.tau_schedule", name)


def register_augmentation(name: str) -> Callable[[Function], Function]:
    """Give a function on training views its name in the configuration; a decorator.

    The function takes a `SeriesView`, which has been drawn already as the other options of the augmentation say, and a
    numpy Generator that is the same for the same object, view and training epoch; it returns a `SeriesView`. It may
    change pixels, fluxes, times and turns, and take frames away; one at least must stay. Median frames are shared with
    other views: make a copy to change them.

    Parameters
    ----------
    name : str
        What `augmentation.function` calls it.

    Examples
    --------
    >>> from dataclasses import replace
    >>> @ict.register_augmentation("fainter")
    ... def dim(view, rng):
    ...     return replace(view, frames=view.frames * rng.uniform(0.5, 1))
    """
    return _register("augmentation.function", name)


def find_function(kind: Kind, name: str) -> Callable[..., Any]:
    """Return the function of a name.

    Raises
    ------
    UsageError
        Nothing that was imported has registered it.
    """
    if name not in _functions[kind]:
        known = [*OURS[kind], *_functions[kind]]
        found = f"{kind} is {name!r}, which nothing has registered{did_you_mean(name, known)}"
        listed = f"take one of {', '.join(known)}, or " if known else ""
        raise UsageError(
            found, kind, f"{listed}name the module that registers it: model.module=MODULE", "E-MODULE-UNKNOWN"
        )
    return _functions[kind][name][0]


def function_source(kind: Kind, name: str | None) -> str | None:
    """Return the SHA-256 of a user's code when it registered a function; None for one of ours, or for none."""
    if name is None or name in OURS[kind]:
        return None
    find_function(kind, name)
    return _functions[kind][name][1]


def _register(kind: Kind, name: str) -> Callable[[Function], Function]:
    def registered(function: Function) -> Function:
        other = _functions[kind].get(name, (None, ""))[0]
        place = (function.__module__, function.__qualname__)
        if name in OURS[kind] or (other is not None and (other.__module__, other.__qualname__) != place):
            of = "its own" if other is None else f"{other.__qualname__} of {other.__module__}"
            found = f"{kind} has another {name!r}: {of}"
            raise UsageError(found, function.__module__, "give the function another name", "E-MODULE-DUPLICATE")
        _functions[kind][name] = function, source_hash(function.__module__, function)
        return function

    return registered
