"""Jobs on Slurm, tried on submitit's executor for this machine: results as elsewhere, and a requeued job goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ictconvention.errors import UsageError
from ictconvention.experiment.cluster import submitter
from ictconvention.experiment.command import sweep
from ictconvention.experiment.status import read_json
from tests.conftest import ROOT
from tests.experiment.conftest import Smoke, places, result_of

pytestmark = pytest.mark.slow
LOCAL = ["hydra/launcher=slurm", "hydra.launcher.executor=local", "hydra.launcher.timeout_min=5"]


def test_a_requeued_job_goes_on_to_the_result_of_a_whole_run(smoke: Smoke, work: Path, tmp_path: Path) -> None:
    """The signal is the one by which Slurm, through submitit, announces a time limit or a pre-emption."""
    overrides = ["experiment=convention_sdss", "stage.pretrain.max_epochs=3"]
    whole = smoke(*overrides, f"runs={tmp_path}/whole")
    arguments = [*places(work), *overrides, f"runs={tmp_path}/runs", "fold.index=0"]
    command = [sys.executable, "train.py", "-m", *LOCAL, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while not list(tmp_path.glob("runs/convention_sdss/*/checkpoints/pretrain-last.ckpt")) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(_task_of(tmp_path), signal.SIGUSR2)
    said, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, complaint
    assert said.startswith("1 job, 1 of them to submit")
    (found,) = (tmp_path / "runs" / "convention_sdss").iterdir()
    (log,) = tmp_path.glob("runs/sweeps/*/slurm/*/*_log.out")
    assert "goes on behind training epoch" in log.read_text()
    assert result_of(found) == result_of(whole)
    assert (found / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    (sweep,) = (tmp_path / "runs" / "sweeps").iterdir()
    assert [job["state"] for job in read_json(sweep / "sweep.json")["jobs"]] == ["finished"]


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


def test_a_job_that_fails_is_listed_with_its_log(smoke: Smoke, work: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "light_curve_sdss").mkdir(parents=True)
    quick = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]
    folder = smoke(*quick, f"runs={tmp_path}/runs")
    (folder / "result.json").unlink()
    (folder / "metrics.csv").write_text("rubbish\n1\n")
    arguments = [*places(work), *quick, f"runs={tmp_path}/runs", "fold.index=0,1"]
    found = subprocess.run(
        [sys.executable, "train.py", "-m", *LOCAL, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 2
    assert "1 job of 2 without a result:\n    fold.index=0: failed, see" in found.stderr
    assert "Traceback" not in found.stderr
    logs = "".join(path.read_text() for path in tmp_path.glob("runs/sweeps/*/slurm/*/*_log.err"))
    assert "this is no table of metrics" in logs
    status = read_json(folder / "status.json")
    assert (status["state"], status["error"][:10]) == ("failed", "UsageError")
    assert len(list(tmp_path.glob("runs/light_curve_sdss/fold1*/result.json"))) == 1


def test_where_there_is_no_slurm_nothing_is_submitted_and_that_is_told(
    smoke: Smoke, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    words = [*places(work), "experiment=light_curve_sdss", "trainer.precision=32-true", f"runs={tmp_path}/runs"]
    with pytest.raises(UsageError, match="submitting failed: Could not detect"):
        sweep(["hydra/launcher=slurm", *words])
    (record,) = tmp_path.glob("runs/sweeps/*/sweep.json")
    assert [(job["state"], job["log"]) for job in read_json(record)["jobs"]] == [("waiting", None)]


def test_without_the_package_its_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_submitit_launcher", None)
    with pytest.raises(UsageError, match="hydra-submitit-launcher is not installed") as caught:
        submitter("slurm", {})
    assert ".[slurm]" in caught.value.mend
