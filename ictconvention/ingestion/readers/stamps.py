"""Stamps that are cut already: FITS cubes, one FITS file per epoch, or npz, named by a table with a row per frame."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.files.reading import (
    FITS_ENDINGS,
    UnreadableError,
    npz_array,
    open_fits,
    read_image,
    reason_of,
)
from ictconvention.files.user_table import (
    UserTable,
    check_number,
    file_of,
    read_id,
    read_number,
    read_objects,
    read_text,
    read_user_table,
)
from ictconvention.ingestion.fitting import CutoutOptions
from ictconvention.ingestion.found import Found, Reject, place_of
from ictconvention.survey.format import NANOMAGGY

NEEDED = ("id", "file", "band", "mjd")
OF_FRAMES = ("file", "hdu", "plane", "band", "mjd", "zero_point", "psf_fwhm", "sky_sigma", "pixel_scale")
OF_OBJECTS = ("class", "label_source", "redshift", "ra", "dec")
FILES_AT_ONCE = 64
SAME_SCALE = 0.02  # largest relative difference of pixel scales within a survey
UNIT_LENGTH = 1e-4  # largest difference from 1 of the sum of squares of a normalised stamp


@dataclass(frozen=True, slots=True)
class StampRow:
    """A row of the table: a frame; numbers are NaN where the cell is empty, `hdu` and `plane` None."""

    id: str
    file: str
    hdu: str | None
    plane: int | None
    band: str
    mjd: float
    zero_point: float
    psf_fwhm: float
    sky_sigma: float


def read_stamp_table(
    path: Path, zero_point: float | None = None, flux_unit: str = NANOMAGGY, pixel_scale: float | None = None
) -> tuple[list[list[StampRow]], dict[str, dict[str, Any]]]:
    """Read a table of stamps.

    Parameters
    ----------
    path : Path
        Path of the table.
    zero_point : float, optional
        Zero point of rows without one [AB mag].
    flux_unit : str
        Flux unit of the survey; zero points give nanomaggies alone.
    pixel_scale : float, optional
        Pixel scale of the files [arcsec], which a column pixel_scale must agree with.

    Returns
    -------
    units : list of lists of StampRow
        Rows of some files each, the rows of a file together.
    objects : dict
        What the table says of the objects, see `read_objects`.

    Raises
    ------
    UsageError
        A column or a cell is missing or wrong, naming the row; some rows have a zero point, and others none; or there
        are zero points, and pixels of another unit than nanomaggies.
    """
    table = read_user_table(path, NEEDED, (*OF_FRAMES, *OF_OBJECTS))
    located = table.located
    objects = read_objects(located, not_columns=OF_FRAMES)
    by_file: dict[tuple[str, str | None], list[StampRow]] = {}
    for where, row in located:
        one = _row(row, where)
        by_file.setdefault((one.file, one.hdu), []).append(one)
    _check_scales(table, pixel_scale)
    without = [where for where, row in located if read_text(row, "zero_point") is None]
    if zero_point is None and 0 < len(without) < len(located):
        found = f"{pluralize(len(without), 'row')} without zero_point, the others have one"
        raise UsageError(
            found, without[0], "give it in every row, or for all others by --zero-point", "E-VALUE-MISSING"
        )
    if flux_unit != NANOMAGGY and (zero_point is not None or len(without) < len(located)):
        found = f"zero points give {NANOMAGGY}, and --flux-unit is {flux_unit!r}"
        raise UsageError(found, path, "leave out --flux-unit, or the zero points", "E-COMMAND-CONFLICT")
    files = list(by_file.values())
    some = (files[i : i + FILES_AT_ONCE] for i in range(0, len(files), FILES_AT_ONCE))
    units = [[row for rows in chosen for row in rows] for chosen in some]
    return units, objects


def read_stamps(options: CutoutOptions, rows: Sequence[StampRow]) -> Iterator[Found]:
    """Yield the frames of some rows, and a reject for each that cannot be read."""
    for (file, hdu), group in groupby(rows, key=lambda row: (row.file, row.hdu)):
        own = list(group)
        try:
            pixels, name = _pixels(options.folder / file, hdu)
            planes = _planes(pixels, own)
        except (UnreadableError, OSError) as error:
            yield from (Reject(row.id, place_of(file, hdu), reason_of(error)) for row in own)
            continue
        for row, plane in zip(own, planes, strict=True):
            known = {"psf_fwhm": row.psf_fwhm, "normalised": _is_normalised(plane)}
            given = row.sky_sigma, row.zero_point
            yield options.frame(row.id, plane, row.band, row.mjd, row.file, name, *given, **known)


def _row(row: Mapping[str, Any], where: str) -> StampRow:
    plane = read_number(row, "plane", where)
    if not np.isnan(plane) and not (plane >= 0 and float(plane).is_integer()):
        raise UsageError(
            f"plane is {plane:g}", where, "give the number of the plane, from 0, or leave it empty", "E-VALUE-RANGE"
        )
    numbers = {name: read_number(row, name, where) for name in ("mjd", "zero_point")}
    numbers |= {name: check_number(row, name, where) for name in ("psf_fwhm", "sky_sigma")}
    return StampRow(
        read_id(row, where),
        file_of(row, where),
        read_text(row, "hdu"),
        None if np.isnan(plane) else int(plane),
        read_text(row, "band") or "",
        **numbers,
    )


def _check_scales(table: UserTable, pixel_scale: float | None) -> None:
    """Refuse a column of pixel scales that are not all that of the survey."""
    if pixel_scale is None:
        return
    for where, row in table.located:
        scale = read_number(row, "pixel_scale", where)
        if abs(scale / pixel_scale - 1) > SAME_SCALE:  # NaN is not
            found = f"pixel_scale is {scale:g} arcsec, and --pixel-scale {pixel_scale:g}"
            fix = "make a survey of the stamps of each pixel scale: a survey has one"
            raise UsageError(found, where, fix, "E-COMMAND-CONFLICT")


def _pixels(path: Path, hdu: str | None) -> tuple[NDArray[np.floating], str]:
    """Return the pixels of a file (H, W) or (n, H, W), and the name of their HDU."""
    if path.suffix.lower() in (".npz", ".npy"):
        return npz_array(path, hdu), hdu or ""
    if not path.name.lower().endswith(FITS_ENDINGS):
        raise UnreadableError(f"{path.suffix or 'no ending'!r} is not a format of stamps: take FITS, npz or npy")
    with open_fits(path) as hdus:
        pixels, _, name = read_image(hdus, hdu)
    return pixels, name


def _planes(pixels: NDArray[np.floating], rows: Sequence[StampRow]) -> list[NDArray[np.floating]]:
    """Return the plane of each row: as it says, or else the rows of a cube are its planes in order."""
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.ndim != 3:
        raise UnreadableError(f"pixels of {pixels.ndim} axes: give images, or cubes of them")
    given = [row.plane for row in rows]
    if all(plane is None for plane in given):
        if len(rows) != len(pixels):
            raise UnreadableError(
                f"{len(pixels)} planes for {len(rows)} rows of the table: give a row for each, or plane"
            )
        return list(pixels)
    for plane in given:
        if plane is None or plane >= len(pixels):
            raise UnreadableError(f"there is no plane {plane}: the cube has {len(pixels)}, from 0")
    return [pixels[plane] for plane in given if plane is not None]


def _is_normalised(pixels: NDArray[np.floating]) -> bool:
    """Return whether pixels were divided by their length, or by their maximum."""
    values = pixels[np.isfinite(pixels)].astype(np.float64)
    if not values.size or values.min() == values.max():
        return False
    return bool(abs((values**2).sum() - 1) < UNIT_LENGTH or values.max() == 1)
