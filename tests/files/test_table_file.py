"""Columns that say their unit, their time scale or their type: converted, or refused by name."""

import datetime
import warnings
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table
from astropy.time import Time

from ictconvention.core.errors import UsageError
from ictconvention.files import table_file
from ictconvention.files.user_table import read_objects, read_user_table
from tests.core.test_plain_file import within
from tests.files.test_fits_headers import changed
from tests.refusals import refused


def read(path: Path) -> list[dict[str, Any]]:
    return [dict(row) for row in read_user_table(path, ("id",), ("ra", "dec", "mjd", "psf_fwhm")).rows]


@pytest.mark.parametrize("ending", ["ecsv", "fits", "parquet"])
@pytest.mark.parametrize(("unit", "ra"), [(u.deg, 150.0), (u.hourangle, 10.0), (u.hour, 10.0), (u.rad, 5 * np.pi / 6)])
def test_angles_come_to_degrees(tmp_path: Path, ending: str, unit: u.Unit, ra: float) -> None:
    table = Table({"id": ["a"], "RA": [ra], "dec": [120.0]})
    table["RA"].unit = u.hour if ending == "fits" and unit == u.hourangle else unit
    table["dec"].unit = u.arcmin
    columns = table.columns
    if ending == "parquet":  # as astropy writes it, with the units in its metadata
        arrow = pa.table({name: column.tolist() for name, column in columns.items()})
        units = f"datatype:\n- {{name: id}}\n- {{name: RA, unit: {unit}}}\n- {{name: dec, unit: arcmin}}\n"
        pq.write_table(arrow.replace_schema_metadata({"table_meta_yaml": units}), tmp_path / "t.parquet")
    else:
        table.write(tmp_path / f"t.{ending}")
    (row,) = read(tmp_path / f"t.{ending}")
    assert (row["ra"], row["dec"]) == pytest.approx((150.0, 2.0))


def test_times_and_seeing_come_to_days_and_arcsec(tmp_path: Path) -> None:
    table = QTable({"id": ["a"], "mjd": [60_000.1 * 24] * u.hour, "psf_fwhm": [0.02] * u.arcmin})
    table.write(tmp_path / "t.ecsv")
    (row,) = read(tmp_path / "t.ecsv")
    assert (row["mjd"], row["psf_fwhm"]) == pytest.approx((60_000.1, 1.2))


@pytest.mark.parametrize(("name", "unit"), [("ra", u.m), ("mjd", u.deg), ("psf_fwhm", u.pix), ("dec", "furlongs")])
@pytest.mark.parametrize("ending", ["ecsv", "fits"])
def test_a_unit_that_cannot_be_converted_is_refused_by_name(tmp_path: Path, name: str, unit: Any, ending: str) -> None:
    table = Table({"id": ["a"], name: [10.0]})
    table[name].unit = u.Unit(unit, parse_strict="silent")
    if ending == "fits" and unit == "furlongs":
        pytest.skip("astropy writes no such unit to FITS")
    table.write(tmp_path / f"t.{ending}")
    with refused(UsageError, "E-VALUE-UNITS", name, str(unit), where=tmp_path / f"t.{ending}"):
        read(tmp_path / f"t.{ending}")


@pytest.mark.parametrize("format_", ["mjd", "jd", "isot"])
@pytest.mark.parametrize("scale", ["utc", "tai", "tdb"])
def test_columns_of_time_become_mjd_in_utc(tmp_path: Path, format_: str, scale: str) -> None:
    moment = Time([60_000.25, 60_001.5], format="mjd", scale="utc")
    time = getattr(moment, scale)
    time.format = format_
    table = Table({"id": ["a", "b"]})
    table["mjd"] = time
    table.write(tmp_path / "t.ecsv")
    np.testing.assert_allclose([row["mjd"] for row in read(tmp_path / "t.ecsv")], moment.mjd, atol=1e-8, rtol=0)


def test_a_column_of_positions_gives_ra_and_dec(tmp_path: Path) -> None:
    table = Table({"id": ["a"]})
    table["place"] = SkyCoord([10.0], [5.0], unit="deg").galactic
    table.write(tmp_path / "t.ecsv")
    (row,) = read(tmp_path / "t.ecsv")
    assert (row["ra"], row["dec"]) == pytest.approx((10.0, 5.0))
    table["ra"] = [10.0]
    table.write(tmp_path / "t.ecsv", overwrite=True)
    with refused(UsageError, "E-TABLE-COLUMN", "place", where=tmp_path / "t.ecsv"):
        read(tmp_path / "t.ecsv")


def test_timestamps_with_a_zone_become_mjd_and_others_are_refused(tmp_path: Path) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=-4))
    there = datetime.datetime(2023, 2, 24, 22, 24, tzinfo=zone)
    pq.write_table(pa.table({"id": ["a"], "mjd": pa.array([there])}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet")[0]["mjd"] == pytest.approx(60_000.1, abs=1e-9)
    pq.write_table(pa.table({"id": ["a"], "mjd": pa.array([there.replace(tzinfo=None)])}), tmp_path / "t.parquet")
    with refused(UsageError, "E-VALUE-TIME", "time zone", where=tmp_path / "t.parquet"):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize("ending", ["parquet", "fits", "ecsv"])
def test_times_and_ids_of_single_precision_are_refused(tmp_path: Path, ending: str) -> None:
    for name, values in {"mjd": [60_000.3], "id": [1_123_040_044_294.0]}.items():
        columns = {"id": ["a"], "mjd": [60_000.3]} | {name: np.array(values, dtype="f4")}
        path = tmp_path / f"{name}.{ending}"
        if ending == "parquet":
            pq.write_table(pa.table(columns), path)
        else:
            Table(columns).write(path)
        with refused(
            UsageError, "E-VALUE-PRECISION", name, "float32", where=path if name == "mjd" else f"{path}, row 1"
        ):
            read(path)


def test_masked_numbers_are_empty_cells(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b"], "ra": pa.array([1.5, None])}), tmp_path / "t.parquet")
    assert [row["ra"] for row in read(tmp_path / "t.parquet")] == [1.5, None]


@pytest.mark.parametrize("write", ["float", "text"])
def test_ids_that_lost_their_digits_are_refused_with_the_row(tmp_path: Path, write: str) -> None:
    ids = [7.0, 169830580431093809.0]
    if write == "float":
        pq.write_table(pa.table({"id": ids}), tmp_path / "t.parquet")
        table = read_user_table(tmp_path / "t.parquet", ("id",))
    else:
        (tmp_path / "t.csv").write_text("id\n7\n1.6983058043109382e+17\n")
        table = read_user_table(tmp_path / "t.csv", ("id",))
    with refused(UsageError, "E-VALUE-PRECISION", "1.6983058043109382e+17", where=f"{table.path}, row 2"):
        read_objects((table.where(number), row) for number, row in enumerate(table.rows))


def test_an_object_lies_at_the_median_of_its_detections_across_zero_too() -> None:
    step = 0.04 / 3600
    rows = [{"id": "a", "ra": ra % 360, "dec": dec} for ra, dec in ((-step, 1.0), (step, 1 + step), (0.0, 1 - step))]
    own = read_objects((f"t.csv, row {number + 1}", row) for number, row in enumerate(rows))["a"]
    assert own["dec"] == 1.0
    assert (own["ra"] + 180) % 360 - 180 == pytest.approx(0.0, abs=1e-9)


def test_detections_that_are_far_apart_are_of_two_objects() -> None:
    rows = [{"id": "a", "ra": 10.0, "dec": dec} for dec in (1.0, 1.0 + 0.5 / 3600, 1.0 + 2.0 / 3600)]
    with refused(UsageError, "E-ID-DUPLICATE", "'a'", "2.00 arcsec", where="t.csv, row 1 and row 3"):
        read_objects((f"t.csv, row {number + 1}", row) for number, row in enumerate(rows))


def test_a_small_file_that_unpacks_without_end_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "MOST_BYTES", 2**26)
    long = pa.array(["a" * 10_000] * 10_000).dictionary_encode()  # 100 MB
    pq.write_table(pa.table({"id": long}), tmp_path / "long.parquet")
    assert (tmp_path / "long.parquet").stat().st_size < 100_000
    pq.write_table(pa.table({"id": pa.nulls(30_000_000, pa.string())}), tmp_path / "many.parquet")
    for name, most in (("long", f"{2**26} bytes"), ("many", "30000000 rows")):
        with refused(UsageError, "E-TABLE-DAMAGED", most, where=tmp_path / f"{name}.parquet"):
            read_user_table(tmp_path / f"{name}.parquet", ("id",))


@pytest.mark.parametrize(("hdu", "key", "value"), [(0, "NAXIS", "2147483647"), (1, "NAXIS2", "-720")])
def test_a_fits_table_whose_header_has_an_impossible_number_is_no_table(
    tmp_path: Path, hdu: int, key: str, value: str
) -> None:
    Table({"id": ["a", "b"]}).write(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes(changed((tmp_path / "t.fits").read_bytes(), hdu, key, value))
    with within(5), refused(UsageError, "E-TABLE-DAMAGED", f"{key} of HDU {hdu} is {value}", where=tmp_path / "t.fits"):
        read_user_table(tmp_path / "t.fits", ("id",))


@pytest.mark.parametrize(
    ("column", "unit", "value", "right"),
    [("ra", "degrees", 150.0, 150.0), ("ra", "hours", 10.0, 150.0), ("mjd", "days", 58000.25, 58000.25),
     ("mjd", "MJD", 58000.25, 58000.25), ("psf_fwhm", "arcseconds", 1.2, 1.2)],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_units_in_words_are_the_units_they_name(
    tmp_path: Path, ending: str, column: str, unit: str, value: float, right: float
) -> None:
    table = Table({"id": ["a"], column: [value]})
    table[column].unit = u.Unit(unit, parse_strict="silent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(tmp_path / f"t.{ending}")
    assert read(tmp_path / f"t.{ending}")[0][column] == pytest.approx(right)


def test_the_unit_of_a_column_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    table = Table(
        {"id": ["a"], "ra": [1.0] * u.deg, "dec": [1.0] * u.deg, "flux": [5.0] * u.uJy, "error": [1.0] * u.arcsec}
    )
    QTable(table).write(tmp_path / "t.ecsv")
    row = dict(read_user_table(tmp_path / "t.ecsv", ("id", "ra", "dec")).rows[0])
    assert (row["flux"], row["error"]) == (5.0, 1.0)
