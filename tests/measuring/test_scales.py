"""What pixels and fluxes are scaled by: the noise or the spread of each band, from the objects that train."""

from pathlib import Path

import numpy as np
import pytest

from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.measuring.scales import fixed_scales, photometry_scales, pixel_scales
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused


def all_pixels(survey: Survey, band: int) -> np.ndarray:
    return np.concatenate([s.frames[s.band == band].ravel() for s in survey]).astype(np.float64)


def test_asinh_scales_by_three_times_the_median_sky_noise(survey: Survey) -> None:
    offset, scale = pixel_scales(survey, "asinh")
    assert (offset == 0).all()
    for band in range(5):
        noise = np.concatenate([s.sky_sigma[s.band == band] for s in survey])
        assert scale[band] == pytest.approx(3 * np.median(noise))


def test_standardise_takes_mean_and_deviation_of_all_pixels(survey: Survey) -> None:
    offset, scale = pixel_scales(survey, "standardise")
    for band in range(5):
        pixels = all_pixels(survey, band)
        assert offset[band] == pytest.approx(pixels.mean(), rel=1e-9)
        assert scale[band] == pytest.approx(pixels.std(), rel=1e-9)


def test_missing_pixels_and_unknown_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = 2 + rng.normal(0, 0.1, (50, 32, 32))
    frames[::2, :5] = np.nan
    arguments = image_series(0, 50) | {"frames": frames, "sky_sigma": None}
    survey = write_survey(tmp_path / "survey", [arguments])
    assert np.allclose(pixel_scales(survey, "asinh").scale, 0.3, rtol=0.05)
    offset, scale = pixel_scales(survey, "standardise")
    assert np.allclose(offset, 2, rtol=0.01)
    assert np.allclose(scale, 0.1, rtol=0.05)


def test_light_curves_are_scaled_by_their_errors_or_their_spread(survey: Survey) -> None:
    photometry = CachedPhotometry(survey)
    values = np.concatenate([photometry[s.id] for s in survey])
    band = np.concatenate([s.band for s in survey])
    offset, scale = photometry_scales(survey, photometry, "asinh")
    assert (offset == 0).all()
    assert np.allclose(scale, [3 * np.median(values[band == b, 1]) for b in range(5)])
    offset, scale = photometry_scales(survey, photometry, "standardise")
    assert np.allclose(offset, [values[band == b, 0].mean() for b in range(5)], rtol=1e-5)
    assert np.allclose(scale, [values[band == b, 0].std() for b in range(5)], rtol=1e-5)


def test_pictures_on_plain_black_have_no_noise_to_be_scaled_by(tmp_path: Path) -> None:
    frames = np.zeros((50, 32, 32))
    frames[:, 12:20, 12:20] = 0.5
    survey = write_survey(tmp_path / "survey", [image_series(0, 50) | {"frames": frames, "sky_sigma": None}])
    with refused(SurveyError, "E-SURVEY-UNSUITED", "band u", where=tmp_path / "survey"):
        pixel_scales(survey, "asinh")
    assert pixel_scales(survey, "standardise").offset == pytest.approx(0.5 / 16)


def test_a_band_that_no_training_object_has_is_named(tmp_path: Path) -> None:
    arguments = image_series(0, 6) | {"band": np.array([0, 1, 2, 4, 0, 1])}
    survey = write_survey(tmp_path / "survey", [arguments], HEADER)
    for kind in ("asinh", "standardise"):
        with refused(SurveyError, "E-BAND-EMPTY", "band i", where=tmp_path / "survey"):
            pixel_scales(survey, kind)


@pytest.mark.parametrize(
    ("bands", "right"), [("bgr", None), ("gri", "i,r,g"), ("BGR", "R,G,B"), ("irg", ""), ("RGB", "")]
)
def test_the_red_numbers_of_imagenet_are_those_of_the_reddest_band(bands: str, right: str | None) -> None:
    if not right:  # in order, or of names whose order is unknown
        assert fixed_scales("imagenet", tuple(bands)).offset.tolist() == [0.485, 0.456, 0.406]
    else:
        with refused(UsageError, "E-CONFIG-CONFLICT", where="pixels.scaling") as error:
            fixed_scales("imagenet", tuple(bands))
        assert f"survey.bands=[{right}]" in error.value.fix
