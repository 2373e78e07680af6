"""Frames of nights that were not clear: their flux is brought to that of a clear night by the stars that both show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry
from photutils.detection import find_peaks

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.sdss.fields import Field, FieldVisit
from ictconvention.ingestion.sdss.frame_file import SdssFrame
from ictconvention.measuring.robust import robust_sigma

BRIGHT = 20.0  # times the noise of a pixel, that the peak of a star has at least
MOST_STARS, FEWEST_STARS = 300, 5
APERTURE, SKY = 10.0, (14.0, 20.0)  # [pixels], 4 arcsec: wide enough that the seeing does not count
SAME_STAR = 1.0  # [arcsec]
MOST_SPAN = 1.0  # [deg] of right ascension, of a field


@dataclass(frozen=True)
class Stars:
    """Bright sources of a frame.

    Parameters
    ----------
    places : SkyCoord (n,)
    flux : array (n,)
        [nanomaggies]
    """

    places: SkyCoord
    flux: NDArray[np.float64]


def measure_stars(frame: SdssFrame) -> Stars:
    """Measure the bright sources of a frame, each in a wide aperture, without the light around it."""
    pixels = np.nan_to_num(frame.pixels.astype(np.float64))
    noise = robust_sigma(pixels.ravel()) or 1.0
    margin = int(SKY[1])
    peaks: Table | None = find_peaks(pixels, BRIGHT * noise, box_size=2 * int(APERTURE) + 1)
    if peaks is not None:
        peaks = peaks[np.argsort(-np.asarray(peaks["peak_value"]))[:MOST_STARS]]
    x, y = (np.zeros(0) if peaks is None else np.asarray(peaks[name], dtype=float) for name in ("x_peak", "y_peak"))
    height, width = pixels.shape
    inside = (x >= margin) & (y >= margin) & (x < width - margin) & (y < height - margin)
    x, y = x[inside], y[inside]
    if not x.size:
        return Stars(SkyCoord([], [], unit="deg"), x)
    at = np.column_stack([x, y])
    aperture = CircularAperture(at, APERTURE)
    sky = np.atleast_1d(ApertureStats(pixels, CircularAnnulus(at, *SKY)).median)
    flux = np.asarray(aperture_photometry(pixels, aperture)["aperture_sum"]) - sky * aperture.area
    sound = flux > 0
    return Stars(frame.wcs.pixel_to_world(x[sound], y[sound]).icrs, flux[sound])


def compare_stars(stars: Stars, reference: Stars) -> tuple[float, float]:
    """Return what a frame's flux is multiplied by to be that of the reference, and the relative scatter of the stars.

    Raises
    ------
    UnreadableError
        Too few stars are on both.
    """
    number = 0
    if len(stars.flux) and len(reference.flux):
        match, apart, _ = stars.places.match_to_catalog_sky(reference.places)
        same = apart.arcsec < SAME_STAR
        ratio = reference.flux[match[same]] / stars.flux[same]
        number = len(ratio)
    if number < FEWEST_STARS:
        raise UnreadableError(f"{number} stars are on the frame and on the reference, and {FEWEST_STARS} are needed")
    factor = float(np.median(ratio))
    return factor, robust_sigma(ratio) / factor


def add_references(visits: Sequence[FieldVisit], fields: Sequence[Field]) -> list[FieldVisit]:
    """Return the visits; those of a night that was not clear with the best field of a clear one that shows their sky.

    A visit without such a field is returned as it is: its frames cannot be used.
    """
    clear = sorted((one for one in fields if one.photometric), key=lambda one: one.ra_start)
    starts = np.array([one.ra_start for one in clear])
    return [visit if visit.field.photometric else _with_reference(visit, clear, starts) for visit in visits]


def _with_reference(visit: FieldVisit, clear: Sequence[Field], starts: NDArray[np.float64]) -> FieldVisit:
    field = visit.field
    ra, dec = field.ra_start + field.ra_span / 2, (field.dec_min + field.dec_max) / 2
    best: Field | None = None
    for shift in (0.0, 360.0, -360.0):  # across right ascension 0
        begin, end = np.searchsorted(starts, [ra + shift - MOST_SPAN, ra + shift])
        for one in clear[begin:end]:
            over = ra + shift <= one.ra_start + one.ra_span and one.dec_min <= dec <= one.dec_max
            better = best is None or np.nan_to_num(one.score) > np.nan_to_num(best.score)
            if over and one.run != field.run and better:
                best = one
    return replace(visit, reference=best)
