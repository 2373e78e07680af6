"""What the auxiliary head learns is the photometry of the stamps as they are, on an asinh scale."""

from pathlib import Path

import numpy as np
import pytest

from ictconvention.measuring.band_fluxes import asinh_fluxes
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    """Return objects of several frames, of which the first lacks bands."""
    return write_survey(tmp_path / "survey", [image_series(number, 3 * number + 1) for number in range(6)])


def test_targets_are_the_photometry_of_the_untouched_stamps(survey: Survey) -> None:
    found = asinh_fluxes(survey, survey)
    header = survey.header
    recipe = photometry_recipe(header.pixel_scale, header.stamp_size, "survey")
    measured = [measure_photometry(series, recipe) for series in survey]
    errors = [np.concatenate([m[s.band == b, 1] for m, s in zip(measured, survey, strict=True)]) for b in range(5)]
    scale = 3 * np.array([np.nanmedian(e) for e in errors])
    for row, (series, values) in enumerate(zip(survey, measured, strict=True)):
        for band in range(len(header.bands)):
            fluxes = values[series.band == band, 0]
            known = fluxes[np.isfinite(fluxes)]
            expected = np.arcsinh(known.mean() / scale[band]) if len(known) else np.nan
            assert found[row, band] == pytest.approx(expected, rel=1e-4, nan_ok=True)
    assert np.isnan(found[0]).sum() == len(HEADER.bands) - 1  # one frame, one band


def test_the_scale_is_that_of_the_training_part(survey: Survey) -> None:
    some = survey.select(list(survey.ids[3:]))
    ratio = np.sinh(asinh_fluxes(survey, some)) / np.sinh(asinh_fluxes(survey, survey))
    known = np.isfinite(ratio)
    assert known.any()
    for band in range(ratio.shape[1]):
        column = ratio[known[:, band], band]
        np.testing.assert_allclose(column, column[0], rtol=1e-3)
