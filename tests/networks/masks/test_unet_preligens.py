"""The benchmark's U-Net: its published count and layers, its sizes, and that what is seen moves with the picture."""

import pytest
import torch
from torch import nn

from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.masks.unet_preligens import PreligensOptions, PreligensUNet
from tests.networks.conftest import parameters, random_statistics


@pytest.mark.parametrize("size", [64, 256])
def test_published_parameter_count(size: int) -> None:
    with torch.device("meta"):
        assert parameters(PreligensUNet(10, stamp_size=size)) == 984_234


def test_every_convolution_but_the_first_has_a_norm_before_it() -> None:
    model = PreligensUNet(10, width=0.125)
    layers = [one for one in model.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d)]
    kinds = [isinstance(one, nn.BatchNorm2d) for one in layers]
    assert kinds == [False, *[True, False] * 19, False]  # the last is the head
    assert {one.kernel_size for one in layers[:-1] if not isinstance(one, nn.BatchNorm2d)} == {(3, 3)}


@pytest.mark.parametrize("size", [64, 256])
def test_a_picture_becomes_a_logit_of_each_class_for_each_pixel(size: int) -> None:
    options = PreligensOptions(kind="unet_preligens", width=0.125)
    model = PreligensUNet.make(options, InputShape(("B", "G", "R", "NIR"), size)).eval()
    model.head = model.make_head(10, options)
    pictures, present = torch.randn(1, 4, size, size), torch.ones(1, 4, dtype=torch.bool)
    assert model(pictures, present).shape == (1, 10, size, size)
    assert model.encode(pictures, present)[-1].shape == (1, 8, size // 8, size // 8)


def test_a_shift_by_what_one_deepest_cell_covers_shifts_the_mask() -> None:
    """Away from the edges, whose padding does not shift: what a pixel of the mask sees is within 72 pixels of it."""
    model, step, edge = PreligensUNet(5, bands=2, stamp_size=192, width=0.0625).eval(), 8, 72
    random_statistics(model)
    pictures, present = torch.randn(1, 2, 192, 192), torch.ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        found = model(pictures, present)
        moved = model(pictures.roll((step, -step), (2, 3)), present).roll((-step, step), (2, 3))
        by_less = model(pictures.roll(1, 2), present).roll(-1, 2)
    inner = (..., slice(edge + step, -edge - step), slice(edge + step, -edge - step))
    torch.testing.assert_close(moved[inner], found[inner])
    assert (by_less[inner] - found[inner]).abs().max() > 0.01


def test_pictures_that_cannot_be_halved_three_times_are_refused_with_sizes_that_fit() -> None:
    options = PreligensOptions(kind="unet_preligens")
    for build in (
        lambda: PreligensUNet(stamp_size=60),
        lambda: PreligensUNet.check_pixels(options, 1, (60, 10.0)),
    ):
        with pytest.raises(ValueError, match=r"60 pixels.*take pictures of 56 or 64 pixels"):
            build()
