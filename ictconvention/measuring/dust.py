"""What the dust of the Milky Way takes from each band, by the names of the bands. Knows no survey."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, shorten

# Magnitudes per unit of E(B-V): Fitzpatrick (1999) with R_V = 3.1 at the effective wavelength of the band; from u to z
# of SDSS, y of Hyper Suprime-Cam, Y, J and H of Euclid, u* of CFHT, Ks of 2MASS. The simulation has the same law.
EXTINCTION = {
    "u": 4.78,
    "ustar": 4.58,
    "g": 3.73,
    "r": 2.56,
    "i": 1.90,
    "z": 1.42,
    "y": 1.21,
    "Y": 1.01,
    "J": 0.68,
    "H": 0.46,
    "K": 0.35,
    "Ks": 0.35,
}


def band_extinction(bands: Sequence[str]) -> NDArray[np.float64]:
    """Return the extinction of each band per unit of E(B-V), (bands,) [mag].

    Raises
    ------
    UsageError
        Nobody knows it of a band of this name.
    """
    if unknown := [band for band in bands if band not in EXTINCTION]:
        found = f"augmentation.reddening needs the dust's extinction in band {shorten(unknown)}, which is not known"
        fix = f"set augmentation.reddening=0, or name the bands among {', '.join(EXTINCTION)}"
        raise UsageError(found, "augmentation.reddening", fix, "E-CONFIG-CONFLICT")
    return np.array([EXTINCTION[band] for band in bands])
