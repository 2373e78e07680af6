"""What a run of masks cannot have is refused before it begins, with the key that is wrong."""

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError

FITTING = ["task=mask", "model=unet", "augmentation=quarter_turns", "imbalance=none", "sequence.select=nights"]


def options(*overrides: str) -> RunOptions:
    return compose_run([*FITTING, *overrides])


def test_masks_fit_a_network_of_masks_and_exact_turns() -> None:
    assert options().task.kind == "mask"
    assert options("learner=ict", "learner.consistency_on=probabilities", "learner.unlabelled=true").learner.unlabelled
    assert options("task.shares=direct", "learner=ict").learner.kind == "ict"


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["model=resnet18"], "model.kind"),
        (["augmentation.rotation=15"], "augmentation"),
        (["augmentation.shift=2"], "augmentation"),
        (["pixels.channels=direct+residual"], "model"),
        (["learner.flux=0.1"], "learner.flux"),
        (["learner=ict"], "learner.consistency_on"),
        (["task.shares=direct", "imbalance.weighting=1.0"], "imbalance.weighting"),
        (["task.shares=direct", "imbalance.focal=2.0"], "imbalance.focal"),
        (["task.shares=direct", "task.estimate=argmax"], "task"),
        (["task.share_weight=2.0"], "task"),
    ],
)
def test_what_does_not_fit_masks_is_refused(overrides: list[str], key: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(*overrides)
    assert caught.value.code in ("E-CONFIG-CONFLICT", "E-CONFIG-VALUE")
    assert str(caught.value.where).startswith(key)


def test_the_networks_that_give_masks_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        options("model=resnet18")
    assert "model=unet" in caught.value.fix
