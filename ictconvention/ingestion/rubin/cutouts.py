"""The cutouts of a Rubin alert: FITS with the pixels [nJy], their variance and the PSF, each where its header says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from ictconvention.files.reading import UnreadableError, open_fits, read_image
from ictconvention.ingestion.rubin.rotation import SkyGrid
from ictconvention.measuring.robust import finite_median

NANOJANSKY = 1 / 3630.780547701  # [nanomaggies]: zero point 31.4 to zero point 22.5
PIXEL_SCALE = 0.2  # [arcsec]
SCALES = (0.15, 0.25)  # [arcsec] that a pixel of a cutout may have; a camera has distortions, and other cutouts others
MOST_CUTOUT = 2**20  # bytes of a cutout; one of Rubin has 34 000 to 70 000
VARIANCE, PSF = "UNCERT", "PSFIMAGE"
FWHM = 2.3548  # of a Gaussian, by its sigma
ROUNDS = 30  # of the weighted moments of a PSF; 10 are enough


@dataclass(frozen=True)
class Cutout:
    """A cutout.

    Parameters
    ----------
    pixels : array (H, W)
        [nJy]; NaN where the variance says that there is none.
    noise : float
        Noise of a pixel, by the median variance [nJy]; NaN where there is none.
    psf_fwhm : float
        Seeing by the PSF's image [arcsec]; NaN where there is none.
    grid : SkyGrid
        How it stands on the sky about the object.
    """

    pixels: NDArray[np.floating]
    noise: float
    psf_fwhm: float
    grid: SkyGrid


def read_cutout(content: Any, ra: float, dec: float) -> Cutout:
    """Read a cutout.

    Parameters
    ----------
    content : bytes
        Of a FITS file.
    ra, dec : float
        Of the object [deg].

    Raises
    ------
    UnreadableError
        It is damaged, truncated, in another unit, or does not hold the object.
    """
    if not isinstance(content, bytes):
        raise UnreadableError(f"the cutout is a {type(content).__name__}, and no bytes of FITS")
    if len(content) > MOST_CUTOUT:
        raise UnreadableError(f"a cutout of {len(content)} bytes")
    with open_fits(content) as hdus:
        pixels, header, _ = read_image(hdus, 0)
        if pixels.ndim != 2 or min(pixels.shape) < 2:
            raise UnreadableError(f"a cutout of {' x '.join(map(str, pixels.shape))} pixels")
        if (unit := str(header.get("BUNIT", "nJy")).strip()) != "nJy":
            raise UnreadableError(f"the cutout is in {unit}, not in nJy")
        grid = _grid(header, ra, dec)
        height, width = pixels.shape
        if not (-0.5 <= grid.column <= width - 0.5 and -0.5 <= grid.row <= height - 0.5):
            raise UnreadableError(
                f"the object lies at column {grid.column:.0f}, row {grid.row:.0f} of a cutout of {width} x {height}"
            )
        names = [one.name.upper() for one in hdus]
        noise = np.nan
        if VARIANCE in names:
            deviation = _deviation(*read_image(hdus, VARIANCE)[:2])
            noise = finite_median(deviation)
            if deviation.shape == pixels.shape and np.isfinite(noise):
                pixels = np.where(np.isfinite(deviation), pixels, np.nan)
        scale = 1 / np.sqrt(grid.area(1.0))
        fwhm = measure_fwhm(read_image(hdus, PSF)[0]) * scale if PSF in names else np.nan
    return Cutout(pixels, noise, float(fwhm), grid)


def _grid(header: fits.Header, ra: float, dec: float) -> SkyGrid:
    """Return how a cutout stands on the sky; a header without CTYPE, as Rubin's are, is a tangent plane."""
    header = header.copy()
    for axis, kind in ((1, "RA---TAN"), (2, "DEC--TAN")):
        if not str(header.get(f"CTYPE{axis}", "")).strip():
            header[f"CTYPE{axis}"] = kind
    if "CRVAL1" not in header or not ({"PC1_1", "CD1_1"} & set(header)):
        raise UnreadableError("the cutout's header has no WCS")
    step = 1 / 3600
    try:
        wcs = WCS(header)
        places = [(ra, dec), (ra + step / np.cos(np.radians(dec)), dec), (ra, dec + step)]
        here, east, north = np.asarray(wcs.wcs_world2pix(places, 0), dtype=np.float64)
    except Exception as error:  # a damaged header may break it anywhere
        raise UnreadableError(f"the cutout's WCS cannot be read: {str(error).splitlines()[0]}") from error
    grid = SkyGrid(float(here[0]), float(here[1]), east - here, north - here)
    scale = 1 / np.sqrt(grid.area(1.0)) if grid.area(1.0) > 0 else np.nan
    if not SCALES[0] < scale < SCALES[1]:
        raise UnreadableError(f"pixels of {scale:.3g} arcsec, not of {PIXEL_SCALE}")
    return grid


def _deviation(uncertainty: NDArray[np.floating], header: fits.Header) -> NDArray[np.float64]:
    """Return the noise of each pixel (H, W), NaN where it has none; UTYPE says what the HDU holds, else variances."""
    kind = str(header.get("UTYPE", ""))
    known = np.where(np.isfinite(uncertainty) & (uncertainty > 0), uncertainty, np.nan).astype(np.float64)
    if "Std" in kind:
        return known
    return 1 / np.sqrt(known) if "Inverse" in kind else np.sqrt(known)


def measure_fwhm(psf: NDArray[np.floating]) -> float:
    """Return the full width at half maximum of a PSF's image [its pixels], NaN where it shows none.

    By moments with a Gaussian weight of the PSF's own width, as Rubin's ixxPSF are, so that wings do not count.
    """
    values = np.nan_to_num(psf.astype(np.float64))
    y, x = np.indices(values.shape, dtype=np.float64)
    middle_y, middle_x = ((side - 1) / 2 for side in values.shape)
    squared = 4.0  # sigma squared
    for _ in range(ROUNDS):
        weight = values * np.exp(-((x - middle_x) ** 2 + (y - middle_y) ** 2) / (2 * squared))
        if not (total := weight.sum()) > 0:
            return np.nan
        middle_x, middle_y = (weight * x).sum() / total, (weight * y).sum() / total
        radius = (weight * ((x - middle_x) ** 2 + (y - middle_y) ** 2)).sum() / total
        if not 0 < (squared := float(radius)) < values.size:  # a Gaussian's, weighted by itself: half of 2 sigma^2
            return np.nan
    return FWHM * float(np.sqrt(squared))
