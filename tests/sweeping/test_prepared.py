"""A copy of a process that has imported the trainer begins, ends and is ended as a process of its own."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ictconvention.sweeping.job_environment import job_environment
from ictconvention.sweeping.prepared import GONE, Copier, PreparedProcess
from tests.small_runs import places

pytestmark = pytest.mark.slow
LONG = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=400"]


@pytest.fixture(scope="module")
def copiers() -> Iterator[list[Copier]]:
    made: list[Copier] = []
    yield made
    for one in made:
        one.close()


@pytest.fixture
def copier(copiers: list[Copier]) -> Copier:
    """Return the copier of the tests of this file; a new one where a test has killed it."""
    if not copiers or copiers[-1]._process.poll() is not None:
        copiers.append(Copier(job_environment(1, 1, None) | {"OMP_NUM_THREADS": "1"}))
        assert copiers[-1].wait_until_ready()
    return copiers[-1]


def begin(copier: Copier, words: list[str], log: Path) -> PreparedProcess:
    with log.open("ab") as file:
        started = copier.start(words, file)
    assert started is not None
    return started


def begin_long(copier: Copier, work: Path, folder: Path) -> PreparedProcess:
    """Begin a job of minutes, and wait until it trains."""
    job = begin(copier, [*places(work), *LONG, f"runs={folder}/runs"], folder / "log")
    end = time.monotonic() + 120
    while "training epoch 2" not in (folder / "log").read_text() and time.monotonic() < end:
        time.sleep(0.05)
    assert job.poll() is None
    return job


def test_it_has_the_exit_code_and_the_words_of_its_command(copier: Copier, tmp_path: Path) -> None:
    for words, code, said in ((["--help"], 0, "usage: python train.py"), (["lerner.tau=1"], 2, "error: ")):
        assert begin(copier, words, log := tmp_path / str(code)).wait() == code
        assert log.read_text().startswith(said)  # nothing else, such as a warning of Python's, before it


def test_an_interrupt_ends_it_with_its_records_and_a_kill_at_once(copier: Copier, work: Path, tmp_path: Path) -> None:
    job = begin_long(copier, work, tmp_path)
    assert os.getsid(job.pid) == job.pid  # Ctrl-C at the sweep's terminal is not one for the job
    os.killpg(job.pid, signal.SIGINT)
    assert job.wait() == 130
    assert (tmp_path / "log").read_text().endswith("stopped\n")
    (tmp_path / "again").mkdir()
    job = begin_long(copier, work, tmp_path / "again")
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL


def test_what_cannot_import_the_trainer_says_so_however_many_files_are_open() -> None:
    environment = job_environment(1, 1, None) | {"PYTHONPATH": "", "PYTHONHOME": "/nowhere"}
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, before[1]), before[1]))
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(1024)]
    try:
        copier = Copier(environment)
        assert not copier.wait_until_ready()
        copier.close()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_job_outlives_what_it_is_a_copy_of(copier: Copier, work: Path, tmp_path: Path) -> None:
    """A kill for lack of memory may strike that process too; its jobs go on, and nobody takes them for ended."""
    job = begin_long(copier, work, tmp_path)
    copier._process.kill()
    time.sleep(0.3)
    assert job.poll() is None
    with (tmp_path / "other").open("ab") as file:
        assert copier.start(["--help"], file) is None
    os.kill(job.pid, signal.SIGKILL)
    assert job.wait() == GONE
