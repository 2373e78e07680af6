"""The workers of a scheduler, to make calls in place of processes of this machine; what they have is compared first."""

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from ictconvention.core.cluster import guard
from ictconvention.core.cluster.worker import OPTION
from ictconvention.core.errors import FileSystemError, UsageError

JOIN = 60  # [s] in which a worker joins a cluster that has none
LOOK = 5  # [s] after which it is asked whether there are workers, where no call has ended meanwhile
END = 60  # [s] in which workers end the calls that they are at, where the command ends
GUARDED = "(exec(text, space := {}), space[function](*arguments))[1]"  # of `guard`, whose text is sent
logger = logging.getLogger(__name__)


class Cluster:
    """Workers that make calls; what `run_elsewhere` takes.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def workers(self) -> int:
        """How many calls it makes at once, as it is now."""
        return max(1, sum(int(threads) for threads in self._client.nthreads().values()))

    def check(self, address: str) -> None:
        """Wait for the first worker; refuse a cluster without, or with other versions, with a `UsageError`."""
        from distributed import TimeoutError as Late

        if not self._client.nthreads():
            logger.warning("the scheduler has no workers; waiting for one, for at most %d s", JOIN)
        try:
            self._client.wait_for_workers(1, timeout=JOIN)
        except (Late, OSError):
            found = f"the scheduler has no workers after {JOIN} s"
            raise UsageError(found, OPTION, _start_workers(address), "E-MACHINE-SCHEDULER") from None
        self.check_versions()

    def check_versions(self) -> None:
        """Compare the versions of all workers with those here; one that joins later compares them in each call.

        Raises
        ------
        UsageError
            Naming the worker and what differs.
        """
        found = self._client.run(eval, GUARDED, _guarded(guard.versions.__name__), on_error="ignore")
        for one, there in found.items():
            _refuse_differing(f"the worker on {one}", there)

    def run(
        self, task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int, where: Path, fix: str
    ) -> Iterator[tuple[int, Any]]:
        """Do as `run_parallel` does; a call whose worker was lost is made again by another one."""
        import cloudpickle  # type: ignore[import-untyped]
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        self.check_versions()  # of workers that have joined meanwhile
        client, name, own = self._client, uuid4().hex, guard.versions()
        shipped = client.submit(bytes, cloudpickle.dumps(task), key=f"task-{name}", pure=False)
        waiting = iter(range(len(arguments)))
        numbers: dict[str, int] = {}
        running: set[Any] = set()
        ended: SimpleQueue[Any] = SimpleQueue()

        def begin() -> None:
            if (number := next(waiting, None)) is None:
                return
            words = cloudpickle.dumps(arguments[number])
            asked = _guarded(guard.guard.__name__, own, name, shipped, words, str(Path.cwd()))
            key = f"{getattr(task, '__name__', 'call')}-{name}-{number}"
            numbers[key] = number
            future = client.submit(eval, GUARDED, asked, key=key, pure=False)
            running.add(future)
            future.add_done_callback(ended.put)

        try:
            for _ in range(jobs):
                begin()
            while running:
                future = self._wait_for_one(ended, where)
                differing, result = self._fetch(future, where)
                _refuse_differing("a worker that has joined", differing)
                running.discard(future)
                begin()
                yield numbers.pop(future.key), result
                del future, result  # they are let go on the workers, too
        except KilledWorker as error:
            raise FileSystemError("workers were killed at the same work", where, fix, "E-MACHINE-KILLED") from error
        except (CancelledError, CommClosedError) as error:
            again = "look at the scheduler and its workers, then run it again"
            raise FileSystemError("the scheduler was lost", where, again, "E-MACHINE-SCHEDULER") from error
        finally:
            if running:  # what they are at writes into the folder that is given up
                self._give_up(list(running))

    def _wait_for_one(self, ended: "SimpleQueue[Any]", where: Path) -> Any:
        """Return a call that has ended; where there is no worker to end one, wait for a worker, but not for ever.

        Raises
        ------
        FileSystemError
            No worker was there for `JOIN` seconds.
        """
        patience = _Patience(self, where)
        while True:
            with suppress(Empty):
                return ended.get(timeout=LOOK)
            patience.check()

    def _fetch(self, future: Any, where: Path) -> Any:
        """Return the result of a call that has ended; errors as of `_wait_for_one`.

        It is still with its worker: where that one is lost now, the call is made again.
        """
        from distributed import TimeoutError as Late

        patience, seconds = _Patience(self, where), LOOK
        while True:
            try:
                return future.result(timeout=seconds)
            except Late:
                if future.status == "error":  # the call's own
                    raise
            seconds *= 2  # a large result may take its time
            patience.check()

    def _has_workers(self) -> bool:
        """Return whether there are workers; also where the scheduler itself is lost, which ends all calls."""
        try:
            return bool(self._client.nthreads())
        except (OSError, AttributeError):
            return True

    def _give_up(self, running: list[Any]) -> None:
        """Let workers end the calls that they are at, for a while, and take back those that wait."""
        from distributed import wait

        with suppress(Exception):
            if self._client.nthreads():
                wait(running, timeout=END)
        with suppress(Exception):
            self._client.cancel(running, force=True)


class _Patience:
    """How long a cluster has had no worker."""

    def __init__(self, cluster: Cluster, where: Path) -> None:
        self._cluster, self._where = cluster, where
        self._since: float | None = None

    def check(self) -> None:
        """Say that there is no worker, and refuse to wait longer than `JOIN` seconds for one."""
        if self._cluster._has_workers():
            self._since = None
        elif self._since is None:
            self._since = time.monotonic()
            logger.warning("all workers of the scheduler are lost; waiting for one, for at most %d s", JOIN)
        elif time.monotonic() > self._since + JOIN:
            found = f"the scheduler lost all its workers, and none has joined it for {JOIN} s"
            again = f"{_start_workers(self._cluster._client.scheduler.address)}; then run it again"
            raise FileSystemError(found, self._where, again, "E-MACHINE-SCHEDULER")


def _guarded(function: str, *arguments: Any) -> dict[str, Any]:
    """Return what `GUARDED` needs to call a function of `guard`: nothing whose reading needs our package."""
    return {"text": _text_of_guard(), "function": function, "arguments": list(arguments)}


@cache
def _text_of_guard() -> str:
    return inspect.getsource(guard)


def _start_workers(address: str) -> str:
    return f"start some: dask worker {address} --nthreads 1 --nworkers N"


def _refuse_differing(who: str, there: Mapping[str, str | None] | None) -> None:
    """Refuse a worker with other versions than those here; None: it has the same."""
    own = guard.versions()
    if differing := [
        f"{package} {version} and not {own[package]}" if version else f"no {package}"
        for package, version in (there or {}).items()
        if version != own[package]
    ]:
        found = f"{who} has {', '.join(differing)}"
        raise UsageError(found, OPTION, "give all workers the same environment", "E-MACHINE-SCHEDULER")
