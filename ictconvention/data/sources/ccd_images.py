"""The images of a CCD survey: which files and HDUs there are, and what their headers say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from ictconvention.data.sources.found import USUAL_BANDS
from ictconvention.data.sources.reading import FITS_ENDINGS, UnreadableError, image_of, is_image, opened_fits
from ictconvention.data.sources.user_table import number_of, read_user_table, text_of
from ictconvention.errors import UsageError

ZERO_POINT_KEYS = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT", "PHOTZP", "ZPTMAG")  # [AB mag]
SAME_CENTRE = 1.0  # [arcsec]
BAND_KEYS = ("BAND", "FILTER")
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
    source: Path, masks: tuple[str, str] | None = None, hdu: str | None = None
) -> tuple[Path, list[CcdImage]]:
    """Return the folder of images and its images.

    Parameters
    ----------
    source : Path
        A folder of FITS files, or a table of images with the column file, and hdu, band, mjd [days], zero_point
        [AB mag], psf_fwhm [arcsec], mask and mask_hdu where they are known; its files are relative to it.
    masks : pair of str, optional
        The name of an image's mask is that of the image, with the first text replaced by the second. In a folder,
        a file without the first text in its name is no image, and neither is a mask.
    hdu : str, optional
        Which HDU holds the image, where a table does not say so; by default all that hold one.

    Raises
    ------
    UsageError
        There is no image.
    """
    if source.is_dir():
        names = sorted(str(path.relative_to(source)) for path in source.rglob("*") if _is_fits(path))
        images = [CcdImage(name) for name in names]
        if masks:
            images = [_with_mask(one, *masks) for one in images if masks[0] in Path(one.file).name]
            are_masks = {one.mask for one in images}
            images = [one for one in images if one.file not in are_masks]
        folder = source
    else:
        table = read_user_table(source, ("file",), IMAGE_COLUMNS)
        images = [_listed(row, table.where(number)) for number, row in enumerate(table.rows)]
        folder = source.parent
        if masks:
            images = [one if one.mask else _with_mask(one, *masks) for one in images]
    images = [replace(one, hdu=one.hdu or hdu) for one in images]
    if not images:
        what = f" whose name holds {masks[0]!r}" if masks else ""
        raise UsageError(f"no FITS file{what} is there", source, f"give a folder with {', '.join(FITS_ENDINGS[:3])}")
    return folder, images


def _is_fits(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(FITS_ENDINGS) and not path.name.startswith(".")


def _listed(row: Mapping[str, Any], where: str) -> CcdImage:
    file = text_of(row, "file")
    if file is None:
        raise UsageError("this row names no file", where, "give the file of the image")
    mjd, zero_point, psf_fwhm = (number_of(row, name, where) for name in ("mjd", "zero_point", "psf_fwhm"))
    hdu, band, mask, mask_hdu = (text_of(row, name) for name in ("hdu", "band", "mask", "mask_hdu"))
    return CcdImage(file, hdu, band, mjd, zero_point, psf_fwhm, mask, mask_hdu)


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
    for image in images:
        try:
            with opened_fits(folder / image.file) as hdus:
                for hdu in image_names(hdus, image.hdu):
                    _, header, _ = image_of(hdus, hdu)
                    return round(pixel_scale(wcs_of(header)), 4)
        except (UnreadableError, OSError):
            continue
    raise UsageError("no image with a WCS is there", folder, "give images whose headers hold one")


def image_names(hdus: fits.HDUList, hdu: str | None) -> list[str]:
    """Return the HDU that is asked for, or the numbers of all that hold an image."""
    if hdu is not None:
        return [hdu]
    numbers = [str(number) for number, one in enumerate(hdus) if is_image(one) and one.header["NAXIS"] == 2]
    if not numbers:
        raise UnreadableError("no HDU holds an image")
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
            centre = wcs_of(hdu.header).pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
        except UnreadableError:
            continue  # it is told where it is read
        title, mjd = hdu.name or name, Headers(hdus[0].header, hdu.header).mjd
        for other, (there, then) in centres.items():
            if centre.separation(there).arcsec < SAME_CENTRE and not abs(mjd - then) > 0:
                raise UnreadableError(
                    f"HDUs {other} and {title} show the same sky: say which holds the flux, --hdu {other}"
                )
        centres[title] = centre, mjd


@dataclass(frozen=True)
class Headers:
    """The headers that hold for an image: of its file, and its own, which comes first."""

    primary: fits.Header
    own: fits.Header

    def value(self, *keys: str) -> Any:
        """Return the first of these keywords that has a value; None where none has."""
        for key in keys:
            for header in (self.own, self.primary):
                if (value := header.get(key)) not in (None, "", "UNKNOWN"):
                    return value
        return None

    def number(self, *keys: str) -> float:
        """Return the first of these keywords that is a number, NaN where none is."""
        for key in keys:
            value = self.value(key)
            if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
                return float(value)
        return np.nan

    @property
    def band(self) -> str | None:
        """The filter's name; its first word alone, where that is a usual band: 'g DECam SDSS c0001 4720.0 1520.0'."""
        words = str(self.value(*BAND_KEYS) or "").split()
        return (words[0] if words[0] in USUAL_BANDS else " ".join(words)) if words else None

    @property
    def mjd(self) -> float:
        """The middle of the exposure [days]; NaN where no keyword tells its date."""
        start = self.number("MJD-OBS", "MJD_OBS")
        if np.isnan(start) and (date := self.value("DATE-OBS")) is not None:
            try:
                start = float(Time(str(date), scale="utc").mjd)
            except ValueError:
                return np.nan
        exposure = self.number("EXPTIME", "EXPOSURE")
        return start + (exposure / 2 / 86_400 if exposure > 0 else 0.0)

    def seeing(self, scale: float) -> float:
        """Return SEEING [arcsec], or FWHM where its comment says that it is in pixels [arcsec]; NaN without them."""
        seeing = self.number("SEEING")
        if seeing > 0:
            return seeing
        for header in (self.own, self.primary):
            if "FWHM" in header and "pix" in header.comments["FWHM"].lower():
                return self.number("FWHM") * scale
        return np.nan


def wcs_of(header: fits.Header) -> WCS:
    """Return the celestial WCS of an image, TPV and SIP distortions too.

    Raises
    ------
    UnreadableError
        There is none.
    """
    try:
        wcs = WCS(header)
        if wcs.has_celestial and np.linalg.det(wcs.celestial.pixel_scale_matrix) != 0:
            return wcs.celestial
    except Exception as error:  # rubbish in a header may break wcslib anywhere
        raise UnreadableError(f"no sound WCS: {str(error).strip().splitlines()[0]}") from error
    raise UnreadableError("no WCS in the header: the sky position of its pixels is unknown")


def pixel_scale(wcs: WCS) -> float:
    """Return the size of a pixel [arcsec]."""
    return float(np.mean(proj_plane_pixel_scales(wcs)) * 3600)
