"""Workers of a cluster do what processes do: the same results, errors in words, and a lost worker changes nothing."""

import ast
import gc
import inspect
import os
import pickle
import socket
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from ictconvention.core.cluster import cluster, guard, scheduler, worker
from ictconvention.core.cluster.cluster import GUARDED, Cluster
from ictconvention.core.cluster.scheduler import use_scheduler
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.core.parallel import run_parallel, usual_jobs
from tests.core.cluster.calls import CountsReadings, CountsTaken, killed, killed_once, own_process, refuses
from tests.core.cluster.processes import other_package, scheduler_alone
from tests.refusals import refused

distributed = pytest.importorskip("distributed")
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
        counted = CountsTaken(30)  # no call is sent long before its turn
        for yielded, _ in enumerate(run_parallel(own_process, counted, 3, Path("s")), start=1):
            assert counted.taken <= yielded + 3
        assert yielded == 30
        with refused(UsageError, "E-COMMAND-VALUE", "is refused", where="here"):
            list(run_parallel(refuses, NUMBERS, 2, Path("s")))
        assert len(dict(run_parallel(own_process, NUMBERS, 2, Path("s")))) == 12


def test_an_event_loop_that_does_not_begin_is_refused_and_none_outlives_its_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {*threading.enumerate()}
    with scheduler._event_loop() as loop:
        assert loop.asyncio_loop.is_running()
    assert {*threading.enumerate()} <= before
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
    before = {*threading.enumerate()}
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
    assert {*threading.enumerate()} <= before


def test_a_worker_compares_versions_before_it_reads_anything_and_needs_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rubbish = "a task", b"not a pickle", b"", str(tmp_path)
    assert guard.guard(guard.versions() | {"numpy": "1.0"}, *rubbish) == (guard.versions(), None)
    monkeypatch.chdir(tmp_path)  # and back at the end
    with pytest.raises(pickle.UnpicklingError):
        guard.guard(guard.versions(), *rubbish)
    with refused(UsageError, "E-MACHINE-SCHEDULER", "absent", where="--scheduler"):
        guard.guard(guard.versions(), *rubbish[:3], str(tmp_path / "absent"))


def test_what_the_guard_compares_needs_nothing_of_ours() -> None:
    made: dict[str, Any] = eval(GUARDED, {"text": inspect.getsource(guard), "function": "versions", "arguments": []})
    assert made == guard.versions()
    assert None not in made.values()
    imported = [
        one for one in ast.walk(ast.parse(inspect.getsource(guard))) if isinstance(one, ast.Import | ast.ImportFrom)
    ]
    assert not any("ictconvention" in ast.unparse(one) for one in imported)


@pytest.mark.parametrize(("text", "named"), [("raise ImportError", "ictconvention"), ('__version__ = "0.1"', "0.1")])
def test_a_worker_without_our_package_or_with_another_is_refused_before_anything_is_sent(
    tmp_path: Path, text: str, named: str
) -> None:
    with scheduler_alone(tmp_path) as (address, begin_worker):
        begin_worker(other_package(tmp_path, text))
        with refused(UsageError, "E-MACHINE-SCHEDULER", named, where="--scheduler"), use_scheduler(address):
            raise AssertionError


def test_a_worker_of_another_version_that_joins_meanwhile_is_refused_too(tmp_path: Path) -> None:
    with scheduler_alone(tmp_path) as (address, begin_worker):
        begin_worker()
        with use_scheduler(address):
            found = run_parallel(own_process, [(number,) for number in range(1000)], 4, tmp_path)
            next(found)
            begin_worker(other_package(tmp_path, '__version__ = "0.0.1"'))
            with refused(UsageError, "E-MACHINE-SCHEDULER", "0.0.1", where="--scheduler"):
                list(found)


def test_a_task_comes_to_each_worker_once(tmp_path: Path) -> None:
    with use_scheduler("local:2"):
        for name in "ab":
            (tmp_path / name).mkdir()
            found = dict(run_parallel(CountsReadings(tmp_path / name).add, NUMBERS, 2, tmp_path))
            assert found == {number: number for number in range(12)}
            assert 1 <= len(list((tmp_path / name).iterdir())) <= 2


def test_a_worker_keeps_few_tasks(tmp_path: Path) -> None:
    words = pickle.dumps((0,))
    for name in ("first", "second", "first", "third", "first", "second"):
        (tmp_path / name).mkdir(exist_ok=True)
        task = pickle.dumps(CountsReadings(tmp_path / name).add)
        assert worker.call(f"{tmp_path}-{name}", task, words, str(Path.cwd())) == 0
    assert [len(list((tmp_path / name).iterdir())) for name in ("first", "second", "third")] == [1, 2, 1]


def test_a_scheduler_that_has_lost_all_workers_is_waited_for_and_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "LOOK", 0.1)
    said: list[Any] = []
    with scheduler_alone(tmp_path) as (address, begin_worker):
        workers = [begin_worker()]
        with use_scheduler(address):
            found = run_parallel(own_process, [(number,) for number in range(1000)], 2, tmp_path)
            next(found)
            monkeypatch.setattr(cluster.logger, "warning", lambda *words: workers.append(begin_worker()))
            workers[0].kill()  # what is said of it begins another one
            assert {next(found)[1][1] for _ in range(5)} - {workers[0].pid} == {workers[1].pid}
            monkeypatch.setattr(cluster, "JOIN", 0.5)
            monkeypatch.setattr(cluster.logger, "warning", lambda *words: said.append(words))
            workers[1].kill()
            with refused(FileSystemError, "E-MACHINE-SCHEDULER", address, where=tmp_path.name):
                list(found)
            assert len(said) == 1


def test_a_result_whose_worker_is_lost_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that has ended may lie with its worker alone."""

    class Ended:
        status, asked = "pending", 0

        def result(self, timeout: float) -> str:
            self.asked += 1
            if self.asked < 3:
                raise distributed.TimeoutError
            return "there"

    class Client:
        scheduler = SimpleNamespace(address="tcp://here")
        workers: ClassVar[list[dict[str, int]]] = []

        def nthreads(self) -> dict[str, int]:
            return self.workers.pop(0)

    client = Client()
    monkeypatch.setattr(cluster, "JOIN", -1)
    client.workers.extend([{}, {"a": 1}])  # lost, and another one has joined
    assert Cluster(client)._fetch(Ended(), Path("s")) == "there"
    client.workers.extend([{}, {}])
    with refused(FileSystemError, "E-MACHINE-SCHEDULER", where="s"):
        Cluster(client)._fetch(Ended(), Path("s"))


def test_without_the_package_its_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with refused(UsageError, "E-PACKAGE-MISSING", "'.[cluster]'", where="--scheduler"), use_scheduler("local:2"):
        raise AssertionError
