"""One picture of one file: PNG and JPEG by Pillow, npy, FITS. What a reader would get wrong is refused by its reason.

Rows come with row 0 at the bottom, as everywhere in a survey: those of PNG, JPEG and npy are turned over, since their
first row is the upper one; FITS has the lower one first.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.plain_file import open_plain
from ictconvention.files.reading import (
    FITS_ENDINGS,
    UnreadableError,
    is_image,
    native,
    open_fits,
    read_image,
    unreadable,
)
from ictconvention.ingestion.headers.celestial import header_pixel_scale, read_wcs
from ictconvention.ingestion.headers.dates import read_exposure
from ictconvention.ingestion.headers.headers import Headers
from ictconvention.ingestion.readers.pillow_files import (
    WHITE,
    check_size,
    count_pixels,
    fit_planes,
    open_pillow,
    read_pillow,
)

if TYPE_CHECKING:
    from astropy.io import fits

PILLOW_ENDINGS, NPY = (".png", ".jpg", ".jpeg"), ".npy"
ENDINGS = (*PILLOW_ENDINGS, NPY, *FITS_ENDINGS)
OTHER_ENDINGS = (".gif", ".tif", ".tiff", ".webp", ".bmp", ".jp2", ".heic")  # pictures too, which are not read
FLOAT16 = np.finfo(np.float16)
MOST_LOST = 0.05  # largest error of stored pixels, as a share of their scatter
NO_DATE = 51544.0  # [MJD], 1 January 2000: the time of a picture without a date


@dataclass(frozen=True, slots=True)
class Look:
    """What a file's header says of its picture: height and width [pixels], bands, and a WCS's pixel scale [arcsec]."""

    height: int
    width: int
    bands: int
    pixel_scale: float | None = None

    @property
    def side(self) -> int:
        """The side of the square in its middle."""
        return min(self.height, self.width)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Parameters
    ----------
    planes : array (bands, H, W)
        Row 0 at the bottom.
    mjd, ra, dec : float
        When it was taken, and where its middle lies on the sky [deg]: of a FITS header that says so; NaN elsewhere.
    of_8_bits : bool
        Whether its pixels were whole numbers up to 255, all of which float16 tells apart.
    area : float
        Pixels of the file that one of these stands for; below 1 where the picture was enlarged.
    white : int
        What was divided by: the number that became 1.
    """

    planes: NDArray[np.float32]
    mjd: float = np.nan
    ra: float = np.nan
    dec: float = np.nan
    of_8_bits: bool = False
    area: float = 1.0
    white: int = 1

    def as_fluxes(self) -> "Picture":
        """Return it with pixels that hold what those of the file hold together, and not their mean."""
        return replace(self, planes=self.planes * np.float32(self.area))


def look_at(path: Path, names: Sequence[str] | None = None, hdu: str | None = None) -> Look | None:
    """Return what the header of a file says; None where it cannot be read, as `read_picture` will say."""
    try:
        match _kind(path):
            case "npy":
                shape = order_axes(_map_picture(path), names).shape
                return Look(shape[1], shape[2], shape[0])
            case "fits":
                with open_fits(path) as hdus:
                    header = hdus[_find_hdu(hdus, hdu)].header
                    *bands, height, width = _shape(header)
                    return Look(height, width, bands[0] if bands else 1, header_pixel_scale(header))
            case _:
                with open_pillow(path) as image:
                    return Look(*count_pixels(image))
    except (UnreadableError, OSError):
        return None


def read_picture(
    path: Path, size: int, names: Sequence[str] | None = None, hdu: str | None = None, resizes: bool = True
) -> Picture:
    """Return the picture of a file.

    Whole numbers of 8 and 16 bits without a sign become 0 to 1. Other numbers stay as they are. Nothing else is done
    to the values; colour profiles do not count.

    Parameters
    ----------
    path : Path
        A file that ends in one of `ENDINGS`.
    size : int
        Height and width [pixels].
    names : sequence of str, optional
        The bands; their number tells which axis of an npy file holds them, where both could.
    hdu : str, optional
        Name or number of the HDU of a FITS file; by default the only one that holds an image.
    resizes : bool
        Whether the square in the middle is brought to the size by Pillow's bilinear resampling, which weighs all pixels
        that a smaller one covers; else the picture must have that size.

    Raises
    ------
    UnreadableError
        It cannot be read, or not rightly, by the reason; or it has another size.
    """
    match _kind(path):
        case "npy":
            upright = np.ascontiguousarray(order_axes(_map_picture(path), names)[:, ::-1])
            planes, of_8_bits = _to_floats(upright), upright.dtype.itemsize == 1
            area, white = _area(planes.shape[1:], size), WHITE.get(upright.dtype.name, 1)
            return Picture(fit_planes(planes, size, resizes), of_8_bits=of_8_bits, area=area, white=white)
        case "fits":
            with open_fits(path) as hdus:
                number = _find_hdu(hdus, hdu)
                pixels, header, _ = read_image(hdus, number)
                white = WHITE.get(hdus[number].data.dtype.name, 1)
                with np.errstate(over="ignore"):  # an infinite pixel is not a finite one
                    planes = np.atleast_3d(pixels.T).T.astype(np.float32) / np.float32(white)
                sky, area = _read_sky(Headers(hdus[0].header, header)), _area(planes.shape[1:], size)
                return Picture(fit_planes(planes, size, resizes), *sky, area=area, white=white)
        case _:
            with open_pillow(path) as image:
                deep = image.mode.startswith("I")
                area, white = _area(image.size, size), WHITE["uint16" if deep else "uint8"]
                return Picture(read_pillow(image, size, resizes), of_8_bits=not deep, area=area, white=white)


def _area(sides: Sequence[int], size: int) -> float:
    return (min(sides) / size) ** 2


def flaw_of_storage(picture: Picture, dtype: str) -> str | None:
    """Say why a picture cannot be stored in a type: it would lose pixels, or the contrast of a band."""
    if dtype != "float16" or picture.of_8_bits:
        return None
    return next((flaw for plane in picture.planes if (flaw := _flaw_of_float16(plane))), None)


def _flaw_of_float16(plane: NDArray[np.float32]) -> str | None:
    """Say the same of one band; others may be so much brighter that what this one loses is little to them."""
    with np.errstate(all="ignore"):
        most, scatter = np.abs(plane).max(), plane.std()  # not finite where a pixel is not
        if most < FLOAT16.max and np.spacing(np.float16(most)) / 2 <= MOST_LOST * scatter:
            return None  # no pixel is rounded by more
        stored = plane.astype(np.float16).astype(np.float32)
        lost = np.isinf(stored) & np.isfinite(plane)
        finite = np.isfinite(plane) & ~lost
        error, scatter = (float(np.std(values[finite])) if finite.any() else 0.0 for values in (stored - plane, plane))
    if lost.any():
        return f"a pixel of {plane[lost][0]:g} is too large for float16: --dtype float32 holds it"
    if error > MOST_LOST * scatter:
        return f"its pixels scatter by {scatter:.3g}, of which float16 loses {error / scatter:.0%}: --dtype float32"
    return None


def _kind(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(FITS_ENDINGS):
        return "fits"
    if name.endswith(OTHER_ENDINGS):
        raise UnreadableError(f"{path.suffix} is not read: save it as PNG, JPEG, npy or FITS")
    return "npy" if name.endswith(NPY) else "pillow"


def _map_picture(path: Path) -> NDArray[Any]:
    """Return the array of an npy file that holds one picture."""
    array = map_npy(path)
    if array.ndim not in (2, 3):
        raise UnreadableError(f"an array of shape {array.shape}: give (H, W), (H, W, bands) or (bands, H, W)")
    return array


def map_npy(path: Path) -> NDArray[Any]:
    """Return the array of an npy file, of which nothing is read before it is used."""
    try:
        with open_plain(path):
            pass  # a pipe or a device is refused, and not waited for
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # rubbish may break the reader anywhere
        raise unreadable("no whole npy file", error) from error
    return np.asarray(array)


def order_axes(array: NDArray[Any], names: Sequence[str] | None) -> NDArray[Any]:
    """Return an array of two or three axes as (bands, H, W).

    The bands are the first or the last axis: the one that has as many as there are names, or else the shortest of all.
    """
    if array.ndim == 2:
        array = array[None]
    else:
        first, middle, last = array.shape
        fitting = [axis for axis in (0, 2) if names is not None and array.shape[axis] == len(names)]
        shortest = 0 if first < min(middle, last) else 2 if last < min(first, middle) else None
        axis = fitting[0] if len(fitting) == 1 else shortest
        if axis is None:
            raise UnreadableError(f"an array of shape {array.shape}: which axis holds the bands cannot be told")
        array = np.moveaxis(array, axis, 0)
    bands, height, width = array.shape
    check_size(height, width, bands)
    return array


def _to_floats(planes: NDArray[Any]) -> NDArray[np.float32]:
    name = planes.dtype.name
    if name in WHITE:
        return planes.astype(np.float32) / np.float32(WHITE[name])
    if planes.dtype.kind in "iu":
        raise UnreadableError(
            f"pixels of {name}, of which the number for white is unknown: give uint8, uint16 or floats"
        )
    with np.errstate(over="ignore"):  # an infinite pixel is not a finite one
        return native(planes).astype(np.float32)


def _find_hdu(hdus: "fits.HDUList", hdu: str | None) -> int:
    """Return the number of the HDU of a FITS file, whose shape is checked before a pixel is read."""
    images = [number for number, one in enumerate(hdus) if is_image(one)]
    if hdu is None:
        if len(images) > 1:
            raise UnreadableError(f"{len(images)} HDUs hold an image: --hdu names the one that counts")
        if not images:
            raise UnreadableError("no HDU holds an image")
        number = images[0]
    else:
        wanted = hdu.upper()
        number = next((n for n in images if wanted in (str(n), hdus[n].name.upper())), -1)
        if number < 0:
            raise UnreadableError(f"no HDU {hdu} holds an image")
    *bands, height, width = _shape(hdus[number].header)
    if len(bands) > 1:
        raise UnreadableError(f"an image of {len(bands) + 2} axes: give (H, W) or planes (bands, H, W)")
    check_size(height, width, *bands)
    return number


def _shape(header: "fits.Header") -> list[int]:
    """Return the sides of an image in numpy's order."""
    return [int(header[f"NAXIS{axis}"]) for axis in range(int(header["NAXIS"]), 0, -1)]


def _read_sky(headers: Headers) -> tuple[float, float, float]:
    """Return when a FITS image was exposed [MJD] and where its middle lies [deg], NaN where its headers do not say."""
    mjd = ra = dec = np.nan
    with suppress(UnreadableError):  # a picture needs no date
        mjd = read_exposure(headers).mjd
    with suppress(UnreadableError, KeyError):  # nor a place on the sky
        middle = [(headers.own[f"NAXIS{axis}"] - 1) / 2 for axis in (1, 2)]
        place = read_wcs(headers.own).pixel_to_world(*middle).icrs
        ra, dec = float(place.ra.deg), float(place.dec.deg)
    return mjd, ra, dec
