"""A stage tells how it goes: a line and a row for each training epoch, and how long it will take where that is long."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ictconvention.configuration.run_groups import LoggerOptions
from ictconvention.runs.run_folder import RunFolder
from ictconvention.tasks.classes import Classes
from ictconvention.training.dashboard import Dashboard
from ictconvention.training.epoch_report import (
    PACED,
    REDRAWN,
    Bar,
    EpochReport,
    Records,
    describe_duration,
    progress_bars,
)
from ictconvention.training.lightning_noise import silence_lightning
from tests.small_runs import read_json

NOBODY: Any = None  # the learner, whom the journal does not look at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a clock that a test can set."""
    now = [0.0]
    monkeypatch.setattr("ictconvention.training.epoch_report.time.monotonic", lambda: now[0])
    return now


def kept(folder: Path, short: bool = False) -> EpochReport:
    run = RunFolder(folder)
    status = run.open_status()
    dashboard = Dashboard(LoggerOptions(), run, status, {}, [])
    return EpochReport("pretrain", 160, 40, short, Classes.headline, Records(run.open_metrics(), status, dashboard))


def trainer(**values: Any) -> Any:
    metrics = {"pretrain/train/loss": torch.tensor(1.5), "finetune/train/loss": torch.tensor(9.0)}
    scores = {"pretrain/val/balanced_accuracy": torch.tensor(0.5), "pretrain/val/f1_macro": torch.tensor(0.25)}
    usual = {"current_epoch": 0, "max_epochs": 5, "world_size": 1, "global_step": 10, "should_stop": False}
    return SimpleNamespace(**usual | {"callback_metrics": metrics | scores} | values)


def test_a_training_epoch_leaves_a_row_a_line_and_its_time(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    callback = kept(tmp_path)
    callback.on_train_epoch_start(trainer(), NOBODY)
    clock[0] = 20.0
    callback.on_train_epoch_end(trainer(current_epoch=1), NOBODY)
    row = {"pretrain/train/loss": 1.5, "pretrain/val/balanced_accuracy": 0.5, "pretrain/val/f1_macro": 0.25, "step": 10}
    assert callback.records.metrics.rows == {("pretrain", 2): row}
    assert read_json(tmp_path / "status.json")["seconds"] == {"pretrain": 20.0}
    left = 20 * (3 * 160 + 40) / 160
    assert caplog.messages == [
        "pretrain, training epoch 2 of 5: loss 1.500; validation: balanced accuracy 0.500, macro F1 0.250; "
        f"20 s, about {left:.0f} s of training left"
    ]


def test_the_class_shares_at_which_validation_is_scored_are_said(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    callback = kept(tmp_path)
    callback.shares = "equal class shares"
    callback.on_train_epoch_start(trainer(), NOBODY)
    callback.on_train_epoch_end(trainer(), NOBODY)
    assert "validation at equal class shares: balanced accuracy 0.500" in caplog.text


@pytest.mark.parametrize("alone", [False, True])
def test_the_cpu_time_is_kept_where_one_process_did_it_all(
    tmp_path: Path, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = iter([100.0, 138.0])
    monkeypatch.setattr("ictconvention.training.epoch_report.time.process_time", lambda: next(cores))
    callback = kept(tmp_path)
    callback.alone = alone
    callback.on_train_epoch_start(trainer(), NOBODY)
    callback.on_train_epoch_end(trainer(), NOBODY)
    assert read_json(tmp_path / "status.json")["core_seconds"] == ({"pretrain": 38.0} if alone else {})


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(("seconds", "long"), [(0.1, False), (60.0, True)])
def test_a_long_run_without_a_gpu_is_told_once_and_early(
    tmp_path: Path, clock: list[float], seconds: float, long: bool, short: bool, caplog: pytest.LogCaptureFixture
) -> None:
    callback = kept(tmp_path, short)
    for number in range(2 * PACED):
        clock[0] += seconds
        callback.on_train_batch_end(trainer(), NOBODY, None, [range(16)], number)
    left = 60 / 16 * (5 * 160 + 40)
    told = f"this takes about {describe_duration(left)} on this machine, which has no GPU"
    advice = "" if short else "; profile=laptop trains a narrow network on fewer frames in minutes"
    assert caplog.messages == [told + advice] * long


def test_with_a_gpu_nothing_is_said(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    callback = kept(tmp_path)
    for number in range(2 * PACED):
        clock[0] += 60
        callback.on_train_batch_end(trainer(), NOBODY, None, [range(16)], number)
    assert not caplog.messages


def test_bars_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not progress_bars()
    monkeypatch.setattr("ictconvention.training.epoch_report.sys.stdout", SimpleNamespace(isatty=lambda: True))
    (bar,) = progress_bars()
    assert isinstance(bar, Bar)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not progress_bars()


def test_the_bar_waits_for_its_device_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is `meta`, whose numbers nobody can read."""
    monkeypatch.setattr("ictconvention.training.epoch_report.RichProgressBar.on_train_batch_end", lambda *given: None)
    bar, loss = Bar(), {"loss": torch.zeros((), device="meta")}
    for number in range(1, REDRAWN):
        bar.on_train_batch_end(NOBODY, NOBODY, loss, None, number)
        assert bar.get_metrics(trainer(training=True), NOBODY) == {"loss": 0.0}
    with pytest.raises(RuntimeError):
        bar.on_train_batch_end(NOBODY, NOBODY, loss, None, REDRAWN)


def test_the_bar_shows_the_running_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ictconvention.training.epoch_report.RichProgressBar.on_train_batch_end", lambda *given: None)
    bar = Bar()
    for number, loss in enumerate((2.0, 4.0, 9.0)):
        bar.on_train_batch_end(NOBODY, NOBODY, {"loss": torch.tensor(loss)}, None, number)
    assert bar.get_metrics(trainer(training=True), NOBODY) == {"loss": 5.0}


def test_durations() -> None:
    assert [describe_duration(x) for x in (0.4, 99, 100, 5940, 6000, 90000)] == [
        "0 s",
        "99 s",
        "2 min",
        "99 min",
        "1 h 40 min",
        "25 h 0 min",
    ]


def test_a_warning_is_told_without_the_line_of_code_and_harmless_ones_not_at_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with silence_lightning(), warnings.catch_warnings():
        warnings.filterwarnings("default", message="the projections")
        warnings.warn("the projections have collapsed", stacklevel=1)
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        warnings.warn("The 'train_dataloader' does not have many workers", stacklevel=1)
    assert capsys.readouterr().err == "warning: the projections have collapsed\n"


def test_a_failure_ends_the_other_processes(tmp_path: Path) -> None:
    ended: list[int] = []
    processes = [SimpleNamespace(kill=lambda n=n: ended.append(n)) for n in (1, 2)]
    failed = trainer(strategy=SimpleNamespace(launcher=SimpleNamespace(procs=processes)))
    kept(tmp_path).on_exception(failed, NOBODY, OSError())
    assert ended == [1, 2]
    kept(tmp_path).on_exception(trainer(strategy=SimpleNamespace(launcher=None)), NOBODY, OSError())
