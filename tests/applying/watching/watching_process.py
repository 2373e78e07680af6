"""A watch in a process of its own, which a signal may end."""

import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from ictconvention.applying.watching.address import parse_address
from ictconvention.applying.watching.kind import HowRead, choose_kind
from ictconvention.applying.watching.watch import WatchOptions, watch
from ictconvention.runs.trained_run import read_trained
from tests.forked import prepared_processes


def begin_watch(run: Path, address: str, out: Path, end: float) -> ForkServerProcess:
    """Watch a topic, in small batches, until nothing has come for so long [s]."""
    process = prepared_processes().Process(target=_watch, args=(run, address, out, end))
    process.start()
    return process


def _watch(run: Path, address: str, out: Path, end: float) -> None:
    """Watch with the handlers of the command."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))
    os.fsync = lambda fd: None  # as in every test, see conftest
    runs = [read_trained(run)]
    options = WatchOptions(batch=5, seconds=0.05, until_idle=end)
    watch(runs, choose_kind(runs[0], HowRead()), parse_address(address), out, options, stopped=lambda: bool(stop))
