"""A job has its share of the threads, and knows of no process beside it."""

import os

import pytest

from ictconvention.sweeping.job_environment import THREADS, job_environment


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)


def test_threads_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)))
    for at_once, devices, threads in ((1, 1, "12"), (3, 1, "4"), (2, 3, "2"), (30, 1, "1")):
        assert job_environment(at_once, devices, None)["OMP_NUM_THREADS"] == threads
    assert job_environment(2, 3, "0,1,2")["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert {job_environment(3, 1, None)[name] for name in THREADS} == {"5"}


def test_a_job_knows_of_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_NTASKS", "TORCHELASTIC_RUN_ID")
    for name in strange:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("WANDB_API_KEY", "kept")
    environment = job_environment(1, 1, None)
    assert not environment.keys() & set(strange)
    assert environment["WANDB_API_KEY"] == "kept"
