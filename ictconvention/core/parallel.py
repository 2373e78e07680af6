"""Processes side by side: they end with the process that started them, and their deaths are reported in words."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from ictconvention.core.errors import FileSystemError

FEWER_JOBS = "the system may have run out of memory: use fewer --jobs"
Result = TypeVar("Result")


def run_parallel(
    task: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    jobs: int,
    where: Path,
    fix: str = FEWER_JOBS,
    spawn: bool = False,
) -> Iterator[tuple[int, Result]]:
    """Call a function for each tuple of arguments, in several processes; yield its number and result as they come.

    Parameters
    ----------
    task : function
        Function of a module, or a `partial` of one.
    arguments : sequence of tuples
        Arguments of each call.
    jobs : int
        Largest number of processes; 1: the calls run in this process, one after another, unless `spawn`.
    where : Path
        Named in messages.
    fix : str
        What to do where a process was killed.
    spawn : bool
        Whether processes begin anew, as those that use torch or a GPU must, rather than as copies of this one.

    Raises
    ------
    FileSystemError
        A process was killed. What else a call raises comes through; no further call is then begun.
    """
    if jobs == 1 and not spawn:
        for number, each in enumerate(arguments):
            yield number, task(*each)
        return
    processes = max(1, min(jobs, len(arguments)))
    context = get_context("spawn") if spawn else None
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(os.getpid(), task)) as pool:
        try:
            tasks = {pool.submit(_called, *each): number for number, each in enumerate(arguments)}
            for done in as_completed(tasks):
                yield tasks.pop(done), done.result()
        except BrokenProcessPool as error:
            raise FileSystemError("a process was killed at its work", where, fix, "E-MACHINE-KILLED") from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_task: Callable[..., Any]  # of this worker: it comes once with the process, not with each call


def _begin(parent: int, task: Callable[..., Any]) -> None:
    global _task
    _task = task
    _end_with(parent)


def _called(*arguments: Any) -> Any:
    return _task(*arguments)


def _end_with(parent: int) -> None:
    """Watch the parent process: a worker whose parent was killed would wait for work, and hold the folder, for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
