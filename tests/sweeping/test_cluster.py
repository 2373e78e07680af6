"""Jobs on Slurm, tried on submitit's executor for this machine, with an actor in place of the command that trains."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # comes with submitit, without types
import pytest
import submitit

from ictconvention.cli.train import sweep
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs import machine
from ictconvention.sweeping import cluster, processes
from ictconvention.sweeping.cluster import load_submitter
from ictconvention.sweeping.sweep import Job, prepare_jobs
from tests.conftest import long_test
from tests.refusals import refused
from tests.small_runs import places, read_json

pytestmark = pytest.mark.slow
LOCAL = ["hydra/launcher=slurm", "hydra.launcher.executor=local", "hydra.launcher.timeout_min=5"]
QUICK = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]

# A run that does as the test says, in place of one that trains.
ACTOR = """
import json, os, sys, time
from pathlib import Path

words = dict(word.split("=", 1) for word in sys.argv[1:])
act, folder = json.loads(os.environ["ACTS"])[words["fold.index"]]
folder = Path(folder)
folder.mkdir(parents=True, exist_ok=True)
with (folder / "starts").open("a") as file:
    file.write(json.dumps({"process": os.getpid(), "words": sys.argv[1:]}) + "\\n")
starts = [json.loads(line) for line in (folder / "starts").read_text().splitlines()]
print("start", len(starts), flush=True)
if act == "fails":
    sys.exit(2)
if act == "takes long" and len(starts) == 1:
    time.sleep(300)
if len(starts) == 2 and Path("/proc", str(starts[0]["process"])).exists():
    sys.exit("the first process still writes here")
(folder / "result.json").write_text("{}")
"""


@pytest.fixture
def _actors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let submitted jobs be those of the actor; they take our functions along, and need not import the trainer."""
    monkeypatch.setattr(cluster, "COMMAND", [sys.executable, "-c", ACTOR])
    for module in (taken := (cluster, processes, machine)):
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in taken:
        cloudpickle.unregister_pickle_by_value(module)


def jobs_of(monkeypatch: pytest.MonkeyPatch, words: list[str], *acts: str) -> list[Job]:
    """Return the jobs of a fold each, and let them act so."""
    jobs = prepare_jobs([[*words, f"fold.index={fold}"] for fold in range(len(acts))])
    roles = {
        str(fold): [act, str(job.folder.absolute())] for fold, (act, job) in enumerate(zip(acts, jobs, strict=True))
    }
    monkeypatch.setenv("ACTS", json.dumps(roles))
    return jobs


def starts_of(job: Job) -> list[Any]:
    return [json.loads(line) for line in (job.folder / "starts").read_text().splitlines()]


@long_test
@pytest.mark.usefixtures("_actors")
def test_a_requeued_job_starts_again_when_its_process_has_ended(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signal is the one by which Slurm, through submitit, announces a time limit or a pre-emption."""
    words = [*places(work), *QUICK, f"runs={tmp_path}/runs"]
    (job,) = jobs_of(monkeypatch, words, "takes long")

    def announce() -> None:
        end = time.monotonic() + 120
        while not (job.folder / "starts").exists() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(_task_of(tmp_path), signal.SIGUSR2)

    announcer = threading.Thread(target=announce)
    announcer.start()
    sweep([*LOCAL, *words, "fold.index=0"])
    announcer.join()
    assert capsys.readouterr().out.startswith("1 job, 1 of them to submit")
    first, second = starts_of(job)
    assert first["words"] == second["words"]
    assert compose_run(second["words"]) == job.options
    (log,) = tmp_path.glob("runs/sweeps/*/slurm/*/*_log.out")
    assert [line for line in log.read_text().splitlines() if line.startswith("start")] == ["start 1", "start 2"]
    (record,) = tmp_path.glob("runs/sweeps/*/sweep.json")
    assert [entry["state"] for entry in read_json(record)["jobs"]] == ["finished"]


def _task_of(folder: Path) -> int:
    """Return the process of submitit that waits for a job below this folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "submitit.core._submit" in words and str(folder) in words:
            return int(path.parent.name)
    raise AssertionError("no job of submitit is running")


class HereAndNow:
    """An executor of submitit that runs its jobs at once, in this process."""

    def __init__(self, **settings: Any) -> None:
        pass

    def update_parameters(self, **settings: Any) -> None:
        pass

    def map_array(self, job: Any, *arguments: Any) -> list[Any]:
        found = [job(*one) for one in zip(*arguments, strict=True)]
        return [SimpleNamespace(results=lambda one=one: [one]) for one in found]


@pytest.mark.usefixtures("_actors")
def test_a_job_that_fails_is_listed_with_its_logs_and_the_others_have_their_results(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitit, "AutoExecutor", HereAndNow)
    monkeypatch.setattr(submitit, "JobEnvironment", lambda: SimpleNamespace(job_id="1"))
    (own := tmp_path / "own" / "augmentation").mkdir(parents=True)
    (own / "gentle.yaml").write_text("keep: 0.9\n")  # each job gets the folder of its sweep, in its own process
    words = [*places(work), *QUICK, f"runs={tmp_path}/runs", f"--config-dir={own.parent}", "augmentation=gentle"]
    failed, whole = jobs_of(monkeypatch, words, "fails", "runs")
    with refused(
        UsageError,
        "E-SWEEP-FAILED",
        "1 job of 2",
        "fold.index=0",
    ) as caught:
        sweep([*LOCAL, *words, "fold.index=0,1"])
    (record,) = tmp_path.glob("runs/sweeps/*/sweep.json")
    assert caught.value.where == record.parent
    assert f"see {record.parent / 'slurm'}" in caught.value.found
    assert [entry["state"] for entry in read_json(record)["jobs"]] == ["failed", "finished"]
    assert [len(starts_of(job)) for job in (failed, whole)] == [1, 1]
    assert compose_run(starts_of(whole)[0]["words"]) == whole.options
    assert whole.options.augmentation.keep == 0.9
    jobs_of(monkeypatch, words, "runs", "fails")  # the second would now fail, if it were run
    sweep([*LOCAL, *words, "fold.index=0,1"])
    assert [entry["state"] for entry in read_json(record)["jobs"]] == ["finished", "finished"]


def test_where_there_is_no_slurm_nothing_is_submitted_and_that_is_told(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    words = [*places(work), "experiment=light_curve_sdss", "trainer.precision=32-true", f"runs={tmp_path}/runs"]
    with refused(UsageError, "E-SWEEP-SUBMIT", where="hydra/launcher=slurm"):
        sweep(["hydra/launcher=slurm", *words])
    (record,) = tmp_path.glob("runs/sweeps/*/sweep.json")
    assert [(job["state"], job["log"]) for job in read_json(record)["jobs"]] == [("waiting", None)]


def test_without_the_package_its_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_submitit_launcher", None)
    with refused(
        UsageError, "E-PACKAGE-MISSING", "hydra-submitit-launcher", "'.[slurm]'", where="hydra/launcher=slurm"
    ):
        load_submitter("slurm", {})
