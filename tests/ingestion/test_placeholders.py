"""What shows no sky becomes missing, whatever the number that stands for it; real equal pixels stay."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.placeholders import drop_placeholders


def sky(shape: tuple[int, int] = (120, 160), level: float = 1000.0, noise: float = 5.0) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(level, noise, shape).astype(np.float32)


@pytest.mark.parametrize("value", [0.0, -999.0, 65535.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize(
    "region",
    [np.s_[:, :24], np.s_[-1:], np.s_[40:60, 50:70], np.s_[30:, 30:]],
    ids=["strip", "one row", "a gap", "more than half"],
)
def test_a_region_without_sky_becomes_missing_and_no_other_pixel(value: float, dtype: type, region: Any) -> None:
    pixels: NDArray[np.floating] = sky().astype(dtype).astype(np.float64 if dtype is np.float64 else np.float32)
    pixels[region] = value
    expected = np.zeros(pixels.shape, dtype=bool)
    expected[region] = True
    cleaned = drop_placeholders(pixels)
    assert cleaned.dtype == pixels.dtype
    np.testing.assert_array_equal(np.isnan(cleaned), expected)
    np.testing.assert_array_equal(cleaned[~expected], pixels[~expected])


def test_a_slanted_border_is_found_to_the_pixel_and_two_marks_beside_each_other() -> None:
    pixels = sky()
    y, x = np.indices(pixels.shape)
    pixels[x + 0.3 * y < 40], pixels[x - 0.2 * y > 130] = 0, -1
    pixels[:10] = np.nan
    np.testing.assert_array_equal(np.isnan(drop_placeholders(pixels)), (y < 10) | (pixels == 0) | (pixels == -1))


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("unit", [1.0, 0.37])
def test_photon_counts_keep_their_zeros(rate: float, unit: float) -> None:
    pixels = np.random.default_rng(1).poisson(rate, (200, 200)).astype(np.float32) * np.float32(unit)
    assert drop_placeholders(pixels) is pixels


@pytest.mark.parametrize("scatter", [0.3, 1.0, 3.0])
def test_a_quantised_sky_about_zero_stays(scatter: float) -> None:
    pixels = np.round(sky(level=0.0, noise=scatter))
    assert drop_placeholders(pixels) is pixels


def test_a_few_equal_pixels_such_as_the_core_of_a_bright_star_stay() -> None:
    pixels = sky()
    pixels[60:65, 60:65] = 60000.0
    assert drop_placeholders(pixels) is pixels


@pytest.mark.parametrize("value", [0.0, 7.5, np.nan])
def test_an_image_that_shows_no_sky_is_unreadable(value: float) -> None:
    with pytest.raises(UnreadableError, match="no pixel is finite" if np.isnan(value) else f"all pixels are {value:g}"):
        drop_placeholders(np.full((50, 50), value))
    halves = np.full((50, 50), np.nan)
    halves[:, :20], halves[:, 30:] = -1.0, value
    with pytest.raises(UnreadableError):
        drop_placeholders(halves)


@pytest.mark.parametrize("level", [0.0, 150.0])
def test_an_image_made_without_noise_keeps_its_sky_and_loses_what_lies_beyond_its_edge(level: float) -> None:
    y, x = np.indices((63, 63)) - 31
    pixels = (level + 4000 / (2 * np.pi) * np.exp(-(x**2 + y**2) / 2)).astype(np.float32)
    assert drop_placeholders(pixels) is pixels
    pixels[:, :20] = -999
    np.testing.assert_array_equal(np.isnan(drop_placeholders(pixels)), pixels == -999)


def test_zeros_beside_a_sky_that_was_subtracted_are_missing() -> None:
    pixels = sky(level=0.0)
    pixels[:, :40] = 0
    np.testing.assert_array_equal(np.isnan(drop_placeholders(pixels)), pixels == 0)


def test_a_cutout_over_the_edge_of_a_chip_loses_the_part_beyond_it() -> None:
    cutout = sky((63, 63), level=200.0)
    cutout[:, :9] = 0
    assert np.isnan(drop_placeholders(cutout)).sum() == 63 * 9


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_counts_over_an_exposure_map_keep_their_zeros(rate: float) -> None:
    rng = np.random.default_rng(2)
    pixels = (rng.poisson(rate, (200, 200)) / rng.uniform(900, 1100, (200, 200))).astype(np.float32)
    assert drop_placeholders(pixels) is pixels


def test_only_the_large_of_two_regions_of_one_value_is_missing() -> None:
    pixels = sky()
    pixels[:, :24] = 0
    pixels[60:65, 100:105] = 0
    cleaned = drop_placeholders(pixels)
    assert np.isnan(cleaned[:, :24]).all()
    assert np.isfinite(cleaned[:, 24:]).all()


def test_zeros_beside_a_faint_sky_that_was_subtracted_are_missing() -> None:
    pixels = sky(level=0.0, noise=1e-4)
    pixels[60, 100] = 1.0  # a star, beside which the noise is smooth
    pixels[:, :24] = 0
    np.testing.assert_array_equal(np.isnan(drop_placeholders(pixels)), pixels == 0)
