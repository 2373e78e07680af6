"""Tables that users write, of objects, images or stamps: text and numbers, and every flaw named by its row."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from astropy.table import Table

from ictconvention.data.incoming import check_object, check_value, merged_kind
from ictconvention.data.survey_format import SurveyHeader
from ictconvention.errors import SurveyError, UsageError, did_you_mean, readable_os_errors, shortened

FORMATS = (".csv", ".ecsv", ".parquet", ".fits")
OBJECT_NUMBERS = ("ra", "dec", "redshift")
NOTHING = ("", "--", "nan", "null", "none", "n/a")  # a cell without a value, in any case of letters


@dataclass(frozen=True)
class UserTable:
    """A table as it was read.

    Parameters
    ----------
    path : Path
    rows : sequence of mapping
        Text, numbers and truth values by column; None where a cell is empty. Text has no spaces at its ends.
    """

    path: Path
    rows: Sequence[Mapping[str, Any]]

    def where(self, number: int) -> str:
        """Name a row, counted from 1 behind the header."""
        return f"{self.path}, row {number + 1}"


def read_user_table(path: str | Path, needed: Iterable[str], optional: Iterable[str] = ()) -> UserTable:
    """Read a table; CSV in UTF-8 with a header line, with or without a byte order mark, with any line ends.

    Parameters
    ----------
    path : str or Path
        A .csv, .ecsv, .parquet or .fits file.
    needed, optional : names
        Columns that must be there, or may be. Letters' case does not count for these.

    Raises
    ------
    UsageError
        It is no table, is empty, or lacks a column.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        found = f"{path.suffix or 'no ending'!r} is no format of tables"
        raise UsageError(found, path, f"give a table that ends in {', '.join(FORMATS)}")
    with readable_os_errors("reading the table", path):
        content = path.read_bytes()
    try:
        rows = _rows(path, content)
    except Exception as error:  # rubbish may break the readers anywhere
        raise UsageError(
            f"this is no table: {error}", path, "write it as CSV with a header line, or by astropy"
        ) from error
    if not rows:
        raise UsageError("the table has no row", path, "give at least one")
    names = {name.lower(): name for name in (*needed, *optional)}
    rows = [
        {names.get(str(name).strip().lower(), str(name).strip()): value for name, value in row.items()} for row in rows
    ]
    if absent := [name for name in needed if name not in rows[0]]:
        found = f"the table lacks the column {shortened(absent)}{did_you_mean(absent[0], rows[0])}"
        raise UsageError(found, path, f"rename or add it; there are {', '.join(rows[0])}")
    return UserTable(path, rows)


def _rows(path: Path, content: bytes) -> list[dict[str, Any]]:
    if path.suffix.lower() == ".csv":
        text = io.StringIO(content.decode("utf-8-sig"), newline=None)
        reader = csv.DictReader(text, strict=True)
        rows = list(reader)
        for number, row in enumerate(rows):
            if None in row or None in row.values():
                raise ValueError(f"row {number + 1} has another number of cells than the header")
        return [{name: _cell(value) for name, value in row.items()} for row in rows]
    if path.suffix.lower() == ".parquet":
        return [
            {name: _cell(value) for name, value in row.items()}
            for row in pq.read_table(io.BytesIO(content)).to_pylist()
        ]
    table = Table.read(io.BytesIO(content), format="ascii.ecsv" if path.suffix.lower() == ".ecsv" else "fits")
    return [{name: _cell(row[name]) for name in table.colnames} for row in table]


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


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    """Return a cell as text, a whole number without its point; None where it is empty."""
    value = row.get(name)
    if value is None:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def number_of(row: Mapping[str, Any], name: str, where: str) -> float:
    """Return a cell as a number, NaN where it is empty.

    Raises
    ------
    UsageError
        It is no number.
    """
    value = row.get(name)
    if value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is {value!r}, no number", where, "correct it, or leave it empty") from None


def objects_of(
    tables: Iterable[tuple[str, Mapping[str, Any]]], not_columns: Iterable[str] = ()
) -> dict[str, dict[str, Any]]:
    """Return what tables say of each object, as arguments of `SurveyWriter.add`; an object may have several rows.

    Parameters
    ----------
    tables : pairs of where a row is and the row
        With the column id; class, label_source, redshift, ra and dec where known; other columns are kept.
    not_columns : names
        Columns that do not describe the object.

    Raises
    ------
    UsageError
        A row has no id, or two rows disagree about an object: one id for two objects.
    """
    listed = list(tables)
    objects: dict[str, dict[str, Any]] = {}
    first: dict[str, str] = {}
    skipped = {*not_columns, "id", "class", "label_source", *OBJECT_NUMBERS}
    own_columns = dict.fromkeys(name for _, row in listed for name in row if name not in skipped)
    if "class_name" in own_columns:
        raise UsageError("a column is called class_name", listed[0][0].rpartition(", ")[0], "call it class")
    numeric = {name for name in own_columns if all(_is_number(row.get(name)) for _, row in listed)}
    for where, row in listed:
        id_ = text_of(row, "id")
        if id_ is None:
            raise UsageError("this row has no id", where, "give every row the id of its object")
        own: dict[str, Any] = {"class_name": text_of(row, "class"), "label_source": text_of(row, "label_source")}
        for name in OBJECT_NUMBERS:
            number = number_of(row, name, where)
            own[name] = None if math.isnan(number) else number
        for name in own_columns:
            value = row.get(name)
            own[re.sub(r"\W", "_", name)] = float(value) if name in numeric and isinstance(value, str) else value
        if own != objects.setdefault(id_, own):
            name = next(name for name in own if own[name] != objects[id_].get(name))
            found = f"one id for two objects: {id_!r} has {name} {objects[id_].get(name)!r} and {own[name]!r}"
            there = where.rpartition(", ")[2]
            mend = f"give each object an id of its own, or leave {name} out where it differs from frame to frame"
            raise UsageError(found, f"{first[id_]} and {there}", mend)
        first.setdefault(id_, where)
    return objects


def checked_objects(objects: Mapping[str, Mapping[str, Any]], header: SurveyHeader, where: str) -> None:
    """Refuse objects that a survey would refuse, before anything is read.

    Raises
    ------
    UsageError, SurveyError
        A class is unknown, a position out of range, a column mixed, and so on.
    """
    kinds: dict[str, type | None] = {}
    for id_, own in objects.items():
        row = {"id": id_, "class": own.get("class_name")}
        row |= {name: own.get(name) for name in ("label_source", "redshift", "ra", "dec")}
        here = f"{where}, object {id_}"
        check_object(header, here, row)
        for name, value in own.items():
            if name not in ("class_name", *row):
                try:
                    kinds[name] = merged_kind(name, kinds.get(name), check_value(name, value, here), here)
                except SurveyError as error:
                    raise SurveyError(error.found, here, f"{error.mend}, or leave the column out") from error


def _is_number(value: Any) -> bool:
    """Return whether a cell is a finite number, looks like one, or is empty."""
    if value is None:
        return True
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
