"""The U-Net: the published counts, its sizes, and that what is seen moves with the picture."""

from typing import Any

import pytest
import torch
from torch import nn

from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.masks.unet import UNet, UNetOptions
from tests.networks.conftest import parameters, random_statistics


@pytest.mark.parametrize(
    ("filters", "layers", "count"), [(64, 8, 31_044_682), (24, 8, 4_370_722), (64, 4, 1_866_570), (6, 8, 274_696)]
)
def test_published_parameter_counts(filters: int, layers: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(UNet(10, filters=filters, layers=layers)) == count


def test_with_running_statistics_the_published_network_has_31_million_numbers() -> None:
    with torch.device("meta"):
        state = UNet(10).state_dict()
    assert sum(value.numel() for name, value in state.items() if "num_batches" not in name) == 31_056_458


def test_a_block_is_twice_a_convolution_a_norm_and_a_relu() -> None:
    model = UNet(filters=2, layers=4)
    blocks = [block for part in (model.encoder, model.decoder) for block in part.get_submodule("blocks").children()]
    assert len(blocks) == 3 + 2
    for block in blocks:
        assert [type(layer) for layer in block.children()] == 2 * [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("size", [64, 256])
def test_a_picture_becomes_a_logit_of_each_class_for_each_pixel(size: int) -> None:
    options = UNetOptions(kind="unet", filters=2)
    model = UNet.make(options, InputShape(("B", "G", "R", "NIR"), size)).eval()
    model.head = model.make_head(10, options)
    pictures, present = torch.randn(1, 4, size, size), torch.ones(1, 4, dtype=torch.bool)
    assert model(pictures, present).shape == (1, 10, size, size)
    assert model.features(pictures, present).shape == (1, model.feature_size) == (1, 32)


def test_a_shift_by_what_one_deepest_cell_covers_shifts_the_mask() -> None:
    """Away from the edges, whose padding does not shift: what a pixel of the mask sees is within 24 pixels of it."""
    model, step, edge = UNet(5, bands=2, stamp_size=64, filters=4, layers=4).eval(), 4, 24
    random_statistics(model)
    pictures, present = torch.randn(2, 2, 64, 64), torch.ones(2, 2, dtype=torch.bool)
    with torch.no_grad():
        found = model(pictures, present)
        moved = model(pictures.roll((step, -step), (2, 3)), present).roll((-step, step), (2, 3))
        by_less = model(pictures.roll(1, 2), present).roll(-1, 2)
    inner = (..., slice(edge + step, -edge - step), slice(edge + step, -edge - step))
    torch.testing.assert_close(moved[inner], found[inner])
    assert (by_less[inner] - found[inner]).abs().max() > 0.01


@pytest.mark.parametrize(("size", "fitting"), [(72, "64 or 80"), (8, "16"), (100, "96 or 112")])
def test_pictures_that_cannot_be_halved_so_often_are_refused_with_sizes_that_fit(size: int, fitting: str) -> None:
    for build in (lambda: UNet(stamp_size=size), lambda: UNet.check_pixels(options(), 1, (size, 10.0))):
        with pytest.raises(ValueError, match=rf"{size} pixels.*take pictures of {fitting} pixels"):
            build()


def test_an_odd_number_of_layers_is_refused_before_a_survey_is_known() -> None:
    with pytest.raises(ValueError, match="take 6 or 8"):
        UNet.check_pixels(options(layers=7), 1)


def options(**given: Any) -> UNetOptions:
    return UNetOptions(kind="unet", **given)
