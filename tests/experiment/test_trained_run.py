"""A finished run is read without its survey, and what is not one, or not of this version, is told in words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.errors import UsageError
from ictconvention.experiment.trained_run import read_trained


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def test_shares_are_those_of_the_last_training_part_and_of_its_loss(finished: Path) -> None:
    run = read_trained(finished)
    names = [run.split["classes"][id_] for id_ in run.split["parts"]["finetune_train"]]
    np.testing.assert_allclose(run.natural, [names.count(name) / len(names) for name in run.task.classes])
    np.testing.assert_allclose(run.trained, 0.25)  # profile=smoke draws the classes alike
    assert not run.learner.training


def test_it_needs_no_survey_and_no_place(copied: Path) -> None:
    assert read_trained(copied).hash == json.loads((copied / "status.json").read_text())["hashes"]["run"]


@pytest.mark.parametrize(
    ("file", "how", "found"),
    [
        ("result.json", lambda c: c["survey"].pop("pixel_scale"), "does not say the pixel_scale of its survey"),
        ("result.json", lambda c: c.pop("survey"), "does not say the name, simulated, bands"),
        ("result.json", lambda c: c.pop("temperature"), "damaged, or another version's"),
        ("split.json", lambda c: c.pop("parts"), "damaged, or another version's"),
        ("status.json", lambda c: c.pop("hashes"), "damaged, or another version's"),
    ],
)
def test_what_is_missing_is_told(copied: Path, file: str, how: Callable[[dict[str, Any]], object], found: str) -> None:
    change(copied / file, how)
    with pytest.raises(UsageError, match=found):
        read_trained(copied)
