"""The options of a run: the configuration has exactly their keys, and values that make no sense are refused."""

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from ictconvention.experiment.config import read_group
from ictconvention.experiment.overrides import config_folder
from ictconvention.experiment.schema import LearnerOptions
from ictconvention.options import (
    Augmentation,
    ICTOptions,
    Imbalance,
    OptimiserOptions,
    SequenceOptions,
    ViewOptions,
)

GROUPS = {"augmentation": Augmentation, "imbalance": Imbalance, "learner": LearnerOptions}
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((config_folder() / group).glob("*.yaml"))]
CHOICES.remove(("learner", "supervised"))  # it has none of ICT's keys


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_of_the_configuration_names_every_key_of_its_group(group: str, choice: str) -> None:
    content = read_group(group, choice)
    assert set(content) == {field.name for field in fields(GROUPS[group])}
    GROUPS[group](**content)


def test_the_papers_choices_are_the_defaults() -> None:
    assert Augmentation(**read_group("augmentation", "paper")) == Augmentation()
    assert LearnerOptions(**read_group("learner", "ict")) == LearnerOptions()
    assert Imbalance(**read_group("imbalance", "none")) == Imbalance()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Augmentation, {"keep": 0.0}, "shares above 0"),
        (Augmentation, {"window": 1.5}, "up to 1"),
        (Augmentation, {"rotation": -1.0}, "a rotation from 0 to 180"),
        (Imbalance, {"sampling": 1.5}, "exponents from 0 to 1"),
        (Imbalance, {"focal": -1.0}, "focal from 0"),
        (SequenceOptions, {"max_frames": 50}, "no multiple of frames_per_group 3"),
        (SequenceOptions, {"select": "days"}, "take 'frames' or 'nights'"),
        (ViewOptions, {"count": 1, "online_frames": 6}, "take one view, or two"),
        (ViewOptions, {"count": 3}, "take one view, or two"),
        (OptimiserOptions, {"learning_rate": 0.0}, "take positive rates"),
        (OptimiserOptions, {"weight_decay": -1.0}, "take positive rates"),
        (OptimiserOptions, {"warm_up": 1.0}, "take positive rates"),
        (OptimiserOptions, {"clip": 0.0}, "take positive rates"),
        (ICTOptions, {"tau": 2.0}, r"learner.tau is 2.0; take a weight from 0 to 1 \(paper: 0.99\)"),
        (ICTOptions, {"tau": float("nan")}, "learner.tau is nan"),
        (ICTOptions, {"consistency": -1.0}, "are weights from 0"),
        (ICTOptions, {"variance": float("nan")}, "are weights from 0"),
        (ICTOptions, {"classification": 0.0}, "nothing else trains what predicts"),
        (ICTOptions, {"consistency_on": "probs"}, "take 'projection' or 'probabilities'"),
        (ICTOptions, {"target_norms": "runing"}, "target_norms is 'runing'; take 'batch' or 'running'"),
        (ViewOptions, {"count": 2, "online_frames": 0}, "online_frames is 0; take at least 1"),
        (ICTOptions, {"consistency": 0.0, "predictor": True}, "nothing projects"),
        (ICTOptions, {"consistency_on": "probabilities", "variance": 1.0}, "nothing projects"),
        (ICTOptions, {"consistency": 0.0, "unlabelled": True}, "set learner.consistency above 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(kind: type[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options)


def test_a_mistake_is_told_before_anything_heavy_is_imported() -> None:
    code = "import sys, ictconvention.options; print({'torch', 'lightning', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
