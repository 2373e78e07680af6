"""The bands of a survey of galaxies: 5, 9 or 11, each with its passband, its seeing and the depth of one night."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import speclite.filters
from numpy.typing import NDArray

from ictconvention.simulation.sdss.cadence import SEEING, SEEING_OF_BAND
from ictconvention.simulation.sdss.camera import Camera
from ictconvention.simulation.sdss.passbands import BANDS, SDSS
from ictconvention.simulation.sdss.stamps import PIXEL_SCALE, SDSS_CAMERA


@dataclass(frozen=True)
class BandSet:
    """Bands that are observed together.

    Parameters
    ----------
    names, filters : tuple of str
        The survey's names of the bands, and speclite's of their passbands.
    seeing : tuple of float
        Median FWHM in each band [arcsec].
    depth : tuple of float
        Magnitude of a point source at five times the noise, in the median seeing [AB mag]; none for SDSS's own camera.
    """

    names: tuple[str, ...]
    filters: tuple[str, ...]
    seeing: tuple[float, ...]
    depth: tuple[float, ...] = ()

    @cached_property
    def camera(self) -> Camera:
        """The camera: SDSS's, or one of this depth."""
        return Camera.of_depth(self.depth, np.array(self.seeing) / PIXEL_SCALE) if self.depth else SDSS_CAMERA

    @cached_property
    def wavelength(self) -> NDArray[np.float64]:
        """Effective wavelength of each band, (bands,) [Angstrom]."""
        return np.array([speclite.filters.load_filter(name).effective_wavelength.value for name in self.filters])


NINE = BandSet(
    names=("u", "g", "r", "i", "z", "y", "Y", "J", "H"),
    filters=("cfht_megacam-u", *(f"hsc2017-{band}" for band in "grizy"), *(f"Euclid-{band}" for band in "YJH")),
    # Of a shallow night from the ground (chosen): about a magnitude deeper than SDSS.
    seeing=(1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8),
    depth=(23.3, 24.1, 23.7, 23.2, 22.4, 21.8, 21.8, 21.8, 21.6),
)
BAND_SETS = {
    5: BandSet(BANDS, SDSS, tuple((SEEING * SEEING_OF_BAND).tolist())),
    9: NINE,
    11: BandSet(
        names=("u", "ustar", *NINE.names[1:], "Ks"),
        filters=("cfht_megacam-u", "cfht_megacam-ustar", *NINE.filters[1:], "twomass-Ks"),
        seeing=(1.0, *NINE.seeing, 0.8),
        depth=(23.3, *NINE.depth, 21.4),
    ),
}
