"""Gradients of several batches make one optimiser step: that of one large batch, also in a run that resumes."""

import csv
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.forked import Command, Strike
from tests.small_runs import Smoke, places, result_of

PLAIN = ["experiment=light_curve_sdss", "model.dropout=0", "trainer.precision=32-true"]  # and no batch norm


def test_two_batches_of_8_end_where_one_of_16_does(work: Path, smoke: Smoke, tmp_path: Path) -> None:
    survey = Survey.open(work / "miniature")
    drawn = make_split(survey.object_table())
    sixteen = {part: drawn.parts[part][:16] for part in ("pretrain_train", "finetune_train")}
    replace(drawn, parts={**drawn.parts, **sixteen}).save(tmp_path / "split.json")
    words = [*PLAIN, f"split={tmp_path}/split.json", "stage.pretrain.max_epochs=3", "stage.finetune.max_epochs=2"]
    words.append(f"runs={tmp_path}/runs")
    large, small, other = (
        smoke(*words, f"trainer.batch_size={batch}", f"trainer.accumulate={accumulate}")
        for batch, accumulate in ((16, 1), (8, 2), (8, 1))
    )
    steps, expected, more = ([row["step"] for row in rows_of(folder)] for folder in (small, large, other))
    assert steps == expected == ["1", "2", "3", "1", "2"]
    assert more == ["2", "4", "6", "2", "4"]
    assert len({folder.name for folder in (large, small, other)}) == 3
    ends, ours, others = (weights_of(folder) for folder in (large, small, other))
    assert all(torch.allclose(ends[name], x, rtol=1e-3, atol=1e-6) for name, x in ours.items())
    assert not all(torch.allclose(ends[name], x, rtol=1e-3, atol=1e-6) for name, x in others.items())
    tables = [pq.read_table(folder / "predictions.parquet") for folder in (large, small)]
    for name in survey.header.classes:
        first, second = (table[name].to_numpy() for table in tables)
        assert np.allclose(first, second, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_run_that_accumulates_resumes_to_the_same_weights(work: Path, smoke: Smoke, tmp_path: Path) -> None:
    """With a dropout, and a last step of the training epoch that has fewer objects."""
    words = [
        "experiment=convention_sdss",
        "trainer.batch_size=2",
        "trainer.accumulate=4",
        "stage.pretrain.max_epochs=2",
    ]
    whole = smoke(*words, f"runs={tmp_path}/whole")
    arguments = [*places(work), *words, f"runs={tmp_path}/killed"]
    ended = Command(tmp_path / "said", arguments, Strike("pretrain", 14, signal.SIGKILL)).wait()
    assert ended.returncode == -signal.SIGKILL
    killed = smoke(*words, f"runs={tmp_path}/killed")
    assert result_of(killed) == result_of(whole)
    assert (killed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    resumed = weights_of(killed)
    assert all(torch.equal(x, resumed[name]) for name, x in weights_of(whole).items())


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_checkpoint(folder / "checkpoints" / "finetune.ckpt")["state_dict"]
    return state
