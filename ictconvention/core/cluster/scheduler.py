"""The workers of dask.distributed, on this machine or on many: what `run_parallel` calls in the body runs there.

Nothing is sent but calls and what they return: workers read and write the same folders as this process.
"""

import asyncio
import logging
import os
import pickle
import platform
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotBegun
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ictconvention import __version__
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.core.parallel import run_elsewhere

LOCAL = re.compile(r"local:(\d+)")
ANSWER = 10  # [s] in which a scheduler answers
JOIN = 60  # [s] in which the first worker of a cluster joins it
END = 60  # [s] in which workers end the calls that they are at, where the command ends
OPTION = "--scheduler"


@contextmanager
def use_scheduler(address: str | None) -> Iterator[None]:
    """Let what runs in parallel in the body run on the workers of a scheduler.

    Parameters
    ----------
    address : str, optional
        Of a scheduler of dask.distributed, such as tcp://HOST:8786; or local:N, for N workers on this machine; None:
        the body runs as without.

    Raises
    ------
    UsageError
        dask.distributed is not installed; the scheduler does not answer, has no workers, or they have other versions,
        or do not see the folder in which this process is.
    """
    if address is None:
        yield
        return
    count = int(match[1]) if (match := LOCAL.fullmatch(address)) else None
    if count == 0:
        raise UsageError("local:0 has no workers", OPTION, "take local:1 or more", "E-COMMAND-VALUE")
    try:
        import distributed  # noqa: F401
    except ImportError:
        fix = f"install the extra: pip install -c constraints.txt '.[cluster]'; or leave out {OPTION}"
        raise UsageError("the package distributed is not installed", OPTION, fix, "E-PACKAGE-MISSING") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of lost workers, which nobody here can mend
    with _event_loop() as loop, _connected(address, loop) if count is None else _started(count, loop) as client:
        cluster = Cluster(client)
        cluster.check(address)
        with run_elsewhere(cluster):
            yield


@contextmanager
def _event_loop() -> Iterator[Any]:
    """Yield a loop of tornado that runs in a thread; dask's own is a failed assertion where it begins in over 10 s."""
    from tornado.ioloop import IOLoop

    begun: Future[tuple[IOLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        begun.set_result((IOLoop.current(), end))
        await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="event loop of dask", daemon=True)
    thread.start()
    try:
        loop, end = begun.result(JOIN)
    except NotBegun:
        fix = f"wait until the machine is less busy, or leave out {OPTION}"
        raise UsageError(f"a thread did not begin within {JOIN} s", OPTION, fix, "E-MACHINE-SCHEDULER") from None
    try:
        yield loop
    finally:
        loop.add_callback(end.set)
        thread.join(ANSWER)


@contextmanager
def _connected(address: str, loop: Any) -> Iterator[Any]:
    """Yield the client of a scheduler that is there.

    A client that did not connect would close itself, and wait, in whichever thread collects the garbage: it is closed
    here, and so made in two steps.
    """
    from distributed import Client

    client = Client.__new__(Client)
    try:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions, which are compared call by call
                Client.__init__(client, address, timeout=ANSWER, set_as_default=False, loop=loop)
        except (OSError, ValueError, TypeError) as error:  # TimeoutError is an OSError
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            found = f"no scheduler answers at {address} ({reason})"
            fix = f"start one there by `dask scheduler`, correct the address, or take {OPTION} local:N on this machine"
            raise UsageError(found, OPTION, fix, "E-MACHINE-SCHEDULER") from None
        yield client
    finally:
        with suppress(Exception):  # it may be gone
            client.close(timeout=ANSWER)


@contextmanager
def _started(count: int, loop: Any) -> Iterator[Any]:
    """Yield the client of workers of this machine; Ctrl-C reaches this process alone, which then ends them."""
    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="ictconvention-dask-", ignore_cleanup_errors=True) as scratch,
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=None,  # as of processes: the system decides
            dashboard_address="127.0.0.1:0",  # its port is nobody else's
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
            preload=[__name__],
            loop=loop,
        ) as cluster,
        Client(cluster, set_as_default=False, loop=loop) as client,
    ):
        yield client


def dask_setup(worker: Any) -> None:
    """Let a worker of this machine pass over Ctrl-C, as dask calls it when the worker begins."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


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

        try:
            self._client.wait_for_workers(1, timeout=JOIN)
        except (Late, OSError):
            fix = f"start some: dask worker {address} --nthreads 1 --nworkers N"
            raise UsageError(
                f"the scheduler has no workers after {JOIN} s", OPTION, fix, "E-MACHINE-SCHEDULER"
            ) from None
        self.check_versions()

    def check_versions(self) -> None:
        """Compare the versions of all workers with those here, with nothing that needs our package there.

        Raises
        ------
        UsageError
            Naming the worker and what differs. One that joins later compares call by call.
        """
        own = {**_versions(), "python": ".".join(map(str, sys.version_info))}  # as distributed writes it
        for worker, said in self._client.get_versions()["workers"].items():  # code goes to no other Python
            there = said["packages"]
            _refuse_differing(str(worker), {name: there.get(name) for name in ("python", "numpy")}, own)
        for worker, version in self._client.run(_reader_of_version()).items():
            _refuse_differing(str(worker), {"ictconvention": version}, own)

    def run(
        self, task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int, where: Path, fix: str
    ) -> Iterator[tuple[int, Any]]:
        """Do as `run_parallel` does; a call whose worker was lost is made again by another one."""
        import cloudpickle  # type: ignore[import-untyped]
        from distributed import CancelledError, KilledWorker, as_completed, wait
        from distributed.comm.core import CommClosedError

        self.check_versions()  # of workers that have joined meanwhile
        client, name = self._client, uuid4().hex
        shipped = client.submit(pickle.loads, cloudpickle.dumps(task), key=f"task-{name}", pure=False)
        waiting = iter(range(len(arguments)))
        numbers: dict[str, int] = {}
        running: set[Any] = set()

        def begin() -> Iterator[Any]:
            for number in waiting:
                words = cloudpickle.dumps(arguments[number])
                own = f"{getattr(task, '__name__', 'call')}-{name}-{number}"
                future = client.submit(_call, shipped, words, str(Path.cwd()), _versions(), key=own, pure=False)
                numbers[own] = number
                running.add(future)
                yield future

        beginning = begin()
        try:
            done = as_completed([future for _, future in zip(range(jobs), beginning, strict=False)], loop=client.loop)
            for future in done:
                result = future.result()
                running.discard(future)
                if (following := next(beginning, None)) is not None:
                    done.add(following)
                yield numbers.pop(future.key), result
        except KilledWorker as error:
            raise FileSystemError("workers were killed at the same work", where, fix, "E-MACHINE-KILLED") from error
        except (CancelledError, CommClosedError) as error:
            again = "look at the scheduler and its workers, then run it again"
            raise FileSystemError("the scheduler was lost", where, again, "E-MACHINE-SCHEDULER") from error
        finally:
            if running:  # what they are at writes into the folder that is given up
                with suppress(Exception):
                    wait(list(running), timeout=END)
                with suppress(Exception):
                    client.cancel(list(running), force=True)


_one_at_once = threading.Lock()  # of a worker with several threads: no call shares its process with another


def _versions() -> dict[str, str]:
    """Return what must be the same here and on a worker for the same bytes."""
    return {"ictconvention": __version__, "numpy": np.__version__, "python": platform.python_version()}


def _reader_of_version() -> Callable[[], str | None]:
    """Return a function that says which ictconvention a worker has; it is sent as code, and not by our name for it."""

    def read() -> Any:
        try:
            import ictconvention
        except ImportError:
            return None
        return getattr(ictconvention, "__version__", None)

    return read


def _refuse_differing(worker: str, versions: Mapping[str, str | None], own: Mapping[str, str]) -> None:
    if differing := [
        f"{name} {version} and not {own[name]}" if version else f"no {name}"
        for name, version in versions.items()
        if version != own[name]
    ]:
        found = f"the worker on {worker} has {', '.join(differing)}"
        raise UsageError(found, OPTION, "give all workers the same environment", "E-MACHINE-SCHEDULER")


def _call(task: Callable[..., Any], words: bytes, folder: str, versions: dict[str, str]) -> Any:
    """Make a call where the worker is, as if it were in the folder of the process that asks."""
    with _one_at_once:
        _refuse_differing(platform.node(), _versions(), versions)
        try:
            os.chdir(folder)
        except OSError as error:
            found = f"the worker on {platform.node()} does not see {folder} ({error.strerror})"
            fix = "work in a folder that all machines see under the same name"
            raise UsageError(found, OPTION, fix, "E-MACHINE-SCHEDULER") from None
        return task(*pickle.loads(words))
