"""Processes side by side: they end with the process that started them, and their deaths are reported in words.

Or the workers of a cluster in their place, where `run_elsewhere` says so.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ictconvention.core.errors import FileSystemError

FEWER_JOBS = "the system may have run out of memory: use fewer --jobs"
AHEAD = 4  # calls for each process that are begun or wait for it; what further ones need and return is in no memory
Result = TypeVar("Result")


class Elsewhere(Protocol):
    """What makes calls in place of processes of this machine."""

    @property
    def workers(self) -> int:
        """How many calls it makes at once."""

    def run(
        self, task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int, where: Path, fix: str
    ) -> Iterator[tuple[int, Any]]:
        """Do as `run_parallel` does."""


_elsewhere: ContextVar[Elsewhere | None] = ContextVar("elsewhere", default=None)


@contextmanager
def run_elsewhere(engine: Elsewhere) -> Iterator[None]:
    """Let an engine make the calls of `run_parallel` in the body."""
    token = _elsewhere.set(engine)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def is_elsewhere() -> bool:
    """Return whether others than processes of this machine make the calls."""
    return _elsewhere.get() is not None


def elsewhere_jobs() -> int:
    """Return how many calls run at once elsewhere; 1 here, for what one process does unless a cluster helps."""
    engine = _elsewhere.get()
    return 1 if engine is None else engine.workers


def usual_jobs(asked: int | None) -> int:
    """Return how many calls run at once: as asked, else a processor each, or a worker each of a cluster."""
    if asked is not None:
        return asked
    engine = _elsewhere.get()
    return (os.cpu_count() or 1) if engine is None else engine.workers


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
        Function of a module, or a `partial` of one. It comes to each process or worker once, with all that it holds:
        what all calls need, such as a survey, belongs there.
    arguments : sequence of tuples
        Arguments of each call, which come with it: nothing that grows with the number of calls.
    jobs : int
        Largest number of calls at once, each in a process; 1: they run in this process, one after another, unless
        `spawn`. Elsewhere: the largest number at once too.
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
    if (engine := _elsewhere.get()) is not None:
        yield from engine.run(task, arguments, max(1, jobs), where, fix)
        return
    if jobs == 1 and not spawn:
        for number, each in enumerate(arguments):
            yield number, task(*each)
        return
    processes = max(1, min(jobs, len(arguments)))
    context = get_context("spawn") if spawn else None
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(os.getpid(), task)) as pool:
        waiting = iter(enumerate(arguments))
        running: dict[Future[Result], int] = {}
        try:
            while True:
                for number, each in islice(waiting, AHEAD * processes - len(running)):
                    running[pool.submit(_called, *each)] = number
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
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
