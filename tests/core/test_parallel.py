"""Work side by side: one job needs no process of its own, and a process that dies is told in words."""

import os
import signal
from pathlib import Path

from ictconvention.core.errors import FileSystemError
from ictconvention.core.parallel import AHEAD, run_parallel
from tests.core.cluster.calls import CountsTaken
from tests.refusals import refused

NUMBERS = [(3,), (1,), (2,)]


def own_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_one_job_runs_in_this_process_and_many_do_not() -> None:
    here = os.getpid()
    assert list(run_parallel(own_process, NUMBERS, 1, Path("s"))) == [(0, (3, here)), (1, (1, here)), (2, (2, here))]
    found = dict(run_parallel(own_process, NUMBERS, 2, Path("s")))
    assert [found[place][0] for place in range(3)] == [3, 1, 2]
    assert here not in {process for _, process in found.values()}


def test_calls_are_begun_shortly_before_their_turn() -> None:
    """So memory does not grow with the number of calls: what they need is not sent, nor what they return kept."""
    numbers = CountsTaken(200)
    for yielded, _ in enumerate(run_parallel(own_process, numbers, 2, Path("s")), start=1):
        assert numbers.taken <= yielded + AHEAD * 2
    assert yielded == 200


def test_a_process_that_is_killed_is_told_in_words() -> None:
    with refused(FileSystemError, "E-MACHINE-KILLED", where="s"):
        list(run_parallel(killed, NUMBERS, 2, Path("s")))
