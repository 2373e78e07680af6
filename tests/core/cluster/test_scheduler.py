"""Workers of a cluster do what processes do: the same results, errors in words, and a lost worker changes nothing."""

import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from ictconvention.core.cluster import scheduler
from ictconvention.core.cluster.scheduler import use_scheduler
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.core.parallel import run_parallel, usual_jobs
from tests.core.cluster.calls import killed, killed_once, own_process, refuses
from tests.refusals import refused

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow  # workers take seconds to begin
NUMBERS = [(number,) for number in range(12)]


def test_two_workers_make_all_calls_where_the_process_is() -> None:
    with use_scheduler("local:2"):
        assert usual_jobs(None) == 2
        assert usual_jobs(7) == 7
        found = dict(run_parallel(own_process, NUMBERS, 2, Path("s")))
        assert [found[place][0] for place in range(12)] == list(range(12))
        assert len({process for _, process, _ in found.values()} - {os.getpid()}) == 2
        assert {folder for _, _, folder in found.values()} == {str(Path.cwd())}
        # An archive that is asked politely has so many connections, whatever the size of the cluster.
        assert [number for number, _ in run_parallel(own_process, NUMBERS, 1, Path("s"))] == list(range(12))
        with refused(UsageError, "E-COMMAND-VALUE", "is refused", where="here"):
            list(run_parallel(refuses, NUMBERS, 2, Path("s")))
        assert len(dict(run_parallel(own_process, NUMBERS, 2, Path("s")))) == 12


def test_an_event_loop_that_does_not_begin_is_refused_and_none_outlives_its_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threading.active_count()
    with scheduler._event_loop() as loop:
        assert loop.asyncio_loop.is_running()
    assert threading.active_count() == before
    monkeypatch.setattr(scheduler, "JOIN", 0)
    with monkeypatch.context() as held:
        held.setattr(threading.Thread, "start", lambda thread: None)
        with refused(UsageError, "E-MACHINE-SCHEDULER", where="--scheduler"), scheduler._event_loop():
            raise AssertionError


def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    with use_scheduler("local:2"):
        found = dict(run_parallel(partial(killed_once, tmp_path), NUMBERS, 2, tmp_path))
    assert found == {number: number for number in range(12)}
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "2").read_text() == "xx"


def test_a_call_that_kills_every_worker_is_told_in_words() -> None:
    with use_scheduler("local:2"), refused(FileSystemError, "E-MACHINE-KILLED", where="s"):
        list(run_parallel(killed, NUMBERS[:1], 2, Path("s")))


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "ANSWER", 1)
    before = threading.active_count()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    for wrong in (address, "nonsense://x", "local:x"):
        with refused(UsageError, "E-MACHINE-SCHEDULER", where="--scheduler"), use_scheduler(wrong):
            raise AssertionError
    with refused(UsageError, "E-COMMAND-VALUE", where="--scheduler"), use_scheduler("local:0"):
        raise AssertionError
    gc.collect()  # a client that were left to it would wait for its closed loop: pytest takes that for a failure
    assert threading.active_count() == before


def test_workers_of_another_version_or_without_the_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError) as caught:
        scheduler._call(own_process, b"", str(tmp_path), scheduler._versions() | {"numpy": "1.0"})
    assert "numpy" in caught.value.found
    monkeypatch.chdir(tmp_path)  # and back at the end
    with refused(UsageError, "E-MACHINE-SCHEDULER", "absent", where="--scheduler"):
        scheduler._call(own_process, b"", str(tmp_path / "absent"), scheduler._versions())


@pytest.mark.parametrize(("text", "named"), [("", "ictconvention"), ('__version__ = "0.0.1"', "0.0.1")])
def test_a_worker_without_our_package_or_with_another_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: str
) -> None:
    """The worker is a process of its own that finds another package of our name, or one that cannot be imported."""
    monkeypatch.setattr(scheduler, "ANSWER", 60)  # of a machine that does much else
    (tmp_path / "ictconvention").mkdir()
    (tmp_path / "ictconvention" / "__init__.py").write_text(text or "raise ImportError")
    commands = "from distributed.cli.dask_{0} import main; main({1!r})"
    scheduler_file = str(tmp_path / "scheduler.json")
    own = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ends = ["--scheduler-file", scheduler_file, "--no-dashboard"]
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", commands.format(kind, [*ends, *words])],
            env=own,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        for kind, words in (
            ("scheduler", ["--host", "127.0.0.1", "--port", "0"]),
            ("worker", ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]),
        )
    ]
    try:
        for _ in range(600):
            if (tmp_path / "scheduler.json").exists() and (tmp_path / "scheduler.json").read_text():
                break
            time.sleep(0.1)
        address = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        with refused(UsageError, "E-MACHINE-SCHEDULER", named, where="--scheduler"), use_scheduler(address):
            raise AssertionError
    finally:
        for process in reversed(begun):
            process.kill()
            process.wait()


def test_without_the_package_its_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with refused(UsageError, "E-PACKAGE-MISSING", "'.[cluster]'", where="--scheduler"), use_scheduler("local:2"):
        raise AssertionError
