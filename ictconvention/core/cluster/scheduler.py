"""The workers of dask.distributed, on this machine or on many: what `run_parallel` calls in the body runs there.

Nothing is sent but calls and what they return: workers read and write the same folders as this process.
"""

import asyncio
import logging
import re
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotBegun
from contextlib import contextmanager, suppress
from typing import Any

from ictconvention.core.cluster import worker
from ictconvention.core.cluster.cluster import JOIN, Cluster
from ictconvention.core.cluster.worker import OPTION
from ictconvention.core.errors import UsageError
from ictconvention.core.parallel import run_elsewhere

LOCAL = re.compile(r"local:(\d+)")
ANSWER = 10  # [s] in which a scheduler answers


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
    for name in ("distributed", "distributed.client"):  # of lost workers, which nobody here can mend
        logging.getLogger(name).setLevel(logging.CRITICAL)
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

    def begin() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if begun.done():
                raise
            begun.set_exception(error)

    thread = threading.Thread(target=begin, name="event loop of dask", daemon=True)
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
            preload=[worker.__name__],
            loop=loop,
        ) as cluster,
        Client(cluster, set_as_default=False, loop=loop) as client,
    ):
        yield client
