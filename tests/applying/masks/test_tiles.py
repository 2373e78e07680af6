"""Tiles of a scene: every pixel once, no step where tiles meet, and one pass of the network where its reach allows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ictconvention.applying.masks.tiles import Tiling, infer_strips
from ictconvention.networks.masks.unet import UNet

Array = NDArray[np.float32]


def outputs_of(scene: Array, tiling: Tiling, network: torch.nn.Module, batch_size: int = 7) -> Array:
    """Return the outputs (outputs, H, W) of a scene (bands, H, W) by tiles."""

    def read(top: int, left: int, rows: int, columns: int) -> Array:
        return scene[:, top : top + rows, left : left + columns]

    strips = infer_strips(scene.shape[1:], read, lambda tiles: one_pass(network, tiles), tiling, batch_size)
    tops, parts = zip(*strips, strict=True)
    assert list(tops) == np.cumsum([0, *(part.shape[1] for part in parts)])[:-1].tolist()
    return np.concatenate(parts, axis=1)


@torch.no_grad()
def one_pass(network: torch.nn.Module, pictures: Array) -> Array:
    present = torch.ones(len(pictures), pictures.shape[1], dtype=torch.bool)
    return np.asarray(network(torch.from_numpy(np.ascontiguousarray(pictures)), present))


def unet(size: int, layers: int) -> UNet:
    """Return a U-Net with the same weights, and norms that do something, at any size."""
    torch.manual_seed(layers)
    network = UNet(classes=5, bands=4, stamp_size=size, filters=2, layers=layers).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.3, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.3, 1)
    return network


def reach(layers: int, size: int = 64) -> int:
    """Return over how many pixels an input moves an output, at any place of a tile: by the gradient."""
    network, stride = unet(size, layers), 2 ** (layers // 2)
    farthest = 0
    for place in range(size // 2, size // 2 + stride):
        picture = torch.randn(1, 4, size, size, dtype=torch.float64, requires_grad=True)
        network.double()(picture, torch.ones(1, 4, dtype=torch.bool))[0, :, place, place].sum().backward()
        assert picture.grad is not None
        rows = picture.grad[0].abs().amax((0, 2)).nonzero()
        farthest = max(farthest, int((rows - place).abs().max()))
    return farthest


@pytest.fixture(scope="module")
def scene() -> Array:
    return np.random.default_rng(0).normal(size=(4, 80, 112)).astype(np.float32)


@pytest.mark.parametrize(("layers", "margin"), [(2, 12), (4, 24)])
def test_tiles_are_one_pass_where_the_margin_is_the_reach_of_the_network(
    scene: Array, layers: int, margin: int
) -> None:
    assert reach(layers) <= margin < 7 * 2 ** (layers // 2)  # as the docstring says
    stride, size = 2 ** (layers // 2), 64
    expected = one_pass(_at(scene.shape[1:], layers), scene[None])[0]
    found = outputs_of(scene, Tiling(size, margin, stride), unet(size, layers))
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    narrow = outputs_of(scene, Tiling(size, 0, stride), unet(size, layers))
    assert np.abs(narrow - expected).max() > 1e-3  # so the margin is what makes them equal


def test_tiles_off_the_stride_are_not_one_pass(scene: Array) -> None:
    expected = one_pass(_at(scene.shape[1:], 4), scene[None])[0]
    assert Tiling(64, 23, 1).step % 4
    assert np.abs(outputs_of(scene, Tiling(64, 23, 1), unet(64, 4)) - expected).max() > 1e-3


@pytest.mark.parametrize("shape", [(64, 64), (40, 64), (9, 13)])
def test_a_scene_that_fits_into_a_tile_is_one_pass_over_it_and_its_mirror_image(shape: tuple[int, int]) -> None:
    scene = np.random.default_rng(1).normal(size=(4, *shape)).astype(np.float32)
    rows, columns = shape
    mirrored = np.pad(scene, ((0, 0), (0, 64 - rows), (0, 64 - columns)), mode="symmetric")
    expected = one_pass(unet(64, 4), mirrored[None])[0, :, :rows, :columns]
    np.testing.assert_array_equal(outputs_of(scene, Tiling(64, 8, 4), unet(64, 4)), expected)


def test_the_number_of_tiles_at_once_changes_nothing(scene: Array) -> None:
    one, many = (outputs_of(scene, Tiling(64, 8, 4), unet(64, 4), number) for number in (1, 100))
    np.testing.assert_allclose(one, many, atol=1e-5, rtol=0)


def test_there_is_no_seam_where_tiles_that_say_different_things_meet() -> None:
    """Each tile says its own number: no step between neighbouring pixels is larger than the blend allows."""
    said = iter(np.random.default_rng(0).uniform(0, 1, 1000))

    def say(tiles: Array) -> Array:
        return np.stack([np.full((1, 64, 64), next(said), dtype=np.float32) for _ in tiles])

    def read(top: int, left: int, rows: int, columns: int) -> Array:
        return np.zeros((1, rows, columns), dtype=np.float32)

    tiling = Tiling(64, 8, 16)
    found = np.concatenate([part for _, part in infer_strips((200, 200), read, say, tiling)], axis=1)[0]
    assert np.ptp(found) > 0.5
    overlap = tiling.size - tiling.step - 2 * tiling.margin
    assert max(np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1)) < 1.5 / overlap


@given(
    length=st.integers(1, 300),
    size=st.integers(8, 64),
    margin=st.integers(0, 12),
    stride=st.sampled_from([1, 2, 4]),
)
def test_weights_of_all_tiles_sum_to_one_everywhere(length: int, size: int, margin: int, stride: int) -> None:
    if min(size // 2, size - 2 * margin) < stride:
        with pytest.raises(ValueError, match="no step"):
            Tiling(size, margin, stride)
        return
    tiling = Tiling(size, margin, stride)
    starts, weights = tiling.starts(length), tiling.weights(length)
    total = np.zeros(max(length, size))
    for start, own in zip(starts, weights, strict=True):
        total[start : start + size] += own
    np.testing.assert_allclose(total, 1, atol=1e-12)
    assert not (starts[:-1] % stride).any()
    assert starts[-1] == max(length - size, 0)
    assert len(starts) == 1 or not weights[0, size - margin :].any()


def _at(shape: tuple[int, ...], layers: int) -> UNet:
    """Return the same network for a whole scene."""
    network = unet(64, layers)
    network.picture = (4, *shape)  # type: ignore[assignment]
    return network
