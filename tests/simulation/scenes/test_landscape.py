"""The ground of simulated chips: exact shares, dense borders, farmland in parcels, masks that are out of date."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ictconvention.simulation.scenes.landscape import (
    CULTIVATED,
    HERBACEOUS,
    WATER,
    draw_fields,
    draw_parcels,
    lay_out,
    mistake_borders,
)
from ictconvention.simulation.scenes.population import CLASSES, GROUND, Scenes, count_class_pixels
from ictconvention.simulation.sdss.population import generator


def grounds(size: int, count: int) -> NDArray[np.uint8]:
    scenes = Scenes(4 * count + 100, seed=2, size=size)
    return np.array(
        [lay_out(scenes.shares(4 * n), size, generator(2, GROUND, n)).classes for n in range(count)], dtype=np.uint8
    )


def border_density(classes: NDArray[np.uint8]) -> float:
    """Return the share of neighbouring pixels, above or beside each other, that are of two classes."""
    return float(np.mean([np.mean(np.diff(classes, axis=axis) != 0) for axis in (1, 2)]))


def test_each_class_takes_its_share_to_the_pixel() -> None:
    scenes = Scenes(100, seed=2)
    for number in range(0, 40, 4):
        shares = scenes.shares(number)
        ground = lay_out(shares, 64, generator(2, GROUND, number))
        counts = np.bincount(ground.classes.ravel(), minlength=len(CLASSES))
        np.testing.assert_array_equal(counts, count_class_pixels(shares, 64 * 64))


@pytest.mark.parametrize(("size", "count", "expected", "within"), [(64, 50, 0.20, 0.03), (256, 5, 0.085, 0.03)])
def test_borders_are_as_dense_as_those_of_chips(size: int, count: int, expected: float, within: float) -> None:
    """Of real chips of 256 pixels .095."""
    assert border_density(grounds(size, count)) == pytest.approx(expected, abs=within)


@pytest.mark.parametrize("slope", [2.6, 3.2, 5.0])
def test_the_power_of_a_field_falls_with_its_slope(slope: float) -> None:
    fields = draw_fields([slope] * 8, 128, np.random.default_rng(0)).astype(np.float64)
    np.testing.assert_allclose(fields.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(fields.std((1, 2)), 1, atol=1e-5)
    window = np.outer(*2 * [np.hanning(128)])  # a field does not close at its edges
    power = np.mean(np.abs(np.fft.fft2(fields * window)) ** 2, axis=0)
    k = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(128, 1 / 128)]))
    (low, high) = (np.mean(power[np.abs(k - at) < 1.5]) for at in (6, 24))
    assert np.log(low / high) / np.log(4) == pytest.approx(slope, abs=0.4)


def test_parcels_have_corners_and_are_neither_specks_nor_all_alike() -> None:
    rng = np.random.default_rng(1)
    parcel = draw_parcels(draw_fields([5.0, 5.0], 256, rng), rng)
    pixels = np.bincount(parcel.ravel())
    assert pixels.min() > 0
    inner = np.setdiff1d(np.arange(len(pixels)), np.concatenate([parcel[0], parcel[-1], parcel[:, 0], parcel[:, -1]]))
    assert 25 < np.median(pixels[inner]) < 200
    assert np.std(np.log(pixels[inner])) > 0.2


def test_farmland_is_divided_parcel_by_parcel() -> None:
    """Hardly a parcel is cultivated in part, and neighbours often differ."""
    shares = np.zeros(len(CLASSES))
    shares[[CULTIVATED, HERBACEOUS]] = 0.6, 0.4
    ground = lay_out(shares, 64, np.random.default_rng(3))
    cultivated = np.bincount(ground.parcel.ravel(), weights=(ground.classes == CULTIVATED).ravel())
    part = cultivated / np.bincount(ground.parcel.ravel())
    assert np.sum((part > 0) & (part < 1)) <= 1
    assert 0.05 < border_density(ground.classes[None]) < 0.25


def test_rivers_cross_a_chip_and_lakes_do_not() -> None:
    shares = np.zeros(len(CLASSES))
    shares[[WATER, HERBACEOUS]] = 0.03, 0.97
    edges = []
    for seed in range(12):
        water = lay_out(shares, 64, np.random.default_rng(seed)).classes == WATER
        edges.append(np.mean([np.mean(np.diff(water.astype(int), axis=axis) != 0) for axis in (0, 1)]) / water.mean())
    assert min(edges) < 0.5 < max(edges)  # of so much water, long banks or short ones


def test_a_mask_is_wrong_on_three_in_a_hundred_pixels_and_only_at_borders() -> None:
    for number, classes in enumerate(grounds(64, 12)):
        mask = mistake_borders(classes, 0.03, np.random.default_rng(number))
        wrong = mask != classes
        assert wrong.mean() == pytest.approx(0.03, abs=0.01)
        near = np.pad(classes, 1, mode="edge")
        shifted = [near[1 + y : 65 + y, 1 + x : 65 + x] for y, x in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        beside = np.any([mask == one for one in shifted], axis=0)
        assert beside[wrong].all()


def test_a_mask_of_one_class_is_right() -> None:
    classes = np.full((32, 32), HERBACEOUS, dtype=np.uint8)
    np.testing.assert_array_equal(mistake_borders(classes, 0.03, np.random.default_rng(0)), classes)
