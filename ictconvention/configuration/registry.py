"""What has a name in the configuration and may come from a user's own module: networks, schedules, augmentations.

Nothing is imported because a file says so: our own networks are known, and a module of somebody else's is imported
where the command line, or a Python program, names it.
"""

import hashlib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ictconvention.configuration.options import ModelOptions, TaskOptions
from ictconvention.core.errors import UsageError, did_you_mean

OURS, OUR_TASKS = "ictconvention.networks", "ictconvention.tasks"  # rooms above, imported when one is asked for
Made = TypeVar("Made")


@dataclass(frozen=True)
class NetworkEntry:
    """A network, by its name in the configuration.

    Parameters
    ----------
    name : str
        What `model.kind` says.
    options : type
        Its options, a group that extends `ModelOptions`.
    network : type
        Its class, see `networks.network.Network`.
    module : str
        The module that has registered it.
    source : str, optional
        The SHA-256 of the code of that module when it was imported, in hexadecimal; None for a network of ours, which
        the version names.
    """

    name: str
    options: type[ModelOptions]
    network: Any
    module: str
    source: str | None


@dataclass(frozen=True)
class TaskEntry:
    """A task, by its name in the configuration.

    Parameters
    ----------
    options : type
        Its options, a group that extends `TaskOptions`.
    task : type
        Its class, see `tasks.task.Task`.
    source : str, optional
        The SHA-256 of the code of its module when it was imported, in hexadecimal; None for a task of ours.
    """

    options: type[TaskOptions]
    task: Any
    source: str | None


_networks: dict[str, NetworkEntry] = {}
_tasks: dict[str, TaskEntry] = {}
_modules: list[str] = []


def register_network(name: str, options: type[ModelOptions] = ModelOptions) -> Callable[[type[Made]], type[Made]]:
    """Give a network its name in the configuration; a decorator of its class.

    Parameters
    ----------
    name : str
        What `model=` and `model.kind` call it.
    options : type
        Its options, each with a default: an `option_group` that extends `ModelOptions`.

    Raises
    ------
    UsageError
        Another network has this name; or it stands in no file, as in a cell of a notebook, from which no other process
        could import it.

    Examples
    --------
    >>> @ict.register_network("mine")
    ... class Mine:
    ...     pass
    """
    caller = sys._getframe(1).f_globals.get("__name__")

    def registered(network: type[Made]) -> type[Made]:
        ours = network.__module__.startswith(f"{OURS}.")  # which a user may give another name
        module = str(caller) if ours else network.__module__
        other = _networks.get(name)
        if other is not None and (other.network.__module__, other.network.__qualname__) != (
            network.__module__,
            network.__qualname__,
        ):
            places = " and ".join(f"{one.__qualname__} of {one.__module__}" for one in (other.network, network))
            found = f"two networks are called {name!r}: {places}"
            raise UsageError(found, network.__module__, "give one of them another name", "E-MODULE-DUPLICATE")
        source = None if module.startswith(f"{OURS}.") else source_hash(module, network)
        _networks[name] = NetworkEntry(name, options, network, module, source)
        return network

    return registered


def find_network(name: str, module: str | None = None) -> NetworkEntry:
    """Return the network of a name.

    Parameters
    ----------
    name : str
        What `model.kind` says.
    module : str, optional
        Where a run says that it is from; only named in the error.

    Raises
    ------
    UsageError
        Nothing that was imported has this name.
    """
    if name not in _networks:
        _import_room(OURS)
    if name in _networks:
        return _networks[name]
    if module is not None and module not in _modules:
        fix = f"name it if you trust it: --module {module}, or model.module={module}; in Python: import {module}"
        raise UsageError(
            f"the network {name!r} is of the module {module}, which was not imported",
            "model.kind",
            fix,
            "E-MODULE-UNKNOWN",
        )
    found = f"no network is called {name!r}{did_you_mean(name, _networks)}"
    raise UsageError(
        found, "model.kind", f"take one of {', '.join(sorted(_networks))}, or name its module", "E-MODULE-UNKNOWN"
    )


def is_known(name: str) -> bool:
    """Return whether a network of this name is ours, or was imported."""
    if name not in _networks:
        _import_room(OURS)
    return name in _networks


def own_networks() -> dict[str, NetworkEntry]:
    """Return the networks that modules of a user's have registered so far, by name."""
    return {name: entry for name, entry in _networks.items() if entry.source is not None}


def all_networks() -> list[NetworkEntry]:
    """Return every network that is known: ours, and those of a user's."""
    _import_room(OURS)
    return list(_networks.values())


def default_task_options(name: str) -> dict[str, Any]:
    """Return the options of a task by name, each with its default: what a file conf/task/NAME.yaml would hold."""
    return asdict(find_task_entry(name).options(kind=name))


def default_options(entry: NetworkEntry) -> dict[str, Any]:
    """Return the options of a network by name, each with its default: what a file conf/model/NAME.yaml would hold."""
    options = entry.options(kind=entry.name, module=None if entry.source is None else entry.module)
    return {one.name: getattr(options, one.name) for one in fields(options)}


def register_task(name: str, options: type[TaskOptions] = TaskOptions) -> Callable[[type[Made]], type[Made]]:
    """Give a task its name in the configuration; a decorator of its class, see `tasks.task.Task`.

    Parameters
    ----------
    name : str
        What `task=` and `task.kind` call it.
    options : type
        Its options, each with a default: an `option_group` that extends `TaskOptions`.

    Raises
    ------
    UsageError
        Another task has this name; or it stands in no file, from which no other process could import it.
    """

    def registered(task: type[Made]) -> type[Made]:
        other = None if name not in _tasks else _tasks[name].task
        if other is not None and (other.__module__, other.__qualname__) != (task.__module__, task.__qualname__):
            places = " and ".join(f"{one.__qualname__} of {one.__module__}" for one in (other, task))
            found = f"two tasks are called {name!r}: {places}"
            raise UsageError(found, task.__module__, "give one of them another name", "E-MODULE-DUPLICATE")
        ours = task.__module__.startswith(f"{OUR_TASKS}.")
        _tasks[name] = TaskEntry(options, task, None if ours else source_hash(task.__module__, task))
        return task

    return registered


def find_task(name: str) -> Any:
    """Return the class of the task of a name; errors as of `find_task_entry`."""
    return find_task_entry(name).task


def task_source(name: str) -> str | None:
    """Return the SHA-256 of the code of a task of a user's own; None for one of ours. Errors as of `find_task`."""
    return find_task_entry(name).source


def own_tasks() -> dict[str, Any]:
    """Return the tasks that modules of a user's have registered so far, by name."""
    return {name: entry.task for name, entry in _tasks.items() if entry.source is not None}


def is_known_task(name: str) -> bool:
    """Return whether a task of this name is ours, or was imported."""
    if name not in _tasks:
        _import_room(OUR_TASKS)
    return name in _tasks


def all_tasks() -> list[TaskEntry]:
    """Return every task that is known: ours, and those of a user's."""
    _import_room(OUR_TASKS)
    return list(_tasks.values())


def find_task_entry(name: str) -> TaskEntry:
    """Return the task of a name.

    Raises
    ------
    UsageError
        Nothing that was imported has this name.
    """
    if name not in _tasks:
        _import_room(OUR_TASKS)
    if name not in _tasks:
        found = f"no task is called {name!r}{did_you_mean(name, _tasks)}"
        fix = f"take one of {', '.join(sorted(_tasks))}, or name its module: --module MODULE, or model.module=MODULE"
        raise UsageError(found, "task.kind", f"{fix}; in Python, import it", "E-MODULE-UNKNOWN")
    return _tasks[name]


def source_hash(module: str, made: Any) -> str:
    """Return the SHA-256 of the code of a module, in hexadecimal.

    Raises
    ------
    UsageError
        It stands in no file, as what a cell of a notebook defines.
    """
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        found = f"{made.__qualname__} stands in no file, and so no other process could import it"
        raise UsageError(found, module, "write it to a file beside your program, and import that", "E-MODULE-MISSING")
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def import_module(name: str) -> None:
    """Import a user's module by its name, from the present folder too.

    Raises
    ------
    UsageError
        There is none, or it fails.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            fix = "start from the folder that it is in, install it, or write its name as in `import`: package.module"
            raise UsageError(f"there is no module {name}", "model.module", fix, "E-MODULE-MISSING") from error
        raise _broken(name, error) from error
    except UsageError:
        raise
    except Exception as error:  # the module's own code
        raise _broken(name, error) from error
    if name not in _modules:
        _modules.append(name)


def imported_modules() -> tuple[str, ...]:
    """Return the modules of a user's that were imported, for a process that is to import them too."""
    networks = [entry.module for entry in own_networks().values()]
    return tuple(dict.fromkeys([*_modules, *networks, *(task.__module__ for task in own_tasks().values())]))


def _broken(name: str, error: Exception) -> UsageError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    found = f"importing {name} fails: {type(error).__name__}: {error}"
    return UsageError(found, f"{last.filename}, line {last.lineno}", "correct the module", "E-MODULE-FAILS")


@cache
def _import_room(room: str) -> None:
    package = importlib.import_module(room)
    for found in pkgutil.walk_packages(package.__path__, f"{room}."):
        importlib.import_module(found.name)
