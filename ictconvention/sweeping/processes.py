"""The jobs of a sweep as processes of this machine: a fresh one for each, some at once, with the threads divided."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import IO, Any, Literal

from rich.console import Console
from rich.text import Text

from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors
from ictconvention.sweeping.job_environment import divide_gpus, job_environment
from ictconvention.sweeping.prepared import MODULE, Copier, PreparedProcess
from ictconvention.sweeping.sweep import Job, Sweep, add_group, chief_scores, is_finished
from ictconvention.training.epoch_report import describe_duration

logger = logging.getLogger(__name__)

OnError = Literal["stop", "continue"]
COMMAND = [sys.executable, "-m", MODULE]
POLL = 0.2  # [s]
PATIENCE = 30.0  # [s] that a stopped job has to keep its records
TAIL = 15  # lines of a failed job's log
ENOUGH = 8192  # bytes at the end of a log that hold them


@dataclass
class _Running:
    job: Job
    slot: int
    process: subprocess.Popen[bytes] | PreparedProcess
    log: IO[bytes]
    since: float
    before: float  # seconds that the job took in earlier starts


def run_jobs(
    sweep: Sweep,
    at_once: int = 1,
    on_error: OnError = "continue",
    on_finish: Callable[[Job], None] | None = None,
    is_pruned: Callable[[Job], bool] = lambda job: False,
) -> None:
    """Run the jobs of a sweep that have no result yet.

    Parameters
    ----------
    sweep : Sweep
        The jobs.
    at_once : int
        Jobs that run side by side; the processors are shared out, and the GPUs where there are some.
    on_error : "continue" or "stop"
        What becomes of the jobs that have not begun when one fails.
    on_finish : callable, optional
        What is done with each job as soon as it has finished, those that had finished before first.
    is_pruned : callable, optional
        Whether a job that waits or runs ends without a result, pruned; it resumes where it is asked for again.

    Raises
    ------
    UsageError
        There are fewer GPUs than the jobs ask for. Whether jobs have failed, `Sweep.check` says.
    FileSystemError
        The sweep is being run by another process.
    KeyboardInterrupt
        By Ctrl-C or a signal to end; the jobs were ended before, and resume when they are started again.
    """
    if at_once < 1:
        raise UsageError(f"jobs is {at_once}", "jobs", "take 1 or more", "E-CONFIG-VALUE")
    with folder_lock(sweep.folder), _signals_as_interrupts(), readable_os_errors("running the sweep", sweep.folder):
        waiting = sweep.begin()
        sweep.save()
        done = len(sweep.jobs) - len(waiting)
        logger.info(f"{pluralize(len(sweep.jobs), 'job')}, record and logs in {sweep.folder}")
        if done:
            logger.info(f"{done} finished before, and not repeated")
        for job in sweep.jobs:
            if on_finish is not None and job.state == "finished":
                on_finish(job)
        _Course(sweep, waiting, divide_gpus(waiting, at_once), on_error, on_finish, is_pruned).take()


class _Course:
    """The course of a sweep."""

    def __init__(
        self,
        sweep: Sweep,
        waiting: list[Job],
        gpus: list[str | None],
        on_error: OnError,
        on_finish: Callable[[Job], None] | None,
        is_pruned: Callable[[Job], bool],
    ) -> None:
        self.sweep, self.waiting, self.gpus, self.on_error = sweep, waiting, gpus, on_error
        self.on_finish, self.is_pruned = on_finish, is_pruned
        self.copier: Copier | None = None
        self.running: list[_Running] = []
        self.durations: list[float] = []
        self.since, self.before = time.monotonic(), sweep.seconds

    def take(self) -> None:
        """Start, watch and end the jobs."""
        try:
            watched = sys.stdout.isatty()  # rich also takes a file for a terminal, where FORCE_COLOR is set
            with Console().status("") if watched else nullcontext() as status:
                if _can_be_prepared(self.waiting):
                    self._prepare()
                while self.waiting or self.running:
                    while self.waiting and len(self.running) < len(self.gpus):
                        if not self.is_pruned(job := self.waiting.pop(0)):
                            self._start(job)
                    time.sleep(POLL)
                    for one in [one for one in self.running if one.process.poll() is not None]:
                        self._end(one)
                    if pruned := [one for one in self.running if self.is_pruned(one.job)]:
                        self._stop(pruned)
                        for one in pruned:
                            logger.info(f"{self._place(one.job)} pruned: {one.job.title}")
                    if status is not None:
                        lines = [f"  {one.job.title}: {_last_line(one.job)}" for one in self.running]
                        status.update(Text("\n".join(lines)))  # what a job says is no markup
        except BaseException:
            logger.info("ending the runs; the same command resumes them where they were")
            self._stop(list(self.running))
            raise
        finally:
            if self.copier is not None:
                self.copier.close()

    def _prepare(self) -> None:
        self.copier = Copier(job_environment(len(self.gpus), 1, None))
        if not self.copier.wait_until_ready():
            self.copier.close()
            self.copier = None  # each job begins anew, and says in its log what is wrong

    def _start(self, job: Job) -> None:
        slot = min(set(range(len(self.gpus))) - {one.slot for one in self.running})
        job.log = self.sweep.folder / "logs" / f"{job.folder.parent.name}-{job.folder.name}.log"
        log = job.log.open("ab")  # after what an earlier start said
        try:
            words = add_group(job, self.sweep.folder)
            process: subprocess.Popen[bytes] | PreparedProcess | None = None
            if self.copier is not None:
                process = self.copier.start(words, log)
            if process is None:
                environment = job_environment(len(self.gpus), job.options.trainer.devices, self.gpus[slot])
                process = _new_process(words, log, environment)
        except BaseException:
            log.close()
            raise
        self.running.append(_Running(job, slot, process, log, time.monotonic(), job.seconds))
        job.state = "running"
        self._save()
        logger.info(f"{self._place(job)} started: {job.title}")

    def _end(self, one: _Running) -> None:
        """Take note of a job whose process has ended."""
        self.running.remove(one)
        one.log.close()
        job, code, took = one.job, one.process.wait(), time.monotonic() - one.since
        _kill(one)  # what it may have left running
        job.seconds = one.before + took
        job.state = "finished" if code == 0 and is_finished(job) else "failed"
        self._save()
        if job.state == "finished":
            self.durations.append(took)
            mean = sum(self.durations) / len(self.durations)
            turns = (len(self.waiting) + len(self.running)) / len(self.gpus)
            left = f"; about {describe_duration(mean * turns)} left" if turns else ""
            logger.info(
                f"{self._place(job)} finished in {describe_duration(took)}: {job.title}: {chief_scores(job)}{left}"
            )
            if self.on_finish is not None:
                self.on_finish(job)
            return
        logger.warning(f"{self._place(job)} FAILED after {describe_duration(took)} ({_ending(code)}): {job.title}")
        logger.warning("\n".join(f"    | {line}" for line in _tail(job)))
        logger.warning(f"    log: {job.log}")
        if self.on_error == "stop" and self.waiting:
            logger.warning(f"on_error=stop: {pluralize(len(self.waiting), 'job')} not started")
            self.waiting.clear()

    def _stop(self, ones: Sequence[_Running]) -> None:
        """End some that run, gently first, so that they keep their records."""
        for one in ones:
            _signal(one, signal.SIGINT)
        try:
            end = time.monotonic() + PATIENCE
            while any(one.process.poll() is None for one in ones) and time.monotonic() < end:
                time.sleep(POLL)
        finally:  # a second Ctrl-C waits no longer
            for one in ones:
                _kill(one)
                one.process.wait()
                one.log.close()
                one.job.state = "finished" if is_finished(one.job) else "stopped"
                one.job.seconds = one.before + time.monotonic() - one.since
                self.running.remove(one)
            self._save()

    def _save(self) -> None:
        self.sweep.seconds = self.before + time.monotonic() - self.since
        self.sweep.save()

    def _place(self, job: Job) -> str:
        return f"[{job.number}/{len(self.sweep.jobs)}]"


def _new_process(words: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends them
    )


def _can_be_prepared(jobs: list[Job]) -> bool:
    """Return whether a process that has imported the trainer may be copied for each of the jobs, and saves time."""
    import torch

    alone = all(job.options.trainer.processes == 1 for job in jobs)
    return len(jobs) > 1 and alone and sys.platform == "linux" and not torch.cuda.is_available()


def _signal(one: _Running, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(one.process.pid, number)  # with the processes of its devices
        return
    with suppress(ProcessLookupError):  # it has only just begun, and has no session of its own yet
        if one.process.poll() is None:
            os.kill(one.process.pid, number)


def _kill(one: _Running) -> None:
    _signal(one, signal.SIGKILL)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code else "no result"
    more = ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{more}"


def _lines(job: Job) -> list[str]:
    if job.log is None:
        return []
    with job.log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - ENOUGH))
        text = file.read().decode("utf-8", "replace")
    return [line for line in text.replace("\r", "\n").splitlines() if line.strip()]


def _tail(job: Job) -> list[str]:
    return _lines(job)[-TAIL:] or ["(it said nothing)"]


def _last_line(job: Job) -> str:
    return (_lines(job) or ["starts"])[-1][:150]


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the jobs as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]  # not under nohup
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
