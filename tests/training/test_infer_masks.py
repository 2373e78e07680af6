"""The logits of every pixel are reduced batch by batch, and never kept together."""

import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ictconvention.core.errors import UsageError
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.inputs.pictures import PictureInputs
from ictconvention.networks.masks.unet import UNet
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.survey.split_drawing import make_split
from ictconvention.tasks.mask.task import Masks
from ictconvention.training.infer import infer
from tests.chips import write_chips

Made = tuple[SeriesDataModule, Supervised]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    chips = write_chips(tmp_path_factory.mktemp("surveys") / "chips", 60)
    task = Masks.of_survey(chips)
    split = make_split(task.split_table(chips), protocol="single")
    labels, pixels = task.read_labels(chips), task.count_pixels(chips)
    data = SeriesDataModule(chips, split, "pretrain", batch_size=5, names=task.names, labels=labels, pixels=pixels)
    torch.manual_seed(0)
    network = UNet(3, bands=2, stamp_size=16, filters=4, layers=2)
    inputs = PictureInputs(Scaling("standardise", *data.scales("standardise")))
    return data, Supervised(network, inputs, data.spec, task=task)


def test_logits_that_are_reduced_are_freed_before_those_of_the_batch_after_the_next(made: Made) -> None:
    data, learner = made
    seen: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def reduce(logits: Tensor, batch: SeriesBatch) -> Mapping[str, Tensor]:
        alive.append(sum(ref() is not None for ref in seen))
        seen.append(weakref.ref(logits))
        return {"largest": logits.amax((2, 3))}

    kept = infer(learner, data.evaluation_loader("pretrain_train"), "32-true", "cpu", reduce=reduce)
    assert len(seen) > 4
    assert max(alive) <= 1
    assert kept.logits.shape == (len(kept.position), 0)
    assert kept.outputs.keys() == {"largest"}
    whole = infer(learner, data.evaluation_loader("pretrain_train"), "32-true", "cpu")
    assert whole.outputs is whole.logits
    np.testing.assert_allclose(kept.outputs["largest"], whole.logits.max((2, 3)), rtol=1e-6)


def test_what_is_kept_of_predictions_is_small(made: Made) -> None:
    data, learner = made
    objects = len(data.positions("test"))
    calibration = learner.task.calibrate(
        infer(
            learner,
            data.evaluation_loader("pretrain_validation"),
            "32-true",
            "cpu",
            reduce=learner.task.reduce_with(None, objects),
        ).outputs,
        np.zeros(0, np.int64),
        *data.class_shares(),
    )
    reduce = learner.task.reduce_with(calibration, objects)
    kept = infer(learner, data.evaluation_loader("test"), "32-true", "cpu", reduce=reduce).outputs
    assert {name: x.shape[1:] for name, x in kept.items()} == {
        **dict.fromkeys(("mean", "calibrated", "argmax"), (3,)),
        "confusion": (3, 3),
    }
    assert all(np.allclose(kept[name].sum(1), 1) for name in ("mean", "calibrated", "argmax"))


def test_a_logit_that_is_no_number_is_found_though_it_is_reduced(made: Made, tmp_path: Path) -> None:
    data, learner = made
    broken = UNet(3, bands=2, stamp_size=16, filters=4, layers=2)
    with torch.no_grad():
        broken.get_parameter("head.1.bias")[1] = torch.nan
    other = Supervised(broken, learner.inputs, data.spec, task=learner.task)
    with pytest.raises(UsageError) as caught:
        infer(other, data.evaluation_loader("test"), "32-true", "cpu", reduce=lambda logits, batch: {})
    assert caught.value.code == "E-NETWORK-NAN"
