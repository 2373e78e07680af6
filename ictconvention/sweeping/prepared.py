"""Processes that begin with the trainer imported: a sweep imports it once, not once for each job."""

import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context, set_start_method
from multiprocessing.context import ForkServerProcess
from typing import IO

MODULE = "ictconvention.cli.train"
PRELOADED = ["ictconvention.training.run", MODULE]


class PreparedProcess:
    """The command `python -m ictconvention.cli.train WORDS` in a copy of a process that has imported it.

    It has its own session, environment and log, and leaves what a process begun anew leaves. What is copied has no
    threads and used no GPU, as a copy must.

    Parameters
    ----------
    words : sequence of str
        The command's arguments.
    log : file
        What it writes to, open to append.
    environment : mapping
        All of its variables. Those that count at an import are the first process's, whose imports all share.
    """

    def __init__(self, words: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> None:
        arguments = (list(words), log.name, dict(environment))
        self._process: ForkServerProcess = get_context("forkserver").Process(target=_run, args=arguments)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return its exit code (a signal's is negative), or none while it runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def import_trainer(environment: Mapping[str, str]) -> None:
    """Start the process that is copied, and wait until it has imported the trainer.

    Parameters
    ----------
    environment : mapping
        All of its variables: those of the jobs, whose threads it has.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    before = dict(os.environ)
    _set_environment(environment)
    try:
        first = context.Process(target=int)  # begins when all is imported
        first.start()
    finally:
        _set_environment(before)
    first.join()


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _run(words: list[str], log: str, environment: dict[str, str]) -> None:
    import torch

    os.setsid()  # Ctrl-C reaches the sweep alone
    _set_environment(environment)
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for output in (1, 2):
        os.dup2(descriptor, output)
    os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    set_start_method(None, force=True)  # workers begin as in any process
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [MODULE, *words]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
