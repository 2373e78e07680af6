"""Tables that users write, of objects, images or stamps: text and numbers, and every flaw named by its row."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ictconvention.core.errors import SurveyError, UsageError, did_you_mean, readable_os_errors, shorten
from ictconvention.core.plain_file import read_plain
from ictconvention.files.table_file import FORMATS, as_rows, read_columns
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.labels.selected import EXTRA, SELECTED
from ictconvention.survey.neighbours import median_position, separations
from ictconvention.survey.validate import check_object, check_value, merge_kind
from ictconvention.survey.values import flaw_of_id, flaw_of_number

OBJECT_NUMBERS = ("ra", "dec", "redshift")
OBJECT_TRUTHS = (SELECTED, EXTRA)
TRUTHS = {"true": True, "t": True, "1": True, "1.0": True, "false": False, "f": False, "0": False, "0.0": False}
LONGEST_CELL = 60  # letters of a cell that a message repeats
SAME_PLACE = 1.5  # [arcsec]; positions of one object that are farther apart are those of two


@dataclass(frozen=True)
class UserTable:
    """A table as it was read.

    Parameters
    ----------
    path : Path
    rows : sequence of mapping
        Text, numbers and truth values by column; None where a cell is empty. Text has no spaces at its ends. Numbers
        of columns that say their unit are in the unit of the column's name, see `table_file.UNITS`.
    """

    path: Path
    rows: Sequence[Mapping[str, Any]]

    @property
    def located(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Where each row is, in words, and the row."""
        return [(self.where(number), row) for number, row in enumerate(self.rows)]

    def where(self, number: int) -> str:
        """Name a row; the number counts from 0, the name from 1 after the header."""
        return f"{self.path}, row {number + 1}"


def read_user_table(
    path: str | Path,
    needed: Iterable[str],
    optional: Iterable[str] = (),
    renamed: Mapping[str, str] | None = None,
) -> UserTable:
    """Read a table; CSV in UTF-8 with a header line, with or without a byte order mark, with any line ends.

    Parameters
    ----------
    path : str or Path
        A .csv, .ecsv, .parquet or .fits file.
    needed, optional : names
        Columns that must be there, or may be. Letters' case does not count for these.
    renamed : mapping, optional
        Names that columns have in the file, by those that they shall have; a column that has that name there is left
        out. None: the command does not rename.

    Raises
    ------
    UsageError
        It is not a table, is empty, lacks a column, or the unit or type of a column cannot be used.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        found = f"{path.suffix or 'no ending'!r} is not a format of tables"
        raise UsageError(found, path, f"give a table that ends in {', '.join(FORMATS)}", "E-FILES-ENDING")
    with readable_os_errors("reading the table", path):
        content = read_plain(path)
    names = {name.lower(): name for name in (*needed, *optional)}
    ours = {theirs: own for own, theirs in (renamed or {}).items()}

    def name_of(name: str) -> str | None:
        name = str(name).strip()
        own = names.get(name.lower(), name)
        return ours[name] if name in ours else None if own in ours.values() else own

    try:
        columns = read_columns(path, content, name_of, (*names.values(),))
    except UsageError:
        raise
    except Exception as error:  # rubbish may break the readers anywhere
        raise UsageError(
            f"this is not a table: {error}",
            path,
            "write it as CSV with a header line, or by astropy",
            "E-TABLE-DAMAGED",
        ) from error
    rows = as_rows(columns)
    if not rows:
        raise UsageError("the table has no row", path, "give at least one", "E-TABLE-EMPTY")
    if unmet := [theirs for own, theirs in (renamed or {}).items() if own not in columns]:
        found = f"the table has no column {shorten(unmet)}{did_you_mean(unmet[0], columns)}"
        raise UsageError(found, path, f"correct --column; there are {', '.join(columns)}", "E-TABLE-COLUMN")
    if absent := [name for name in needed if name not in columns]:
        found = f"the table lacks the column {shorten(absent)}{did_you_mean(absent[0], columns)}"
        which = "rename or add it" if renamed is None else f"say which it is, --column {absent[0]}=NAME, or add it"
        raise UsageError(found, path, f"{which}; there are {', '.join(columns)}", "E-TABLE-COLUMN")
    return UserTable(path, rows)


def read_text(row: Mapping[str, Any], name: str) -> str | None:
    """Return a cell as text, a whole number without its point; None where it is empty."""
    value = row.get(name)
    if value is None:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def file_of(row: Mapping[str, Any], where: str) -> str:
    """Return the file that a row names; a `UsageError` where it names none."""
    if (file := read_text(row, "file")) is None:
        raise UsageError("this row names no file", where, "give the file of the image", "E-VALUE-MISSING")
    return file


def read_id(row: Mapping[str, Any], where: str) -> str:
    """Return the id of a row.

    Raises
    ------
    UsageError
        There is none, or it was a number that has lost its last digits.
    """
    if flaw := flaw_of_id(row.get("id")):
        raise UsageError(flaw.found, where, flaw.fix, flaw.code)
    return read_text(row, "id") or ""


def read_number(row: Mapping[str, Any], name: str, where: str) -> float:
    """Return a cell as a number, NaN where it is empty.

    Raises
    ------
    UsageError
        It is not a number.
    """
    value = row.get(name)
    if value is None:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        fix = "correct it, or leave it empty"
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[:hd ]\s*\d+[:m' ].*", value):
            fix = f"give {name} in degrees, as a decimal number"
        raise UsageError(f"{name} is {_short(value)}, no number", where, fix, "E-VALUE-TYPE") from None


def read_truth(row: Mapping[str, Any], name: str, where: str) -> bool | None:
    """Return a cell as true or false, of a text in any case of letters; None where it is empty.

    Raises
    ------
    UsageError
        It is neither.
    """
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return value
    if (found := TRUTHS.get(str(value).lower())) is None:
        fix = "write true or false, leave it empty, which is false, or call the column otherwise"
        raise UsageError(f"{name} is {_short(value)}, neither true nor false", where, fix, "E-VALUE-TYPE")
    return found


def check_number(row: Mapping[str, Any], name: str, where: str) -> float:
    """Return a cell as a number in the range of its kind, NaN where it is empty.

    Raises
    ------
    UsageError
        It is not a number, or out of range, such as the -9 or -999 of a value that is missing.
    """
    number = read_number(row, name, where)
    if flaw := flaw_of_number(name, number):
        raise UsageError(flaw.found, where, f"correct {name}, or leave the cell empty where it is unknown", flaw.code)
    return number


def read_objects(
    tables: Iterable[tuple[str, Mapping[str, Any]]], not_columns: Iterable[str] = (), numbers: Iterable[str] = ()
) -> dict[str, dict[str, Any]]:
    """Return what tables say of each object, as arguments of `SurveyWriter.add`; an object may have several rows.

    Its position is the median of those of its rows, which differ from detection to detection.

    Parameters
    ----------
    tables : pairs of where a row is and the row
        With the column id; class, label_source, redshift, ra and dec where known; other columns are kept.
    not_columns : names
        Columns that do not describe the object.
    numbers : names
        Further columns whose numbers have a range, see `values.RANGES`.

    Raises
    ------
    UsageError
        A row has no id, or an impossible number, or a truth value that is none, or two rows disagree about an object:
        one id for two objects.
    """
    listed = list(tables)
    objects: dict[str, dict[str, Any]] = {}
    first: dict[str, str] = {}
    places: dict[str, list[tuple[str, float, float]]] = {}
    ranged = (*OBJECT_NUMBERS, *numbers)
    skipped = {*not_columns, "id", "class", "label_source", *ranged}
    own_columns = dict.fromkeys(name for _, row in listed for name in row if name not in skipped)
    if "class_name" in own_columns:
        raise UsageError(
            "a column is called class_name", listed[0][0].rpartition(", ")[0], "call it class", "E-TABLE-COLUMN"
        )
    numeric = {name for name in own_columns if all(_is_number(row.get(name)) for _, row in listed)}
    for where, row in listed:
        id_ = read_id(row, where)
        own: dict[str, Any] = {"class_name": read_text(row, "class"), "label_source": read_text(row, "label_source")}
        own |= {name: None if math.isnan(x := check_number(row, name, where)) else x for name in ranged}
        ra, dec = own.pop("ra"), own.pop("dec")
        if (ra is None) != (dec is None):
            raise UsageError("one of ra and dec is missing", where, "give both, or leave both empty", "E-VALUE-MISSING")
        if ra is not None:
            places.setdefault(id_, []).append((where, ra, dec))
        for name in own_columns:
            value = read_truth(row, name, where) if name in OBJECT_TRUTHS else row.get(name)
            own[re.sub(r"\W", "_", name)] = float(value) if name in numeric and isinstance(value, str) else value
        if own != objects.setdefault(id_, own):
            name = next(name for name in own if own[name] != objects[id_].get(name))
            found = f"one id for two objects: {id_!r} has {name} {objects[id_].get(name)!r} and {own[name]!r}"
            there = where.rpartition(", ")[2]
            fix = f"give each object an id of its own, or leave {name} out where it differs from frame to frame"
            raise UsageError(found, f"{first[id_]} and {there}", fix, "E-ID-DUPLICATE")
        first.setdefault(id_, where)
    for id_, own in objects.items():
        own["ra"], own["dec"] = _one_place(id_, places[id_]) if id_ in places else (None, None)
    return objects


def _one_place(id_: str, places: Sequence[tuple[str, float, float]]) -> tuple[float, float]:
    """Return the median of an object's positions [deg], from where a row is and what it says.

    Raises
    ------
    UsageError
        Two rows are farther apart than `SAME_PLACE`.
    """
    where, right, up = zip(*places, strict=True)
    ra, dec = np.array(right), np.array(up)
    apart = separations(ra[0], dec[0], ra, dec) * 3600
    far = int(apart.argmax())
    if apart[far] > SAME_PLACE:
        found = f"one id for two objects: {id_!r} has positions {apart[far]:.2f} arcsec apart"
        there = where[far].rpartition(", ")[2]
        fix = f"give each object an id of its own, or one position within {SAME_PLACE:g} arcsec"
        raise UsageError(found, f"{where[0]} and {there}", fix, "E-ID-DUPLICATE")
    return median_position(ra, dec)


def check_objects(objects: Mapping[str, Mapping[str, Any]], header: SurveyHeader, where: str) -> None:
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
                    kinds[name] = merge_kind(name, kinds.get(name), check_value(name, value, here), here)
                except SurveyError as error:
                    raise SurveyError(error.found, here, f"{error.fix}, or leave the column out", error.code) from error


def _is_number(value: Any) -> bool:
    """Return whether a cell is a finite number, looks like one, or is empty."""
    if value is None:
        return True
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}..."
