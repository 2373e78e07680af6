"""Commands in processes of their own, begun as copies of one that has imported everything: a start costs no import.

The process that calls these functions must have no threads, so it does nothing but start others and wait for them.
"""

import ctypes
import os
import pickle
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

MEMORY = 12 << 30  # bytes of address space that a command may claim
LARGEST = 1 << 30  # bytes of a file that it may write
ORPHANS = 15.0  # [s] in which the processes of a killed command must have ended
POLL = 0.002  # [s]
OUTPUTS = ("stdout.txt", "stderr.txt")
ADOPT = 36  # PR_SET_CHILD_SUBREAPER: orphans become children of this process
Result = TypeVar("Result")


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Parameters
    ----------
    code : int or None
        Its exit code, a signal's negative; None where it had to be ended, since it ran too long.
    output, error : str
        What it said.
    seconds : float
        How long it ran.
    orphans : int
        Number of its processes that went on after it, and had to be ended.
    """

    code: int | None
    output: str
    error: str
    seconds: float
    orphans: int = 0


def adopt_orphans() -> None:
    """Make this process the parent of the processes that a killed command leaves."""
    ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)


def apart(task: Callable[..., Result], *arguments: Any) -> Result:
    """Return what a function returns, called in a copy of this process.

    Raises
    ------
    RuntimeError
        The function failed; with its traceback.
    """
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            content = pickle.dumps((True, task(*arguments)))
        except BaseException:  # noqa: BLE001 - whatever it is, the other side must hear of it
            content = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writing, "wb") as file:
            file.write(content)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        content = file.read()
    os.waitpid(child, 0)
    sound, result = pickle.loads(content) if content else (False, f"{task} died")
    if not sound:
        raise RuntimeError(result)
    return result  # type: ignore[no-any-return]


def run_command(words: Sequence[str], folder: Path, limit: float, kill_after: float | None = None) -> Ended:
    """Run `ictconvention WORDS` in a folder.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command.
    folder : Path
        The folder it is run in.
    limit : float
        Seconds after which it is ended with all its processes.
    kill_after : float, optional
        Seconds after which its first process gets SIGKILL; those that it has started then must end by themselves.
    """
    said = folder.with_name(f"{folder.name}-said")
    said.mkdir(exist_ok=True)
    paths = [said / name for name in OUTPUTS]
    start = time.monotonic()
    if not (child := os.fork()):
        _be_command(words, folder, paths)
    code = _wait(child, limit if kill_after is None else kill_after)
    if code is None and kill_after is not None:
        os.kill(child, signal.SIGKILL)
        code = -os.waitpid(child, 0)[1]
    seconds = time.monotonic() - start
    if code is None:
        _end_group(child)
        os.waitpid(child, 0)
    orphans = _reap(child, 0.0 if code is None else ORPHANS)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    shutil.rmtree(said)
    return Ended(code, *texts, seconds, orphans)


def _wait(child: int, limit: float) -> int | None:
    """Return the exit code of a child, a signal's negative; None where it still runs after so many seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL)
    return None


def _reap(group: int, patience: float) -> int:
    """Wait for the orphans that this process has adopted, and return how many had to be ended."""
    end = time.monotonic() + patience
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if ended:
            continue
        if time.monotonic() >= end:
            break
        time.sleep(POLL)
    left = 0
    for child in _children():
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
            left += 1
    _end_group(group)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    return left


def _children() -> list[int]:
    own = os.getpid()
    return [int(text) for text in Path(f"/proc/{own}/task/{own}/children").read_text().split()]


def _end_group(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _be_command(words: Sequence[str], folder: Path, paths: Sequence[Path]) -> None:
    """Become the command, and end with it."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in enumerate(paths, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.environ |= {"TMPDIR": str(folder / "tmp"), "COLUMNS": "200", "MPLBACKEND": "agg"}
        sys.modules["__main__"] = ModuleType("__main__")  # processes that it starts anew import nothing of ours
        sys.argv = ["ictconvention", *words]
        from ictconvention.cli.main import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
