"""The records of a run are whole at any moment, and a training epoch that is repeated replaces its row."""

import csv
from pathlib import Path
from typing import Any

import pytest

from ictconvention.configuration.run_groups import StageOptions, StagesOptions
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs.status import KeptEpoch, MetricsTable, Status, describe_kept, find_kept
from tests.refusals import refused
from tests.small_runs import read_json


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_go_on_behind_those_of_the_killed_run(tmp_path: Path) -> None:
    killed = MetricsTable(tmp_path / "metrics.csv")
    killed.add("pretrain", 1, {"pretrain/train/loss": 2.0})
    killed.add("pretrain", 2, {"pretrain/train/loss": 1.5})
    again = MetricsTable(tmp_path / "metrics.csv")
    again.add("pretrain", 2, {"pretrain/train/loss": 1.25})
    again.add("finetune", 1, {"finetune/val/f1_macro": 0.1 + 0.2})
    assert rows(tmp_path / "metrics.csv") == [
        {"stage": "pretrain", "epoch": "1", "pretrain/train/loss": "2.0", "finetune/val/f1_macro": ""},
        {"stage": "pretrain", "epoch": "2", "pretrain/train/loss": "1.25", "finetune/val/f1_macro": ""},
        {"stage": "finetune", "epoch": "1", "pretrain/train/loss": "", "finetune/val/f1_macro": repr(0.1 + 0.2)},
    ]


def test_a_stage_that_another_run_has_trained_brings_its_rows(tmp_path: Path) -> None:
    other, own = MetricsTable(tmp_path / "other.csv"), MetricsTable(tmp_path / "own.csv")
    other.add("pretrain", 1, {"pretrain/train/loss": 2.0})
    other.add("finetune", 1, {"finetune/train/loss": 1.0})
    own.take(other, "pretrain")
    assert [(row["stage"], row["pretrain/train/loss"]) for row in rows(tmp_path / "own.csv")] == [("pretrain", "2.0")]


def test_seconds_of_a_stage_add_up_over_a_kill(tmp_path: Path) -> None:
    Status(tmp_path / "status.json").end_epoch("pretrain", 1, 10.0)
    again = Status(tmp_path / "status.json")
    again.end_epoch("pretrain", 2, 5.0)
    again.end_epoch("finetune", 1, 3.0)
    again.set(state="finished")
    content = read_json(tmp_path / "status.json")
    assert content["seconds"] == {"pretrain": 15.0, "finetune": 3.0}
    assert content["epochs"] == {"pretrain": 2, "finetune": 1}
    assert (content["state"], content["stage"]) == ("finished", "finetune")
    again.end_epoch("pretrain", 1, 1.0)  # the stage began anew
    assert read_json(tmp_path / "status.json")["seconds"]["pretrain"] == 1.0


def test_core_seconds_add_up_where_every_training_epoch_has_them(tmp_path: Path) -> None:
    status = Status(tmp_path / "status.json")
    status.end_epoch("pretrain", 1, 10.0, 18.0)
    again = Status(tmp_path / "status.json")
    again.end_epoch("pretrain", 2, 5.0, 9.0)
    again.end_epoch("finetune", 1, 3.0)  # by several processes, say
    again.end_epoch("finetune", 2, 3.0, 4.0)  # what the first took is not known
    assert read_json(tmp_path / "status.json")["core_seconds"] == {"pretrain": 27.0}
    again.end_epoch("finetune", 1, 3.0, 4.0)  # the stage began anew
    assert read_json(tmp_path / "status.json")["core_seconds"] == {"pretrain": 27.0, "finetune": 4.0}
    again.end_epoch("pretrain", 1, 3.0)  # anew, elsewhere: nothing of before counts
    again.end_epoch("pretrain", 2, 3.0, 9.0)
    assert read_json(tmp_path / "status.json")["core_seconds"] == {"finetune": 4.0}


@pytest.mark.parametrize("text", ["", "[1]", "{'a': 1}"])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    with refused(UsageError, "E-RUN-DAMAGED") as caught:
        Status(tmp_path / "status.json")
    assert caught.value.where == tmp_path / "status.json"


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "stage,epoch\npretrain,first\n"])
def test_a_table_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path / "metrics.csv"):
        MetricsTable(tmp_path / "metrics.csv")


def kept_of(path: Path, losses: dict[str, list[float]], **keep: Any) -> list[KeptEpoch]:
    metrics = MetricsTable(path / "metrics.csv")
    for stage, course in losses.items():
        for epoch, loss in enumerate(course, 1):
            metrics.add(stage, epoch, {f"{stage}/val/loss_balanced": loss})
    stages = {stage: StageOptions(max_epochs=99, keep=keep.get(stage, "best")) for stage in ("pretrain", "finetune")}
    return find_kept(MetricsTable(path / "metrics.csv"), RunOptions(stage=StagesOptions(**stages)), "loss_balanced")


def test_the_kept_training_epoch_of_each_stage_is_the_first_of_the_lowest_losses(tmp_path: Path) -> None:
    kept = kept_of(tmp_path, {"pretrain": [0.5, float("nan"), 0.25, 0.25], "finetune": [0.1, 0.2]})
    assert kept == [
        KeptEpoch("pretrain", 3, 4, "val/loss_balanced", 0.25),
        KeptEpoch("finetune", 1, 2, "val/loss_balanced", 0.1),
    ]
    said = describe_kept(kept)
    for word in ("pretrain, training epoch 3 of 4", "val/loss_balanced (0.250)", "training epoch 1 of 2", "(0.100)"):
        assert word in said


def test_a_stage_that_keeps_the_last_names_no_metric(tmp_path: Path) -> None:
    kept = kept_of(tmp_path, {"pretrain": [0.1, 0.2, 0.3], "finetune": [0.1]}, pretrain="last")
    assert kept[0] == KeptEpoch("pretrain", 3, 3)
    assert "val/" not in str(kept[0])


def test_nothing_is_said_of_a_stage_whose_first_metrics_were_lost(tmp_path: Path) -> None:
    assert [one.stage for one in kept_of(tmp_path, {"pretrain": [0.3, 0.2], "finetune": [0.2, 0.1]})] == [
        "pretrain",
        "finetune",
    ]
    metrics = MetricsTable(tmp_path / "metrics.csv")
    del metrics.rows["pretrain", 1]
    assert [one.stage for one in find_kept(metrics, RunOptions(), "loss_balanced")] == ["finetune"]
