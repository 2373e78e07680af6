"""Scenes in files, of any size: what their headers say, and windows of their pixels as a survey would have them."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.masks.files import Georeference
from ictconvention.applying.masks.tiles import Read
from ictconvention.core.errors import UsageError, find_repeated, pluralize, readable_os_errors
from ictconvention.core.output_place import SURVEY_MARK
from ictconvention.files.rasters import need_rasterio
from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.chips.agreement import are_misplaced
from ictconvention.ingestion.chips.georeference import of_raster
from ictconvention.ingestion.chips.rasters import ENDINGS
from ictconvention.ingestion.readers.picture_files import NPY, map_npy


@dataclass(frozen=True, slots=True)
class Scene:
    """A file with a scene.

    Parameters
    ----------
    id : str
        Its name, in a folder that was given the path from there, without its ending.
    path : Path
    shape : tuple of int
        Rows and columns.
    planes : tuple of int
        Which of the file's bands, counted from 0, is each band of the network.
    ground : Georeference, optional
        Where it lies.
    """

    id: str
    path: Path
    shape: tuple[int, int]
    planes: tuple[int, ...]
    ground: Georeference | None

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Yield what reads windows of it: pixels (bands, rows, columns) as a survey has them, of the network's bands.

        Rows go up: the first one is the last of the file. A pixel without data is NaN.
        """
        with ExitStack() as stack:
            source: Any = _open_tiff(stack, self.path) if _is_tiff(self.path) else _map(self.path, len(self.planes))

            def read(top: int, left: int, rows: int, columns: int) -> NDArray[np.float32]:
                first = self.shape[0] - top - rows  # in the file
                if _is_tiff(self.path):
                    window = _read_tiff(source, self.planes, (first, left, rows, columns))
                else:
                    window = source[list(self.planes), first : first + rows, left : left + columns].astype(np.float32)
                return np.ascontiguousarray(window[:, ::-1])

            with readable_os_errors("reading a scene", self.path):
                yield read


def is_of_scenes(path: Path) -> bool:
    """Return whether a path is an image, or a folder that is no survey and has images in it."""
    if path.is_dir():
        return not (path / SURVEY_MARK).exists() and bool(_files_in(path))
    return path.suffix.lower() in ENDINGS and path.is_file()


def find_scenes(path: Path, bands: Sequence[str]) -> list[Scene]:
    """Return the scenes of a file or a folder, in the order of their ids.

    Parameters
    ----------
    path : Path
        An image (.tif, .tiff or .npy), or a folder with images at any depth.
    bands : sequence of str
        The bands of the network. A file that names the same bands may have them in another order; one that names none
        has them in this order.

    Raises
    ------
    UsageError
        There is no image, one cannot be read or has other bands, or two have one id; or rasterio is not installed.
    """
    files = _files_in(path) if path.is_dir() else [path]
    if not files:
        found = f"there is no image ({', '.join(ENDINGS)}) in this folder"
        raise UsageError(found, path, "name a folder of scenes, or a survey", "E-INGEST-NOTHING")
    scenes = [_look(file, path if path.is_dir() else file.parent, bands) for file in files]
    if repeated := find_repeated(scene.id for scene in scenes):
        found = f"two images are called {repeated[0]}, but for their ending"
        raise UsageError(found, path, "give them other names, or move one away", "E-ID-DUPLICATE")
    return scenes


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def _look(path: Path, folder: Path, bands: Sequence[str]) -> Scene:
    """Return what the header of a file says."""
    id_ = path.relative_to(folder).with_suffix("").as_posix()
    if not _is_tiff(path):
        planes = _map(path, len(bands))
        return Scene(id_, path, planes.shape[1:], _places(path, len(planes), (), bands), None)
    with ExitStack() as stack:
        file = _open_tiff(stack, path)
        names = tuple(str(name or "").strip() for name in file.descriptions)
        places = _places(path, file.count, names if all(names) else (), bands)
        place = of_raster(file)
        ground = None if place.transform is None else Georeference(place.crs or "", place.transform)
        return Scene(id_, path, (file.height, file.width), places, ground)


def _places(path: Path, count: int, names: Sequence[str], bands: Sequence[str]) -> tuple[int, ...]:
    """Return which plane of a file is each band of the network."""
    own, known = [name.casefold() for name in names], [name.casefold() for name in bands]
    if set(known) <= set(own):
        return tuple(own.index(name) for name in known)
    if count != len(bands) or are_misplaced(names, bands):
        called = f": {', '.join(names)}" if names else ""
        found = f"this image has {pluralize(count, 'band')}{called}; the network knows {', '.join(bands)}"
        fix = "save these bands alone, in this order, by these names or none"
        raise UsageError(found, path, fix, "E-VALUE-SHAPE")
    return tuple(range(count))


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() != NPY


def _map(path: Path, bands: int) -> NDArray[Any]:
    """Return the array (bands, H, W) of an npy file, of which nothing is read yet."""
    try:
        array = map_npy(path)
    except UnreadableError as error:
        raise _damaged(path, str(error)) from error
    if array.ndim == 3 and array.shape[2] == bands != array.shape[0]:
        array = np.moveaxis(array, 2, 0)
    if array.ndim != 3 or array.dtype.kind not in "uif" or not array.size:
        raise _damaged(path, f"an array of shape {array.shape} and type {array.dtype}, not numbers (bands, H, W)")
    return array


def _open_tiff(stack: ExitStack, path: Path) -> Any:
    """Return an opened GeoTIFF, for as long as the stack is open."""
    rasterio = need_rasterio("reading a GeoTIFF")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            return stack.enter_context(rasterio.open(path, driver="GTiff", sharing=False))
    except Exception as error:  # rubbish may break the reader anywhere
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _read_tiff(file: Any, planes: Sequence[int], place: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Return a window (first row, first column, rows, columns) of some planes, with the file's scales; NaN of no data.

    As chips are read.
    """
    first, left, rows, columns = place
    window = ((first, first + rows), (left, left + columns))
    found = np.empty((len(planes), rows, columns), dtype=np.float32)
    try:
        values = file.read([plane + 1 for plane in planes], window=window)
    except Exception as error:  # of a file that was cut short the header can be whole
        raise _damaged(Path(file.name), str(error.__cause__ or error).splitlines()[0]) from error
    for number, plane in enumerate(planes):
        found[number] = values[number]
        if (nodata := file.nodatavals[plane]) is not None:
            found[number][values[number] == nodata] = np.nan
        if (scaled := (file.scales[plane], file.offsets[plane])) != (1.0, 0.0):
            found[number] = found[number] * np.float32(scaled[0]) + np.float32(scaled[1])
    return found


def _damaged(path: Path, reason: str) -> UsageError:
    return UsageError(f"this image cannot be read: {reason}", path, "save it again, or leave it out", "E-IMAGE-DAMAGED")
