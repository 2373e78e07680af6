"""Stamps that are cut already: FITS cubes, one FITS file per epoch, or npz, named by a table with a row per frame."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from ictconvention.ingestion.headers.celestial import header_pixel_scale
from ictconvention.survey.format import NANOMAGGY

NEEDED = ("id", "file", "band", "mjd")
OF_FRAMES = ("file", "hdu", "plane", "band", "mjd", "zero_point", "psf_fwhm", "sky_sigma", "pixel_scale")
OF_OBJECTS = ("class", "label_source", "redshift", "ra", "dec")
FILES_AT_ONCE = 64
SAME_SCALE = 0.02  # largest relative difference of pixel scales within a survey
SAME_WCS_SCALE = 0.01  # the same of the pixel scale of a WCS, which is exact
UNIT_LENGTH = 1e-4  # largest difference from 1 of the sum of squares of a normalised stamp


@dataclass(frozen=True, slots=True)
class PixelScale:
    """The pixel scale of all stamps.

    Parameters
    ----------
    value : float
        [arcsec]
    said_by : str
        What says so: "--pixel-scale", or the place in the table or the file that is the first to say it.
    resample : bool
        Whether stamps of another pixel scale are interpolated to this one.
    """

    value: float
    said_by: str
    resample: bool = False

    def contradicted(self, other: float | None, largest: float, what: str) -> str:
        """Return in words that another pixel scale [arcsec] contradicts this one; empty where none does.

        `largest` is the relative difference that may be, `what` the words for the other one.
        """
        if other is None or not abs(other - self.value) > largest * self.value:  # NaN is not
            return ""
        return f"{what} {other:.4g} arcsec, and {self.said_by} says {self.value:.4g}"

    def ratio_of(self, column: float, wcs: float | None) -> float:
        """Return the side of a pixel of the survey in those of a file, by what its row and its WCS say [arcsec].

        Raises
        ------
        UnreadableError
            They contradict the survey, where nothing is resampled; each other, or neither says anything, where it is.
        """
        if not self.resample:
            if contradicted := self.contradicted(wcs, SAME_WCS_SCALE, "its WCS has pixels of"):
                raise UnreadableError(f"{contradicted}; --resample interpolates it")
            return 1.0
        if np.isnan(column) and wcs is None:
            raise UnreadableError("nothing says how large its pixels are: no WCS, and its row no pixel_scale")
        own = column if wcs is None else wcs
        if not 0 < own < np.inf:
            raise UnreadableError(f"its row says pixels of {own:g} arcsec")
        if abs(column - own) > SAME_SCALE * own:
            raise UnreadableError(f"its WCS has pixels of {own:.4g} arcsec, and its row says {column:.4g}")
        return 1.0 if abs(own / self.value - 1) <= SAME_WCS_SCALE else self.value / own


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
    pixel_scale: float


def read_stamp_table(
    path: Path,
    zero_point: float | None = None,
    flux_unit: str = NANOMAGGY,
    pixel_scale: float | None = None,
    renamed: Mapping[str, str] | None = None,
    resample: bool = False,
) -> tuple[list[list[StampRow]], dict[str, dict[str, Any]], PixelScale]:
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
        Pixel scale of the survey [arcsec], which is that of the files unless they are resampled; by default what a
        column pixel_scale says first, or else the first WCS.
    renamed : mapping, optional
        Names that columns have in the table, by ours.
    resample : bool
        Whether stamps of other pixel scales are interpolated to that of the survey.

    Returns
    -------
    units : list of lists of StampRow
        Rows of some files each, the rows of a file together.
    objects : dict
        What the table says of the objects, see `read_objects`.
    scale : PixelScale
        That of the survey, with which the column pixel_scale agrees where nothing is resampled.

    Raises
    ------
    UsageError
        A column or a cell is missing or wrong, naming the row; some rows have a zero point, and others none; there
        are zero points, and pixels of another unit than nanomaggies; or nothing says the pixel scale.
    """
    table = read_user_table(path, NEEDED, (*OF_FRAMES, *OF_OBJECTS), renamed)
    located = table.located
    objects = read_objects(located, not_columns=OF_FRAMES)
    by_file: dict[tuple[str, str | None], list[StampRow]] = {}
    for where, row in located:
        one = _row(row, where)
        by_file.setdefault((one.file, one.hdu), []).append(one)
    scale = _scale_of_table(table, pixel_scale, resample) or _first_scale(path, by_file)
    scale = replace(scale, resample=resample)
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
    return units, objects, scale


def read_stamps(options: CutoutOptions, scale: PixelScale, rows: Sequence[StampRow]) -> Iterator[Found]:
    """Yield the frames of some rows, and a reject for each that cannot be read, or whose WCS contradicts the scale."""
    for (file, hdu), group in groupby(rows, key=lambda row: (row.file, row.hdu)):
        own = list(group)
        try:
            pixels, name, own_scale = _pixels(options.folder / file, hdu)
            ratios = [scale.ratio_of(row.pixel_scale, own_scale) for row in own]
            planes = _planes(pixels, own)
        except (UnreadableError, OSError) as error:
            yield from (Reject(row.id, place_of(file, hdu), reason_of(error)) for row in own)
            continue
        for row, plane, ratio in zip(own, planes, ratios, strict=True):
            known = {"psf_fwhm": row.psf_fwhm, "normalised": _is_normalised(plane)}
            given = row.sky_sigma, row.zero_point, ratio
            yield options.frame(row.id, plane, row.band, row.mjd, row.file, name, *given, **known)


def _row(row: Mapping[str, Any], where: str) -> StampRow:
    plane = read_number(row, "plane", where)
    if not np.isnan(plane) and not (plane >= 0 and float(plane).is_integer()):
        raise UsageError(
            f"plane is {plane:g}", where, "give the number of the plane, from 0, or leave it empty", "E-VALUE-RANGE"
        )
    numbers = {name: read_number(row, name, where) for name in ("mjd", "zero_point", "pixel_scale")}
    numbers |= {name: check_number(row, name, where) for name in ("psf_fwhm", "sky_sigma")}
    return StampRow(
        read_id(row, where),
        file_of(row, where),
        read_text(row, "hdu"),
        None if np.isnan(plane) else int(plane),
        read_text(row, "band") or "",
        **numbers,
    )


def _scale_of_table(table: UserTable, pixel_scale: float | None, resample: bool) -> PixelScale | None:
    """Return the pixel scale that is given, or that the table says in each row; None where nothing does.

    Raises
    ------
    UsageError
        A row says another one, and nothing is resampled.
    """
    scale = None if pixel_scale is None else PixelScale(pixel_scale, "--pixel-scale")
    for where, row in table.located:
        own = read_number(row, "pixel_scale", where)
        if scale is None and not np.isnan(own):
            scale = PixelScale(own, where)
        elif not resample and scale is not None and (found := scale.contradicted(own, SAME_SCALE, "pixel_scale is")):
            fix = "interpolate the others by --resample, since a survey has one pixel scale; or correct what is wrong"
            raise UsageError(found, where, fix, "E-COMMAND-CONFLICT")
    return scale


def _first_scale(table: Path, files: Iterable[tuple[str, str | None]]) -> PixelScale:
    """Return the pixel scale of the first file whose header has a WCS.

    Raises
    ------
    UsageError
        None has.
    """
    for file, hdu in files:
        try:
            scale = _pixels(table.parent / file, hdu)[2]
        except (UnreadableError, OSError):
            continue  # it is reported where it is read
        if scale is not None:
            return PixelScale(round(scale, 4), f"the WCS of {place_of(file, hdu)}")
    raise UsageError(
        "nothing says how large a pixel is: no file has a WCS in its header, and the table no column pixel_scale",
        table,
        "give the size of a pixel of the files in arcsec: --pixel-scale 0.396",
        "E-VALUE-MISSING",
    )


def _pixels(path: Path, hdu: str | None) -> tuple[NDArray[np.floating], str, float | None]:
    """Return the pixels of a file (H, W) or (n, H, W), the name of their HDU, and the pixel scale of its WCS."""
    if path.suffix.lower() in (".npz", ".npy"):
        return npz_array(path, hdu), hdu or "", None
    if not path.name.lower().endswith(FITS_ENDINGS):
        raise UnreadableError(f"{path.suffix or 'no ending'!r} is not a format of stamps: take FITS, npz or npy")
    with open_fits(path) as hdus:
        pixels, header, name = read_image(hdus, hdu)
        return pixels, name, header_pixel_scale(header)


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
