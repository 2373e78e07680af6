"""A camera, band by band: its sky, calibration, gain and noise. Knows no survey."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ictconvention.core.magnitudes import nanomaggies

COLUMNS = 6  # each with a chip per band
ELECTRONS, READ_OUT = 1000.0, 5.0  # per nanomaggy, and the noise of a pixel: of a camera that is known by its depth
CALIBRATION = 0.005  # [nanomaggies per DN] of it


@dataclass(frozen=True)
class Camera:
    """A camera in its bands.

    Parameters
    ----------
    sky : array (bands,)
        Usual brightness of a pixel of empty sky [nanomaggies].
    calibration : array (bands,)
        [nanomaggies per DN]
    gain : array (bands, columns)
        [electrons per DN]
    dark_variance : array (bands, columns)
        Noise of read-out and dark current, squared [DN^2].
    """

    sky: NDArray[np.float64]
    calibration: NDArray[np.float64]
    gain: NDArray[np.float64]
    dark_variance: NDArray[np.float64]

    @classmethod
    def of_depth(cls, depth: ArrayLike, seeing: ArrayLike) -> Self:
        """Return a camera under a sky so bright that a point source of a magnitude is at five times the noise.

        Parameters
        ----------
        depth : array (bands,)
            [AB mag]
        seeing : array (bands,)
            FWHM [pixels].
        """
        flux = nanomaggies(np.asarray(depth, dtype=np.float64))
        noise = flux / 5 / (np.sqrt(4 * np.pi) * np.asarray(seeing) / 2.3548)  # of a pixel
        gain = np.full((len(flux), COLUMNS), ELECTRONS * CALIBRATION)
        sky = ((ELECTRONS * noise) ** 2 - READ_OUT**2) / ELECTRONS
        return cls(sky, np.full(len(flux), CALIBRATION), gain, (READ_OUT / gain) ** 2)

    def noise(self, bright: NDArray[np.float64], band: NDArray[np.uint8], column: int) -> NDArray[np.float64]:
        """Return the noise of pixels of a total brightness [nanomaggies], sky included."""
        calibration = self.calibration[band]
        photons = bright / calibration / self.gain[band, column]  # variance [DN^2]
        return np.asarray(calibration * np.sqrt(photons + self.dark_variance[band, column]))
