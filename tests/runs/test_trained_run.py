"""A finished run is read without its survey, and what is not one, or not of this version, is told in words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.applying.export import export
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs.trained_run import read_trained
from ictconvention.runs.warm_start import start_from
from ictconvention.training.retest import retest
from tests.refusals import refused


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
    known = run.calibration
    np.testing.assert_allclose(known.survey_prior, [names.count(name) / len(names) for name in run.spec.classes])
    drawn = np.array([4, 4, 5, 4]) / 17  # profile=tiny draws the classes alike
    np.testing.assert_allclose(known.training_prior, drawn)
    assert not run.learner.training


def test_it_needs_no_survey_and_no_place(copied: Path) -> None:
    assert read_trained(copied).hash == json.loads((copied / "status.json").read_text())["hashes"]["run"]


@pytest.mark.parametrize(
    ("file", "how", "kind", "place", "facts"),
    [
        ("result.json", lambda c: c["survey"].pop("pixel_scale"), "VERSION", "result.json", ["pixel_scale"]),
        ("result.json", lambda c: c.pop("survey"), "VERSION", "result.json", ["name, simulated, bands"]),
        ("result.json", lambda c: c.pop("temperature"), "DAMAGED", "", ["'temperature'"]),
        ("result.json", lambda c: c.update(temperature=float("nan")), "DAMAGED", "result.json", ["NaN"]),
        ("result.json", lambda c: c.update(temperature=0.0), "DAMAGED", "result.json", ["temperature", "0.0"]),
        ("result.json", lambda c: c.update(logit_shift=[0.1]), "DAMAGED", "", ["shift"]),
        (
            "result.json",
            lambda c: c["config"]["sequence"].update(max_frames=30),
            "EDITED",
            "config.yaml",
            ["sequence.max_frames"],
        ),
        ("split.json", lambda c: c["parts"]["finetune_train"].pop(), "EDITED", "split.json", []),
        ("split.json", lambda c: c.pop("parts"), "DAMAGED", "split.json", ["'parts'"]),
        ("status.json", lambda c: c.pop("hashes"), "DAMAGED", "", ["'hashes'"]),
    ],
)
def test_what_is_missing_is_told(
    copied: Path, file: str, how: Callable[[dict[str, Any]], object], kind: str, place: str, facts: list[str]
) -> None:
    change(copied / file, how)
    with refused(UsageError, f"E-RUN-{kind}", *facts, where=copied / place):
        read_trained(copied)


@pytest.mark.parametrize("kind", [torch.float16, torch.int64])
def test_converted_weights_are_refused_by_every_reader(
    copied: Path, finished: Path, work: Path, kind: torch.dtype
) -> None:
    path = copied / "checkpoints" / "finetune.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    state = checkpoint["state_dict"]
    checkpoint["state_dict"] = {name: x.to(kind) if x.is_floating_point() else x for name, x in state.items()}
    torch.save(checkpoint, path)
    options = compose_run(["mode=test", f"run={copied}", "survey=path", f"survey.path={work}/miniature"])
    learner = read_trained(finished).learner
    readers: list[Callable[[], object]] = [
        lambda: read_trained(copied),
        lambda: export(copied, copied.parent / "model.pt2"),
        lambda: retest(copied, options),
        lambda: start_from(learner, copied),
    ]
    for read in readers:
        with refused(UsageError, "E-WEIGHTS-MISMATCH", "float32", where=path):
            read()
