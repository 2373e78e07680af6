"""How a worker makes a call: in the folder of the process that asks, with a task that it reads once and keeps."""

import os
import pickle
import platform
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ictconvention.core.errors import UsageError

TASKS = 2  # that a worker keeps: that of the command at hand, and that of another command which shares the worker
OPTION = "--scheduler"
_one_at_once = threading.Lock()  # of a worker with several threads: no call shares its process with another
_tasks: OrderedDict[str, Callable[..., Any]] = OrderedDict()


def dask_setup(worker: Any) -> None:
    """Let a worker of this machine pass over Ctrl-C, as dask calls it when the worker begins."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def call(name: str, task: bytes, words: bytes, folder: str) -> Any:
    """Make a call.

    Parameters
    ----------
    name : str
        Of the task. What it holds, such as a survey, is opened in its first call and kept for the next ones.
    task, words : bytes
        The task and its arguments, pickled.
    folder : str
        Working folder of the process that asks.
    """
    with _one_at_once:
        try:
            os.chdir(folder)
        except OSError as error:
            found = f"the worker on {platform.node()} does not see {folder} ({error.strerror})"
            fix = "work in a folder that all machines see under the same name"
            raise UsageError(found, OPTION, fix, "E-MACHINE-SCHEDULER") from None
        return _keep_task(name, task)(*pickle.loads(words))


def _keep_task(name: str, task: bytes) -> Callable[..., Any]:
    """Return a task that is kept, or read it and keep it in the place of the one that was used longest ago."""
    if name not in _tasks:
        if len(_tasks) >= TASKS:
            _tasks.popitem(last=False)
        _tasks[name] = pickle.loads(task)
    _tasks.move_to_end(name)
    return _tasks[name]
