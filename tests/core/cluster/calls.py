"""Calls that the tests let workers make."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload
from uuid import uuid4

import numpy as np

from ictconvention.core.cluster.scheduler import use_scheduler
from ictconvention.core.errors import UsageError, report_errors
from ictconvention.core.parallel import run_parallel
from ictconvention.ingestion.found import FoundFrame, Reject


def own_process(number: int) -> tuple[int, int, str]:
    time.sleep(0.05)
    return number, os.getpid(), str(Path.cwd())


def killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(place: Path, number: int) -> int:
    """Kill the first worker that gets here, when its work is done and before it can say so."""
    with (place / f"{number}").open("a") as file:
        file.write("x")
    if number == 2 and not (place / "killed").exists():
        (place / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number: int) -> None:
    raise UsageError(f"{number} is refused", "here", "nothing", "E-COMMAND-VALUE")


@dataclass
class CountsReadings:
    """Leaves a file in a folder each time it is read from a pickle."""

    folder: Path

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.folder = state["folder"]
        (self.folder / uuid4().hex).touch()

    def add(self, number: int) -> int:
        return number


class CountsTaken(Sequence[tuple[int]]):
    """Arguments of calls, which know how many have been taken."""

    def __init__(self, count: int) -> None:
        self.size, self.taken = count, 0

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, key: int) -> tuple[int]: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[tuple[int]]: ...
    def __getitem__(self, key: int | slice) -> tuple[int] | Sequence[tuple[int]]:
        if isinstance(key, slice) or key >= self.size:
            raise IndexError(key)
        self.taken = max(self.taken, key + 1)
        return (key,)


def found_or_killed(place: Path, number: int) -> list[FoundFrame | Reject]:
    """Return a frame and a reject, but for the first worker that comes to the third unit, which dies on the way."""
    if number == 2 and not (place / "killed").exists():
        (place / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    stamp = np.full((8, 8), number, dtype=np.float32)
    return [FoundFrame(f"o{number % 3}", stamp, "g", 58000.0 + number, f"{number}.fits"), Reject("", "x", "why")]


def slow(number: int) -> None:
    time.sleep(60)


def main() -> None:
    """Let two workers sleep, until Ctrl-C."""
    with report_errors(), use_scheduler("local:2"):
        print("began", flush=True)
        for _ in run_parallel(slow, [(0,), (1,)], 2, Path("s")):
            pass


if __name__ == "__main__":
    main()
