"""Check what is about to enter a survey: one object's frames and values, before a byte of it is written."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.survey.format import (
    FRAME_COLUMNS,
    FRAMES_FILE,
    LABEL_SOURCES,
    OBJECT_COLUMNS,
    SurveyHeader,
    unknown_class,
)
from ictconvention.survey.values import (
    LARGEST_WHOLE,
    Flaw,
    flaw_of_frame_columns,
    flaw_of_id,
    flaw_of_number,
    flaw_of_pixels,
    flaw_of_precision,
    flaw_of_times,
)


def check_frames(
    header: SurveyHeader, where: str, frames: ArrayLike, columns: Mapping[str, ArrayLike | None]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an object as they are stored, contiguous, frames first.

    Parameters
    ----------
    header : SurveyHeader
        Header of the survey it is meant for.
    where : str
        Names the object in messages.
    frames : array (n, H, W)
        Flux [flux_unit].
    columns : mapping
        band, mjd, psf_fwhm, sky_sigma, x, y and gain, each (n,); None where unknown.

    Raises
    ------
    SurveyError
        On a wrong type or shape, unsorted or impossible times, a band out of range, or too many non-finite pixels.
    """
    pixels = _array("frames", frames, where)
    size = header.stamp_size
    if pixels.dtype.kind not in "fiu":
        raise SurveyError(f"frames of type {pixels.dtype}", where, "give floating-point numbers", "E-VALUE-TYPE")
    if pixels.ndim != 3 or pixels.shape[1:] != (size, size) or not len(pixels):
        found = f"frames of shape {pixels.shape} where (n, {size}, {size}) is expected"
        raise SurveyError(
            found, where, f"cut or pad every frame to {size} x {size} pixels; give at least one", "E-VALUE-SHAPE"
        )
    dtype = np.dtype(header.dtype).newbyteorder("<")
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(pixels, dtype=dtype)
    if (np.isinf(stored) & np.isfinite(pixels)).any():
        fix = "set dtype='float32' in the survey's header" if header.dtype == "float16" else "check the flux unit"
        raise SurveyError(f"a pixel too large for {header.dtype}", where, fix, "E-VALUE-RANGE")
    check_finite(stored, where)
    arrays: dict[str, NDArray[Any]] = {FRAMES_FILE: stored}
    for name, dtype in FRAME_COLUMNS.items():
        arrays[name] = _frame_column(name, columns.get(name), dtype, len(pixels), where)
    check_frame_columns(header, arrays, where)
    return arrays


def check_finite(frames: NDArray[np.floating], where: str) -> None:
    """Refuse an object of which a frame has no finite pixel, or over half of the pixels are not finite."""
    _refuse(flaw_of_pixels(frames), where)


def check_frame_columns(header: SurveyHeader, columns: Mapping[str, NDArray[Any]], where: str) -> None:
    """Refuse bands out of range, times that are no MJD in order, and impossible seeing, noise, gain or places."""
    if (band := int(columns["band"].max())) >= len(header.bands):
        found = f"band {band} where the survey has {len(header.bands)}: {', '.join(header.bands)}"
        raise SurveyError(
            found, where, f"number the bands 0 to {len(header.bands) - 1} in the header's order", "E-BAND-UNKNOWN"
        )
    mjd = columns["mjd"]
    _refuse(flaw_of_times(mjd), where)
    if (back := np.flatnonzero(np.diff(mjd) < 0)).size:
        i = back[0]
        found = f"times are not sorted: frame {i} at MJD {mjd[i]:.5f}, the next at {mjd[i + 1]:.5f}"
        raise SurveyError(found, where, "sort the frames of each object by time", "E-VALUE-TIME")
    _refuse(flaw_of_frame_columns(columns, header.stamp_size), where)


def check_object(header: SurveyHeader, where: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row as it is stored: plain numbers, None where unknown.

    Raises
    ------
    SurveyError
        On an id, class, label source, redshift or position that the format does not know.
    """
    stored = dict(row)
    id_ = row["id"]
    if not isinstance(id_, str):
        raise SurveyError(f"id {id_!r} is not a text", where, "give ids as text: str(id)", "E-ID-FORMAT")
    _refuse(flaw_of_id(id_), where)
    if row["class"] is not None and row["class"] not in header.classes:
        raise unknown_class(row["class"], header, where)
    if row["label_source"] is not None and row["label_source"] not in LABEL_SOURCES:
        found = f"label_source {row['label_source']!r} is none of {', '.join(LABEL_SOURCES)}"
        raise SurveyError(found, where, "correct it, or leave it None", "E-VALUE-RANGE")
    if row["label_source"] is not None and row["class"] is None:
        raise SurveyError(
            "a label source without a class", where, "give the class, or leave both None", "E-VALUE-MISSING"
        )
    if (row["ra"] is None) != (row["dec"] is None):
        raise SurveyError("one of ra and dec is missing", where, "give both, or leave both None", "E-VALUE-MISSING")
    for name in ("redshift", "ra", "dec"):
        value = row[name]
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise SurveyError(
                f"{name} is {value!r}, no number", where, f"give {name} as a number, or None", "E-VALUE-TYPE"
            )
        _refuse(flaw_of_number(name, float(value)), where)
        stored[name] = None if math.isnan(value) else float(value)
    return stored


def check_value(name: str, value: Any, where: str) -> str | float | bool | None:
    """Return the value of a column of the survey's own as a plain Python one."""
    if name in (*OBJECT_COLUMNS, *FRAME_COLUMNS, "frames", "self") or not name.isidentifier():
        raise SurveyError(
            f"column {name!r} is the format's own, or no name", where, "choose another name", "E-TABLE-COLUMN"
        )
    plain = value.item() if isinstance(value, np.generic) else value
    if plain is not None and not isinstance(plain, str | bool | int | float):
        found = f"column {name!r} is {type(value).__name__}"
        raise SurveyError(found, where, "give text, a number, True, False or None", "E-VALUE-TYPE")
    if isinstance(plain, int) and not -LARGEST_WHOLE <= plain <= LARGEST_WHOLE:
        raise SurveyError(
            f"column {name!r} is {plain}, which a float cannot hold exactly",
            where,
            "give it as text",
            "E-VALUE-PRECISION",
        )
    if isinstance(plain, str) and not plain.isprintable():
        raise SurveyError(
            f"column {name!r} holds unprintable characters: {plain!r}", where, "give text on one line", "E-VALUE-TYPE"
        )
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def merge_kind(name: str, kind: type | None, value: str | float | bool | None, where: str) -> type | None:
    """Return a column's type with one more value: each column has one, and a whole number may become a float."""
    new = type(value) if value is not None else kind
    if kind in (None, new):
        return new
    if {kind, new} == {int, float}:
        return float
    found = f"column {name!r} is {new.__name__ if new else None} here and {kind.__name__ if kind else None} before"
    raise SurveyError(found, where, "give one type in the whole column", "E-VALUE-TYPE")


def _refuse(flaw: Flaw | None, where: str | Path) -> None:
    """Raise the `SurveyError` of a flaw, where there is one."""
    if flaw is not None:
        raise SurveyError(flaw.found, where, flaw.fix, flaw.code)


def _array(name: str, values: ArrayLike, where: str) -> NDArray[Any]:
    """Return plain numbers; masked ones become NaN, and a unit is refused rather than dropped."""
    if (unit := getattr(values, "unit", None)) is not None:
        raise SurveyError(
            f"{name} carries the unit {unit}",
            where,
            "convert it and give plain numbers: quantity.value",
            "E-VALUE-UNITS",
        )
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        return np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values))
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise SurveyError(
            f"{name} is not an array: {error}", where, "give every frame the same shape", "E-VALUE-SHAPE"
        ) from error


def _frame_column(name: str, values: ArrayLike | None, dtype: np.dtype[Any], n: int, where: str) -> NDArray[Any]:
    if values is None:
        return np.full(n, np.nan, dtype=dtype)
    given = _array(name, values, where)
    if given.shape != (n,):
        raise SurveyError(
            f"{name} of shape {given.shape} for {n} frames", where, f"give one {name} per frame", "E-VALUE-SHAPE"
        )
    if name == "band":
        if given.dtype.kind not in "iu" or given.min() < 0 or given.max() > 255:
            found = f"bands {', '.join(map(str, np.unique(given)[:5]))}"
            raise SurveyError(
                found,
                where,
                "give each frame's position in the header's bands, a whole number from 0",
                "E-BAND-UNKNOWN",
            )
    elif given.dtype.kind not in "fiu":
        raise SurveyError(f"{name} of type {given.dtype}", where, "give numbers", "E-VALUE-TYPE")
    if name == "mjd":
        _refuse(flaw_of_precision(name, given), where)
    with np.errstate(over="ignore"):  # an overflow to infinity is refused later
        return np.ascontiguousarray(given, dtype=dtype)
