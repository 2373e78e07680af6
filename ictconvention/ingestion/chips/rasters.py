"""One raster of one file, a GeoTIFF or an npy array: its header, and its numbers as they are.

Rows come with row 0 at the bottom, as everywhere in a survey; the first row of these files is the upper one.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.core.plain_file import check_plain
from ictconvention.files.reading import UnreadableError, native, unreadable
from ictconvention.ingestion.chips.georeference import Georeference, of_raster
from ictconvention.ingestion.readers.picture_files import NPY, map_npy, order_axes
from ictconvention.ingestion.readers.pillow_files import check_size

TIFF_ENDINGS = (".tif", ".tiff")
ENDINGS = (*TIFF_ENDINGS, NPY)
OTHER_ENDINGS = (".png", ".jpg", ".jpeg", ".jp2", ".vrt", ".img", ".zip")  # rasters too, which are not read
IMAGE_TYPES = ("uint8", "uint16", "int16", "float16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a raster is: a file, and its number in an npy array of all chips; None in a file of its own."""

    file: str
    number: int | None = None

    def __str__(self) -> str:
        return self.file if self.number is None else f"{self.file}[{self.number}]"

    def below(self, folder: Path) -> str:
        """Return it with the name of its folder, which tells an image from a mask."""
        return f"{folder.name}/{self}"


@dataclass(frozen=True, slots=True)
class RasterLook:
    """What the header of a file says of its raster.

    Parameters
    ----------
    bands, height, width : int
        Its shape [pixels].
    dtype : str
        Type of its numbers, such as "uint16".
    names : tuple of str
        What the file calls its bands; empty where it does not say.
    georeference : Georeference, optional
        Where it lies; None of a format that cannot say it.
    palette : bool
        Whether its numbers are those of colours in a table.
    """

    bands: int
    height: int
    width: int
    dtype: str
    names: tuple[str, ...] = ()
    georeference: Georeference | None = None
    palette: bool = False


@dataclass(frozen=True, slots=True)
class Raster:
    """A raster.

    Parameters
    ----------
    look : RasterLook
    values : array (bands, H, W)
        As in the file, row 0 at the bottom.
    nodata : tuple of float or None
        The number that stands for no data, of each band.
    scales, offsets : tuple of float
        What the file says the numbers are to be multiplied by, and what then added, of each band.
    """

    look: RasterLook
    values: NDArray[Any]
    nodata: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    def pixels(self) -> NDArray[np.float32]:
        """Return the numbers as floats (bands, H, W), NaN where there are no data, with the file's own scales."""
        with np.errstate(over="ignore"):  # an infinite pixel is not a finite one
            planes = native(self.values).astype(np.float32, copy=False)
        for plane, values, nodata, scale, offset in zip(
            planes, self.values, self.nodata, self.scales, self.offsets, strict=True
        ):
            if nodata is not None:
                plane[values == nodata] = np.nan
            if (scale, offset) != (1.0, 0.0):
                plane *= np.float32(scale)
                plane += np.float32(offset)
        return planes


def look_at_raster(folder: Path, place: Place, names: Sequence[str]) -> RasterLook | None:
    """Return what the header of a file says; None where it cannot be read, as `read_raster` will say."""
    try:
        if place.file.lower().endswith(TIFF_ENDINGS):
            with _open_tiff(folder / place.file) as tiff:
                return _look(tiff)
        return _look_at_array(_plane(folder, place, names))
    except (UnreadableError, OSError):
        return None


def read_raster(folder: Path, place: Place, names: Sequence[str]) -> Raster:
    """Return the raster of a file.

    Parameters
    ----------
    folder : Path
        That the file's name is relative to.
    place : Place
        The file.
    names : sequence of str
        The bands; their number tells which axis of an npy array holds them, where both could.

    Raises
    ------
    UnreadableError
        It cannot be read, by the reason.
    """
    if place.file.lower().endswith(TIFF_ENDINGS):
        with _open_tiff(folder / place.file) as tiff:
            values = tiff.read()[:, ::-1]
            return Raster(_look(tiff), values, tiff.nodatavals, tiff.scales, tiff.offsets)
    planes = np.ascontiguousarray(_plane(folder, place, names)[:, ::-1])
    count = len(planes)
    return Raster(_look_at_array(planes), planes, (None,) * count, (1.0,) * count, (0.0,) * count)


def check_rasterio(where: Path) -> None:
    """Refuse GeoTIFFs where rasterio is not installed.

    Raises
    ------
    UsageError
        Naming the extra.
    """
    if find_spec("rasterio") is None:
        fix = "install the extra: pip install -c constraints.txt '.[scenes]', or save the chips as npy"
        raise UsageError("the package rasterio is not installed", where, fix, "E-PACKAGE-MISSING")


@contextmanager
def _open_tiff(path: Path) -> Iterator[Any]:
    """Open a GeoTIFF of one image of moderate size; palettes and numbers that are packed are read as numbers."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    check_plain(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            # Folders hold thousands of chips: none is listed to find the files beside one.
            with (
                rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"),
                rasterio.open(path, driver="GTiff", sharing=False) as tiff,
            ):
                check_size(tiff.height, tiff.width, tiff.count)
                if pages := tiff.subdatasets:
                    raise UnreadableError(f"{len(pages)} pictures in one file: save the one that counts")
                if len(set(tiff.dtypes)) > 1:
                    raise UnreadableError(f"bands of types {', '.join(tiff.dtypes)}: save all in one type")
                yield tiff
        except UnreadableError:
            raise
        except Exception as error:  # rubbish may break the reader anywhere, or claim more than the memory holds
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            raise unreadable("no whole GeoTIFF, copy it again or leave it out", cause) from error


def _look(tiff: Any) -> RasterLook:
    from rasterio.enums import ColorInterp

    names = tuple(str(name or "").strip() for name in tiff.descriptions)
    shape, palette = (tiff.count, tiff.height, tiff.width), ColorInterp.palette in tiff.colorinterp
    return RasterLook(*shape, tiff.dtypes[0], names if all(names) else (), of_raster(tiff), palette)


def _look_at_array(planes: NDArray[Any]) -> RasterLook:
    bands, height, width = planes.shape
    return RasterLook(bands, height, width, planes.dtype.name)


def _plane(folder: Path, place: Place, names: Sequence[str]) -> NDArray[Any]:
    """Return one raster of an npy file (bands, H, W), of which nothing is read before it is used."""
    if not place.file.lower().endswith(NPY):
        raise UnreadableError(f"{Path(place.file).suffix} is not read: save it as GeoTIFF or npy")
    array = map_npy(folder / place.file)
    if place.number is not None:
        array = array[place.number]
    if array.ndim not in (2, 3):
        raise UnreadableError(f"an array of shape {array.shape}: give (H, W), (H, W, bands) or (bands, H, W)")
    return order_axes(array, names)
