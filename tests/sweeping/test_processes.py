"""Jobs of a sweep are processes: some at once, with their share of the machine, and ended when the sweep is."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from ictconvention.configuration.run_groups import LoggerOptions, TrainerOptions
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.atomic import folder_lock
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.sweeping import processes
from ictconvention.sweeping.job_environment import THREADS, divide_gpus
from ictconvention.sweeping.processes import run_jobs
from ictconvention.sweeping.sweep import Job, Sweep
from tests.refusals import refused

# A job that does as its first override says, in place of one that trains.
ACTOR = """
import json, os, signal, sys, time
from pathlib import Path

act, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "RANK", "SLURM_NTASKS")
seen = {n: os.environ.get(n) for n in names} | {"start": time.time(), "words": sys.argv[3:]}
(folder / "seen.json").write_text(json.dumps(seen))
if act == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    print("begins", flush=True)
    time.sleep(60 if act in ("sleeps", "deaf") else 0)
except KeyboardInterrupt:
    (folder / "kept").touch()
    sys.exit(130)
if act == "fails":
    print("error: the disk is full\\n  fix:   free some space", file=sys.stderr)
    sys.exit(2)
if act == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if act != "leaves nothing":
    time.sleep(0.3)
    scores = {"accuracy": 0.9, "f1_macro": 0.8, "balanced_accuracy": 0.7}
    (folder / "result.json").write_text(json.dumps({"test": scores, "test_uniform": scores}))
(folder / "end").write_text(str(time.time()))
"""


@pytest.fixture(autouse=True)
def _actors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", [sys.executable, "-c", ACTOR])
    monkeypatch.setattr(processes, "_can_be_prepared", lambda jobs: False)
    monkeypatch.setattr(processes, "POLL", 0.02)
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)


def sweep_of(root: Path, *acts: str, devices: int = 1) -> Sweep:
    options = RunOptions(trainer=TrainerOptions(devices=devices))
    jobs = [
        Job(n, f"job {act}", (act, str(root / f"run{n}")), options, root / f"run{n}") for n, act in enumerate(acts, 1)
    ]
    return Sweep(root / "sweep", jobs)


def seen(sweep: Sweep, number: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((sweep.jobs[number].folder / "seen.json").read_text())
    return content


def test_jobs_run_one_after_the_other_or_side_by_side(tmp_path: Path) -> None:
    for at_once in (1, 2):
        sweep = sweep_of(tmp_path / str(at_once), "runs", "runs")
        run_jobs(sweep, at_once)
        ended = float((sweep.jobs[0].folder / "end").read_text())
        overlap = ended > float(str(seen(sweep, 1)["start"]))
        assert overlap == (at_once == 2)
        assert [job.state for job in sweep.jobs] == ["finished", "finished"]
        assert all(job.seconds >= 0.3 for job in sweep.jobs)


def test_a_job_whose_tracker_has_groups_is_told_that_of_its_sweep(tmp_path: Path) -> None:
    pages: dict[Literal["csv", "wandb", "tensorboard", "mlflow"], list[str]] = {"csv": [], "tensorboard": []}
    pages |= {"wandb": ["logger.group=sweep"], "mlflow": ["logger.group=sweep"]}
    for kind, words in pages.items():
        sweep = sweep_of(tmp_path / kind, "runs")
        sweep.jobs[0].options = replace(sweep.jobs[0].options, logger=LoggerOptions(kind))
        run_jobs(sweep)
        assert seen(sweep, 0)["words"] == words


def test_each_place_has_its_own_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    sweep = sweep_of(tmp_path, "runs", "runs", devices=2)
    run_jobs(sweep, 2)
    assert {seen(sweep, 0)["CUDA_VISIBLE_DEVICES"], seen(sweep, 1)["CUDA_VISIBLE_DEVICES"]} == {"0,1", "2,3"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6,7")
    assert divide_gpus(sweep.jobs, 2) == ["3,5", "6,7"]
    with refused(UsageError, "E-MACHINE-DEVICES", "3 jobs", "6 GPUs", "4", "jobs=2", where="jobs"):
        run_jobs(sweep_of(tmp_path / "more", "runs", devices=2), 3)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("fails", "FAILED after 0 s (exit code 2): job fails"),
        ("dies", "(killed by SIGKILL, perhaps for lack of memory): job dies"),
        ("leaves nothing", "(no result): job leaves nothing"),
    ],
)
def test_a_failure_is_shown_at_once_with_the_end_of_its_log_and_the_rest_goes_on(
    tmp_path: Path, act: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    run_jobs(sweep := sweep_of(tmp_path, act, "runs"))
    lines = caplog.messages
    place = next(number for number, line in enumerate(lines) if said in line)
    assert "    | begins" in lines[place + 1]
    assert act != "fails" or "    | error: the disk is full\n    |   fix:   free some space" in lines[place + 1]
    assert lines[place + 3] == "[2/2] started: job runs"
    assert [job.state for job in sweep.jobs] == ["failed", "finished"]
    with refused(UsageError, "E-SWEEP-FAILED", "1 job of 2", where=tmp_path / "sweep") as caught:
        sweep.check()
    assert f"job {act}: failed, see {sweep.jobs[0].log}" in str(caught.value)
    record = json.loads((sweep.folder / "sweep.json").read_text())
    assert [job["state"] for job in record["jobs"]] == ["failed", "finished"]
    assert record["seconds"] >= 0.3


def test_in_a_file_the_course_of_a_sweep_is_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with lines_on_terminal():
        run_jobs(sweep_of(tmp_path, "runs", "fails"))
    said = capsys.readouterr().out
    assert said.endswith("\n")
    assert not {"\r", "\x1b"} & set(said)
    assert "[1/2] started: job runs" in said.splitlines()


def test_on_error_stop_starts_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sweep = sweep_of(tmp_path, "fails", "runs", "runs")
    run_jobs(sweep, on_error="stop")
    assert caplog.messages[-1] == "on_error=stop: 2 jobs not started"
    assert [job.state for job in sweep.jobs] == ["failed", "waiting", "waiting"]
    assert not sweep.jobs[1].folder.exists()


def test_the_same_sweep_again_runs_only_what_has_no_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_jobs(sweep_of(tmp_path, "runs", "fails"))
    first = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    again = sweep_of(tmp_path, "fails", "runs")  # the first would now fail, if it were run
    caplog.clear()
    run_jobs(again)
    assert caplog.messages[1:3] == ["1 finished before, and not repeated", "[2/2] started: job runs"]
    again.check()
    second = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert second["jobs"][0]["seconds"] == first["jobs"][0]["seconds"]
    assert second["jobs"][1]["seconds"] > first["jobs"][1]["seconds"]  # both starts
    assert second["seconds"] > first["seconds"]


def test_each_finished_job_is_handed_on_at_once_and_those_of_an_earlier_start_too(tmp_path: Path) -> None:
    handed: list[tuple[int, list[str]]] = []
    for again in range(2):
        handed.clear()
        sweep = sweep_of(tmp_path, "runs", "fails", "runs" if again else "fails")
        run_jobs(sweep, on_finish=lambda job, of=sweep: handed.append((job.number, [one.state for one in of.jobs])))  # type: ignore[misc]
        assert handed[0] == (1, ["finished", "waiting", "waiting"])
    assert [number for number, _ in handed] == [1, 3]


def test_a_sweep_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        sweep = sweep_of(tmp_path, "runs")
        strike = threading.Thread(target=_signal_when, args=(lambda: _begun(sweep, 0), signal.SIGHUP))
        strike.start()
        run_jobs(sweep)
        strike.join()
    finally:
        signal.signal(signal.SIGHUP, before)
    sweep.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_a_sweep_is_the_end_of_its_jobs(tmp_path: Path, number: signal.Signals) -> None:
    sweep = sweep_of(tmp_path, "sleeps", "sleeps", "runs")
    strike = threading.Thread(target=_signal_when, args=(lambda: all(_begun(sweep, n) for n in (0, 1)), number))
    strike.start()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(sweep, 2)
    strike.join()
    assert [job.state for job in sweep.jobs] == ["stopped", "stopped", "waiting"]
    assert all((sweep.jobs[n].folder / "kept").exists() for n in (0, 1))  # each could keep its records
    assert json.loads((sweep.folder / "sweep.json").read_text())["jobs"][0]["state"] == "stopped"
    assert not list(sweep.folder.glob(".lock"))


def test_a_job_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.3)
    sweep = sweep_of(tmp_path, "deaf")
    strike = threading.Thread(target=_signal_when, args=(lambda: _begun(sweep, 0), signal.SIGINT))
    strike.start()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(sweep)
    strike.join()
    assert not (sweep.jobs[0].folder / "end").exists()  # which it writes where it is left alone
    assert sweep.jobs[0].state == "stopped"


def _begun(sweep: Sweep, number: int) -> bool:
    log = sweep.jobs[number].log
    return log is not None and log.exists() and b"begins" in log.read_bytes()


def _signal_when(ready: Callable[[], bool], number: signal.Signals) -> None:
    end = time.monotonic() + 120
    while not ready() and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(os.getpid(), number)


def test_a_sweep_is_run_by_one_process(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "runs")
    with folder_lock(sweep.folder), refused(FileSystemError, "E-FILES-LOCKED", where=tmp_path / "sweep"):
        run_jobs(sweep)


def test_a_job_that_is_pruned_keeps_its_records_and_the_others_go_on(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "sleeps", "runs", "runs")
    begun, never = sweep.jobs[0], sweep.jobs[2]

    def is_pruned(job: Job) -> bool:
        return job is never or (job is begun and job.log is not None and "begins" in job.log.read_text())

    run_jobs(sweep, 2, is_pruned=is_pruned)
    assert [job.state for job in sweep.jobs] == ["stopped", "finished", "waiting"]
    assert (begun.folder / "kept").exists()
    assert not never.folder.exists()
