"""Which mask belongs to which image: those of one name in two folders, or of one row in two arrays."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ictconvention.core.errors import UsageError, shorten
from ictconvention.files.folders import files_below
from ictconvention.files.reading import UnreadableError
from ictconvention.files.table_file import FORMATS
from ictconvention.files.user_table import read_text, read_user_table
from ictconvention.ingestion.chips.rasters import ENDINGS, OTHER_ENDINGS, TIFF_ENDINGS, Place, check_rasterio
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.readers.picture_files import NPY, map_npy

WHERE = "options of ingest chips"


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip: its id, the place of its image, and that of its mask; None where it has none and needs none."""

    id: str
    image: Place
    mask: Place | None = None


@dataclass(frozen=True)
class Chips:
    """The chips of a source.

    Parameters
    ----------
    images, masks : Path
        That the files' names are relative to.
    chips : list of Chip
    rejects : list of Reject
        What was left out.
    """

    images: Path
    masks: Path
    chips: list[Chip]
    rejects: list[Reject]


def find_chips(images: Path, masks: Path | None, ids: Path | None, unlabelled: bool) -> Chips:
    """Return the chips of two folders, or of two npy arrays of all chips.

    Parameters
    ----------
    images : Path
        A folder of GeoTIFFs or npy files, or an npy array (N, H, W, bands) or (N, bands, H, W).
    masks : Path, optional
        The same of the masks, (N, H, W); None: there are none.
    ids : Path, optional
        The id of each row of arrays.
    unlabelled : bool
        Whether chips without a mask are kept.

    Raises
    ------
    UsageError
        There is none, or none has a mask.
    """
    if images.is_file():
        return _of_arrays(images, masks, ids)
    if ids is not None:
        fix = "leave out --ids: files of a folder are named by their paths"
        raise UsageError("--ids names rows of an array, and the images are no array", ids, fix, "E-COMMAND-CONFLICT")
    of_images, rejects = _find_files(images, "images")
    of_masks, of_mask_files = ({}, []) if masks is None else _find_files(masks, "masks")
    twice = {reject.object: reject for reject in of_mask_files}
    chips = []
    for id_, file in of_images.items():
        if id_ in twice:
            rejects.append(Reject(id_, twice[id_].file, f"two masks for one image, {of_masks[id_]} too: keep one"))
        elif id_ in of_masks or unlabelled:
            chips.append(Chip(id_, Place(file), Place(of_masks[id_]) if id_ in of_masks else None))
        else:
            rejects.append(
                Reject(
                    id_, Place(file).below(images), "no mask of this name: add it, or keep such chips by --unlabelled"
                )
            )
    if masks is not None and of_masks and not of_masks.keys() & of_images.keys():
        found = f"no mask has the name of an image: {shorten(of_images, 3)} and {shorten(of_masks, 3)}"
        raise UsageError(found, masks, "name each mask as its image", "E-INGEST-MISMATCH")
    rejects += [
        Reject(id_, Place(file).below(masks or images), "a mask without an image of this name: add it", flaw=False)
        for id_, file in of_masks.items()
        if id_ not in of_images
    ]
    return Chips(images, masks or images, chips, rejects)


def find_scenes(chips: Sequence[Chip], pattern: str | None) -> dict[str, str | None]:
    """Return the scene of each chip, by id: what a pattern finds in its id, or the folder that it lies in.

    Parameters
    ----------
    chips : sequence of Chip
        The chips.
    pattern : str, optional
        A regular expression; its first group, where it matches an id from the start, is the scene.

    Raises
    ------
    UsageError
        It is no pattern, has no group, or matches no id.
    """
    if pattern is None:
        return {chip.id: chip.id.rpartition("/")[0] or None for chip in chips}
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        fix = "give a regular expression, such as --scene '(.+)_[0-9]+_[0-9]+'"
        raise UsageError(f"--scene {pattern!r} is no pattern: {error}", WHERE, fix, "E-COMMAND-VALUE") from error
    if not compiled.groups:
        fix = "put the part of the id that names the scene in brackets: --scene '(.+)_[0-9]+_[0-9]+'"
        raise UsageError(f"--scene {pattern!r} has no group", WHERE, fix, "E-COMMAND-VALUE")
    matches = {chip.id: compiled.match(chip.id) for chip in chips}
    if chips and not any(matches.values()):
        found = f"--scene {pattern!r} matches no chip: {shorten(matches, 3)}"
        raise UsageError(found, WHERE, "correct the pattern", "E-INGEST-MISMATCH")
    return {id_: match[1] or None if match else None for id_, match in matches.items()}


def _find_files(folder: Path, what: str) -> tuple[dict[str, str], list[Reject]]:
    """Return the file of each id below a folder, and the files whose id is taken."""
    if not folder.is_dir():
        found = "this is a file, and no folder" if folder.exists() else "there is no such folder"
        fix = f"give the folder of the {what}, or one npy array of all chips for both"
        code = "E-FILES-KIND" if folder.exists() else "E-FILES-MISSING"
        raise UsageError(found, folder, fix, code)
    names = files_below(folder, (*ENDINGS, *OTHER_ENDINGS))
    read = [name for name in names if name.lower().endswith(ENDINGS)]
    if any(name.lower().endswith(TIFF_ENDINGS) for name in read):
        check_rasterio(folder)
    if not names:
        fix = f"give the folder that holds the {what}, as {', '.join(ENDINGS)}"
        raise UsageError(f"no chip is there: no {', '.join(ENDINGS)}", folder, fix, "E-INGEST-NOTHING")
    files: dict[str, str] = {}
    rejects = []
    for name in [*read, *(name for name in names if not name.lower().endswith(ENDINGS))]:
        id_ = _id_of(name)
        if name not in read and id_ in files:
            continue  # a preview or a world file's picture beside the raster
        if id_ in files:
            rejects.append(
                Reject(id_, Place(name).below(folder), f"one id for two files: that of {files[id_]}, which is taken")
            )
        else:
            files[id_] = name
    return files, rejects


def _id_of(name: str) -> str:
    return PurePath(name).with_suffix("").as_posix()


def _of_arrays(images: Path, masks: Path | None, ids: Path | None) -> Chips:
    """Return the chips of npy arrays."""
    if images.suffix.lower() != NPY:
        fix = f"give a folder of {', '.join(ENDINGS)} files, or one npy array of all chips"
        raise UsageError(f"{images.suffix or 'no ending'!r} is no array of chips", images, fix, "E-FILES-ENDING")
    if ids is None:
        fix = "name the chips: --ids, a table with the column id, or an npy array of texts, in the order of the array"
        raise UsageError("an array of chips has no ids", images, fix, "E-VALUE-MISSING")
    count = _length(images, 4)
    if masks is not None and (masks.suffix.lower() != NPY or (of_masks := _length(masks, 3)) != count):
        found = f"{count} images, and the masks are no npy array" if masks.suffix.lower() != NPY else ""
        found = found or f"{count} images and {of_masks} masks"
        fix = "give an array (N, H, W) of the masks in the order of the images, ignored values for what is unknown"
        raise UsageError(found, masks, fix, "E-VALUE-SHAPE")
    named = _read_ids(ids)
    if len(named) != count:
        fix = "give an id for each chip, in the order of the array"
        raise UsageError(f"{len(named)} ids and {count} chips", ids, fix, "E-VALUE-SHAPE")
    chips: dict[str, Chip] = {}
    rejects = []
    for number, id_ in enumerate(named):
        image = Place(images.name, number)
        if id_ in chips:
            rejects.append(
                Reject(
                    id_, image.below(images.parent), f"one id for two chips: that of {chips[id_].image}, which is taken"
                )
            )
        else:
            chips[id_] = Chip(id_, image, None if masks is None else Place(masks.name, number))
    return Chips(images.parent, images.parent if masks is None else masks.parent, [*chips.values()], rejects)


def _length(path: Path, axes: int) -> int:
    """Return the number of chips in an npy array."""
    try:
        shape = map_npy(path).shape
    except UnreadableError as error:
        raise UsageError(str(error), path, "save the array again by numpy.save", "E-TABLE-DAMAGED") from error
    if len(shape) != axes or not shape[0]:
        wanted = "(N, H, W, bands) or (N, bands, H, W)" if axes == 4 else "(N, H, W)"
        raise UsageError(f"an array of shape {shape}", path, f"give {wanted}", "E-VALUE-SHAPE")
    return int(shape[0])


def _read_ids(path: Path) -> list[str]:
    """Return the ids of a table or an npy array, in their order."""
    if path.suffix.lower() in FORMATS:
        table = read_user_table(path, ("id",))
        return [read_text(row, "id") or "" for row in table.rows]
    try:
        array: np.ndarray[Any, Any] = map_npy(path)
    except UnreadableError as error:
        raise UsageError(
            str(error), path, "give a table with the column id, or an npy array", "E-TABLE-DAMAGED"
        ) from error
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        found = f"ids of shape {array.shape} and type {array.dtype}"
        raise UsageError(found, path, "give texts or whole numbers, one of each chip", "E-VALUE-TYPE")
    return [str(one) for one in array.tolist()]
