"""One command, many runs: exactly as many folders and results as combinations, checked before the first begins."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ictconvention.errors import UsageError
from ictconvention.experiment.command import sweep, sweep_name
from ictconvention.experiment.config import compose_run
from ictconvention.experiment.status import read_json
from ictconvention.experiment.sweep import Job, Sweep, grouped, prepared, validation_loss
from tests.conftest import ROOT
from tests.experiment.conftest import Smoke, places

QUICK = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]


def train(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "train.py", "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment, timeout=400)


@pytest.mark.slow
def test_two_folds_on_two_devices_are_two_folders_and_two_results(smoke: Smoke, work: Path, tmp_path: Path) -> None:
    smoke(*QUICK, f"runs={tmp_path}/other")  # the survey is there
    arguments = [*places(work), *QUICK, f"runs={tmp_path}/runs", "fold.index=0,1", "trainer.devices=2"]
    arguments += ["logger=wandb", "logger.offline=true"]
    as_on_a_cluster = {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "LOCAL_RANK": "0", "MASTER_PORT": "1"}
    found = train(*arguments, **as_on_a_cluster)
    assert (found.returncode, found.stderr) == (0, "")
    folders = sorted((tmp_path / "runs" / "light_curve_sdss").iterdir())
    assert [folder.name[:11] for folder in folders] == ["fold0-seed0", "fold1-seed0"]
    results = [json.loads((folder / "result.json").read_text()) for folder in folders]
    assert results[0]["split"] != results[1]["split"]
    assert [read_json(folder / "environment.json")["devices"] for folder in folders] == [2, 2]
    assert len({read_json(folder / "status.json")["wandb"] for folder in folders}) == 2  # two pages, in one group
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    groups = {line for f in folders for line in (f / "overrides.txt").read_text().split() if "logger.group" in line}
    assert groups == {f"logger.group={folder.name}"}
    record = read_json(folder / "sweep.json")
    assert [(job["state"], job["title"]) for job in record["jobs"]] == [
        ("finished", "fold.index=0"),
        ("finished", "fold.index=1"),
    ]
    assert [(folder / job["folder"]).resolve() for job in record["jobs"]] == folders
    assert "finetune, training epoch 1 of 1" in (folder / record["jobs"][1]["log"]).read_text()
    again = train(*arguments, "jobs=2")
    assert again.stdout.splitlines()[1:] == ["2 finished before, and not repeated"]
    assert read_json(folder / "sweep.json")["jobs"] == record["jobs"]


@pytest.mark.slow
def test_ctrl_c_ends_the_jobs_and_the_same_command_goes_on(work: Path, smoke: Smoke, tmp_path: Path) -> None:
    smoke(*QUICK, f"runs={tmp_path}/other")
    arguments = [*places(work), "experiment=convention_sdss", "fold.index=0,1", f"runs={tmp_path}/runs", "jobs=2"]
    arguments += ["stage.pretrain.max_epochs=4"]
    command = [sys.executable, "train.py", "-m", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while len(list(tmp_path.glob("runs/*/*/checkpoints/pretrain-last.ckpt"))) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "stopped\n")
    states = [read_json(path)["state"] for path in tmp_path.glob("runs/convention_sdss/*/status.json")]
    assert states == ["stopped", "stopped"]
    found = train(*arguments)
    assert found.returncode == 0, found.stderr
    logs = [path.read_text() for path in tmp_path.glob("runs/sweeps/*/logs/*.log")]
    assert len(logs) == 2
    assert all("goes on behind training epoch" in log for log in logs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fold.index=0,7"], "fold.index=7: fold.index is 7"),
        (["experiment=ict_sdss", "learner.tau=0.9,2"], "learner.tau=2: learner.tau is 2"),
        (["lerner.tau=0.9,1"], "unknown key 'lerner.tau' (did you mean learner.tau?)"),
        (["experiment=ict_sdss,ict_sds"], "experiment has no choice 'ict_sds' (did you mean ict_sdss?)"),
        (["jobs=none"], "jobs is 'none'"),
        (["jobs=0"], "jobs is 0"),
        (["on_error=ignore"], "on_error is 'ignore'"),
        (
            ["hydra.sweeper.max_batch_size=2"],
            "hydra.sweeper.max_batch_size would stop a sweep after a batch with a failed run",
        ),
        (["mode=test", "run=x"], "job: a sweep trains, and mode=test does not"),
        (["hydra/launcher=slrm"], "hydra/launcher has no choice 'slrm' (did you mean slurm?)"),
        (["hydra/launcher=slurm", "hydra.launcher.executor=x"], "hydra.launcher.executor is 'x'"),
    ],
)
def test_a_mistake_is_told_before_anything_begins(tmp_path: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        sweep([*arguments, f"runs={tmp_path}/runs of mine", f"surveys={tmp_path}/surveys", "survey.objects=100"])
    assert caught.value.found == said
    assert not list(tmp_path.iterdir())


def test_two_jobs_that_are_one_run_are_refused(work: Path, smoke: Smoke) -> None:
    words = [*places(work), *QUICK]
    with pytest.raises(UsageError, match=r"trainer\.workers=0 and trainer\.workers=2 are the same run"):
        prepared([[*words, "trainer.workers=0"], [*words, "trainer.workers=2"]], lambda line: None)


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "WORLD_SIZE"])
def test_one_of_several_processes_starts_no_sweep(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "2")
    with pytest.raises(UsageError, match="each would run the whole sweep"):
        prepared([["seed=0"]], lambda line: None)


def test_a_key_of_the_sweep_alone_is_told(tmp_path: Path) -> None:
    found = subprocess.run([sys.executable, "train.py", "jobs=2"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert "jobs is a key of a sweep" in found.stderr
    assert "add -m" in found.stderr


def test_the_same_runs_have_the_same_sweep_folder_whatever_the_machine() -> None:
    words = ["experiment=ict_sdss", "fold.index=0,1"]
    name = sweep_name(words)
    assert name.startswith("ict_sdss-")
    for more in (
        "jobs=2",
        "on_error=stop",
        "logger=wandb",
        "logger.group=x",
        "trainer.devices=2",
        "hydra/launcher=slurm",
    ):
        assert sweep_name([more, *words]) == name
    assert sweep_name([*words, "learner.tau=0.5"]) != name
    assert sweep_name(["experiment=ict_sdss,convention_sdss"]).startswith("sweep-")


def test_a_group_of_ones_own_stands(tmp_path: Path) -> None:
    name = "it's (mine), 100 % für τ"
    for words, group in (([], None), (["logger=wandb"], name), (["logger=wandb", "logger.group=b"], "b")):
        job = Job(1, "x", tuple(words), compose_run(words), tmp_path)
        assert compose_run(grouped(job, Path("runs/sweeps") / name)).logger.group == group


def test_a_search_minimises_the_validation_loss_and_never_a_test(finished: Path) -> None:
    rows = (finished / "metrics.csv").read_text().splitlines()
    names = rows[0].split(",")
    last = rows[2].split(",")
    assert last[0] == "finetune"
    assert validation_loss(finished) == float(last[names.index("finetune/val/loss_balanced")])


def test_another_machine_s_precision_is_not_guessed(work: Path, smoke: Smoke) -> None:
    words = [*places(work), *QUICK]
    with pytest.raises(UsageError, match=r"trainer\.precision is auto, and the machine that would choose is another"):
        prepared([words], lambda line: None, elsewhere=True)
    (job,) = prepared([[*words, "trainer.precision=bf16-mixed"]], lambda line: None, elsewhere=True)
    assert job.split


def test_a_search_numbers_its_jobs_on(work: Path, smoke: Smoke) -> None:
    words = [*places(work), *QUICK]
    first = prepared([[*words, "seed=0"]], lambda line: None)
    both = prepared([[*words, "seed=1"]], lambda line: None, before=first)
    assert [job.number for job in both] == [1, 2]
    assert both[0] is first[0]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UsageError, match="this is no JSON"):
        Sweep(tmp_path, [])
