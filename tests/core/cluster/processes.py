"""A scheduler of dask and its workers, each a process of its own, as users start them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import ROOT

Begin = Callable[..., "subprocess.Popen[bytes]"]
COMMAND = "from distributed.cli.dask_{0} import main; main({1!r})"


@contextmanager
def scheduler_alone(folder: Path) -> Iterator[tuple[str, Begin]]:
    """Yield the address of a scheduler, and a function that begins a worker; it takes where our package is found."""
    written = folder / "scheduler.json"

    def begin(kind: str, path: Path, words: list[str]) -> "subprocess.Popen[bytes]":
        words = ["--scheduler-file", str(written), "--no-dashboard", *words]
        command = [sys.executable, "-c", COMMAND.format(kind, words)]
        own = {**os.environ, "PYTHONPATH": str(path)}
        process = subprocess.Popen(command, env=own, cwd=path, stderr=subprocess.DEVNULL)
        ending.callback(process.wait)
        ending.callback(process.kill)
        return process

    def begin_worker(path: Path = ROOT) -> "subprocess.Popen[bytes]":
        return begin("worker", path, ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder)])

    with ExitStack() as ending:
        begin("scheduler", folder, ["--host", "127.0.0.1", "--port", "0"])
        wait_until(lambda: written.exists() and written.read_text() != "")
        yield json.loads(written.read_text())["address"], begin_worker


def wait_until(there: Callable[[], object]) -> None:
    """Wait for a minute at most, which is much longer than it takes."""
    for _ in range(600):
        if there():
            return
        time.sleep(0.1)
    raise AssertionError


def other_package(folder: Path, text: str) -> Path:
    """Return a folder in which another package has our name."""
    (folder / "other" / "ictconvention").mkdir(parents=True)
    (folder / "other" / "ictconvention" / "__init__.py").write_text(text)
    return folder / "other"
