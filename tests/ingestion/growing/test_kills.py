"""A night whose ingest is killed leaves the old state or the new one, and is added again."""

import os
import random
import shutil
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from ictconvention.core import atomic
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.survey import Survey
from tests.conftest import long_test
from tests.ingestion.growing.nights import add_night, content


def _grow(out: Path, night: int) -> None:
    os.setpgrp()
    add_night(out, night)


def killed(out: Path, night: int, delay: float) -> None:
    """Add a night in a process of its own, and kill it after a while."""
    process = get_context("fork").Process(target=_grow, args=(out, night))
    process.start()
    process.join(delay)
    if process.is_alive():
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def check_kills(folder: Path, moments: int) -> None:
    """Kill the ingest of a night at random moments: the old state or the new one is there, whole, and it goes on."""
    add_night(folder / "s", 0)
    shutil.copytree(folder / "s", folder / "t")
    before = content(Survey.open(folder / "s"))
    begin = time.perf_counter()
    add_night(folder / "t", 1)
    took = time.perf_counter() - begin
    after, rng, old = content(Survey.open(folder / "t")), random.Random(0), 0
    for moment in range(moments):
        out = folder / f"u{moment}"
        shutil.copytree(folder / "s", out)
        killed(out, 1, rng.uniform(0, 1.3 * took))
        left = content(Survey.open(out))
        assert left in (before, after)
        old += left == before
        assert content(add_night(out, 1).survey) == after
        assert not audit_survey(out).flaws
        shutil.rmtree(out)
    assert 0 < old < moments


def _die(out: Path, night: int, step: int) -> None:
    """Add a night, and be killed when something is written through to the disk for the `step`th time."""
    steps = iter(range(1, step))

    def sync(path: Path) -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    atomic.sync = sync
    add_night(out, night)


def test_a_night_that_is_killed_at_any_step_of_its_commit_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is renamed, the state before is kept, the new one replaces it: before and after each of these."""
    add_night(tmp_path / "s", 0)
    shutil.copytree(tmp_path / "s", tmp_path / "t")
    before, written = content(Survey.open(tmp_path / "s")), list[Path]()
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "sync", written.append)
        after = content(add_night(tmp_path / "t", 1).survey)
    for step in range(len(written) - 5, len(written) + 1):
        out = shutil.copytree(tmp_path / "s", tmp_path / f"u{step}")
        process = get_context("fork").Process(target=_die, args=(out, 1, step))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert (out / "delta-00001").is_dir() == (step > len(written) - 5)
        assert (out / "states").is_dir() == (step > len(written) - 4)
        assert content(Survey.open(out)) == (before if step < len(written) else after)
        assert content(add_night(out, 1).survey) == after
        assert not audit_survey(out).flaws


@long_test
def test_a_night_that_is_killed_at_fifty_moments_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    check_kills(tmp_path, 50)
