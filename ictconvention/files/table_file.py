"""The columns of a table's file, CSV, ECSV, Parquet or FITS: plain values, in the units that this package works in.

A column that says its unit is converted, one that cannot be is refused; the type of a column of times or ids is checked
here, since a plain value no longer knows how coarse it was.
"""

import csv
import io
import math
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pyarrow as pa
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.table.meta import get_header_from_yaml
from astropy.time import Time

from ictconvention.core.errors import UsageError
from ictconvention.files.fits_headers import check_headers, unpack_fits
from ictconvention.reading.parquet_file import read_parquet
from ictconvention.survey.values import LARGEST_WHOLE, NOTHING, flaw_of_precision

FORMATS = (".csv", ".ecsv", ".parquet", ".fits")
MOST_ROWS, MOST_BYTES = 20_000_000, 2**31  # of a table in Parquet: what is packed may unpack without end
UNITS: dict[str, tuple[u.UnitBase, ...]] = {  # that columns are converted to; the first that fits
    "ra": (u.deg,),
    "dec": (u.deg,),
    "mjd": (u.day,),
    "psf_fwhm": (u.arcsec,),
    "pixel_scale": (u.arcsec,),
    "host_separation": (u.arcsec,),
    "flux": (u.nmgy,),
    "mag": (u.mag,),
    "host_r": (u.mag,),
    "zero_point": (u.mag,),
    "sky_sigma": (u.ct, u.adu, u.electron),
    "redshift": (u.dimensionless_unscaled,),
    "share": (u.dimensionless_unscaled,),
}
AB_MAGNITUDES = ("mag", "mag(AB)")
UNIT_WORDS = {  # that people write and astropy does not know, in small letters
    **dict.fromkeys(("degree", "degrees"), "deg"),
    **dict.fromkeys(("day", "days", "mjd"), "d"),
    **dict.fromkeys(("hour", "hours"), "h"),
    **dict.fromkeys(("radian", "radians"), "rad"),
    **dict.fromkeys(("arcsecond", "arcseconds", "arcsecs"), "arcsec"),
    **dict.fromkeys(("nanomaggy", "nanomaggies", "nmgys"), "nmgy"),
    **dict.fromkeys(("mags", "magnitude", "magnitudes", "abmag"), "mag"),
    "dn": "adu",
}
OF_SKYSERVER = re.compile(r"#Table\d+\s*$")  # SkyServer's first line, before the header
ATOMIC_SCALES = ("tai", "tt", "tdb", "tcg", "tcb", "utc")  # of which the difference from UTC is known without a look-up
Names = Callable[[str], str | None]  # of a column in the file, as it is asked for


@dataclass
class _Column:
    """A column as its file has it."""

    values: Any  # sequence, array, Time or SkyCoord
    unit: Any = None


def read_columns(path: Path, content: bytes, name_of: Names, asked: Collection[str]) -> dict[str, list[Any]]:
    """Return the cells by column: text, numbers and truth values; None where empty. Text has no spaces at its ends.

    Parameters
    ----------
    path : Path
        Path of the file; its ending is one of `FORMATS`.
    content : bytes
        Content of the file.
    name_of : function
        Returns the name that a column shall have; None: it is left out.
    asked : collection of str
        Names of the columns that are used; the units of others are left alone.

    Raises
    ------
    UsageError
        A unit, a time or the type of a column cannot be used, naming it.
    Exception
        The file is not a table.
    """
    match path.suffix.lower():
        case ".csv":
            columns = _csv(content)
        case ".parquet":
            columns = _parquet(content, path, name_of)
        case ending:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of units that astropy does not know, which are refused below
                table = Table.read(io.BytesIO(content), format="ascii.ecsv") if ending == ".ecsv" else _fits(content)
            columns = {name: _Column(table[name], getattr(table[name], "unit", None)) for name in table.colnames}
    kept = [(own, column) for name, column in columns.items() if (own := name_of(name)) is not None]
    named = dict(kept)
    if len(named) < len(kept):
        raise UsageError(
            f"two columns have one name: {', '.join(columns)}", path, "rename one of them", "E-TABLE-COLUMN"
        )
    cells: dict[str, list[Any]] = {}
    units = UNITS | ({"error": (u.nmgy,) if "flux" in named else (u.mag,)})
    for name, column in named.items():
        if isinstance(column.values, SkyCoord):
            if {"ra", "dec"} & named.keys():
                raise UsageError(
                    f"column {name} is a position, as ra or dec is", path, f"leave {name} out", "E-TABLE-COLUMN"
                )
            place = column.values.icrs
            cells |= {"ra": place.ra.deg.tolist(), "dec": place.dec.deg.tolist()}
            continue
        cells[name] = [
            _cell(value) for value in _converted(name, column, units.get(name, ()) if name in asked else (), path)
        ]
    return cells


def _fits(content: bytes) -> Table:
    with unpack_fits(io.BytesIO(content)) as plain:
        check_headers(plain)
        return Table.read(plain, format="fits")


def _csv(content: bytes) -> dict[str, _Column]:
    file = io.StringIO(content.decode("utf-8-sig"), newline=None)
    if not OF_SKYSERVER.match(file.readline()):
        file.seek(0)
    reader = csv.DictReader(file, strict=True)
    rows = list(reader)
    for number, row in enumerate(rows):
        if None in row or None in row.values():
            raise ValueError(f"row {number + 1} has another number of cells than the header")
    return {name: _Column([row[name] for row in rows]) for name in reader.fieldnames or ()}


def _parquet(content: bytes, path: Path, name_of: Names) -> dict[str, _Column]:
    table = read_parquet(content, most_rows=MOST_ROWS, most_bytes=MOST_BYTES)
    units: dict[str, Any] = {}
    if written := (table.schema.metadata or {}).get(b"table_meta_yaml"):  # by astropy
        header = get_header_from_yaml(written.decode("utf-8").split("\n"))
        units = {one["name"]: u.Unit(one["unit"], parse_strict="silent") for one in header["datatype"] if "unit" in one}
    columns = {}
    for field in table.schema:
        values: Any = table.column(field.name)
        if pa.types.is_timestamp(field.type) and name_of(field.name) == "mjd":
            if field.type.tz is None:
                found = f"column {field.name} holds timestamps without a time zone"
                raise UsageError(found, path, "give MJD, or timestamps in UTC with their zone", "E-VALUE-TIME")
            nanoseconds = values.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
            days = [None if one is None else 40_587 + one / 86_400e9 for one in nanoseconds.to_pylist()]
            columns[field.name] = _Column(days)
        elif pa.types.is_floating(field.type):  # the type says how exact it is
            array = values.to_numpy()
            mask = np.asarray(values.is_null())
            columns[field.name] = _Column(np.ma.array(array, mask=mask), units.get(field.name))
        else:
            columns[field.name] = _Column(values.to_pylist(), units.get(field.name))
    return columns


def _converted(name: str, column: _Column, wanted: Sequence[u.UnitBase], path: Path) -> Sequence[Any]:
    """Return the values of a column in the first unit, of those wanted, that it can be converted to.

    Raises
    ------
    UsageError
        The unit or the type does not allow it.
    """
    values = column.values
    if isinstance(values, Time):
        return _mjd(name, values, path)
    array = values if isinstance(values, np.ndarray) else None  # Quantity, Column and masked arrays are such
    if array is not None and array.dtype.kind == "f":
        plain = np.ma.getdata(np.asarray(array))
        if name == "mjd" and (flaw := flaw_of_precision(name, plain)):
            raise UsageError(flaw.found, path, flaw.fix, flaw.code)
        exact = 2 ** (np.finfo(array.dtype).nmant + 1)
        if name == "id" and exact < LARGEST_WHOLE and (np.abs(plain) >= exact).any():
            row = int(np.flatnonzero(np.abs(plain) >= exact)[0]) + 1
            found = f"id {plain[row - 1]:.0f} is {array.dtype.newbyteorder('=')}, and has lost its last digits"
            raise UsageError(found, f"{path}, row {row}", "write ids as whole numbers or as text", "E-VALUE-PRECISION")
    if isinstance(values, u.Quantity):
        values = np.ma.asarray(values.unmasked.value if hasattr(values, "unmasked") else values.value)
    if column.unit is None or not wanted or str(column.unit) == "":
        return values if not isinstance(values, np.ndarray) else list(values)
    factor = _factor(name, column.unit, wanted, path)
    if factor == 1:
        return list(values)
    try:
        return list(np.ma.asarray(values, dtype=np.float64) * factor)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"column {name} is in {column.unit} and holds text", path, "give numbers", "E-VALUE-UNITS"
        ) from error


def _factor(name: str, unit: Any, wanted: Sequence[u.UnitBase], path: Path) -> float:
    """Return what a column is multiplied by to come to a unit that is wanted."""
    if (word := UNIT_WORDS.get(str(unit).strip().lower())) is not None:
        unit = u.Unit(word)
    if str(unit) in AB_MAGNITUDES and u.mag in wanted:
        return 1.0
    if name == "ra" and unit == u.hour:  # FITS has no other name for hours of right ascension
        unit = u.hourangle
    for one in wanted:
        try:
            return float(u.Unit(unit).to(one))
        except (u.UnitConversionError, TypeError, ValueError):
            continue
    first = wanted[0].to_string() or "a number without a unit"
    raise UsageError(
        f"column {name} is in {unit}",
        path,
        f"convert it to {first}, or remove the unit if it is wrong",
        "E-VALUE-UNITS",
    )


def _mjd(name: str, times: Time, path: Path) -> list[Any]:
    """Return times as MJD UTC [days], None where masked; those of another column as text."""
    if name != "mjd":
        return [str(one) for one in times.isot]
    if times.scale not in ATOMIC_SCALES:
        raise UsageError(
            f"column {name} is in the time scale {times.scale}", path, "give UTC, TAI or TDB", "E-VALUE-TIME"
        )
    days = np.ma.asarray(times.utc.mjd)
    return list(np.ma.array(np.asarray(np.ma.getdata(days)), mask=np.ma.getmaskarray(days) | np.asarray(times.mask)))


def _cell(value: Any) -> Any:
    """Return text, a number or a truth value; None for what is missing."""
    if value is None or value is np.ma.masked:
        return None
    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8")
    if isinstance(plain, str):
        plain = plain.strip()
        return None if plain.lower() in NOTHING else plain
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def as_rows(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return a table's rows."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
