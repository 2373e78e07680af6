"""Draw galaxies of all kinds and distances down to a magnitude: redshift, light, size. Knows no survey and no pixel."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

from ictconvention.core.magnitudes import magnitude, nanomaggies
from ictconvention.simulation.galaxies.bands import BandSet
from ictconvention.simulation.galaxies.spectra import TEMPLATES, colours, dust_of
from ictconvention.simulation.sdss.strata import LEVELS, STRATA
from ictconvention.simulation.sdss.supernovae import COSMOLOGY

LIMIT = 21.0  # [AB mag] in r; fainter galaxies are not in the survey
BRIGHTEST = 14.0  # [AB mag] in r; brighter ones are larger than a stamp
MARGIN = 0.3  # [mag] beyond the limits, that scatter may bring within
NEAREST, FARTHEST, CELLS = 0.005, 1.0, 400  # redshifts, and their cells
MAGNITUDES = np.arange(-25.0, -14.0, 0.02)  # absolute, in r
EVOLUTION = 0.9  # [mag] by which galaxies were brighter per redshift
SIZE_EVOLUTION = -0.8  # power of 1 + z
RADIUS_MAGNITUDE = -21.0  # at which a kind has its radius
BULGE_RADIUS = 0.35  # half-light radius of a bulge over that of its disc
AXIS_RATIO = (0.35, 1.0)  # minor over major axis


@dataclass(frozen=True)
class Kind:
    """Galaxies of a kind.

    Parameters
    ----------
    template : float
        Place among `TEMPLATES` of the disc, or of the whole where there is none.
    magnitude, slope, density : float
        Of Schechter's function in r at rest: M* [AB mag], power, number per comoving Mpc^3.
    bulge : tuple of float
        Least and largest share of the bulge in r at rest.
    dust : float
        Mean E(B-V) within the galaxy [mag].
    scatter : float
        Of the place among the templates.
    radius, growth : float
        Half-light radius [kpc] at M_r = -21, and the power of luminosity by which it grows.
    """

    template: float
    magnitude: float
    slope: float
    density: float
    bulge: tuple[float, float]
    dust: float
    scatter: float
    radius: float
    growth: float


# Schechter's functions as of red and blue galaxies of nearby surveys (Loveday et al. 2012), the blue ones shared out
# (chosen); more ellipticals at the bright end, until the mean colours are those of SDSS's main galaxy sample.
KINDS = {
    "E": Kind(0.0, -21.35, -0.45, 4.0e-3, (1.0, 1.0), 0.03, 0.15, 3.7, 0.60),
    "Sbc": Kind(1.0, -21.05, -0.90, 1.8e-3, (0.2, 0.6), 0.10, 0.30, 4.6, 0.35),
    "Scd": Kind(2.0, -20.60, -1.25, 1.5e-3, (0.0, 0.2), 0.10, 0.40, 4.8, 0.30),
    "Im": Kind(3.0, -20.00, -1.40, 0.8e-3, (0.0, 0.0), 0.05, 0.40, 4.2, 0.25),
}
RADIUS_SCATTER = 0.30  # of its logarithm


@dataclass(frozen=True)
class Galaxies:
    """Galaxies, arrays (n, ...).

    Parameters
    ----------
    kind : array (n,) of int
        Place among `KINDS`.
    redshift, ebv : array (n,)
        Redshift, and E(B-V) of the Milky Way before it [mag].
    absolute : array (n,)
        Magnitude in r at rest, without dust [AB mag].
    bulge, disc : array (n, bands)
        Fluxes behind the dust of both galaxies [nanomaggies].
    radius, disc_radius : array (n,)
        Half-light radii of the whole in r at rest, and of the disc, of which a bulge has `BULGE_RADIUS` [arcsec].
    axis_ratio, angle : array (n,)
        Minor over major axis; direction of the major one [radian].
    """

    kind: NDArray[np.int64]
    redshift: NDArray[np.float64]
    ebv: NDArray[np.float64]
    absolute: NDArray[np.float64]
    bulge: NDArray[np.float64]
    disc: NDArray[np.float64]
    radius: NDArray[np.float64]
    disc_radius: NDArray[np.float64]
    axis_ratio: NDArray[np.float64]
    angle: NDArray[np.float64]

    @property
    def flux(self) -> NDArray[np.float64]:
        """Return the fluxes of the whole, (n, bands) [nanomaggies]."""
        return self.bulge + self.disc


class Population:
    """All galaxies down to a magnitude in r.

    Parameters
    ----------
    band_set : BandSet
        The bands that see them.
    """

    def __init__(self, band_set: BandSet) -> None:
        self.band_set = band_set

    def draw(self, count: int, rng: np.random.Generator) -> Galaxies:
        """Draw galaxies; a few of them are brighter or fainter than the limits.

        Parameters
        ----------
        count : int
            How many.
        rng : Generator
            Draws everything.
        """
        cell = np.searchsorted(self._cumulative, rng.random(count) * self._cumulative[-1], side="right")
        kind, step = np.divmod(np.minimum(cell, len(self._cumulative) - 1), CELLS)
        redshift = self._edges[step] + rng.random(count) * np.diff(self._edges)[step]
        absolute = self._absolute(kind, step, rng.random(count))
        bulge = _of_kind("bulge", kind)
        share = bulge[:, 0] + rng.random(count) * (bulge[:, 1] - bulge[:, 0])
        scatter = rng.normal(0, _of_kind("scatter", kind))
        template = np.clip(_of_kind("template", kind) + scatter, 0, len(TEMPLATES) - 1)
        ebv = np.interp(rng.random(count), LEVELS, STRATA[0].extinction)
        within = rng.exponential(_of_kind("dust", kind))
        dust = within[:, None] * dust_of(self.band_set, redshift) + ebv[:, None] * dust_of(self.band_set, 0 * redshift)
        light = nanomaggies(absolute + _distance_modulus(redshift))[:, None] * 10 ** (-0.4 * dust)
        old = np.where(kind == 0, template, 0.0)  # a bulge has the colours of an elliptical
        radius = _radius(kind, absolute, redshift) * np.exp(rng.normal(0, RADIUS_SCATTER, count))
        axis_ratio = rng.uniform(*AXIS_RATIO, count)
        return Galaxies(
            kind=kind,
            redshift=redshift,
            ebv=ebv,
            absolute=absolute,
            bulge=light * colours(self.band_set, old, redshift) * share[:, None],
            disc=light * colours(self.band_set, template, redshift) * (1 - share)[:, None],
            radius=radius,
            disc_radius=radius / _half_light(share),
            axis_ratio=axis_ratio,
            angle=rng.uniform(0, np.pi, count),
        )

    @cached_property
    def _edges(self) -> NDArray[np.float64]:
        return np.linspace(NEAREST, FARTHEST, CELLS + 1)

    @cached_property
    def _middles(self) -> NDArray[np.float64]:
        return np.asarray(self._edges[:-1] + self._edges[1:]) / 2

    @cached_property
    def _faintest(self) -> NDArray[np.float64]:
        """Return the absolute magnitude that is at the limit, by kind and cell, (kinds, CELLS)."""
        r = self.band_set.names.index("r")
        correction = [
            -2.5 * np.log10(colours(self.band_set, np.full(CELLS, kind.template), self._middles)[:, r])
            for kind in KINDS.values()
        ]
        return np.asarray(LIMIT + MARGIN - _distance_modulus(self._middles) - np.array(correction))

    @cached_property
    def _brighter(self) -> NDArray[np.float64]:
        """Return how many galaxies are brighter than `MAGNITUDES` today, (kinds, magnitudes) [Mpc^-3]."""
        counts = []
        for kind in KINDS.values():
            luminosity = 10 ** (-0.4 * (MAGNITUDES - kind.magnitude))
            counts.append(kind.density * luminosity ** (kind.slope + 1) * np.exp(-luminosity))
        return np.cumsum(counts, axis=1)

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        """Return the counts of all kinds and cells, summed up, (kinds * CELLS,)."""
        volume = np.diff(COSMOLOGY.comoving_volume(self._edges).value)
        return np.cumsum(self._seen() * volume)

    def _seen(self) -> NDArray[np.float64]:
        """Return the density of galaxies above the limit, (kinds, CELLS)."""
        today = self._faintest + EVOLUTION * self._middles
        pairs = zip(today, self._brighter, strict=True)
        return np.stack([np.interp(limits, MAGNITUDES, brighter, left=0.0) for limits, brighter in pairs])

    def _absolute(
        self, kind: NDArray[np.int64], step: NDArray[np.int64], level: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the absolute magnitude at a level, 0 to 1, of those above the limit."""
        wanted, today = level * self._seen()[kind, step], np.empty(len(kind))
        for i, brighter in enumerate(self._brighter):
            today[kind == i] = np.interp(wanted[kind == i], brighter, MAGNITUDES)
        return today - EVOLUTION * self._middles[step]


def is_within(galaxies: Galaxies, band_set: BandSet) -> NDArray[np.bool_]:
    """Return which galaxies are within the limits of the survey, (n,)."""
    r = magnitude(galaxies.flux[:, band_set.names.index("r")])
    return np.asarray((r > BRIGHTEST) & (r < LIMIT))


def _of_kind(name: str, kind: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.array([getattr(one, name) for one in KINDS.values()])[kind]


def _distance_modulus(redshift: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.interp(redshift, *_distances()[:2]))


def _radius(
    kind: NDArray[np.int64], absolute: NDArray[np.float64], redshift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the usual half-light radius of galaxies [arcsec]."""
    luminosity = 10 ** (-0.4 * (absolute - RADIUS_MAGNITUDE))
    kpc = _of_kind("radius", kind) * luminosity ** _of_kind("growth", kind) * (1 + redshift) ** SIZE_EVOLUTION
    return np.asarray(kpc * np.interp(redshift, *_distances()[::2]))


@cache
def _distances() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return redshifts, and their distance moduli [mag] and the angle of a kpc [arcsec]."""
    redshift = np.geomspace(NEAREST / 2, 2 * FARTHEST, 400)
    kpc = COSMOLOGY.arcsec_per_kpc_proper(redshift).value
    return redshift, np.asarray(COSMOLOGY.distmod(redshift).value), np.asarray(kpc)


def _half_light(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the half-light radius of galaxies over that of their disc, given the share of the bulge."""
    radius, shares = np.geomspace(BULGE_RADIUS / 2, 2.0, 200), np.linspace(0, 1, 41)
    disc, bulge = _light_within(radius, 1.0), _light_within(radius / BULGE_RADIUS, 4.0)
    halves = [np.interp(0.5, one * bulge + (1 - one) * disc, radius) for one in shares]
    return np.interp(share, shares, halves)


def _light_within(radius: NDArray[np.float64], sersic: float) -> NDArray[np.float64]:
    """Return the share of a Sersic profile's light within radii, in half-light radii."""
    return np.asarray(gammainc(2 * sersic, gammaincinv(2 * sersic, 0.5) * radius ** (1 / sersic)))
