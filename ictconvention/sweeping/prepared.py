"""Processes that begin with the trainer imported: a sweep imports it once, not once for each job.

A process in a session of its own imports the trainer and copies itself (os.fork) for each job, as data loaders copy
theirs for each worker. It talks in lines: a request is JSON, an answer is `ready`, `started PID` or `ended PID CODE`.
"""

import json
import os
import runpy
import selectors
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

MODULE = "ictconvention.cli.train"  # the command that a job runs
ASK = 0.1  # [s] between two looks for copies that have ended
GONE = 255  # exit code of a copy of which nobody has kept it


class PreparedProcess:
    """The command `python -m ictconvention.cli.train WORDS` in a copy of a process that has imported the trainer.

    It has its own session, and leaves what a process begun anew leaves.
    """

    def __init__(self, copier: "Copier", pid: int) -> None:
        self._copier, self.pid = copier, pid

    def poll(self) -> int | None:
        """Return its exit code (a signal's is negative), or none while it runs."""
        return self._copier.exit_code(self.pid)

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        while (code := self.poll()) is None:
            self._copier.listen(ASK)
        return code


class Copier:
    """A process that imports the trainer and then copies itself on demand.

    Parameters
    ----------
    environment : mapping
        All its variables, and those of its copies.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ictconvention.sweeping.prepared"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,  # what ends the sweep, such as the end of its terminal, does not end it first
        )
        self._heard, self._lines, self._codes = b"", list[list[str]](), dict[int, int]()

    def wait_until_ready(self) -> bool:
        """Return whether it has imported the trainer, when it has tried."""
        return self._next() == ["ready"]

    def start(self, words: Sequence[str], log: IO[bytes]) -> PreparedProcess | None:
        """Begin a job that writes to a log; none where there is nothing to copy any more."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"words": list(words), "log": log.name}).encode() + b"\n")
            self._process.stdin.flush()
            if answer := self._next():
                return PreparedProcess(self, int(answer[1]))
        return None

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of a copy, or none while it runs."""
        self.listen(0)
        if pid not in self._codes and self._process.poll() is not None and not _is_alive(pid):
            self._codes[pid] = GONE
        return self._codes.get(pid)

    def listen(self, patience: float | None) -> bool:
        """Wait so long [s] for what it says, for ever if none; return whether it can still say something."""
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return False
        if not _is_readable(self._process.stdout.fileno(), patience):
            return True
        if not (heard := os.read(self._process.stdout.fileno(), 1 << 16)):
            self._process.wait()
            return False
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for words in (line.decode().split() for line in lines):
            if words[0] == "ended":
                self._codes[int(words[1])] = int(words[2])
            else:
                self._lines.append(words)
        return True

    def close(self) -> None:
        """End it; its copies go on."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _next(self) -> list[str] | None:
        while not self._lines:
            if not self.listen(None):
                return None
        return self._lines.pop(0)


def _is_alive(pid: int) -> bool:
    """Return whether a process runs that is not one's own: one that has ended may wait for ever to be taken note of."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _is_readable(descriptor: int, patience: float | None) -> bool:
    """Wait so long [s], for ever if none, and return whether there is something to read."""
    with selectors.DefaultSelector() as selector:  # select.select cannot with descriptors from 1024 on
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(patience))


def _serve() -> dict[str, Any] | None:
    """Copy this process for each request: a copy returns its request, this process none at the end of all."""
    import ictconvention.simulation.simulate  # what jobs on a simulated survey need
    import ictconvention.training.run  # noqa: F401 - what every job needs

    waiting, copies = b"", set[int]()
    os.write(1, b"ready\n")
    while True:
        readable = _is_readable(0, ASK if copies else None)
        while copies:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            copies.discard(pid)
            os.write(1, f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())
        if not readable:
            continue
        if not (asked := os.read(0, 1 << 16)):
            return None
        *lines, waiting = (waiting + asked).split(b"\n")
        for line in lines:
            request: dict[str, Any] = json.loads(line)
            if not (pid := os.fork()):
                return request
            copies.add(pid)
            os.write(1, f"started {pid}\n".encode())


def _become(request: Mapping[str, Any]) -> None:
    """Be the job of a request."""
    os.setsid()  # Ctrl-C reaches the sweep alone
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, descriptor in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(given, descriptor)
    os.close(nothing)
    os.close(log)
    sys.argv = [MODULE, *request["words"]]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if (asked := _serve()) is not None:
        _become(asked)
