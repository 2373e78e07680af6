"""Masks as files: GeoTIFF where the ground is known, plain TIFF where not; and the folder of those of a survey.

Rows of a file go down, those of a survey go up: what is written is turned over.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import UsageError, find_repeated, readable_os_errors
from ictconvention.drawing.masks.colours import class_colours
from ictconvention.files.rasters import need_rasterio
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.survey import Survey

CLASSES_FILE = "classes.csv"  # beside the masks: what their values mean
CRS, TRANSFORM = "crs", "transform"  # columns of a survey


@dataclass(frozen=True, slots=True)
class Georeference:
    """Where the pixels of a file lie on the ground.

    Parameters
    ----------
    crs : str
        Coordinate system, such as EPSG:32631, or as WKT; empty where it is not known.
    transform : tuple of float
        a, b, c, d, e, f: the upper left corner of the pixel in a column and a row is at x = a column + b row + c,
        y = d column + e row + f, rows counted down.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


def read_georeferences(survey: Survey) -> dict[str, Georeference]:
    """Return where the chips of a survey lie, by id, by its columns `crs` and `transform`; those of which it says it.

    Raises
    ------
    UsageError
        A transform is not six numbers; or chips lie somewhere, and rasterio is not installed or does not know their
        coordinate system.
    """
    table = survey.object_table()
    if TRANSFORM not in table.colnames:
        return {}
    transforms = np.ma.filled(np.ma.asarray(table[TRANSFORM]).astype(str), "").tolist()
    systems = [""] * len(table)
    if CRS in table.colnames:
        systems = np.ma.filled(np.ma.asarray(table[CRS]).astype(str), "").tolist()
    grounds = {
        str(id_): Georeference(crs, _six_numbers(transform, str(id_), survey.path))
        for id_, crs, transform in zip(survey.ids, systems, transforms, strict=True)
        if transform
    }
    for crs in {ground.crs for ground in grounds.values()}:
        _crs_of(crs, survey.path)
    return grounds


def _six_numbers(text: str, id_: str, where: Path) -> tuple[float, float, float, float, float, float]:
    try:
        a, b, c, d, e, f = (float(number) for number in text.split(","))
        if not np.isfinite([a, b, c, d, e, f]).all():
            raise ValueError
    except ValueError:
        found = f"the {TRANSFORM} of object {id_} is {text!r}, not six numbers"
        raise UsageError(found, where, "write it as a,b,c,d,e,f", "E-TABLE-DAMAGED") from None
    return a, b, c, d, e, f


def _crs_of(name: str, where: Path) -> Any:
    """Return a coordinate system of rasterio; None of an empty name."""
    rasterio = need_rasterio("writing a GeoTIFF")
    try:
        return rasterio.CRS.from_user_input(name) if name else None
    except (rasterio.errors.CRSError, ValueError) as error:
        found = f"rasterio knows no coordinate system {name!r}"
        raise UsageError(found, where, f"correct the column {CRS} of the survey", "E-VALUE-RANGE") from error


def save_mask(path: Path, mask: NDArray[np.uint8], classes: Sequence[str], ground: Georeference | None = None) -> None:
    """Write a mask (H, W), rows up, as a TIFF of one byte a pixel, with the colours of its classes.

    The values are the positions of the classes, and `IGNORED`, which a GeoTIFF says is no data.

    Raises
    ------
    UsageError
        The ground is known, and rasterio is not installed, or does not know the coordinate system.
    FileSystemError
        The file cannot be written.
    """
    rows_down = np.ascontiguousarray(mask[::-1])
    colours = {number: _bytes(colour) for number, colour in enumerate(class_colours(classes))}
    if ground is None:
        from PIL import Image

        image = Image.fromarray(rows_down)
        palette = np.zeros((256, 3), dtype=np.uint8)
        for number, colour in colours.items():
            palette[number] = colour
        image.putpalette(palette.tobytes())
        with readable_os_errors("writing a mask", path):
            image.save(path, format="TIFF", compression="tiff_adobe_deflate")
        return
    rasterio, crs = need_rasterio("writing a GeoTIFF"), _crs_of(ground.crs, path)
    profile = {"driver": "GTiff", "height": mask.shape[0], "width": mask.shape[1], "count": 1, "dtype": "uint8"}
    profile |= {"transform": rasterio.Affine(*ground.transform), "nodata": IGNORED, "compress": "deflate"}
    with readable_os_errors("writing a mask", path), rasterio.open(path, "w", crs=crs, **profile) as file:
        file.write(rows_down, 1)
        file.write_colormap(1, colours)
        file.update_tags(classes=",".join(f"{number} {name}" for number, name in enumerate(classes)))


class MaskFolder:
    """A new folder of masks, named by the ids of their objects; it appears whole or not at all.

    Parameters
    ----------
    path : Path
        The folder to make. One that is there must be empty.
    classes : sequence of str
        Classes of the masks.
    ids : sequence of str
        Ids of all objects; a slash in one becomes "_" in the name of its file.
    grounds : mapping
        Where they lie, by id.

    Raises
    ------
    UsageError
        Two ids would name one file, or the folder would lie in a survey or a run.
    FileSystemError
        The folder exists and is not empty, or cannot be made.
    """

    def __init__(
        self, path: Path, classes: Sequence[str], ids: Sequence[str], grounds: Mapping[str, Georeference]
    ) -> None:
        self.path, self.classes, self.grounds, self._folder = path, tuple(classes), grounds, WholeFolder(path)
        if repeated := find_repeated(file_name(id_) for id_ in ids):
            found = f"several objects would have the mask {repeated[0]}"
            raise UsageError(found, path, "give them ids that differ in more than a slash", "E-ID-DUPLICATE")
        if not is_empty_folder(path):
            self._folder.check_free()

    def __enter__(self) -> Self:
        if is_empty_folder(self._folder.path):
            with readable_os_errors("making the folder", self._folder.path):
                self._folder.path.rmdir()
        self._folder.take()
        legend = self._folder.partial / CLASSES_FILE
        with (
            readable_os_errors("writing the masks", self._folder.path),
            legend.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["value", "class"])
            writer.writerows([*enumerate(self.classes), (IGNORED, "no pixel")])
        return self

    def write(self, id_: str, mask: NDArray[np.uint8]) -> None:
        """Write the mask of an object; errors as of `save_mask`."""
        save_mask(self._folder.partial / file_name(id_), mask, self.classes, self.grounds.get(id_))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with readable_os_errors("writing the masks", self._folder.path):
                    self._folder.complete()
        finally:
            self._folder.discard()


def file_name(id_: str) -> str:
    """Return the name of the file of an object's mask."""
    return f"{id_.replace('/', '_')}.tif"


def is_empty_folder(path: Path) -> bool:
    """Return whether there is a folder with nothing in it."""
    with readable_os_errors("making the folder", path):
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _bytes(colour: str) -> tuple[int, int, int]:
    """Return a colour of hexadecimal as three numbers of a byte."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
