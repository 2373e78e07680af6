"""Light curves of supernovae in ugriz: type Ia from a spectral template, the others from cooling blackbodies."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import sncosmo
from astropy.cosmology import FlatLambdaCDM
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from ictconvention.core.magnitudes import nanomaggies
from ictconvention.simulation.sdss.passbands import SDSS, band_maggies, blackbody, rest_dust

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
REDSHIFTS = np.concatenate([np.linspace(0.003, 0.1, 15), np.linspace(0.12, 1.0, 45)])
PHASES = np.arange(-20.0, 86.0, 1.0)  # [rest-frame days] of the template of type Ia
TEMPERATURES = np.geomspace(3000, 20000, 30)  # [K]
AB_OF_VEGA_B = -0.10  # [mag]

# Type Ia (values of the survey's rate and Hubble-diagram analyses).
IA_MAGNITUDE, IA_SCATTER = -19.1, 0.11  # peak M_B [Vega mag]
ALPHA, BETA = 0.15, 3.1
STRETCH = (1.14, 1.65, 0.35)  # x1: peak, scatter below, scatter above
COLOUR = (-0.038, 0.048, 0.079)  # c: peak, scatter below, scatter above
IA_DUST_RV = 2.1


@dataclass(frozen=True)
class Subtype:
    """A kind of core-collapse supernova.

    Parameters
    ----------
    share : float
        Share of all SN Other found by a magnitude-limited survey.
    magnitude, scatter : float
        Peak M_r and its scatter [AB mag].
    phases, fading : tuple of float
        Knots of the r light curve: rest-frame days since its peak, magnitudes below it.
    temperatures : tuple of float
        Blackbody temperature at the knots [K].
    fading_scatter : float
        Scatter of the speed of the fading (relative).
    blanketing : float
        Wavelength below which metals absorb [Angstrom].
    reddening : float
        Mean E(B-V) in the host (exponential) [mag].
    """

    share: float
    magnitude: float
    scatter: float
    phases: tuple[float, ...]
    fading: tuple[float, ...]
    temperatures: tuple[float, ...]
    fading_scatter: float
    blanketing: float
    reddening: float


SUBTYPES = {
    "II-P": Subtype(
        0.48, -16.9, 0.9, (-12, -6, 0, 40, 85, 100, 108, 200), (6, 1.2, 0, 0.2, 0.5, 1.2, 2.2, 3.2),
        (16000, 13500, 11000, 6500, 5600, 5000, 4800, 4600), 0.15, 3300, 0.10,
    ),
    "II-L": Subtype(
        0.10, -17.7, 0.7, (-14, -6, 0, 25, 60, 90, 200), (6, 1.0, 0, 0.5, 1.8, 3.0, 4.4),
        (16000, 13500, 11500, 7500, 5800, 5200, 4800), 0.20, 3300, 0.10,
    ),
    "IIn": Subtype(
        0.14, -18.5, 1.0, (-25, -10, 0, 50, 100, 200), (5, 0.8, 0, 0.6, 1.4, 3.0),
        (15000, 13000, 11500, 8500, 7000, 6500), 0.35, 2600, 0.05,
    ),
    "Ib": Subtype(
        0.12, -17.3, 0.8, (-19, -10, 0, 10, 20, 40, 200), (6, 0.9, 0, 0.3, 0.95, 1.7, 4.1),
        (7500, 8000, 7000, 5800, 5000, 4700, 4700), 0.20, 4000, 0.20,
    ),
    "Ic": Subtype(
        0.16, -17.7, 0.9, (-16, -8, 0, 10, 20, 40, 200), (6, 0.9, 0, 0.35, 1.05, 1.9, 4.6),
        (8000, 8500, 7200, 5600, 4900, 4600, 4600), 0.25, 4200, 0.20,
    ),
}  # fmt: skip


def type_ia_flux(
    redshift: float, peak: float, mjd: NDArray[np.float64], band: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a SN Ia and return its flux, without Milky Way dust.

    Parameters
    ----------
    redshift : float
        Above 0.
    peak : float
        Time of the peak in B [MJD].
    mjd, band : arrays (n,)
        Times and positions in ugriz of the frames.
    rng : Generator
        Draws stretch x1, colour c and the scatter of the luminosity.

    Returns
    -------
    array (n,)
        [nanomaggies]
    """
    x1 = np.clip(_two_sided(STRETCH, rng), -3.5, 2.5)
    colour = np.clip(_two_sided(COLOUR, rng), -0.3, 0.5)
    stretch = 0.98 + 0.091 * x1 + 0.003 * x1**2  # of SALT2's x1 (Guy et al. 2007)
    magnitude = IA_MAGNITUDE + AB_OF_VEGA_B - ALPHA * x1 + BETA * colour + rng.normal(0, IA_SCATTER)
    phase = (mjd - peak) / (1 + redshift) / stretch
    ratio = _ia_table()((np.clip(phase, PHASES[0], PHASES[-1]), np.full(len(mjd), redshift), band))
    late = np.clip(phase - PHASES[-1], 0, None)
    ratio = np.where(phase < PHASES[0], 0.0, ratio * 10 ** (-0.4 * 0.012 * late))
    # The colour law relative to B, whose part is in BETA.
    reddening = colour * (rest_dust(redshift, IA_DUST_RV) - IA_DUST_RV - 1)
    return np.asarray(_distant(magnitude, redshift) * ratio * 10 ** (-0.4 * reddening[band]))


def core_collapse_flux(
    redshift: float, peak: float, mjd: NDArray[np.float64], band: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[str, NDArray[np.float64]]:
    """Draw a SN II-P, II-L, IIn, Ib or Ic and return its subtype and flux; parameters as in `type_ia_flux`."""
    name = str(rng.choice(list(SUBTYPES), p=[subtype.share for subtype in SUBTYPES.values()]))
    subtype = SUBTYPES[name]
    speed = np.exp(rng.normal(0, subtype.fading_scatter))
    magnitude = subtype.magnitude + subtype.scatter * rng.normal()
    warmth = np.exp(rng.normal(0, 0.08))
    dust = rng.exponential(subtype.reddening) * rest_dust(redshift, 3.1)
    phase = (mjd - peak) / (1 + redshift)
    phase = np.where(phase > 0, phase * speed, phase)
    fading = np.interp(phase, subtype.phases, subtype.fading, left=np.inf)
    last = subtype.phases[-1]
    fading = fading + 0.01 * np.clip(phase - last, 0, None)
    kelvin = np.clip(warmth * np.interp(phase, subtype.phases, subtype.temperatures), TEMPERATURES[0], TEMPERATURES[-1])
    ratio = _blackbody_table(subtype.blanketing)((kelvin, np.full(len(mjd), redshift), band))
    return name, np.asarray(_distant(magnitude, redshift) * ratio * 10 ** (-0.4 * (fading + dust[band])))


def _two_sided(shape: tuple[float, float, float], rng: np.random.Generator) -> float:
    """Draw from a Gaussian with one scatter below its peak and another above."""
    peak, below, above = shape
    side = -below if rng.random() < below / (below + above) else above
    return float(peak + abs(rng.normal()) * side)


def _distant(magnitude: float, redshift: float) -> float:
    """Return the flux [nanomaggies] of an absolute magnitude at a redshift, before the K correction."""
    return float(nanomaggies(magnitude + distance_modulus(redshift)))


def distance_modulus(redshift: float) -> float:
    """Return the distance modulus of a redshift, to 7 [mag]."""
    return float(np.interp(redshift, *_distance_moduli()))


@cache
def _distance_moduli() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    redshift = np.geomspace(0.002, 7.0, 400)
    return redshift, np.asarray(COSMOLOGY.distmod(redshift).value)


@cache
def _ia_table() -> RegularGridInterpolator:
    """Return the flux over that of the peak in rest-frame B, at (phase, redshift, band)."""
    source = sncosmo.get_source("hsiao-subsampled")
    wavelength = np.arange(1000.0, 15000.0, 10.0)
    spectra = np.asarray(source.flux(PHASES, wavelength))
    peak = band_maggies(wavelength, spectra, ("bessell-B",)).max()
    return _over_redshifts(PHASES, wavelength, spectra / peak)


@cache
def _blackbody_table(blanketing: float) -> RegularGridInterpolator:
    """Return the flux over that in rest-frame r, at (temperature, redshift, band)."""
    wavelength = np.arange(1000.0, 15000.0, 20.0)
    spectra = blackbody(wavelength, TEMPERATURES) / (1 + np.exp((blanketing - wavelength) / 250.0))
    spectra /= band_maggies(wavelength, spectra, ("sdss2010-r",))
    return _over_redshifts(TEMPERATURES, wavelength, spectra)


def _over_redshifts(
    axis: NDArray[np.float64], wavelength: NDArray[np.float64], spectra: NDArray[np.float64]
) -> RegularGridInterpolator:
    table = [band_maggies(wavelength * (1 + z), spectra / (1 + z), SDSS) for z in REDSHIFTS]
    grid = (axis, REDSHIFTS, np.arange(5.0))
    return RegularGridInterpolator(grid, np.stack(table, axis=1), bounds_error=False, fill_value=None)
