"""Read chips: an image is checked against what all share, and a mask against its image; the others are left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.parallel import run_parallel
from ictconvention.files.reading import UnreadableError, reason_of
from ictconvention.ingestion.chips.agreement import Agreement
from ictconvention.ingestion.chips.georeference import describe_difference
from ictconvention.ingestion.chips.mask_values import MaskValues
from ictconvention.ingestion.chips.pairs import Chip
from ictconvention.ingestion.chips.rasters import Place, RasterLook, look_at_raster, read_raster
from ictconvention.ingestion.found import Found, FoundFrame, FoundMask, Reject
from ictconvention.ingestion.readers.picture_files import NO_DATE, Picture, flaw_of_storage
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.values import flaw_of_id, flaw_of_pixels

CHIPS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class ChipOptions:
    """How chips are read; `images` and `masks` are the folders of their files, and `dtype` that of the survey."""

    images: Path
    masks: Path
    agreement: Agreement
    values: MaskValues
    dtype: str


def look_at_images(
    folder: Path, chips: Sequence[Chip], bands: Sequence[str], jobs: int, progress: Callable[[int, int], object]
) -> dict[str, RasterLook]:
    """Return what the header of each image says, by id; an image that cannot be read is left out here."""
    some = group(chips)
    found: dict[int, list[RasterLook | None]] = {}
    for number, looks in run_parallel(partial(_look_at_some, folder, bands), [(part,) for part in some], jobs, folder):
        found[number] = looks
        progress(sum(map(len, found.values())), len(chips))
    pairs = (
        (chip.id, look) for number in range(len(some)) for chip, look in zip(some[number], found[number], strict=True)
    )
    return {id_: look for id_, look in pairs if look is not None}


def group(chips: Sequence[Chip]) -> list[Sequence[Chip]]:
    """Return what is read at once."""
    return [chips[start : start + CHIPS_AT_ONCE] for start in range(0, len(chips), CHIPS_AT_ONCE)]


def read_chips(options: ChipOptions, chips: Sequence[Chip]) -> Iterator[Found]:
    """Yield the mask of each chip and its frames, one of each band, and a reject for each chip that is at fault."""
    for chip in chips:
        try:
            planes, mask = _read_chip(options, chip)
        except _FaultError as fault:
            yield Reject(chip.id, fault.file, fault.reason)
            continue
        yield FoundMask(chip.id, mask, str(chip.mask or ""))
        for plane, band in zip(planes, options.agreement.bands, strict=True):
            if np.isfinite(plane).any():
                yield FoundFrame(chip.id, plane, band, NO_DATE, str(chip.image))
            else:
                reason = f"no pixel of the band {band!r} is finite: the chip has none"
                yield Reject(chip.id, chip.image.below(options.images), reason, flaw=False)


class _FaultError(Exception):
    """A file of a chip is at fault, for a reason."""

    def __init__(self, folder: Path, file: Place, reason: str) -> None:
        super().__init__(folder, file, reason)
        self.file, self.reason = file.below(folder), reason


def _read_chip(options: ChipOptions, chip: Chip) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the frames of a chip (bands, H, W) and its mask (H, W), which is ignored where no band has a pixel."""
    try:
        image = read_raster(options.images, chip.image, options.agreement.bands)
    except (UnreadableError, OSError) as error:
        raise _FaultError(options.images, chip.image, reason_of(error)) from error
    if flaw := options.agreement.flaw_of(image.look):
        raise _FaultError(options.images, chip.image, flaw)
    if flaw_of_name := flaw_of_id(chip.id):
        raise _FaultError(options.images, chip.image, f"{flaw_of_name.found}: {flaw_of_name.fix}")
    planes = image.pixels()
    if flaw := _flaw_of_planes(planes):
        raise _FaultError(options.images, chip.image, flaw)
    of_8_bits = image.values.dtype.itemsize == 1
    if flaw := flaw_of_storage(Picture(planes, of_8_bits=of_8_bits), options.dtype):
        raise _FaultError(options.images, chip.image, flaw)
    if chip.mask is None:
        return planes, np.full(planes.shape[1:], IGNORED, dtype=np.uint8)
    try:
        mask = _read_mask(options, chip.mask, image.look)
    except (UnreadableError, OSError) as error:
        raise _FaultError(options.masks, chip.mask, reason_of(error)) from error
    mask[~np.isfinite(planes).any(axis=0)] = IGNORED
    return planes, mask


def _flaw_of_planes(planes: NDArray[np.float32]) -> str | None:
    """Say whether no band has a pixel, or one has some and too few."""
    there = [plane for plane in planes if np.isfinite(plane).any()]
    if not there:
        return "no pixel is finite: leave the chip out"
    flaw = next((flaw for plane in there if (flaw := flaw_of_pixels(plane[None]))), None)
    return None if flaw is None else f"{flaw.found}: cut the chip where the scene has pixels, or leave it out"


def _read_mask(options: ChipOptions, place: Place, image: RasterLook) -> NDArray[np.uint8]:
    """Return the classes of the pixels of a mask (H, W).

    Raises
    ------
    UnreadableError
        It cannot be read, does not lie on its image, or holds a value without a meaning.
    """
    mask = read_raster(options.masks, place, ("mask",))
    look = mask.look
    if look.bands != 1:
        raise UnreadableError(f"a mask of {look.bands} bands: save the number of each pixel's class, in one")
    kind: Any = mask.values.dtype.kind
    if kind not in "uib":
        raise UnreadableError(f"a mask of {look.dtype}: save the numbers of classes as whole numbers, such as uint8")
    if (look.height, look.width) != (image.height, image.width):
        found = f"a mask of {look.width} x {look.height} pixels on an image of {image.width} x {image.height}"
        raise UnreadableError(f"{found}: cut both alike")
    if image.georeference is not None and look.georeference is not None:
        differs = describe_difference(image.georeference, look.georeference, look.height, look.width)
        if differs is not None:
            raise UnreadableError(differs)
    values = mask.values[0].astype(np.uint8) if kind == "b" else mask.values[0]
    return options.values.encode(values, mask.nodata[0])


def _look_at_some(folder: Path, bands: Sequence[str], chips: Sequence[Chip]) -> list[RasterLook | None]:
    return [look_at_raster(folder, chip.image, bands) for chip in chips]
