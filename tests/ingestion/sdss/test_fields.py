"""Which fields show which objects: bounds, overlaps, right ascension 0, and tables as they come."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from ictconvention.core.errors import UsageError
from ictconvention.ingestion.sdss.calibration import add_references
from ictconvention.ingestion.sdss.fields import Field, match_fields, read_fields
from ictconvention.ingestion.sdss.seeing import full_widths
from tests.ingestion.commands import write_table

ROW = {"run": 4203, "camcol": 2, "field": 7, "ramin": 10.0, "ramax": 10.2, "decmin": -0.5, "decmax": -0.3}


def field(number: int, ra: float, span: float = 0.2, run: int = 4203, status: float = 1.0, score: float = 0.5) -> Field:
    return Field(run, 2, number, "301", ra % 360, span, -0.5, 0.0, score, calib_status=(status,) * 5)


def test_of_two_fields_of_a_run_that_one_exposure_shows_counts_the_one_with_the_object_farther_inside() -> None:
    fields = [field(1, 10.0), field(2, 10.15), field(1, 10.0, run=4204)]
    visits = match_fields(fields, ("a", "b"), np.array([10.16, 10.19]), np.array([-0.2, -0.2]))
    assert [(one.field.run, one.field.field, one.ids) for one in visits] == [
        (4203, 1, ("a",)),
        (4203, 2, ("b",)),
        (4204, 1, ("a", "b")),
    ]


@given(st.floats(0, 359.99), st.floats(-0.3, 0.3))
def test_an_object_is_matched_where_it_lies_within_the_bounds_on_any_side_of_right_ascension_0(
    start: float, offset: float
) -> None:
    visits = match_fields([field(1, start)], ("a",), np.array([(start + offset) % 360]), np.array([-0.2]))
    if 1e-9 < offset < 0.2 - 1e-9:
        assert visits[0].ids == ("a",)
    elif offset < -1e-9 or offset > 0.2 + 1e-9:
        assert visits == []


def test_the_least_and_greatest_right_ascension_of_a_field_across_0_are_understood(tmp_path: Path) -> None:
    (one,) = read_fields(write_table(tmp_path / "f.csv", [ROW | {"ramin": 0.05, "ramax": 359.9}]))
    assert (one.ra_start, one.ra_span) == pytest.approx((359.9, 0.15))


def test_the_columns_of_skyserver_and_the_vectors_of_photofield_say_the_same(tmp_path: Path) -> None:
    width = [1.5, 1.4, 1.3, 1.2, 1.1]
    scalar = ROW | {f"psfWidth_{band}": one for band, one in zip("ugriz", width, strict=True)}
    shape = {"psf2GSigma1": 0.9, "psf2GSigma2": 2.3, "psf2GB": 0.06}  # in any unit
    scalar |= {f"{name}_{band}": one for name, one in shape.items() for band in "ugriz"}
    scalar |= {f"calibStatus_{band}": 1 for band in "ugriz"}
    vector: dict[str, Any] = {name.upper(): [value] for name, value in ROW.items()} | {"PSF_WIDTH": [width]}
    vector |= {"CALIB_STATUS": [[1] * 5], "RERUN": ["301"], "PSF_B_2G": [[0.06] * 5]}
    vector |= {"PSF_SIGMA1_2G": [[0.36] * 5], "PSF_SIGMA2_2G": [[0.92] * 5]}
    Table(vector).write(tmp_path / "f.fits")
    fwhm = 0.8181 * np.array(width)
    assert read_fields(write_table(tmp_path / "f.csv", [scalar]))[0].psf_fwhm == pytest.approx(fwhm, rel=1e-3)
    (one,) = read_fields(tmp_path / "f.fits")
    assert one.psf_fwhm == pytest.approx(fwhm, rel=1e-3)
    assert one.photometric
    assert one.name == "004203-2-0007"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"run": 4203.5}, "E-VALUE-TYPE"),
        ({"field": ""}, "E-VALUE-TYPE"),
        ({"decmax": -0.6}, "E-VALUE-RANGE"),
        ({"ramax": ""}, "E-VALUE-RANGE"),
    ],
)
def test_impossible_rows_are_named(tmp_path: Path, change: dict[str, object], code: str) -> None:
    path = write_table(tmp_path / "f.csv", [ROW, ROW | {"field": 8} | change])
    with pytest.raises(UsageError) as caught:
        read_fields(path)
    assert caught.value.code == code
    assert str(caught.value.where).endswith("row 2")


def test_the_seeing_is_the_width_at_half_maximum_and_not_that_of_the_effective_area() -> None:
    sigma, outer, ratio = 0.88, 2.31, 0.06  # [pixels]
    radius = np.linspace(0, 30, 300_001)
    height = np.exp(-(radius**2) / (2 * sigma**2)) + ratio * np.exp(-(radius**2) / (2 * outer**2))
    area = np.trapezoid(2 * np.pi * radius * height, radius) ** 2 / np.trapezoid(2 * np.pi * radius * height**2, radius)
    width = 2.35 * 0.4 * float(np.sqrt(area / (4 * np.pi)))  # as SDSS writes it, here 1.04 arcsec
    fwhm = 2 * 0.396 * radius[(height > height[0] / 2).sum()]
    found = full_widths([width, width, -9999.0, np.nan, width], [sigma] * 5, [outer] * 5, [ratio] * 4 + [-9999.0])
    assert found[:2] == pytest.approx((fwhm, fwhm), rel=1e-4)
    assert fwhm < 0.83 * width
    assert np.isnan(found[2:]).all()


def test_the_first_line_of_skyserver_is_no_header(tmp_path: Path) -> None:
    plain = write_table(tmp_path / "plain.csv", [ROW])
    (tmp_path / "f.csv").write_text("#Table1\n" + plain.read_text())
    assert read_fields(tmp_path / "f.csv") == read_fields(plain)


def test_a_field_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_fields(write_table(tmp_path / "f.csv", [ROW, ROW]))
    assert caught.value.code == "E-ID-DUPLICATE"


def test_a_night_of_clouds_is_compared_with_the_best_clear_night_of_the_same_sky() -> None:
    cloudy = field(1, 359.95, run=1, status=0.0)
    clear = [field(1, 359.9, run=2, score=0.6), field(1, 359.9, run=3, score=0.9), field(1, 20.0, run=4, score=1.0)]
    visits = match_fields([cloudy, *clear], ("a",), np.array([0.02]), np.array([-0.2]))
    references = {one.field.run: one.reference for one in add_references(visits, [cloudy, *clear])}
    assert references == {1: clear[1], 2: None, 3: None}
