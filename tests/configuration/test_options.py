"""The options of a run: the configuration has exactly their keys, and values that make no sense are refused."""

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest

from ictconvention.configuration.compose import compose_run, read_group
from ictconvention.configuration.composing.folders import config_folder
from ictconvention.configuration.learner_options import ICTOptions, LearnerOptions
from ictconvention.configuration.options import Augmentation, Imbalance, OptimiserOptions, SequenceOptions, ViewOptions
from ictconvention.configuration.stages import parts_of, validation_chooses

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
        (Augmentation, {"keep": 0.0}, "keep\n  .*greater than 0"),
        (Augmentation, {"window": 1.5}, "window\n  .*less than or equal to 1"),
        (Augmentation, {"rotation": -1.0}, "rotation\n  .*greater than or equal to 0"),
        (Augmentation, {"rotation": 181.0}, "rotation\n  .*less than or equal to 180"),
        (Augmentation, {"flip": False}, "flip\n  Unexpected keyword argument"),
        (Augmentation, {"keep": "0.5"}, "keep\n  .*a valid number"),
        (Imbalance, {"sampling": 1.5}, "sampling\n  .*less than or equal to 1"),
        (Imbalance, {"weighting": -0.5}, "weighting\n  .*greater than or equal to 0"),
        (Imbalance, {"focal": -1.0}, "focal\n  .*greater than or equal to 0"),
        (SequenceOptions, {"max_frames": 50}, "not a multiple of frames_per_group 3"),
        (SequenceOptions, {"max_frames": 0}, "max_frames\n  .*greater than 0"),
        (SequenceOptions, {"frames_per_group": 0}, "frames_per_group\n  .*greater than 0"),
        (SequenceOptions, {"select": "days"}, "select\n  .*'frames' or 'nights'"),
        (ViewOptions, {"count": 1, "online_frames": 6}, "take one view, or two"),
        (ViewOptions, {"count": 2, "target_share": 0.5}, "without online_frames"),
        (ViewOptions, {"count": 3}, "count\n  .*1 or 2"),
        (ViewOptions, {"count": 2, "online_frames": 0}, "online_frames.*\n  .*greater than 0"),
        (ViewOptions, {"count": 2, "online_frames": "half"}, "online_frames.*\n(.*\n)*.*'third'"),
        (OptimiserOptions, {"learning_rate": 0.0}, "learning_rate\n  .*greater than 0"),
        (OptimiserOptions, {"learning_rate": float("inf")}, "learning_rate\n  .*finite"),
        (OptimiserOptions, {"weight_decay": -1.0}, "weight_decay\n  .*greater than or equal to 0"),
        (OptimiserOptions, {"warm_up": 1.0}, "warm_up\n  .*less than 1"),
        (OptimiserOptions, {"clip": 0.0}, "clip\n  .*greater than 0"),
        (ICTOptions, {"tau": 2.0}, "tau\n  .*less than or equal to 1"),
        (ICTOptions, {"tau": float("nan")}, "tau\n  .*finite"),
        (ICTOptions, {"consistency": -1.0}, "consistency\n  .*greater than or equal to 0"),
        (ICTOptions, {"variance": float("nan")}, "variance\n  .*finite"),
        (ICTOptions, {"classification": -1.0}, "classification\n  .*greater than or equal to 0"),
        (
            ICTOptions,
            {"consistency_on": "probs"},
            "consistency_on\n  .*or 'class_mates'",
        ),
        (ICTOptions, {"target_norms": "runing"}, "target_norms\n  .*'batch' or 'running'"),
        (ICTOptions, {"consistency": 0.0, "predictor": True}, "nothing projects"),
        (ICTOptions, {"consistency_on": "probabilities", "variance": 1.0}, "nothing projects"),
        (ICTOptions, {"consistency": 0.0, "unlabelled": True}, "set learner.consistency above 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(kind: type[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options)
    with pytest.raises(ValueError, match=message):
        replace(kind(), **options)


def test_a_mistake_is_told_before_anything_heavy_is_imported() -> None:
    code = "import sys, ictconvention.configuration.options; print({'torch', 'lightning', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("unlabelled", "epochs", "parts"),
    [
        (False, (1, 1), ["pretrain_train", "pretrain_validation", "finetune_train", "finetune_validation"]),
        (True, (1, 0), ["pretrain_train", "pretrain_validation", "pretrain_unlabelled"]),
        (True, (0, 1), ["finetune_train", "finetune_validation"]),
    ],
)
def test_the_parts_that_a_run_sees_are_those_of_its_stages(
    unlabelled: bool, epochs: tuple[int, int], parts: list[str]
) -> None:
    """An object that no stage was shown may be scored, an unlabelled one too."""
    words = [f"learner.unlabelled={unlabelled}", f"stage.pretrain.max_epochs={epochs[0]}"]
    options = compose_run(["experiment=ict_sdss", *words, f"stage.finetune.max_epochs={epochs[1]}"])
    assert parts_of(options) == parts


@pytest.mark.parametrize(
    ("words", "chooses"),
    [
        ([], True),
        (["stage.finetune.keep=last"], False),
        (["stage.pretrain.keep=last"], True),
        (["fold=single", "stage.finetune.max_epochs=0", "stage.pretrain.keep=last"], False),
        (["fold=single", "stage.finetune.keep=last"], True),  # both stages have the same validation part
    ],
)
def test_whether_the_last_validation_part_has_chosen_an_epoch_follows_from_the_stages(
    words: list[str], chooses: bool
) -> None:
    assert validation_chooses(compose_run(["experiment=ict_sdss", *words])) == chooses
