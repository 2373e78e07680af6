"""A stage ends after some training epochs without a better one, and so does a run that was killed meanwhile."""

import csv
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs.checkpoints import load_checkpoint, weights_hash
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import find_kept
from ictconvention.training.patience import Patience
from tests.forked import Command, Strike
from tests.refusals import refused
from tests.small_runs import Smoke, places, read_json, result_of
from tests.training.test_nodes import run_both, torchrun

NOBODY: Any = None  # the learner, whom patience does not look at
# trained for so long that validation gets worse, and fast enough that it does so twice
LONG = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=30", "stage.finetune.max_epochs=0", "model.dropout=0"]
LONG += ["stage.pretrain.optimiser.learning_rate=0.02", "trainer.precision=32-true", "stage.pretrain.patience=4"]
AN_EPOCH = 2  # batches


def ended_after(curve: list[float], patience: int) -> int | None:
    """Return the training epoch, counted from 1, after which a stage with such losses ends early, if any."""
    callback = Patience("finetune", "finetune/val/loss_balanced", patience)
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision)
    trainer: Any = SimpleNamespace(should_stop=False, strategy=strategy, fast_dev_run=False, sanity_checking=False)
    trainer.state = SimpleNamespace(fn="fit")
    for epoch, loss in enumerate(curve):
        trainer.current_epoch, trainer.callback_metrics = epoch, {callback.monitor: torch.tensor(loss)}
        callback.on_train_epoch_end(trainer, NOBODY)
        if trainer.should_stop:
            return epoch + 1
    return None


def test_a_curve_ends_where_patience_does() -> None:
    curve = [5.0, 4.0, 4.5, 4.2, 3.9, 4.0, 3.9, 4.1, 1.0]  # an equal loss is not a better one
    assert [ended_after(curve, patience) for patience in (1, 2, 3, 4)] == [3, 4, 8, None]
    assert ended_after([2.0, float("nan"), 1.0, float("inf"), 3.0], 2) == 5  # what is no number is not better


@pytest.fixture(scope="module")
def whole(work: Path, smoke: Smoke) -> Path:
    return smoke(*LONG, f"runs={work}/patient")


def losses_of(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [float(row["pretrain/val/loss_balanced"]) for row in csv.DictReader(file)]


def test_a_run_ends_early_with_the_weights_of_its_best_training_epoch(whole: Path, work: Path) -> None:
    losses = losses_of(whole)
    assert len(losses) == int(np.argmin(losses)) + 1 + 4 < 30
    assert load_checkpoint(whole / "checkpoints" / "pretrain.ckpt")["epoch"] == int(np.argmin(losses))
    assert read_json(whole / "status.json")["epochs"] == {"pretrain": len(losses)}
    (kept,) = find_kept(RunFolder(whole).open_metrics(), RunFolder(whole).read_options(), "loss_balanced")
    assert (kept.epoch, kept.epochs, kept.value) == (int(np.argmin(losses)) + 1, len(losses), min(losses))
    (entry,) = group_runs(*find_runs(whole.parent)).entries()
    assert entry.passes == str(len(losses))


def test_the_training_epochs_before_the_end_are_those_of_a_run_without_patience(whole: Path, smoke: Smoke) -> None:
    """The cosine is that of max_epochs, whenever the stage ends."""
    losses = losses_of(whole)
    endless = smoke(*LONG[:-1], f"runs={whole.parent.parent.parent}/endless")
    assert endless.name != whole.name
    assert losses_of(endless)[: len(losses)] == losses
    assert len(losses_of(endless)) == 30


@pytest.mark.slow
@pytest.mark.parametrize("after", [-2, 0])
def test_a_run_killed_while_it_waits_ends_as_the_whole_one(
    after: int, whole: Path, work: Path, smoke: Smoke, tmp_path: Path
) -> None:
    """Killed within the window of patience, and in the test, after the training epoch that ended the stage."""
    arguments = [*places(work), *LONG, f"runs={tmp_path}/killed"]
    batches = (len(losses_of(whole)) + after) * AN_EPOCH
    strike = Strike("pretrain", batches, signal.SIGKILL) if after else Strike("test", 1, signal.SIGKILL)
    ended = Command(tmp_path / "said", arguments, strike).wait()
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    killed = smoke(*LONG, f"runs={tmp_path}/killed")
    assert killed.name == whole.name
    assert result_of(killed) == result_of(whole)
    assert (killed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    kept = [folder / "checkpoints" / "pretrain.ckpt" for folder in (killed, whole)]
    assert weights_hash(kept[0]) == weights_hash(kept[1])


def test_a_run_killed_before_its_ended_stage_was_kept_trains_no_further(
    whole: Path, smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had been killed between its last checkpoint and the end of the stage."""

    def killed(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("ictconvention.training.stage.take_weights", killed)
        smoke(*LONG, f"runs={tmp_path}/killed")
    (folder,) = (tmp_path / "killed" / "light_curve_sdss").iterdir()
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"pretrain-last.ckpt", "pretrain-best.ckpt"}
    assert smoke(*LONG, f"runs={tmp_path}/killed") == folder
    assert (folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    kept = [one / "checkpoints" / "pretrain.ckpt" for one in (folder, whole)]
    assert weights_hash(kept[0]) == weights_hash(kept[1])


def test_runs_that_share_a_pre_training_know_when_it_ended(smoke: Smoke, tmp_path: Path) -> None:
    words = [word for word in LONG if "finetune" not in word]
    folders = [smoke(*words, f"runs={tmp_path}/runs", f"name={name}") for name in ("first", "second")]
    epochs = [read_json(folder / "status.json")["epochs"] for folder in folders]
    assert epochs[0] == epochs[1]
    assert epochs[0]["pretrain"] < 30


@pytest.mark.slow
def test_two_processes_end_at_the_same_training_epoch(work: Path, tmp_path: Path) -> None:
    words = [*places(work), *LONG, f"runs={tmp_path}/both", "trainer.devices=2", "trainer.accumulate=2"]
    first, second = run_both(tmp_path, [*words, "trainer.batch_size=8"], torchrun, 2)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    (folder,) = (tmp_path / "both" / "light_curve_sdss").iterdir()
    losses = losses_of(folder)
    assert len(losses) == int(np.argmin(losses)) + 1 + 4 < 30


def test_patience_needs_a_best_training_epoch() -> None:
    with refused(UsageError, "E-CONFIG-VALUE", "stage.finetune.keep=best"):
        compose_run(["stage.finetune.patience=3", "stage.finetune.keep=last"])
    with refused(UsageError, "E-CONFIG-VALUE"):
        compose_run(["stage.finetune.patience=0"])
