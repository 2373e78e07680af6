"""Shares of classes in simulated chips: those of real ones, equal within a scene no more than real ones are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.simulation.scenes.population import (
    CLASSES,
    MEAN_LOG,
    OF_SCENE,
    SCENE_CHIPS,
    SD_LOG,
    Scenes,
    count_class_pixels,
)
from tests.refusals import refused

SIMULATED = (0.053, 0.32, 0.24, 0.085, 0.28, 0.007, 0.0, 0.012)
REAL = (0.050, 0.334, 0.229, 0.080, 0.275, 0.008, 0.0, 0.024)


@pytest.fixture(scope="module")
def shares() -> NDArray[np.float64]:
    """Shares of 2 500 chips, each of another scene."""
    scenes = Scenes(10_000, seed=4)
    return np.array([scenes.shares(SCENE_CHIPS * number) for number in range(2500)])


def test_mean_shares_are_those_of_real_chips(shares: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_allclose(shares.mean(0), SIMULATED, atol=0.02)
    np.testing.assert_allclose(shares.mean(0), REAL, atol=0.03)


def test_logarithms_of_shares_scatter_as_those_of_real_chips(shares: NDArray[np.float64]) -> None:
    logarithm = np.log(np.where(shares > 0, shares, np.nan))
    common = [i for i, name in enumerate(CLASSES) if name != "snow"]
    np.testing.assert_allclose(np.nanmean(logarithm, 0)[common], MEAN_LOG[common], atol=0.2)
    np.testing.assert_allclose(np.nanstd(logarithm, 0)[common], SD_LOG[common], atol=0.2)


def test_a_third_has_bare_ground_six_of_ten_water_and_hardly_any_snow(shares: NDArray[np.float64]) -> None:
    present = dict(zip(CLASSES, (shares > 0).mean(0), strict=True))
    assert present["natural"] == pytest.approx(0.33, abs=0.03)
    assert present["water"] == pytest.approx(0.62, abs=0.03)
    assert 0 < present["snow"] < 0.006
    assert all(present[name] == 1 for name in CLASSES[:5])


def test_the_constant_answer_is_as_far_from_the_truth_as_with_real_chips(shares: NDArray[np.float64]) -> None:
    """KL divergence of the mean shares, .457 of 18 491 real chips; and of equal shares, .996."""

    def divergence(answer: NDArray[np.float64]) -> float:
        return float(np.mean(np.sum((shares + 1e-7) * np.log((shares + 1e-7) / (answer + 1e-7)), axis=1)))

    assert 0.39 < divergence(shares.mean(0)) < 0.48
    assert 0.92 < divergence(np.full(len(CLASSES), 1 / len(CLASSES))) < 1.08


def test_chips_of_one_scene_are_alike_and_those_of_others_are_not() -> None:
    scenes = Scenes(2400, seed=1)
    deviates = np.array([scenes.draw_normals(number, 40) for number in range(len(scenes))])
    grouped = deviates.reshape(-1, SCENE_CHIPS, 40)
    assert np.mean(grouped[:, 0] * grouped[:, 1]) == pytest.approx(OF_SCENE, abs=0.03)
    assert np.mean(grouped[1:, 0] * grouped[:-1, 1]) == pytest.approx(0, abs=0.03)
    assert deviates.std() == pytest.approx(1, abs=0.02)
    assert [scenes.scene(number) for number in (0, 3, 4, 2399)] == [0, 0, 1, 599]


def test_additional_test_chips_are_of_scenes_of_their_own_and_all_have_masks() -> None:
    scenes = Scenes(102, seed=1, extra_test=9, unlabelled=0.25)
    extra = [number for number in range(len(scenes)) if scenes.is_extra(number)]
    assert len(extra) == 9
    assert not {scenes.scene(number) for number in extra} & {scenes.scene(number) for number in range(102)}
    assert scenes.has_mask[extra].all()
    assert (~scenes.has_mask).sum() == round(0.25 * 102)
    assert 0.05 < (~scenes.has_mask[:51]).mean() < 0.45  # no id tells it


@pytest.mark.parametrize("pixels", [32**2, 64**2])
def test_every_class_that_is_there_has_a_pixel(pixels: int, shares: NDArray[np.float64]) -> None:
    for one in shares[:200]:
        counts = count_class_pixels(one, pixels)
        assert counts.sum() == pixels
        np.testing.assert_array_equal(counts > 0, one > 0)
        np.testing.assert_allclose(counts / pixels, one, atol=len(CLASSES) / pixels)


@pytest.mark.parametrize(
    "wrong", [{"objects": 99}, {"size": 31}, {"unlabelled": -0.1}, {"unlabelled": 1.0}, {"unlabelled": float("nan")}]
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with refused(UsageError, "E-COMMAND-VALUE"):
        Scenes(**{"objects": 100, **wrong})  # type: ignore[arg-type]
