"""Synthetic photometry in the SDSS passbands: fluxes of redshifted spectra, and reddening by dust."""

from functools import cache

import astropy.units as u
import extinction
import numpy as np
import speclite.filters
from numpy.typing import NDArray
from scipy.constants import c, h, k

BANDS = ("u", "g", "r", "i", "z")
EFFECTIVE_WAVELENGTH = np.array([3551.0, 4686.0, 6166.0, 7480.0, 8932.0])  # [Angstrom]
MILKY_WAY_RV = 3.1


def band_maggies(
    wavelength: NDArray[np.float64], flux: NDArray[np.float64], bands: tuple[str, ...]
) -> NDArray[np.float64]:
    """Integrate spectra over passbands.

    Parameters
    ----------
    wavelength : array (w,)
        Observed wavelengths [Angstrom].
    flux : array (n, w)
        Flux densities per wavelength, in any unit.
    bands : tuple of str
        speclite's names, such as 'sdss2010-r'.

    Returns
    -------
    array (n, bands)
        AB maggies, in 1e-8 / (erg / s / cm2 / Angstrom) of the given unit: only ratios have a meaning.
    """
    spectra = flux * u.Unit("erg / (s cm2 Angstrom)")
    filters = [speclite.filters.load_filter(band) for band in bands]
    return np.column_stack([f.get_ab_maggies(spectra, wavelength * u.Angstrom) for f in filters])


SDSS = tuple(f"sdss2010-{band}" for band in BANDS)


@cache
def dust() -> NDArray[np.float64]:
    """Return the extinction of each band per unit of E(B-V), (5,) [mag] (Fitzpatrick 1999)."""
    return np.asarray(extinction.fitzpatrick99(EFFECTIVE_WAVELENGTH, MILKY_WAY_RV, MILKY_WAY_RV))


def rest_dust(redshift: float, rv: float) -> NDArray[np.float64]:
    """Return the extinction of each band per unit of E(B-V) by dust at the source's redshift, (5,) [mag]."""
    return np.asarray(extinction.fitzpatrick99(EFFECTIVE_WAVELENGTH / (1 + redshift), rv, rv))


def blackbody(wavelength: NDArray[np.float64], temperature: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Planck's law per wavelength for temperatures [K], (n, w), in any unit."""
    metres = wavelength * 1e-10
    return np.asarray(metres**-5 / np.expm1(h * c / (metres * k * np.asarray(temperature)[:, None])))
