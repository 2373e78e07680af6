"""Draw a galaxy, and the supernova that is in it or might be, and paint one night of it in three bands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.core.magnitudes import magnitude
from ictconvention.simulation.sdss import stamps, supernovae
from ictconvention.simulation.sdss.cadence import Observations, observe
from ictconvention.simulation.sdss.passbands import BANDS, dust
from ictconvention.simulation.sdss.population import (
    CADENCE,
    CURVE,
    LAYOUT,
    LEAST_OBJECTS,
    NATURE,
    PIXELS,
    draw_correlated,
    generator,
    spread_evenly,
)
from ictconvention.simulation.sdss.scene import draw_galaxy, is_detected, unrelated
from ictconvention.simulation.sdss.strata import LEVELS, SEASONS, STRATA, Stratum

CLASSES = ("host", "supernova")
PICTURE_BANDS = ("i", "r", "g")  # red, green and blue of a picture
SUPERNOVAE, TESTED = 270, 960  # of the published test part: 270 of 960 pictures are of the rare class
OBJECTS = 3375  # of a fold of five 2 700 train or validate
SIZE = 48  # [pixels]
LEAST_SIZE = 42  # [pixels]; a supernova lies in the picture, and so does most of its light
KINDS = tuple(one for one in STRATA if one.label in ("SN Ia", "SN Other") and one.source == "spectroscopic")
PHASE = (-10.0, 40.0)  # [days] since the peak, at rest
MOST_OFFSET = 7.5  # [arcsec] from the host's centre along either axis: within a picture of 48 pixels
# Least flux of a supernova over that of its whole host, in r: chosen once, on validation objects, so that a forest on
# apertures is right on .80 of them (experiments/imbalance). All other numbers are those of SDSS-II.
LEAST_CONTRAST = 0.03


@dataclass(frozen=True)
class Supernova:
    """A supernova as a night sees it.

    Parameters
    ----------
    kind : str
        Ia, II-P, II-L, IIn, Ib or Ic.
    flux : array (5,)
        In ugriz [nanomaggies]; zero in bands that are not observed.
    peak : float
        Time of its peak [MJD].
    east, north : float
        From the host's centre [arcsec].
    """

    kind: str
    flux: NDArray[np.float64]
    peak: float
    east: float
    north: float


class Hosts:
    """The objects of a simulated survey of pictures, each drawn when asked for, keyed by seed and number.

    Parameters
    ----------
    objects : int
        Galaxies, of which 28.1 % have a supernova.
    seed : int
        Key of all draws.
    extra_test : int
        Additional test objects, of the same shares.
    size : int
        Pixels along a side of a picture.

    Raises
    ------
    UsageError
        There are too few objects, or the picture is too small for its supernovae.
    """

    def __init__(self, objects: int, seed: int, extra_test: int = 0, size: int = SIZE) -> None:
        for found, least, what in ((objects, LEAST_OBJECTS, "objects"), (size, LEAST_SIZE, "pixels along a side")):
            if found < least:
                raise UsageError(f"{found} {what} are too few", "simulate", f"give {least} or more", "E-COMMAND-VALUE")
        self.seed, self.size, self._main = seed, size, objects
        labels = []
        for part, count in enumerate((objects, extra_test)):  # shuffled: no id tells the class
            rare = round(count * SUPERNOVAE / TESTED)
            labels.append(generator(seed, LAYOUT, 0, part).permutation(np.arange(count) < rare))
        self.has_supernova: NDArray[np.bool_] = np.concatenate(labels)
        self._place = spread_evenly(len(self), seed)

    def __len__(self) -> int:
        return len(self.has_supernova)

    def position(self, number: int) -> tuple[float, float]:
        """Return right ascension and declination [deg]: spread so evenly that no two pictures share a pixel."""
        ra, dec = self._place[number].tolist()
        return ra, dec

    def is_extra(self, number: int) -> bool:
        """Return whether an object is one of the additional test objects."""
        return number >= self._main


def extra_tests(objects: int) -> int:
    """Return how many additional test objects go with so many others: 960 with 3 375."""
    return round(objects * TESTED / OBJECTS)


def paint_host(hosts: Hosts, number: int) -> dict[str, Any]:
    """Paint one object: the arguments of `SurveyWriter.add`.

    A galaxy is drawn together with a supernova that a search would have found in it, whether that is painted or not:
    only the light of the supernova tells the classes apart, and neither the galaxy nor its noise does.
    """
    ra, dec = hosts.position(number)
    column = stamps.camera_column(dec)
    observations = draw_night(generator(hosts.seed, CADENCE, number))
    redshift, magnitudes, galaxy, supernova = draw_pair(observations, column, generator(hosts.seed, NATURE, number))
    curve = generator(hosts.seed, CURVE, number)
    others, stars = unrelated(curve, hosts.size)
    with_supernova = bool(hosts.has_supernova[number])
    if with_supernova:
        stars = [stamps.Star(supernova.flux, supernova.east, supernova.north), *stars]
    noise = generator(hosts.seed, PIXELS, number)
    place = np.tile(stamps.draw_places(1, noise), (len(observations.band), 1))  # the bands are registered
    nothing = np.zeros(len(observations.band))
    frames = stamps.paint(observations, column, nothing, [galaxy, *others], stars, place, noise, hosts.size)
    truth = {
        "kind": supernova.kind,
        "peak_mjd": supernova.peak,
        **{f"supernova_{band}": magnitude(supernova.flux[BANDS.index(band)]) for band in PICTURE_BANDS},
        "supernova_x": -supernova.east / stamps.PIXEL_SCALE,  # east is to the left
        "supernova_y": supernova.north / stamps.PIXEL_SCALE,
    }
    return {
        "id": f"{number:06d}",
        "frames": frames,
        "band": np.array([PICTURE_BANDS.index(BANDS[band]) for band in observations.band]),
        "mjd": observations.mjd,
        "psf_fwhm": observations.psf_fwhm,
        "sky_sigma": stamps.sky_noise(observations, column),
        "x": place[:, 0],
        "y": place[:, 1],
        "gain": stamps.electrons(observations, column),
        "class_name": CLASSES[with_supernova],
        "redshift": redshift,
        "ra": ra,
        "dec": dec,
        "true_class": CLASSES[with_supernova],
        "true_redshift": redshift,
        **{name: value if with_supernova else None for name, value in truth.items()},
        **{f"host_{name}": float(m) for name, m in zip(BANDS, magnitudes, strict=True)},
        "extra_test": hosts.is_extra(number),
    }


def draw_night(rng: np.random.Generator) -> Observations:
    """Draw a night that has a frame in each band of a picture: its seeing and sky are those of a season of SDSS-II."""
    wanted = [BANDS.index(band) for band in PICTURE_BANDS]
    while True:
        season = observe(int(rng.choice(SEASONS)), rng)
        night = np.floor(season.mjd)
        for one in rng.permutation(np.unique(night)):
            at = np.flatnonzero((night == one) & np.isin(season.band, wanted))
            if len(at) == len(wanted):
                return Observations(season.mjd[at], season.band[at], season.psf_fwhm[at], season.sky[at])


def draw_pair(
    observations: Observations, column: int, rng: np.random.Generator
) -> tuple[float, NDArray[np.float64], stamps.Galaxy, Supernova]:
    """Draw a galaxy, and a supernova that a search finds in it on that night.

    Returns
    -------
    redshift, magnitudes, galaxy, supernova : float, array (5,), Galaxy, Supernova
        The magnitudes are the host's in ugriz [AB mag].
    """
    counts = np.array([stratum.count for stratum in KINDS])
    while True:
        stratum = KINDS[rng.choice(len(KINDS), p=counts / counts.sum())]
        redshift, r, separation, *colours = draw_correlated(stratum, rng)
        redshift = max(redshift, 0.005)
        magnitudes = r + np.array([colours[0], colours[1], 0.0, colours[2], colours[3]])
        galaxy = draw_galaxy(magnitudes, 0.0, 0.0, rng)
        supernova = _supernova(stratum, redshift, separation, observations, rng)
        if _is_found(supernova, galaxy, observations, column):
            return redshift, magnitudes, galaxy, supernova


def _supernova(
    stratum: Stratum, redshift: float, separation: float, observations: Observations, rng: np.random.Generator
) -> Supernova:
    """Draw a supernova of a kind at some distance [arcsec] from its host, as a night sees it."""
    mjd, band = observations.mjd, observations.band
    peak = float(mjd[0] - (1 + redshift) * rng.uniform(*PHASE))
    if stratum.label == "SN Ia":
        kind, light = "Ia", supernovae.type_ia_flux(redshift, peak, mjd, band, rng)
    else:
        kind, light = supernovae.core_collapse_flux(redshift, peak, mjd, band, rng)
    extinction = np.interp(rng.random(), LEVELS, stratum.extinction)  # E(B-V) of the Milky Way
    flux = np.zeros(len(BANDS))
    flux[band] = light * 10 ** (-0.4 * extinction * dust()[band])
    angle = rng.uniform(0, 2 * np.pi)
    return Supernova(kind, flux, peak, float(separation * np.sin(angle)), float(separation * np.cos(angle)))


def _is_found(supernova: Supernova, galaxy: stamps.Galaxy, observations: Observations, column: int) -> bool:
    """Say whether a search finds a supernova: within the picture, over the noise, and beside the light of its host."""
    r, flux = BANDS.index("r"), supernova.flux[observations.band]
    within = max(abs(supernova.east), abs(supernova.north)) < MOST_OFFSET
    beside = supernova.flux[r] >= LEAST_CONTRAST * galaxy.flux[r]
    return bool(within and beside and (flux > 0).all() and is_detected(flux, observations, column))
