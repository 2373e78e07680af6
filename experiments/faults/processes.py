"""Commands in processes of their own, begun as copies of one that has imported everything: a start costs no import.

The process that calls these functions must have no threads, so it does nothing but start others and wait for them.
"""

import ctypes
import multiprocessing
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
from typing import Any, BinaryIO, NoReturn, TypeVar

MEMORY = 12 << 30  # bytes of address space that a command may claim
LARGEST = 1 << 30  # bytes of a file that it may write
ORPHANS = 90.0  # [s] in which the processes of a killed command must have ended: one may still be importing
POLL = 0.002  # [s]
IDLE = 30.0  # [s] without work after which a command hangs; a machine may stall for some
OUTPUTS, SYNCS = ("stdout.txt", "stderr.txt"), "syncs.txt"
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
    syncs : int
        How often its first process has waited for the disk, as it does before a file or folder gets its name.
    """

    code: int | None
    output: str
    error: str
    seconds: float
    orphans: int = 0
    syncs: int = 0


def adopt_orphans() -> None:
    """Make this process the parent of the processes that a killed command leaves."""
    ctypes.CDLL(None).prctl(ADOPT, 1, 0, 0, 0)


class Assistant:
    """A process that does what needs threads, or may die: one call after another, in the order of the questions."""

    def __init__(self) -> None:
        self._process: int | None = None

    def __call__(self, task: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a function returns there.

        Raises
        ------
        RuntimeError
            The function failed, with its traceback; or it ended the process, and the next call gets a new one.
        """
        if self._process is None:
            self._begin()
        try:
            pickle.dump((task, arguments), self._questions)
            self._questions.flush()
            sound, result = pickle.load(self._answers)
        except (EOFError, BrokenPipeError) as error:
            self.end()
            raise RuntimeError(f"{task} ended the process") from error
        if not sound:
            raise RuntimeError(result)
        return result

    def _begin(self) -> None:
        here, there = os.pipe(), os.pipe()
        self._process = os.fork()
        if not self._process:
            os.close(here[1])
            os.close(there[0])
            _answer(os.fdopen(here[0], "rb"), os.fdopen(there[1], "wb"))
        os.close(here[0])
        os.close(there[1])
        self._questions, self._answers = os.fdopen(here[1], "wb"), os.fdopen(there[0], "rb")

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._questions.close()
            self._answers.close()
            os.waitpid(self._process, 0)
            self._process = None


def _answer(questions: BinaryIO, answers: BinaryIO) -> NoReturn:
    while True:
        try:
            task, arguments = pickle.load(questions)
        except EOFError:
            os._exit(0)
        try:
            content = pickle.dumps((True, task(*arguments)))
        except Exception:  # noqa: BLE001 - whatever it is, the other side must hear of it
            content = pickle.dumps((False, traceback.format_exc()))
        answers.write(content)
        answers.flush()


def run_command(
    words: Sequence[str], folder: Path, limit: float, kill_after: float | None = None, kill_at_sync: int = 0
) -> Ended:
    """Run `ictconvention WORDS` in a folder.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command.
    folder : Path
        The folder it is run in.
    limit : float
        Seconds of processors after which it is ended with all its processes, as it is when it uses none for a while.
    kill_after : float, optional
        Seconds after which its first process gets SIGKILL; those that it has started then must end by themselves.
    kill_at_sync : int
        Number, from 1, of the time that it waits for the disk at which it gets SIGKILL; 0: at none.
    """
    said = folder.with_name(f"{folder.name}-said")
    said.mkdir(exist_ok=True)
    paths = [said / name for name in OUTPUTS]
    known, start = _children(), time.monotonic()
    if not (child := os.fork()):
        _be_command(words, folder, paths, said / SYNCS, kill_at_sync)
    code = _watch(child, limit) if kill_after is None else _wait(child, kill_after)
    if code is None and kill_after is not None:
        os.kill(child, signal.SIGKILL)
        code = -os.waitpid(child, 0)[1]
    seconds = time.monotonic() - start
    if code is None:
        _end_group(child)
        os.waitpid(child, 0)
    orphans = _reap(known, 0.0 if code is None else ORPHANS)
    output, error = (path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in paths)
    syncs = int((said / SYNCS).read_text()) if (said / SYNCS).exists() else 0
    shutil.rmtree(said)
    return Ended(code, output, error, seconds, orphans, syncs)


def _wait(child: int, seconds: float) -> int | None:
    """Return the exit code of a child, a signal's negative; None where it still runs after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL)
    return None


def _watch(child: int, limit: float) -> int | None:
    """Return the exit code of a child; None where it hangs: it has used too much time of processors, or none lately.

    On a busy machine a command takes longer than alone, and does not hang.
    """
    worked, since = 0.0, time.monotonic()
    while (code := _wait(child, 1.0)) is None:
        now = _processor_time(child)
        if now > worked + 0.02:
            worked, since = now, time.monotonic()
        if now > limit or time.monotonic() - since > IDLE:
            return None
    return code


def _processor_time(first: int) -> float:
    """Return the seconds of processors that a process and those that it has started have used."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, _, rest = path.read_text(errors="replace").partition(" ")
            words = rest.rpartition(")")[2].split()
            parents[int(number)] = int(words[1])
            ticks[int(number)] = sum(map(int, words[11:15]))  # its own, and of those that it has waited for
    own = {first}
    while more := {one for one, parent in parents.items() if parent in own} - own:
        own |= more
    return sum(ticks.get(one, 0) for one in own) / os.sysconf("SC_CLK_TCK")


def _reap(known: set[int], patience: float) -> int:
    """Wait for the orphans that this process has adopted, and return how many had to be ended."""
    end, left = time.monotonic() + patience, 0
    while orphans := _children() - known:
        for orphan in orphans:
            if time.monotonic() >= end:
                os.kill(orphan, signal.SIGKILL)  # its own children come to this process then
                os.waitpid(orphan, 0)
                left += 1
            else:
                os.waitpid(orphan, os.WNOHANG)
        time.sleep(POLL)
    return left


def _children() -> set[int]:
    own = os.getpid()
    return {int(text) for text in Path(f"/proc/{own}/task/{own}/children").read_text().split()}


def _end_group(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _be_command(words: Sequence[str], folder: Path, paths: Sequence[Path], syncs: Path, kill_at_sync: int) -> None:
    """Become the command, and end with it."""
    code, first, synced, sync = 1, os.getpid(), 0, os.fsync

    def counted(fd: Any) -> None:
        nonlocal synced
        if os.getpid() == first:
            synced += 1
            if synced == kill_at_sync:
                os.kill(first, signal.SIGKILL)
        sync(fd)

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
        os.fsync = counted
        multiprocessing.set_start_method("fork", force=True)  # the usual one, whatever began this process
        from ictconvention.cli.main import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        if os.getpid() == first:
            syncs.write_text(str(synced))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
