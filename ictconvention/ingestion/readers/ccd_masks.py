"""Masks of CCD images: which pixels are bad, by a file beside the image or an HDU in it.

In the masks of NOIRLab's Community Pipeline (of DECam, 90Prime and Mosaic) the pixels of a supernova are marked too,
since they differ from those of other exposures: that mark is no flaw of the image, and is not taken for one.
"""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ictconvention.files.reading import UnreadableError, is_image, open_fits, read_image
from ictconvention.ingestion.headers.headers import Headers
from ictconvention.ingestion.readers.ccd_images import CcdImage

PIPELINE = re.compile(r"V(\d+)\.(\d+)")  # PLVER of the Community Pipeline
BITS, CODES_SINCE = "DECAM", (3, 5)  # the camera whose masks held bits, and the version from which they hold codes
CHANGED_CODE, CHANGED_BIT = 7, 128  # a pixel that differs from other exposures of the same sky


def read_ccd_mask(folder: Path, image: CcdImage, hdu: str, number: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels of an image (H, W) its mask excludes: none where it has no mask.

    Parameters
    ----------
    folder : Path
        That the names of files are relative to.
    image : CcdImage
        The image, which names the file of its mask.
    hdu, number : str, int
        Name and number of the image's HDU.
    shape : pair of int
        Of the image.

    Raises
    ------
    UnreadableError
        The mask cannot be read, or is of another shape.
    """
    if image.mask is None:
        return np.zeros(shape, dtype=bool)
    try:
        with open_fits(folder / image.mask) as hdus:
            mask, own, _ = read_image(hdus, image.mask_hdu or _mask_hdu(hdus, hdu, number))
            headers = Headers(hdus[0].header, own)
    except (UnreadableError, OSError) as error:
        raise UnreadableError(f"its mask {image.mask}: {error}") from error
    if mask.shape != shape:
        raise UnreadableError(f"its mask {image.mask} has shape {mask.shape}, the image {shape}")
    return np.asarray(mask != 0) & ~_changed(mask, headers)


def _changed(mask: NDArray[np.generic], headers: Headers) -> NDArray[np.bool_]:
    """Return which pixels have no other mark than that of a change."""
    version = PIPELINE.match(headers.text("PLVER"))
    if version is None or not headers.text("PROCTYPE"):  # the mask of another pipeline
        return np.zeros(mask.shape, dtype=bool)
    early = (int(version[1]), int(version[2])) < CODES_SINCE and headers.text("INSTRUME").upper().startswith(BITS)
    return np.asarray(mask == (CHANGED_BIT if early else CHANGED_CODE))


def _mask_hdu(hdus: fits.HDUList, hdu: str, number: int) -> str:
    """Return the HDU of a mask: with the name of the image's, or its number, or the only one that holds an image."""
    images = [place for place, one in enumerate(hdus) if is_image(one)]
    named = [place for place in images if hdus[place].name and hdus[place].name.upper() == hdu.upper()]
    for found in (named, [number] if number in images else [], images):
        if len(found) == 1:
            return str(found[0])
    raise UnreadableError(f"which of its {len(images)} images belongs to {hdu} is not known: give the column mask_hdu")
