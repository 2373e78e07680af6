"""The light of galaxies in any bands: templates from elliptical to irregular, redshifted, and dust."""

from functools import cache
from pathlib import Path

import extinction
import galsim
import numpy as np
from numpy.typing import NDArray

from ictconvention.simulation.galaxies.bands import BandSet
from ictconvention.simulation.sdss.passbands import MILKY_WAY_RV, band_maggies

TEMPLATES = ("E", "Sbc", "Scd", "Im")  # of Coleman, Wu and Weedman (1980), which galsim ships
REDSHIFTS = np.concatenate([np.linspace(0.0, 0.6, 61), np.linspace(0.63, 1.2, 20)])
WAVELENGTH = np.arange(1200.0, 26000.0, 10.0)  # [Angstrom]


def colours(band_set: BandSet, template: NDArray[np.float64], redshift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fluxes of templates, over those in r at rest.

    Parameters
    ----------
    band_set : BandSet
        Which bands.
    template : array (n,)
        Place among `TEMPLATES`, 0 to 3; between two of them it is their mean, each of flux 1 in r at rest.
    redshift : array (n,)
        0 to 1.2.

    Returns
    -------
    array (n, bands)
    """
    table = _table(band_set)
    step = np.clip(np.searchsorted(REDSHIFTS, redshift) - 1, 0, len(REDSHIFTS) - 2)
    along = ((redshift - REDSHIFTS[step]) / (REDSHIFTS[step + 1] - REDSHIFTS[step]))[:, None]
    first = np.clip(np.floor(template).astype(int), 0, len(TEMPLATES) - 2)
    later = (template - first)[:, None]
    two = [table[first + i, step] * (1 - along) + table[first + i, step + 1] * along for i in (0, 1)]
    return np.asarray(two[0] * (1 - later) + two[1] * later)


def dust_of(band_set: BandSet, redshift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the extinction per unit of E(B-V) by dust at redshifts (n,), (n, bands) [mag]."""
    return np.column_stack([np.interp(redshift, REDSHIFTS, band) for band in _dust_table(band_set)])


@cache
def _dust_table(band_set: BandSet) -> NDArray[np.float64]:
    """Return the extinction of each band by dust at all redshifts, (bands, redshifts) [mag]."""
    seen = [extinction.fitzpatrick99(band_set.wavelength / (1 + z), MILKY_WAY_RV, MILKY_WAY_RV) for z in REDSHIFTS]
    return np.stack(seen, axis=1)


@cache
def _table(band_set: BandSet) -> NDArray[np.float64]:
    """Return the fluxes of all templates at all redshifts, (templates, redshifts, bands)."""
    spectra = np.stack([_spectrum(name) for name in TEMPLATES])
    spectra /= band_maggies(WAVELENGTH, spectra, ("sdss2010-r",))
    seen = [band_maggies(WAVELENGTH * (1 + z), spectra / (1 + z), band_set.filters) for z in REDSHIFTS]
    return np.stack(seen, axis=1)


def _spectrum(name: str) -> NDArray[np.float64]:
    """Return a template's flux per wavelength, in any unit; beyond its end in the infrared by its last slope."""
    wavelength, flux = np.loadtxt(Path(galsim.meta_data.share_dir) / "SEDs" / f"CWW_{name}_ext.sed").T
    end = [-40, -1]
    slope = np.diff(np.log(flux[end]))[0] / np.diff(np.log(wavelength[end]))[0]
    beyond = flux[-1] * (WAVELENGTH / wavelength[-1]) ** slope
    return np.asarray(np.where(wavelength[-1] < WAVELENGTH, beyond, np.interp(WAVELENGTH, wavelength, flux)))
