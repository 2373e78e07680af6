"""The images of a CCD survey: which files and HDUs there are, and what their headers say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from ictconvention.core.errors import UsageError
from ictconvention.files.folders import files_below
from ictconvention.files.reading import (
    FITS_ENDINGS,
    NoImageError,
    UnreadableError,
    is_image,
    open_fits,
    read_image,
)
from ictconvention.files.user_table import check_number, file_of, read_number, read_text, read_user_table
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.headers.celestial import pixel_scale, read_wcs
from ictconvention.ingestion.headers.dates import read_exposure
from ictconvention.ingestion.headers.headers import Headers

SAME_CENTRE = 1.0  # [arcsec]
IMAGE_COLUMNS = ("file", "hdu", "band", "mjd", "zero_point", "psf_fwhm", "mask", "mask_hdu")


@dataclass(frozen=True, slots=True)
class CcdImage:
    """An image, and what its table says of it; None or NaN where its header knows.

    Parameters
    ----------
    file : str
        Relative to the folder of images.
    hdu : str, optional
        None: all HDUs that hold an image with a WCS.
    band : str, optional
    mjd, zero_point, psf_fwhm : float
        [days], [AB mag], [arcsec].
    mask, mask_hdu : str, optional
        File and HDU of its mask, whose pixels are 0 where the image is good.
    """

    file: str
    hdu: str | None = None
    band: str | None = None
    mjd: float = np.nan
    zero_point: float = np.nan
    psf_fwhm: float = np.nan
    mask: str | None = None
    mask_hdu: str | None = None


def find_images(
    source: Path,
    masks: tuple[str, str] | None = None,
    hdu: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> tuple[Path, list[CcdImage], list[Reject]]:
    """Return the folder of images, its images, and the files that are none since their name says so.

    Parameters
    ----------
    source : Path
        A folder of FITS files, or a table of images with the column file, and hdu, band, mjd [days], zero_point
        [AB mag], psf_fwhm [arcsec], mask and mask_hdu where they are known; its files are relative to it.
    masks : pair of str, optional
        The name of an image's mask is that of the image, with the first text replaced by the second. In a folder,
        a file without the first text in its name is not an image, and neither is a mask; the others are rejects.
    hdu : str, optional
        Which HDU holds the image, where a table does not say so; by default all that hold one.
    renamed : mapping, optional
        Names that columns have in the table of images, by ours.

    Raises
    ------
    UsageError
        There is no image, or columns are renamed and there is no table.
    """
    rejects: list[Reject] = []
    if source.is_dir():
        if renamed:
            found = (
                f"--column names the column {next(iter(renamed.values()))} of a table of images, and this is a folder"
            )
            raise UsageError(found, source, "give the table, or leave it out", "E-COMMAND-CONFLICT")
        names = files_below(source, FITS_ENDINGS)
        images = [CcdImage(name) for name in names]
        if masks:
            images = [_with_mask(one, *masks) for one in images if masks[0] in Path(one.file).name]
            are_masks = {one.mask for one in images}
            images = [one for one in images if one.file not in are_masks]
            known = are_masks | {one.file for one in images}
            reason = f"its name holds no {masks[0]!r}, and it is no mask of an image"
            rejects = [Reject("", name, reason, flaw=False) for name in names if name not in known]
        folder = source
    else:
        table = read_user_table(source, ("file",), IMAGE_COLUMNS, renamed)
        images = [_listed(row, where) for where, row in table.located]
        folder = source.parent
        if masks:
            images = [one if one.mask else _with_mask(one, *masks) for one in images]
    images = [replace(one, hdu=one.hdu or hdu) for one in images]
    if not images:
        what = f" whose name holds {masks[0]!r}" if masks else ""
        raise UsageError(
            f"no FITS file{what} is there",
            source,
            f"give a folder with {', '.join(FITS_ENDINGS[:3])}",
            "E-INGEST-NOTHING",
        )
    return folder, images, rejects


def _listed(row: Mapping[str, Any], where: str) -> CcdImage:
    known: dict[str, Any] = {name: read_text(row, name) for name in ("hdu", "band", "mask", "mask_hdu")}
    known |= {name: read_number(row, name, where) for name in ("mjd", "zero_point")}
    return CcdImage(file_of(row, where), psf_fwhm=check_number(row, "psf_fwhm", where), **known)


def _with_mask(image: CcdImage, old: str, new: str) -> CcdImage:
    path = Path(image.file)
    return replace(image, mask=str(path.with_name(path.name.replace(old, new))))


def first_pixel_scale(folder: Path, images: Sequence[CcdImage]) -> float:
    """Return the pixel scale of the first image that has a WCS [arcsec].

    Raises
    ------
    UsageError
        None has.
    """
    first = ""
    for image in images:
        try:
            with open_fits(folder / image.file) as hdus:
                for hdu in image_names(hdus, image.hdu):
                    _, header, _ = read_image(hdus, hdu)
                    return round(pixel_scale(read_wcs(header)), 4)
        except (UnreadableError, OSError) as error:
            first = first or f": {image.file}: {error}"
    raise UsageError(
        f"no image with a WCS is there{first}", folder, "give images whose headers hold a sound one", "E-INGEST-NOTHING"
    )


def image_names(hdus: fits.HDUList, hdu: str | None) -> list[str]:
    """Return the HDU that is asked for, or the numbers of all that hold an image."""
    if hdu is not None:
        return [hdu]
    numbers = [str(number) for number, one in enumerate(hdus) if is_image(one) and one.header["NAXIS"] == 2]
    if not numbers:
        raise NoImageError("no HDU holds an image")
    return numbers


def check_footprints(hdus: fits.HDUList, names: Sequence[str]) -> None:
    """Refuse HDUs, given by number, that show the same sky at the same time: one of them is a weight map, or a mask.

    Raises
    ------
    UnreadableError
        Naming two of them.
    """
    centres: dict[str, tuple[SkyCoord, float]] = {}
    for name in names if len(names) > 1 else ():
        hdu = hdus[int(name)]  # of which the pixels stay on the disk
        height, width = hdu.shape
        try:
            centre = read_wcs(hdu.header).pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
        except UnreadableError:
            continue  # it is reported where it is read
        title, mjd = hdu.name or name, _mjd(Headers(hdus[0].header, hdu.header))
        for other, (there, then) in centres.items():
            if centre.separation(there).arcsec < SAME_CENTRE and not abs(mjd - then) > 0:
                raise UnreadableError(
                    f"HDUs {other} and {title} show the same sky: say which holds the flux, --hdu {other}"
                )
        centres[title] = centre, mjd


def _mjd(headers: Headers) -> float:
    try:
        return read_exposure(headers).mjd
    except UnreadableError:
        return np.nan
