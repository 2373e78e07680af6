"""Processes that begin with the trainer imported, and the command that trains in one: a start costs no import."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import IO, Any

from ictconvention.cli.train import main
from ictconvention.sweeping import prepared

PRELOADED = ["pytest", "ictconvention.training.retest", "ictconvention.training.run", "tests.forked"]
PRELOADED += ["ictconvention.applying.watching.watch"]
TOO_LONG = 300  # [s]


@dataclass(frozen=True)
class Strike:
    """A signal that a process sends to itself at a batch of a stage ("test" is one), counted from 1."""

    stage: str
    batch: int
    sign: signal.Signals


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its exit code (a signal's is negative), and what it said."""

    returncode: int
    stdout: str
    stderr: str


def prepared_processes() -> ForkServerContext:
    """Return how processes begin as copies of one that has imported the trainer, has no threads and used no GPU."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class Command:
    """The command `python train.py ARGUMENTS`, started.

    Parameters
    ----------
    folder : Path
        Where its output goes.
    arguments : sequence of str
    strike : Strike, optional
    environment : mapping
        Variables that it has besides those of this process.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        strike: Strike | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.outputs = [folder / "stdout", folder / "stderr"]
        words = (self.outputs, list(arguments), strike, dict(environment or {}))
        self.process: ForkServerProcess = prepared_processes().Process(target=_train, args=words)
        self.process.start()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)

    def wait(self) -> Ended:
        """Wait for its end."""
        self.process.join(TOO_LONG)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        assert self.process.exitcode is not None
        return Ended(self.process.exitcode, *(path.read_text() for path in self.outputs))


class PreparedJob:
    """A job of a sweep, begun as `processes._new_process` begins one, but for the import; see `prepared_jobs`."""

    def __init__(self, words: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> None:
        request = {"words": list(words), "log": log.name}
        self._process = prepared_processes().Process(target=_become_job, args=(request, dict(environment)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return its exit code, or none while it runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _become_job(request: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    prepared._become(request)


def _train(outputs: Sequence[Path], arguments: list[str], strike: Strike | None, environment: dict[str, str]) -> None:
    os.environ |= environment
    os.fsync = lambda fd: None  # as in every test, see conftest: the power does not fail
    for descriptor, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    if strike is not None:
        _lie_in_wait(strike)
    sys.argv = ["train.py", *arguments]
    main()


def _lie_in_wait(strike: Strike) -> None:
    from ictconvention.learning.ict import ICT
    from ictconvention.learning.learner import Learner
    from ictconvention.learning.supervised import Supervised

    seen = 0

    def struck(learner: type[Learner], name: str) -> None:
        original = getattr(learner, name)

        def step(self: Learner, *arguments: Any) -> Any:
            nonlocal seen
            if strike.stage == ("test" if name == "features_and_logits" else self.spec.stage):
                seen += 1
                if seen == strike.batch:
                    os.kill(os.getpid(), strike.sign)
            return original(self, *arguments)

        setattr(learner, name, step)

    struck(Learner, "training_step")  # type: ignore[type-abstract]
    for learner in (ICT, Supervised):
        struck(learner, "features_and_logits")
