"""Draw the galaxies of a survey, with and without a redshift, and paint one night of each in all bands."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.core.magnitudes import magnitude
from ictconvention.simulation.galaxies.bands import BAND_SETS, BandSet
from ictconvention.simulation.galaxies.catalogue import RealGalaxies, take_rows
from ictconvention.simulation.galaxies.population import (
    BULGE_RADIUS,
    FARTHEST,
    KINDS,
    NEAREST,
    Galaxies,
    Population,
    is_within,
)
from ictconvention.simulation.galaxies.selection import Cuts, Select
from ictconvention.simulation.sdss import stamps
from ictconvention.simulation.sdss.cadence import (
    BAND_DELAY,
    SEASON_LENGTH,
    SEASON_START,
    SEEING_SCATTER,
    WORST_SEEING,
    Observations,
)
from ictconvention.simulation.sdss.population import (
    CADENCE,
    CURVE,
    LAYOUT,
    LEAST_OBJECTS,
    NATURE,
    PIXELS,
    generator,
    spread_evenly,
)
from ictconvention.simulation.sdss.scene import draw_galaxy, unrelated

OBJECTS = 7500  # of a fold of five 6 000 train or validate
SIZE = 32  # [pixels]
LEAST_SIZE = 24  # [pixels]; most of a galaxy's light is then within
CUTS = Cuts(magnitude=19.5, redshift=0.2, colour=3.4)
TESTED = 5  # one of so many galaxies that are not selected is an additional test object
NEIGHBOURS = 0.09  # mean number of other galaxies, to the limit of the survey, in a stamp of 32 pixels
BATCH = 32  # galaxies drawn at once until one is wanted
MOST_MISSING = 0.9


@dataclass(frozen=True)
class Shown:
    """A galaxy as it is painted, and what is true of it.

    Parameters
    ----------
    redshift, ebv : float
        Redshift, and E(B-V) of the Milky Way [mag].
    flux : array (bands,)
        Of the whole, behind all dust [nanomaggies].
    radius : float
        Half-light radius [arcsec].
    parts : list of stamps.Galaxy
        Bulge and disc, whichever it has.
    truth : mapping
        Columns of its own.
    """

    redshift: float
    ebv: float
    flux: NDArray[np.float64]
    radius: float
    parts: list[stamps.Galaxy]
    truth: dict[str, Any]


class GalaxySurvey:
    """The galaxies of a survey, each drawn when asked for, keyed by seed and number.

    As many are not selected as are (of a catalogue: in its own proportion). A fifth of them are additional test
    objects, the others have no redshift that a network may learn.

    Parameters
    ----------
    objects : int, optional
        Selected galaxies: they have a spectroscopic redshift. By default 7 500; of a catalogue all that it has.
    seed : int
        Key of all draws.
    extra_test : int, optional
        Another number of additional test objects.
    select : str
        'magnitude', 'redshift' or 'colour'.
    bands : int
        5, 9 or 11.
    size : int
        Pixels along a side of a stamp.
    missing : float
        Share of the bands that are missing; one at least is there.
    real : RealGalaxies, optional
        Galaxies of a catalogue in the place of drawn ones.

    Raises
    ------
    UsageError
        A number is out of range, or the catalogue has not so many galaxies.
    """

    def __init__(
        self,
        objects: int | None = None,
        seed: int = 0,
        extra_test: int | None = None,
        select: Select = "magnitude",
        bands: int = 5,
        size: int = SIZE,
        missing: float = 0.0,
        real: RealGalaxies | None = None,
    ) -> None:
        self.seed, self.size, self.select, self.missing, self._real = seed, size, select, missing, real
        chosen = np.zeros(0, dtype=bool) if real is None else real.select(select, generator(seed, LAYOUT, 2))
        if objects is None:
            objects = OBJECTS if real is None else int(chosen.sum())
        _check(objects, bands, size, missing, real)
        self.band_set: BandSet = BAND_SETS[bands]
        self._population = Population(self.band_set)
        others = objects if real is None else round((~chosen).sum() * objects / chosen.sum())
        self.objects, self.extra_test = objects, others // TESTED if extra_test is None else extra_test
        shuffled = generator(seed, LAYOUT, 0).permutation(objects + others - others // TESTED)  # no id tells it
        extra = np.zeros(self.extra_test, dtype=bool)
        self.is_selected: NDArray[np.bool_] = np.concatenate([shuffled < objects, extra])
        self._main = len(shuffled)
        if real is not None:
            self._rows = take_rows(chosen, self.is_selected, generator(seed, LAYOUT, 3))

    def __len__(self) -> int:
        return len(self.is_selected)

    @property
    def redshift_range(self) -> tuple[float, float]:
        """The least and the largest redshift that a galaxy can have: of those drawn, or of the whole catalogue."""
        if self._real is None:
            return NEAREST, FARTHEST
        return float(self._real.redshift.min()), float(self._real.redshift.max())

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        return spread_evenly(len(self), self.seed)

    def position(self, number: int) -> tuple[float, float]:
        """Return right ascension and declination [deg]: a catalogue's own, or so that no two stamps share a pixel."""
        places = self._places if self._real is None else self._real.place[self._rows]
        return float(places[number, 0]), float(places[number, 1])

    def is_extra(self, number: int) -> bool:
        """Return whether an object is one of the additional test objects."""
        return number >= self._main

    def draw(self, number: int) -> Shown:
        """Draw one galaxy, again and again until it is selected or not, as it is wanted."""
        if self._real is not None:
            return self._draw_real(self._real, number)
        r, u = self.band_set.names.index("r"), self.band_set.names.index("u")
        attempt = 0
        while True:
            rng = generator(self.seed, NATURE, number, attempt)
            drawn = self._population.draw(BATCH, rng)
            bright = magnitude(drawn.flux)
            chance = CUTS.chance(self.select, bright[:, r], drawn.redshift, bright[:, u] - bright[:, r])
            wanted = (rng.random(BATCH) < chance) == self.is_selected[number]
            if (those := np.flatnonzero(wanted & is_within(drawn, self.band_set))).size:
                return _show(drawn, those[0])
            attempt += 1

    def _draw_real(self, real: RealGalaxies, number: int) -> Shown:
        """Return one galaxy of the catalogue, in a shape that depends on its magnitude in r alone."""
        row, r = self._rows[number], self.band_set.names.index("r")
        flux = real.flux[row]
        bright = np.full(len(flux), magnitude(flux[r]))  # its size is that of its r
        part = draw_galaxy(bright, 0.0, 0.0, generator(self.seed, NATURE, number), share=flux / flux[r])
        errors = {
            f"flux_error_{name}": e for name, e in zip(self.band_set.names, real.error[row].tolist(), strict=True)
        }
        return Shown(float(real.redshift[row]), float(real.ebv[row]), flux, part.half_light_radius, [part], errors)

    def neighbours(self, rng: np.random.Generator) -> tuple[list[stamps.Galaxy], list[stamps.Star]]:
        """Draw what happens to lie in a stamp: other galaxies of the population, or of SDSS for a catalogue."""
        if self._real is not None:
            return unrelated(rng, self.size)
        half, area = self.size * stamps.PIXEL_SCALE / 2, (self.size / stamps.SIZE) ** 2
        if not (count := rng.poisson(NEIGHBOURS * area)):
            return [], []
        drawn, places = self._population.draw(count, rng), rng.uniform(-half, half, (count, 2)).tolist()
        return [part for i, (east, north) in enumerate(places) for part in _show(drawn, i, east, north).parts], []


def _check(objects: int, bands: int, size: int, missing: float, real: RealGalaxies | None) -> None:
    """Refuse numbers that are out of range."""
    for found, least, what in ((objects, LEAST_OBJECTS, "objects"), (size, LEAST_SIZE, "pixels along a side")):
        if found < least:
            raise UsageError(f"{found} {what} are too few", "simulate", f"give {least} or more", "E-COMMAND-VALUE")
    if not 0 <= missing <= MOST_MISSING:
        found_, fix = f"a share of {missing:g} of the bands is missing", f"give 0 to {MOST_MISSING}"
        raise UsageError(found_, "simulate", fix, "E-COMMAND-VALUE")
    if bands not in BAND_SETS:
        fix = f"take {', '.join(map(str, BAND_SETS))}"
        raise UsageError(f"there is no set of {bands} bands", "simulate", fix, "E-COMMAND-VALUE")
    if real is not None and bands != real.flux.shape[1]:
        found_, fix = f"the catalogue has {real.flux.shape[1]} bands, not {bands}", "leave out one of the two"
        raise UsageError(found_, "options of simulate", fix, "E-COMMAND-CONFLICT")


def _show(drawn: Galaxies, i: int, east: float = 0.0, north: float = 0.0) -> Shown:
    """Return one of the drawn galaxies, somewhere in a stamp."""
    disc_radius, axis_ratio, angle = (float(x[i]) for x in (drawn.disc_radius, drawn.axis_ratio, drawn.angle))
    bulge = stamps.Galaxy(drawn.bulge[i], disc_radius * BULGE_RADIUS, 4.0, (1 + axis_ratio) / 2, angle, east, north)
    disc = stamps.Galaxy(drawn.disc[i], disc_radius, 1.0, axis_ratio, angle, east, north)
    parts = [part for part in (bulge, disc) if part.flux.any()]
    truth = {"type": list(KINDS)[drawn.kind[i]], "absolute_magnitude": float(drawn.absolute[i])}
    return Shown(float(drawn.redshift[i]), float(drawn.ebv[i]), drawn.flux[i], float(drawn.radius[i]), parts, truth)


def observe_night(band_set: BandSet, rng: np.random.Generator) -> Observations:
    """Draw a night with a frame in each band: its time, seeing and sky. Knows nothing of the galaxy."""
    bands = np.arange(len(band_set.names))
    night = np.floor(rng.choice(list(SEASON_START.values())) + rng.uniform(0, SEASON_LENGTH)) + rng.uniform(0.15, 0.35)
    seeing = np.array(band_set.seeing) * np.exp(rng.normal(0, SEEING_SCATTER) + rng.normal(0, 0.03, len(bands)))
    sky = np.exp(rng.normal(0, 0.10) + rng.normal(0, 0.02, len(bands)))
    return Observations(night + bands * BAND_DELAY, bands.astype(np.uint8), np.minimum(seeing, WORST_SEEING), sky)


def paint_galaxy(survey: GalaxySurvey, number: int) -> dict[str, Any]:
    """Paint one galaxy: the arguments of `SurveyWriter.add`.

    Only what is selected, or an additional test object, has a redshift; the column `true_redshift`, which no network
    reads, has all.
    """
    ra, dec = survey.position(number)
    column = stamps.camera_column(dec)
    camera, names = survey.band_set.camera, survey.band_set.names
    observations = observe_night(survey.band_set, generator(survey.seed, CADENCE, number))
    galaxy = survey.draw(number)
    rng = generator(survey.seed, CURVE, number)
    seen = rng.random(len(names)) >= survey.missing
    seen[rng.integers(len(names))] = True  # at least one
    others, stars = survey.neighbours(rng)
    noise, nothing = generator(survey.seed, PIXELS, number), np.zeros(len(names))
    place = np.tile(stamps.draw_places(1, noise), (len(names), 1))  # the bands are registered
    frames = stamps.paint(
        observations, column, nothing, [*galaxy.parts, *others], stars, place, noise, survey.size, camera
    )
    selected, extra = bool(survey.is_selected[number]), survey.is_extra(number)
    total = {f"magnitude_{name}": magnitude(f) if f > 0 else None for name, f in zip(names, galaxy.flux, strict=True)}
    return {
        "id": f"{number:06d}",
        "frames": frames[seen],
        "band": observations.band[seen],
        "mjd": observations.mjd[seen],
        "psf_fwhm": observations.psf_fwhm[seen],
        "sky_sigma": stamps.sky_noise(observations, column, camera)[seen],
        "x": place[seen, 0],
        "y": place[seen, 1],
        "gain": stamps.electrons(observations, column, camera)[seen],
        "redshift": galaxy.redshift if selected or extra else None,
        "ra": ra,
        "dec": dec,
        "true_redshift": galaxy.redshift,
        **galaxy.truth,
        **total,
        "half_light_radius": galaxy.radius,
        "ebv": galaxy.ebv,
        "selected": selected,
        "extra_test": extra,
    }
