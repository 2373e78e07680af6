"""Masks go the whole way: trained, tested, scored again from the predictions, killed and resumed, without labels."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.schema import RunOptions
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.run_folder import RunFolder
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.chips import CLASSES, write_chips
from tests.training.test_stopped_run import same, strike

Train = Callable[..., Path]
pytestmark = pytest.mark.slow


def places(folder: Path, survey: str = "chips") -> list[str]:
    """Return the overrides of a run of a second on chips."""
    return [
        *("task=mask", "model=unet", "model.filters=4", "model.layers=4", "pixels.scaling=standardise"),
        *("survey=path", f"survey.path={folder / survey}", f"runs={folder / 'runs'}", "figures=false"),
        *("sequence.select=nights", "augmentation=quarter_turns", "imbalance=none", "trainer.batch_size=16"),
        *("stage.pretrain.max_epochs=2", "stage.finetune.max_epochs=2", "trainer.precision=32-true"),
        "stage.pretrain.optimiser.learning_rate=1e-2",
    ]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    write_chips(folder / "chips", 120)
    return folder


@pytest.fixture(scope="module")
def train(work: Path) -> Train:
    def trained(*overrides: str, survey: str = "chips") -> Path:
        words = [*places(work, survey), *overrides]
        return run(compose_run(words), words)

    return trained


def result_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def scored_again(folder: Path) -> dict[str, Any]:
    """Return the scores of the predictions in the plainest way."""
    table = pq.read_table(folder / "predictions.parquet").to_pydict()

    def columns(before: str) -> np.ndarray[Any, Any]:
        return np.array([table[f"{before}{name}"] for name in CLASSES]).T + 1e-7

    known = columns("known_")
    shares = {"kl": "share_", **{f"kl_{one}": f"share_{one}_" for one in ("argmax", "mean", "calibrated")}}
    found = {
        name: np.mean((known * np.log(known / columns(before))).sum(1))
        for name, before in shares.items()
        if f"{before}{CLASSES[0]}" in table
    }
    if "confusion" not in table:
        return found
    counts = np.sum(table["confusion"], axis=0).reshape(3, 3)
    right = np.diag(counts)
    overlap = right / (counts.sum(0) + counts.sum(1) - right)
    return found | {"iou": overlap, "miou": overlap.mean(), "accuracy": right.sum() / counts.sum(), "counts": counts}


@pytest.mark.parametrize("shares", ["mask", "direct", "both"])
def test_a_result_has_the_scores_of_its_predictions(train: Train, shares: str) -> None:
    folder = train(f"task.shares={shares}", "stage.finetune.max_epochs=0", "fold=single")
    result, again = result_of(folder)["test"], scored_again(folder)
    for name in ("kl", "kl_mean", "kl_calibrated", *(["kl_argmax"] if shares != "direct" else [])):
        assert result["share_scores"][name] == pytest.approx(again[name], abs=1e-9), name
    assert result["share_scores"]["kl"] == result["share_scores"]["kl_calibrated"]
    if shares == "direct":
        assert result["share_scores"]["kl_argmax"] is None
        assert result.keys() == {"objects", "share_scores"}
    else:
        assert result["pixel_confusion"] == again["counts"].tolist()
        for name in ("miou", "accuracy"):
            assert result["pixel_scores"][name] == pytest.approx(again[name], abs=1e-12)
        assert [result["pixel_scores"]["iou"][name] for name in CLASSES] == pytest.approx(again["iou"].tolist())
    assert len(RunFolder(folder).read_predictions().ids) == result["objects"]
    retested = retest(folder, RunOptions())["test"]
    assert retested["share_scores"]["kl"] == pytest.approx(result["share_scores"]["kl"], abs=1e-6)


def test_a_network_learns_masks(train: Train) -> None:
    folder = train("stage.pretrain.max_epochs=6", "augmentation=none")
    assert result_of(folder)["test"]["pixel_scores"]["accuracy"] > 0.75


def test_a_killed_run_ends_as_the_whole_one(work: Path, train: Train, tmp_path: Path) -> None:
    whole = train("task.shares=both", f"runs={work}/whole")
    words = [*places(work), "task.shares=both", f"runs={work}/killed"]
    ended = strike(tmp_path, "pretrain", 4, signal.SIGKILL, *words)
    assert ended.returncode == -signal.SIGKILL, ended
    same(whole, train("task.shares=both", f"runs={work}/killed"))


def test_chips_without_masks_change_what_ict_learns_and_not_what_supervised_learning_does(
    work: Path, train: Train
) -> None:
    write_chips(work / "more", 120, unlabelled=24)
    ict = ["learner=ict", "learner.consistency_on=probabilities", "stage.finetune.max_epochs=0", "fold=single"]

    def weights(*overrides: str, survey: str) -> dict[str, torch.Tensor]:
        folder = train(*overrides, f"runs={work}/{survey}", survey=survey)
        state: dict[str, torch.Tensor] = load_checkpoint(folder / "checkpoints" / "pretrain.ckpt")["state_dict"]
        return {name: value for name, value in state.items() if name.startswith("network.")}

    def differ(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
        return any(not torch.equal(value, second[name]) for name, value in first.items())

    plain = ["stage.finetune.max_epochs=0", "fold=single"]
    assert not differ(*(weights(*plain, survey=survey) for survey in ("chips", "more")))
    without, with_them = (
        weights(*ict, f"learner.unlabelled={unlabelled}", survey="more") for unlabelled in ("false", "true")
    )
    assert differ(without, with_them)
