"""One command, many runs: exactly as many folders and results as combinations, checked before the first begins."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ictconvention.cli.train import sweep, sweep_name, train
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs.run_folder import RunFolder
from ictconvention.sweeping.sweep import Job, Sweep, add_group, prepare_jobs, validation_loss
from tests.conftest import long_test
from tests.forked import Command
from tests.refusals import refused
from tests.small_runs import LEFT, Smoke, places, read_json, result_of

SAID = (
    "survey miniature (simulated)",
    "run: ",
    "network: ",
    "finetune",
    "miniature (simulated)",
    "result, predictions: ",
)
QUICK = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]


@long_test
@pytest.mark.slow
def test_a_job_on_two_devices_is_one_run_wherever_its_sweep_was_started(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an allocation of Slurm's, say, whose variables tell of other processes and ports."""
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "LOCAL_RANK": "0", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    train(["-m", *places(work), *QUICK, f"runs={tmp_path}/runs", "fold.index=0", "trainer.devices=2"])
    (folder,) = (tmp_path / "runs" / "light_curve_sdss").iterdir()
    assert {path.name for path in folder.iterdir()} == LEFT
    assert read_json(folder / "environment.json")["devices"] == 2
    assert result_of(folder)["test"]["objects"] == 16
    assert len(pq.read_table(folder / "predictions.parquet")) == 16
    (log,) = tmp_path.glob("runs/sweeps/*/logs/*.log")
    said = log.read_text()
    assert said.count("finetune: ") == 1
    assert "warning" not in said.lower()
    assert all(line.startswith(SAID) for line in said.splitlines())


@pytest.mark.parametrize(
    ("module", "words"),
    [("train", ["-m", "fold.index=0,1"]), ("experiments.table2.reproduce", ["--profile", "smoke"])],
)
def test_a_sweep_says_so_before_it_imports_what_takes_seconds(module: str, words: list[str]) -> None:
    """Torch and its like cannot be imported here: whatever is said is said before."""
    blocked = ("torch", "lightning", "sklearn", "matplotlib", "astropy", "scipy", "pyarrow")
    program = f"import sys; sys.modules.update(dict.fromkeys({blocked})); from {module} import main; main()"
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert "every run before the first begins" in ended.stdout
    assert re.search(rf"import of ({'|'.join(blocked)})\b", ended.stderr)


@pytest.mark.slow
@pytest.mark.usefixtures("prepared_jobs")  # for what this process runs: the command that is stopped imports as ever
def test_ctrl_c_ends_a_sweep_of_two_folds_and_the_same_command_goes_on(
    work: Path, smoke: Smoke, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["experiment=light_curve_sdss", f"runs={tmp_path}/runs", "stage.pretrain.max_epochs=8"]
    arguments = ["-m", *places(work), *settings, "fold.index=0,1"]
    command = Command(tmp_path / "said", arguments)
    end = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/*/checkpoints/pretrain-last.ckpt")) and time.monotonic() < end:
        time.sleep(0.02)
    command.interrupt()
    ended = command.wait()
    assert (ended.returncode, ended.stderr) == (130, "stopped\n")
    (stopped,) = (tmp_path / "runs" / "light_curve_sdss").iterdir()
    assert read_json(stopped / "status.json")["state"] == "stopped"
    (sweep,) = (tmp_path / "runs" / "sweeps").iterdir()
    assert [job["state"] for job in read_json(sweep / "sweep.json")["jobs"]] == ["stopped", "waiting"]
    alone = smoke(*settings, "fold.index=1")
    train(arguments)
    assert "1 finished before, and not repeated" in capsys.readouterr().out.splitlines()
    folders = sorted((tmp_path / "runs" / "light_curve_sdss").iterdir())
    assert folders == [stopped, alone]
    assert [folder.name[:11] for folder in folders] == ["fold0-seed0", "fold1-seed0"]
    assert result_of(stopped)["split"] != result_of(alone)["split"]
    record = read_json(sweep / "sweep.json")
    assert [(job["state"], job["title"]) for job in record["jobs"]] == [
        ("finished", "fold.index=0"),
        ("finished", "fold.index=1"),
    ]
    assert [(sweep / job["folder"]).resolve() for job in record["jobs"]] == folders
    log = (sweep / record["jobs"][0]["log"]).read_text()
    assert "resumes after training epoch" in log
    assert "finetune, training epoch 1 of 1" in log
    train([*arguments, "jobs=2"])
    assert capsys.readouterr().out.splitlines()[2:] == ["2 finished before, and not repeated"]
    assert read_json(sweep / "sweep.json")["jobs"] == record["jobs"]
    assert result_of(stopped) == result_of(smoke(*settings, f"runs={tmp_path}/whole", "fold.index=0"))


@pytest.mark.parametrize(
    ("arguments", "kind", "where", "facts"),
    [
        (["fold.index=0,7"], "VALUE", "fold", ["fold.index=7", "fold.index is 7"]),
        (["experiment=ict_sdss", "learner.tau=0.9,2"], "VALUE", "learner.tau", ["learner.tau=2", "is 2"]),
        (["lerner.tau=0.9,1"], "UNKNOWN", "lerner.tau", ["did you mean learner.tau?"]),
        (["experiment=ict_sdss,ict_sds"], "CHOICE", "/experiment", ["did you mean ict_sdss?"]),
        (["jobs=none"], "VALUE", "jobs", ["'none'"]),
        (["jobs=0"], "VALUE", "jobs", ["0"]),
        (["on_error=ignore"], "VALUE", "on_error", ["'ignore'"]),
        (
            ["hydra.sweeper.max_batch_size=2"],
            "CONFLICT",
            "hydra.sweeper.max_batch_size",
            ["jobs=n"],
        ),
        (["trainer.num_nodes=2"], "CONFLICT", "trainer.num_nodes", ["2"]),
        (["mode=test", "run=x"], "CONFLICT", "mode", ["mode=test"]),
        (["hydra/launcher=slrm"], "CHOICE", "launcher", ["did you mean slurm?"]),
        (["hydra/launcher=slurm", "hydra.launcher.executor=x"], "VALUE", "hydra.launcher.executor", ["'x'"]),
    ],
)
def test_a_mistake_is_told_before_anything_begins(
    tmp_path: Path, arguments: list[str], kind: str, where: str, facts: list[str]
) -> None:
    with refused(UsageError, f"E-CONFIG-{kind}", *facts, where=where):
        sweep([*arguments, f"runs={tmp_path}/runs of mine", f"surveys={tmp_path}/surveys", "survey.objects=100"])
    assert not list(tmp_path.iterdir())


def test_two_jobs_that_are_one_run_are_refused(work: Path, smoke: Smoke) -> None:
    words = [*places(work), *QUICK]
    with refused(UsageError, "E-SWEEP-DUPLICATE", "trainer.workers=0", "trainer.workers=2"):
        prepare_jobs([[*words, "trainer.workers=0"], [*words, "trainer.workers=2"]])


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE"])
def test_one_of_several_processes_starts_no_sweep(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The first of those that srun has started knows it by their number alone."""
    monkeypatch.setenv(name, "2")
    with refused(UsageError, "E-MACHINE-NODES", where=name):
        prepare_jobs([["seed=0"]])


def test_a_key_of_the_sweep_alone_is_told() -> None:
    with refused(UsageError, "E-CONFIG-SWEEP", "jobs", "-m", where="jobs=2"):
        train(["jobs=2"])


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
        "trainer.num_nodes=2",
        "hydra/launcher=slurm",
    ):
        assert sweep_name([more, *words]) == name
    assert sweep_name([*words, "learner.tau=0.5"]) != name
    assert sweep_name(["experiment=ict_sdss,convention_sdss"]).startswith("sweep-")


def test_a_group_of_ones_own_stands(tmp_path: Path) -> None:
    name = "it's (mine), 100 % für τ"
    for words, group in (([], None), (["logger=wandb"], name), (["logger=wandb", "logger.group=b"], "b")):
        job = Job(1, "x", tuple(words), compose_run(words), tmp_path)
        assert compose_run(add_group(job, Path("runs/sweeps") / name)).logger.group == group


def test_a_search_minimises_the_validation_loss_and_never_a_test(finished: Path) -> None:
    rows = (finished / "metrics.csv").read_text().splitlines()
    names = rows[0].split(",")
    last = rows[2].split(",")
    assert last[0] == "finetune"
    assert validation_loss(finished, RunFolder(finished).read_options()) == float(
        last[names.index("finetune/val/loss_balanced")]
    )


def test_another_machine_s_precision_is_not_guessed(work: Path, smoke: Smoke) -> None:
    words = [*places(work), *QUICK]
    with refused(UsageError, "E-MACHINE-PRECISION", where="trainer.precision"):
        prepare_jobs([words], elsewhere=True)
    (job,) = prepare_jobs([[*words, "trainer.precision=bf16-mixed"]], elsewhere=True)
    assert job.split


def test_a_search_numbers_its_jobs_on(work: Path, smoke: Smoke) -> None:
    words = [*places(work), *QUICK]
    first = prepare_jobs([[*words, "seed=0"]])
    both = prepare_jobs([[*words, "seed=1"]], before=first)
    assert [job.number for job in both] == [1, 2]
    assert both[0] is first[0]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{")
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path / "sweep.json"):
        Sweep(tmp_path, [])
