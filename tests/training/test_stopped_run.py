"""A run that is killed, stopped or out of disk resumes to the same weights and the same result, bit for bit."""

import csv
import errno
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.core import atomic
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.training import run as run_module
from ictconvention.training.dashboard import Dashboard
from tests.forked import Command, Ended, Strike
from tests.refusals import refused
from tests.small_runs import Smoke, places, read_json

pytestmark = pytest.mark.slow
SETTINGS = ["experiment=ict_sdss", "stage.pretrain.max_epochs=3", "stage.finetune.max_epochs=2", "trainer.batch_size=6"]
AN_EPOCH, LEFT = 3, {"pretrain": 6, "finetune": 6, "test": 7}  # batches of a training epoch, and left after the first


def strike(folder: Path, stage: str, batch: int, sign: signal.Signals, *arguments: str) -> Ended:
    """Run in a process of its own, which gets a signal at a batch of a stage, counted from 1."""
    return Command(folder, arguments, Strike(stage, batch, sign)).wait()


def same(first: Path, second: Path) -> None:
    for name in ("result.json", "metrics.csv"):
        assert (first / name).read_text() == (second / name).read_text(), name
    assert (first / "predictions.parquet").read_bytes() == (second / "predictions.parquet").read_bytes()
    for stage in ("pretrain", "finetune"):
        kept = [folder / "checkpoints" / f"{stage}.ckpt" for folder in (first, second)]
        states = [torch.load(path, weights_only=True)["state_dict"] for path in kept]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(x, states[1][name]) for name, x in states[0].items())
    assert {path.name for path in (second / "checkpoints").iterdir()} == {"pretrain.ckpt", "finetune.ckpt"}


@pytest.mark.filterwarnings("ignore:the projections have collapsed")  # in the paper's form they do
def test_a_run_killed_at_a_random_batch_of_each_stage_ends_as_the_whole_one(
    work: Path, smoke: Smoke, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopped by Ctrl-C in pre-training, then killed there, in fine-tuning and in the test; dropout and all."""
    whole = smoke(*SETTINGS, f"runs={work}/whole")
    arguments = [*places(work), f"runs={work}/killed", *SETTINGS]
    rng = np.random.default_rng(int.from_bytes(os.urandom(4)))  # any batch will do: no result depends on it
    second_epoch = int(rng.integers(AN_EPOCH + 1, 2 * AN_EPOCH + 1))
    first = strike(tmp_path, "pretrain", second_epoch, signal.SIGINT, *arguments)
    assert first.returncode == 130, first.stderr
    assert "Traceback" not in first.stderr
    assert "the same command resumes after the last completed training epoch" in first.stdout
    assert first.stderr.splitlines()[-1] == "stopped"
    (killed,) = (work / "killed" / "ict_sdss").iterdir()
    assert killed.name == whole.name
    assert read_json(killed / "status.json")["state"] == "stopped"
    for stage, batches in LEFT.items():
        number = int(rng.integers(1, batches + 1))
        ended = strike(tmp_path, stage, number, signal.SIGKILL, *arguments)
        assert ended.returncode == -signal.SIGKILL, (stage, number, ended)
        assert read_json(killed / "status.json")["state"] == "running"
        assert not (killed / "result.json").exists()
    assert smoke(*SETTINGS, f"runs={work}/killed") == killed
    assert "finetune: finished before" in caplog.messages
    same(whole, killed)


def test_a_full_disk_ends_a_run_in_words_and_the_next_one_goes_on(
    work: Path, smoke: Smoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["experiment=light_curve_sdss", f"runs={work}/full", "stage.pretrain.max_epochs=2"]
    sync, saved = atomic.sync, 0

    def full(path: Path) -> None:
        nonlocal saved
        saved += path.suffix == ".ckpt"
        if saved > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)

    monkeypatch.setattr(atomic, "sync", full)
    with refused(FileSystemError, "E-FILES-FULL", where="/pretrain-last.ckpt"):
        smoke(*settings)
    monkeypatch.undo()
    (folder,) = (work / "full" / "light_curve_sdss").iterdir()
    assert not [path for path in folder.rglob("*") if ".partial" in path.name]
    assert read_json(folder / "status.json")["epochs"] == {"pretrain": 2}
    assert smoke(*settings) == folder
    same(smoke(*settings[::2], f"runs={work}/whole_disk"), folder)


def test_the_kept_epoch_is_the_best_one_also_where_the_folder_was_copied(
    work: Path, smoke: Smoke, tmp_path: Path
) -> None:
    """Trained for so long that the last training epochs are not the best, and killed in the last."""
    settings = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=14", "stage.finetune.max_epochs=0"]
    settings += ["stage.pretrain.optimiser.learning_rate=0.01", "model.dropout=0", "trainer.precision=32-true"]
    arguments = [*places(work), *settings, f"runs={work}/first"]
    assert strike(tmp_path, "pretrain", 13 * 2 + 2, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    shutil.copytree(work / "first", work / "copied")
    folders = [smoke(*settings, f"runs={work}/{name}") for name in ("copied", "first", "undisturbed")]
    results = {(folder / "result.json").read_text() for folder in folders}
    assert len(results) == 1
    for folder in folders:
        assert [path.name for path in (folder / "checkpoints").iterdir()] == ["pretrain.ckpt"]
        with (folder / "metrics.csv").open(newline="") as file:
            losses = [float(row["pretrain/val/loss_balanced"]) for row in csv.DictReader(file)]
        kept = torch.load(folder / "checkpoints" / "pretrain.ckpt", weights_only=True)["epoch"]
        assert kept == int(np.argmin(losses))
        assert kept < 13  # else it would prove nothing


def test_a_diverged_training_is_told(work: Path, smoke: Smoke) -> None:
    settings = ["experiment=light_curve_sdss", f"runs={work}/diverged", "stage.pretrain.max_epochs=0"]
    settings += ["stage.finetune.max_epochs=3", "stage.finetune.optimiser.clip=null"]
    with refused(
        UsageError, "E-TRAINING-DIVERGED", "stage.finetune.optimiser.learning_rate", where="finetune, epoch 2"
    ):
        smoke(*settings, "stage.finetune.optimiser.learning_rate=1e30")


def test_a_damaged_neighbour_stops_no_run_and_a_damaged_pre_training_is_trained_again(
    work: Path, smoke: Smoke, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ["experiment=light_curve_sdss", f"runs={work}/neighbours"]
    first = smoke(*settings)
    (first / "status.json").write_text("{")
    (first / "metrics.csv").write_text("?")
    second = smoke(*settings, "name=second", "stage.finetune.keep=last")
    assert f"pretrain: the same as that of light_curve_sdss/{first.name}, whose weights are taken" in caplog.messages
    (shared,) = (work / "neighbours" / "pretrained").iterdir()
    weights = shared / "checkpoints" / "pretrain.ckpt"
    weights.write_bytes(weights.read_bytes()[:1000])
    third = smoke(*settings, "name=third", "stage.finetune.max_epochs=2")
    left_alone = f"{shared} is left alone, and may be removed; the stage trains: these weights are damaged"
    assert any(line.startswith(left_alone) for line in caplog.messages)
    hashes = {weights_hash(run / "checkpoints" / "pretrain.ckpt") for run in (second, third)}
    assert len(hashes) == 1  # trained twice, by the same hash


def test_a_pre_training_that_cannot_be_shared_costs_no_result(
    tmp_path: Path, smoke: Smoke, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pretrained").touch()  # in the way
    folder = smoke("experiment=light_curve_sdss", f"runs={tmp_path}")
    assert any(line.startswith("pretrain: not kept for other runs: ") for line in caplog.messages)
    assert (folder / "result.json").exists()


def test_a_figure_that_fails_costs_no_result(
    work: Path, smoke: Smoke, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: Any) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(run_module, "draw_figures", fails)
    settings = ["experiment=light_curve_sdss", f"runs={work}/ink", "stage.pretrain.max_epochs=0", "figures=true"]
    folder = smoke(*settings)
    assert "the figures failed (no ink); all else is there" in caplog.messages
    assert (folder / "result.json").exists()


def test_a_failure_is_in_the_status_and_ends_the_page(
    work: Path, smoke: Smoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(Dashboard, "close", lambda self, failed: ended.append(failed))

    def fails(*arguments: Any) -> None:
        raise RuntimeError("a flaw of ours")

    monkeypatch.setattr(run_module, "evaluate", fails)
    settings = ["experiment=light_curve_sdss", f"runs={work}/flaw", "stage.pretrain.max_epochs=0"]
    with pytest.raises(RuntimeError, match="a flaw of ours"):
        smoke(*settings)
    (folder,) = (work / "flaw" / "light_curve_sdss").iterdir()
    status = read_json(folder / "status.json")
    assert (status["state"], status["error"]) == ("failed", "RuntimeError: a flaw of ours")
    assert ended == [True]
    monkeypatch.undo()
    smoke(*settings)
    assert read_json(folder / "status.json")["error"] is None
    (folder / "status.json").write_text((folder / "status.json").read_text().replace("finished", "running"))
    smoke(*settings)  # as if it had been killed after its result
    assert read_json(folder / "status.json")["state"] == "finished"


def test_damaged_weights_of_a_stopped_run_are_told(work: Path, smoke: Smoke) -> None:
    settings = ["experiment=light_curve_sdss", f"runs={work}/damaged", "stage.pretrain.max_epochs=0"]
    folder = smoke(*settings)
    result = (folder / "result.json").read_text()
    (folder / "result.json").unlink()
    path = folder / "checkpoints" / "finetune.ckpt"
    half = torch.load(path, weights_only=True)
    half["state_dict"] = {name: x.half() if x.is_floating_point() else x for name, x in half["state_dict"].items()}
    whole, last = path.read_bytes(), path.with_name("finetune-last.ckpt")
    for where in (path, last):  # of a finished stage, and of one that resumes
        path.unlink()
        torch.save(half, where)
        with refused(UsageError, "E-WEIGHTS-MISMATCH", "float16", "float32", where=where):
            smoke(*settings)
        where.unlink()
        path.write_bytes(whole)
    path.write_bytes(path.read_bytes()[:1000])
    with refused(UsageError, "E-WEIGHTS-DAMAGED", where=path):
        smoke(*settings)
    path.unlink()  # as it says
    smoke(*settings)
    assert (folder / "result.json").read_text() == result


def test_what_cannot_be_written_is_named(work: Path, smoke: Smoke) -> None:
    settings = ["experiment=light_curve_sdss", f"runs={work}/readonly", "stage.pretrain.max_epochs=0"]
    folder = smoke(*settings)
    (folder / "result.json").unlink()
    (folder / "metrics.csv").unlink()
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    (folder / "metrics.csv").mkdir()  # in the way, as a folder that one may not write in would be
    with refused(FileSystemError, "E-FILES-KIND", where=folder / "metrics.csv"):
        smoke(*settings)
    (folder / "metrics.csv").rmdir()
    (folder / "checkpoints").rmdir()
    (folder / "checkpoints").touch()
    with refused(FileSystemError, "E-FILES-KIND", where="/finetune-best.ckpt"):
        smoke(*settings)


def test_two_runs_in_one_folder_are_refused(finished: Path, smoke: Smoke) -> None:
    with folder_lock(finished), refused(FileSystemError, "E-FILES-LOCKED", where=finished):
        smoke("experiment=ict_sdss")
    assert smoke("experiment=ict_sdss") == finished


def test_never_resuming_begins_an_unfinished_stage_anew(
    work: Path, smoke: Smoke, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = [*places(work), f"runs={work}/anew", "experiment=light_curve_sdss", "stage.pretrain.max_epochs=2"]
    assert strike(tmp_path, "pretrain", 3, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    folder = smoke("resume=never", *arguments[len(places(work)) :])
    assert "pretrain: 17 objects, 2 training epochs" in caplog.messages
    with (folder / "metrics.csv").open(newline="") as file:
        assert [(row["stage"], row["epoch"]) for row in csv.DictReader(file)][:2] == [
            ("pretrain", "1"),
            ("pretrain", "2"),
        ]
