"""Masks of validation chips on a run's W&B page: they are there, and training goes on as it would without."""

from pathlib import Path

import pytest
import torch

from ictconvention.configuration.compose import compose_run
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.run_folder import RunFolder
from ictconvention.training.run import run
from tests.chips import write_chips

LEARN = [
    *("survey=path", "task=mask", "model=unet", "model.filters=2", "model.layers=2", "learner=supervised"),
    *("augmentation=quarter_turns", "profile=tiny", "fold=single", "stage.pretrain.max_epochs=3"),
]


@pytest.mark.slow
@pytest.mark.usefixtures("wandb_without_launch")
def test_chips_are_shown_while_a_run_trains_and_its_weights_are_those_without_a_page(tmp_path: Path) -> None:
    survey = write_chips(tmp_path / "chips", 60)
    words = [*LEARN, f"survey.path={survey.path}", f"runs={tmp_path}/runs"]
    page = run(compose_run([*words, "name=page", "logger=wandb", "logger.offline=true"]))
    plain = run(compose_run([*words, "name=plain", "figures=false"]))
    shown = sorted(page.glob("wandb/offline-run-*/files/media/images/pretrain/masks_*.png"))
    assert len(shown) == 3  # one of each training epoch, of so few
    first, second = (load_checkpoint(RunFolder(folder).last_weights())["state_dict"] for folder in (page, plain))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    drawn = {path.name for path in (page / "figures").glob("*.png")}
    assert {"chips.png", "shares.png", "pixel_confusion.png", "learning_curves.png"} <= drawn
