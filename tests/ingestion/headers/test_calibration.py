"""The flux of a count by what the header says, and how many electrons make a nanomaggy."""

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.headers.calibration import read_gain, read_zero_point
from ictconvention.ingestion.headers.headers import Headers


def headers(**cards: Any) -> Headers:
    return Headers(fits.Header(), fits.Header(cards))


@pytest.mark.parametrize(
    ("cards", "zero_point"),
    [
        ({"MAGZERO": 25.0}, 25.0),
        ({"MAGZERO": "25.0"}, 25.0),
        ({"MAGZERO": 0, "MAGZPT": 25.0}, 25.0),
        ({"MAGZERO": -99.0, "MAGZPT": 99.0, "PHOTZP": " 25.0"}, 25.0),
        ({"BUNIT": "nanomaggy"}, 22.5),
        ({"BUNIT": "nMgy"}, 22.5),
        ({"BUNIT": "nanomaggies", "MAGZERO": 22.5}, 22.5),
        ({"BUNIT": "nJy"}, 31.4),
        ({"BUNIT": "uJy"}, 23.9),
        ({"BUNIT": "mJy"}, 16.4),
        ({"BUNIT": "Jy"}, 8.9),
        ({"BUNIT": "MJy"}, -6.1),
        ({"NMGY": 0.005, "NMGYIVAR": 0.1}, 22.5),  # SDSS's frames, some of which lack the unit
        ({"NMGY": 0.005, "NMGYIVAR": 0.1, "BUNIT": "--"}, 22.5),
    ],
)
def test_the_zero_point_is_that_of_the_first_sound_keyword_or_of_the_unit(
    cards: dict[str, Any], zero_point: float
) -> None:
    assert read_zero_point(headers(**cards))[0] == pytest.approx(zero_point, abs=1e-4)


@pytest.mark.parametrize(
    ("cards", "found"),
    [
        ({}, "no keyword MAGZERO, MAGZPT"),
        ({"MAGZERO": 0.0}, "MAGZERO is 0.0, no zero point"),
        ({"MAGZERO": -99.0, "MAGZPT": "none"}, "MAGZERO is -99.0"),
        ({"MAGZERO": "about 25"}, "MAGZERO is about 25"),
        ({"BUNIT": "adu"}, "BUNIT is 'adu', no unit of flux"),
        ({"BUNIT": "MJy/sr"}, "BUNIT is 'MJy/sr', no unit of flux"),
        ({"NMGY": 0.005, "NMGYIVAR": 0.1, "BUNIT": "DN"}, "BUNIT is 'DN'"),
    ],
)
def test_a_placeholder_is_no_zero_point(cards: dict[str, Any], found: str) -> None:
    zero_point, what = read_zero_point(headers(**cards))
    assert np.isnan(zero_point)
    assert found in what


def test_a_zero_point_that_contradicts_the_unit_is_refused() -> None:
    with pytest.raises(UnreadableError, match=r"MAGZERO is 25, but pixels in nJy have the zero point 31\.4"):
        read_zero_point(headers(MAGZERO=25.0, BUNIT="nJy"))


@pytest.mark.parametrize(
    ("cards", "electrons"),
    [
        ({"BUNIT": "adu", "GAIN": 4.0}, 4.0),
        ({"BUNIT": "DN", "GAIN": "4.0"}, 4.0),
        ({"BUNIT": "counts/s", "EGAIN": 4.0, "GAIN": 1.0, "EXPTIME": 30.0}, 120.0),
        ({"BUNIT": "electrons", "GAIN": 4.0}, 1.0),
        ({"BUNIT": "electron s-1", "EXPTIME": "30"}, 30.0),
        ({"BUNIT": "counts/s", "GAIN": 4.0}, np.nan),
        ({"BUNIT": "nanomaggy", "GAIN": 4.0}, np.nan),
        ({"GAIN": 4.0}, np.nan),
        ({"BUNIT": "adu", "GAIN": 0.0}, np.nan),
        ({"BUNIT": "adu", "GAINA": 4.0, "GAINB": 4.1}, np.nan),
    ],
)
def test_the_gain_is_known_where_the_unit_is(cards: dict[str, Any], electrons: float) -> None:
    """At zero point 25, ten counts make a nanomaggy."""
    assert read_gain(headers(**cards), 25.0) == pytest.approx(10 * electrons, nan_ok=True)
