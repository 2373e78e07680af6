"""A run ends with a result that its predictions give again."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ictconvention.atomic import held
from ictconvention.data.split import Split
from ictconvention.data.survey import Survey
from ictconvention.errors import FileSystemError, UsageError
from ictconvention.evaluation.scores import scores
from ictconvention.experiment.config import compose_run
from ictconvention.experiment.machine import checked_machine, precision_of
from ictconvention.experiment.run import run
from ictconvention.experiment.schema import TrainerOptions
from tests.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def smoke(folder: Path, *overrides: str) -> Path:
    places = [f"runs={folder}/runs", f"surveys={folder}/surveys", "profile=smoke"]
    return run(compose_run([*places, *overrides]), say=lambda line: None)


@pytest.fixture(scope="module")
def finished(folder: Path) -> Path:
    return smoke(folder, "experiment=ict_sdss")


def result_of(finished: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished / "result.json").read_text())
    return content


def test_the_folder_holds_all_that_a_reader_needs(finished: Path) -> None:
    assert finished.parent.name == "ict_sdss"
    assert finished.name.startswith("fold0-seed0-")
    names = {path.name for path in finished.iterdir()}
    expected = {
        "config.yaml",
        "environment.json",
        "split.json",
        "metrics",
        "checkpoints",
        "predictions.parquet",
        "result.json",
    }
    assert names == expected
    assert {path.name for path in (finished / "checkpoints").iterdir()} == {"pretrain.ckpt", "finetune.ckpt"}
    for stage in ("pretrain", "finetune"):
        header = (finished / "metrics" / stage / "metrics.csv").read_text().splitlines()[0]
        assert {f"{stage}/train/loss", f"{stage}/val/f1_macro", f"{stage}/val/collapse/spread"} <= set(
            header.split(",")
        )
    assert torch.load(finished / "checkpoints" / "finetune.ckpt", weights_only=True)["state_dict"]


def test_the_result_is_what_the_predictions_say(finished: Path, folder: Path) -> None:
    result, table = result_of(finished), pq.read_table(finished / "predictions.parquet").to_pydict()
    (survey,) = (Survey.open(path) for path in (folder / "surveys").iterdir())
    classes = survey.header.classes
    likely = np.column_stack([table[name] for name in classes])
    labels = np.array([classes.index(name) for name in table["label"]])
    assert result["test"] == scores(likely, labels, classes)
    split = Split.load(finished / "split.json", survey.object_table())
    assert table["id"] == list(split.parts["test"])
    assert [split.classes[id_] for id_ in table["id"]] == table["label"]
    assert result["survey"] == {"name": survey.header.name, "simulated": True, "hash": survey.hash}
    assert result["split"] == split.hash
    counts = split.counts()["finetune_train"]
    alike = likely / np.array([counts[name] for name in classes])
    uniform = scores(alike / alike.sum(1, keepdims=True), labels, classes)
    assert result["test_uniform"]["confusion"] == uniform["confusion"]
    assert result["test_uniform"]["log_loss"] == pytest.approx(uniform["log_loss"])


def test_the_same_run_elsewhere_gives_the_same_result(finished: Path, folder: Path) -> None:
    again = smoke(folder, "experiment=ict_sdss", f"runs={folder}/elsewhere")
    assert again.name == finished.name
    assert (again / "result.json").read_text() == (finished / "result.json").read_text()
    states = [
        torch.load(run / "checkpoints" / "finetune.ckpt", weights_only=True)["state_dict"] for run in (finished, again)
    ]
    assert all(torch.equal(x, states[1][name]) for name, x in states[0].items())


def test_a_finished_stage_is_not_trained_again(finished: Path, folder: Path) -> None:
    result = (finished / "result.json").read_text()
    said: list[str] = []
    places = [f"runs={folder}/runs", f"surveys={folder}/surveys", "profile=smoke"]
    assert run(compose_run([*places, "experiment=ict_sdss"]), say=said.append) == finished
    assert said[-1] == "finished before; remove the folder to run it again"
    (finished / "result.json").unlink()
    run(compose_run([*places, "experiment=ict_sdss"]), say=said.append)
    assert said[-4:-2] == ["pretrain: finished before", "finetune: finished before"]
    assert said[-2].startswith("simulated test part, 48 objects, at the survey's class shares: accuracy 0.")
    assert said[-1].startswith("simulated test part, 48 objects, at equal class shares: accuracy 0.")
    assert (finished / "result.json").read_text() == result


@pytest.mark.filterwarnings("ignore:the projections have collapsed")  # in the paper's form they do
def test_a_killed_run_goes_on_to_the_same_weights_and_the_same_result(folder: Path) -> None:
    """Killed in the second of three training epochs of pre-training, dropout and all."""
    settings = ["experiment=ict_sdss", "stage.pretrain.max_epochs=3"]
    whole = smoke(folder, *settings, f"runs={folder}/whole")
    places = [f"runs={folder}/killed", f"surveys={folder}/surveys", "profile=smoke"]
    command = [sys.executable, "train.py", *places, *settings]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((folder / "killed").glob("*/*/checkpoints/pretrain-last.ckpt")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    process.kill()
    process.wait()
    (killed,) = (folder / "killed" / "ict_sdss").iterdir()
    assert killed.name == whole.name
    assert not (killed / "checkpoints" / "pretrain.ckpt").exists()
    said: list[str] = []
    assert run(compose_run([*places, *settings]), say=said.append) == killed
    assert "pretrain: goes on behind its last training epoch" in said
    assert (killed / "result.json").read_text() == (whole / "result.json").read_text()
    for stage in ("pretrain", "finetune"):
        kept = [path / "checkpoints" / f"{stage}.ckpt" for path in (whole, killed)]
        states = [torch.load(path, weights_only=True)["state_dict"] for path in kept]
        assert all(torch.equal(x, states[1][name]) for name, x in states[0].items())
    assert {path.name for path in (killed / "checkpoints").iterdir()} == {"pretrain.ckpt", "finetune.ckpt"}


def test_two_processes_run_too(finished: Path, folder: Path) -> None:
    command = [sys.executable, "train.py", f"runs={folder}/two", f"surveys={folder}/surveys", "profile=smoke"]
    more = ["experiment=convention_sdss", "trainer.devices=2", "stage.pretrain.max_epochs=0"]
    result = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    (path,) = (folder / "two" / "convention_sdss").iterdir()
    assert result_of(path)["test"]["objects"] == 48
    assert len(pq.read_table(path / "predictions.parquet")) == 48
    assert result.stdout.count("finetune: ") == 1


def test_another_fold_or_seed_is_another_run_and_more_workers_are_not(folder: Path) -> None:
    quick = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]
    runs = [smoke(folder, *quick, *more) for more in ([], ["fold.index=1"], ["seed=1"], ["trainer.workers=1"])]
    assert len(set(runs)) == 3
    assert runs[0] == runs[3]
    tested = [set(pq.read_table(path / "predictions.parquet")["id"].to_pylist()) for path in runs[:2]]
    assert tested[0].isdisjoint(tested[1])
    assert {path.name for path in (runs[0] / "checkpoints").iterdir()} == {"finetune.ckpt"}


@pytest.mark.parametrize("experiment", ["convention_sdss", "cnn_gru_sdss", "cnn_lstm_sdss"])
def test_the_other_networks_run_too(folder: Path, experiment: str) -> None:
    found = smoke(folder, f"experiment={experiment}", "pixels.channels=direct+residual", "stage.pretrain.max_epochs=0")
    assert result_of(found)["test"]["objects"] > 40


def test_two_runs_in_one_folder_are_refused(finished: Path, folder: Path) -> None:
    with held(finished), pytest.raises(FileSystemError, match="another process is writing here"):
        smoke(folder, "experiment=ict_sdss")
    assert smoke(folder, "experiment=ict_sdss") == finished


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    (folder / "in_the_way").touch()
    with pytest.raises(FileSystemError, match="making the folder of the run failed"):
        smoke(folder, "experiment=ict_sdss", f"runs={folder}/in_the_way")


def test_what_the_machine_lacks_is_named(monkeypatch: Any) -> None:
    checked_machine(TrainerOptions(devices=4))  # without a GPU: four processes
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    checked_machine(TrainerOptions(precision="32-true"))
    with pytest.raises(UsageError, match=r"trainer\.devices is 4, this machine has 1 GPU"):
        checked_machine(TrainerOptions(devices=4))
    with pytest.raises(UsageError, match="this GPU has no bfloat16"):
        checked_machine(TrainerOptions(precision="bf16-mixed"))


def test_precision() -> None:
    assert precision_of(TrainerOptions(precision="32-true")) == "32-true"
    assert precision_of(TrainerOptions()) in ("bf16-mixed", "32-true")
