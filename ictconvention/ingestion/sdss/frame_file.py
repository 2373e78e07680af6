"""A calibrated frame of SDSS: its pixels, where they lie on the sky, when each was exposed, and their noise.

HDU 0   the image [nanomaggies], without sky, and its WCS
HDU 1   nanomaggies of a count, by column
HDU 2   the sky that was subtracted [counts], on a coarse grid, and where each column and row lies on it
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ictconvention.core.magnitudes import ZERO_POINT
from ictconvention.files.reading import UnreadableError, native, open_fits, read_image
from ictconvention.ingestion.headers.calibration import read_zero_point
from ictconvention.ingestion.headers.celestial import read_wcs
from ictconvention.ingestion.headers.dates import Exposure, read_exposure
from ictconvention.ingestion.headers.headers import Headers

MEANING = "TAI, middle of the exposure of the object's row"  # of the times of frames


@dataclass(frozen=True)
class SdssFrame:
    """A frame.

    Parameters
    ----------
    pixels : array (H, W)
        Flux without sky [nanomaggies].
    wcs : WCS
        Where they lie on the sky.
    band : str
        The filter.
    exposure : Exposure
        When the rows were exposed [MJD, UTC].
    calibration : array (W,)
        Flux of a count, by column [nanomaggies].
    sky : array (h, w)
        The sky that was subtracted, on a coarse grid [counts].
    sky_x, sky_y : arrays (at least W), (at least H)
        Where the columns and rows lie on that grid.
    """

    pixels: NDArray[np.floating]
    wcs: WCS
    band: str
    exposure: Exposure
    calibration: NDArray[np.floating]
    sky: NDArray[np.floating]
    sky_x: NDArray[np.floating]
    sky_y: NDArray[np.floating]

    def locate(self, places: SkyCoord) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the columns and rows of places on the sky, from 0 at the centre of the first pixel."""
        x, y = self.wcs.world_to_pixel(places)
        return np.atleast_1d(x), np.atleast_1d(y)

    def mjd(self, y: float) -> float:
        """Return when a row was exposed: the middle, in TAI [MJD]; the camera scans the sky row by row."""
        return float(Time(self.exposure.at(y), format="mjd", scale="utc").tai.mjd)

    def sky_at(self, x: float, y: float) -> float:
        """Return the sky that was subtracted at a place, between the points of its grid [counts]."""
        column, row = self._pixel(x, y)
        place = [[self.sky_y[row]], [self.sky_x[column]]]
        return float(map_coordinates(self.sky.astype(np.float64), place, order=1, mode="nearest")[0])

    def noise(self, x: float, y: float, gain: float, dark_variance: float) -> float:
        """Return the noise of a pixel of empty sky at a place [nanomaggies].

        Parameters
        ----------
        x, y : float
            Column and row.
        gain : float
            Electrons of a count.
        dark_variance : float
            Variance of the electronics [counts^2].
        """
        variance = self.sky_at(x, y) / gain + dark_variance
        return float(np.sqrt(variance)) * self.flux_of_count(x)

    def flux_of_count(self, x: float) -> float:
        """Return the flux of a count in a column [nanomaggies]."""
        return float(self.calibration[self._pixel(x, 0)[0]])

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        height, width = self.pixels.shape
        return int(np.clip(round(x), 0, width - 1)), int(np.clip(round(y), 0, height - 1))


def read_frame(path: Path) -> SdssFrame:
    """Read a frame, packed or not.

    Raises
    ------
    UnreadableError
        It is damaged, truncated, or not laid out as a calibrated frame.
    """
    with open_fits(path) as hdus:
        if len(hdus) < 3:
            raise UnreadableError(f"{len(hdus)} HDUs: a calibrated frame has the image, the calibration and the sky")
        pixels, header, _ = read_image(hdus, 0)
        headers = Headers(header, header)
        (zero_point, _), band = read_zero_point(headers), headers.text("FILTER")
        if zero_point != ZERO_POINT or not band:
            found = f"its zero point is {zero_point:g} and FILTER {band!r}: no calibrated frame of SDSS"
            raise UnreadableError(found)
        calibration = native(hdus[1].data)
        try:
            row = hdus[2].data[0]
            sky, sky_x, sky_y = (native(row[name]) for name in ("ALLSKY", "XINTERP", "YINTERP"))
        except (KeyError, IndexError, TypeError) as error:
            raise UnreadableError(f"HDU 2 is no table of the sky: {error}") from error
        height, width = pixels.shape
        if calibration.shape != (width,) or sky.ndim != 2 or len(sky_x) < width or len(sky_y) < height:
            found = f"an image of {width} x {height}, a calibration of {calibration.shape}, a sky of {sky.shape}"
            raise UnreadableError(f"{found} at {len(sky_x)} columns and {len(sky_y)} rows: they do not fit")
        return SdssFrame(pixels, read_wcs(header), band, read_exposure(headers), calibration, sky, sky_x, sky_y)
