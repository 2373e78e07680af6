"""Turn a sky object into frames: its light curve, its host and neighbours, what a search would have detected."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.magnitudes import nanomaggies
from ictconvention.simulation.sdss import stamps, supernovae, variability
from ictconvention.simulation.sdss.cadence import Observations, observe
from ictconvention.simulation.sdss.passbands import BANDS, dust
from ictconvention.simulation.sdss.population import (
    CADENCE,
    CURVE,
    PIXELS,
    Population,
    SkyObject,
    draw_correlated,
    generator,
)
from ictconvention.simulation.sdss.strata import Stratum

DETECTION = 5.0  # signal over noise of a night, g r and i together
DIFFERENCE_NOISE = 1.9  # over that of a frame: templates and hosts; gives the survey's depth, 5 sigma at r = 22.1
MOST_DRAWS = 100  # of one nature
NEIGHBOUR_COLOURS = np.array([1.8, 0.8, 0.0, -0.35, -0.55])  # of neighbours, relative to r
NEIGHBOURS = 0.25  # mean number of unrelated sources in a stamp of 32 pixels, to r = 22.5
NEIGHBOUR_LIMITS = (16.0, 22.5)  # [AB mag] in r
NEIGHBOUR_SLOPE = 0.30  # of the logarithm of their counts per magnitude


@dataclass(frozen=True)
class Scene:
    """Everything about one object's frames but their noise.

    Parameters
    ----------
    sky_object : SkyObject
        What is observed.
    observations : Observations
        Its n frames.
    column : int
        Camera column, from 0.
    kind : str
        Subtype of the source.
    point : array (n,)
        True flux of the point source in each frame [nanomaggies].
    peak : float or None
        Time of a supernova's peak [MJD].
    galaxies, stars : lists
        What else is in the stamp.
    """

    sky_object: SkyObject
    observations: Observations
    column: int
    kind: str
    point: NDArray[np.float64]
    peak: float | None
    galaxies: list[stamps.Galaxy]
    stars: list[stamps.Star]


def scene(population: Population, number: int) -> Scene:
    """Draw one object's cadence, light curve and surroundings.

    What no night would have detected is drawn again, first its light curve, then its nature too. The cadence is drawn
    once, by a key of its own, so that it cannot depend on what is seen.
    """
    first = population.draw(number)
    observations = observe(first.season, generator(population.seed, CADENCE, number))
    column = stamps.camera_column(first.dec)
    attempt = 0
    while True:
        sky_object = population.draw(number, attempt)
        rng = generator(population.seed, CURVE, number, attempt)
        for _ in range(MOST_DRAWS):
            kind, point, peak, nucleus = _point_source(sky_object, observations, rng)
            if is_detected(change_of(sky_object, point, observations), observations, column):
                galaxies, stars = _surroundings(sky_object, nucleus, rng)
                return Scene(sky_object, observations, column, kind, point, peak, galaxies, stars)
        attempt += 1


def observe_object(population: Population, number: int) -> dict[str, Any]:
    """Observe one object of a population: the arguments of `SurveyWriter.add`."""
    return paint_scene(population.seed, scene(population, number), number)


def paint_scene(seed: int, drawn: Scene, number: int) -> dict[str, Any]:
    """Paint all frames of an object: the arguments of `SurveyWriter.add`."""
    sky_object, observations = drawn.sky_object, drawn.observations
    noise, known = generator(seed, PIXELS, number), sky_object.host_known
    return {
        "id": f"{number:06d}",
        **stamps.draw_frames(observations, drawn.column, drawn.point, drawn.galaxies, drawn.stars, noise),
        "class_name": sky_object.stratum.label,
        "label_source": sky_object.stratum.source,
        "redshift": sky_object.catalogue_redshift,
        "ra": sky_object.ra,
        "dec": sky_object.dec,
        "true_class": sky_object.true_class,
        "kind": drawn.kind,
        "true_redshift": sky_object.redshift,
        "season": sky_object.season,
        "peak_mjd": drawn.peak,
        **{f"host_{name}": float(m) if known else None for name, m in zip(BANDS, sky_object.magnitudes, strict=True)},
        "host_separation": float(sky_object.separation) if known else None,
        "mwebv": float(sky_object.extinction),
        "extra_test": sky_object.extra_test,
    }


def is_detected(change: NDArray[np.float64], observations: Observations, column: int) -> bool:
    """Say whether any night would have found a change: g, r and i together above `DETECTION`.

    Parameters
    ----------
    change : array (n,)
        Flux of the point source in each frame over that of a reference image [nanomaggies].
    observations : Observations
        The n frames.
    column : int
        Camera column, from 0.
    """
    useful = (observations.band >= 1) & (observations.band <= 3)
    if not useful.any():
        return False
    ratio = (change / (DIFFERENCE_NOISE * stamps.point_noise(observations, column)))[useful]
    night = np.unique(np.floor(observations.mjd[useful]), return_inverse=True)[1]
    return bool(np.bincount(night, weights=ratio**2).max() > DETECTION**2)


def change_of(sky_object: SkyObject, point: NDArray[np.float64], observations: Observations) -> NDArray[np.float64]:
    """Return by how much the point source is above that of a reference in each frame, (n,) [nanomaggies].

    A reference has no supernova; of what was always there it has the median flux of the season in each band.
    """
    return point if _is_supernova(sky_object) else point - _median_of_band(point, observations)


def _median_of_band(point: NDArray[np.float64], observations: Observations) -> NDArray[np.float64]:
    median = np.zeros(len(point))
    for b in range(5):
        here = observations.band == b
        if here.any():
            median[here] = np.median(point[here])
    return median


def _is_supernova(sky_object: SkyObject) -> bool:
    return sky_object.true_class in ("SN Ia", "SN Other")


def _point_source(
    sky_object: SkyObject, observations: Observations, rng: np.random.Generator
) -> tuple[str, NDArray[np.float64], float | None, NDArray[np.float64]]:
    """Draw the light curve: kind, flux in each frame [nanomaggies], time of the peak [MJD], nucleus' share in ugriz."""
    mjd, band, redshift = observations.mjd, observations.band, sky_object.redshift
    match sky_object.true_class:
        case "SN Ia" | "SN Other":
            peak = float(rng.uniform(mjd[0] - 20 * (1 + redshift), mjd[-1] + 5 * (1 + redshift)))
            if sky_object.true_class == "SN Ia":
                kind, flux = "Ia", supernovae.type_ia_flux(redshift, peak, mjd, band, rng)
            else:
                kind, flux = supernovae.core_collapse_flux(redshift, peak, mjd, band, rng)
            return kind, flux * 10 ** (-0.4 * sky_object.extinction * dust()[band]), peak, np.ones(5)
        case "AGN":
            share = nuclear_share(redshift, sky_object.stratum.label, rng)
            mean = nanomaggies(sky_object.magnitudes) * share
            absolute = sky_object.magnitudes[3] - 2.5 * np.log10(share[3]) - supernovae.distance_modulus(redshift)
            night, member = np.unique(np.floor(mjd), return_inverse=True)
            walk = variability.damped_random_walk(night, redshift, float(absolute), rng)
            flux = mean[band] * 10 ** (-0.4 * walk[member, band])
            return "quasar" if redshift > 1 else "Seyfert", flux, None, share
        case _:
            kind = variability.star_kind(sky_object.magnitudes, rng)
            factor = variability.star_factor(kind, mjd, band, sky_object.magnitudes, rng)
            return kind, nanomaggies(sky_object.magnitudes)[band] * factor, None, np.ones(5)


def nuclear_share(redshift: float, label: str | None, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the share of the nucleus in an AGN's total flux, (5,): all of a quasar's, less in near galaxies and in red.

    An AGN that hides behind another label than its own is a fainter part of its galaxy, or, among Variables, a quasar.
    """
    if label == "Variable":
        return np.ones(5)
    low, high = (0.15, 0.6) if label == "AGN" else (0.05, 0.4)
    near = rng.uniform(low, high) * np.array([1.6, 1.3, 1.0, 0.9, 0.85])
    far = np.clip((redshift - 0.4) / 0.6, 0, 1)
    return np.asarray(np.clip(near + (1 - near) * far, 0.01, 1.0))


def _half_light_radius(magnitude: float, rng: np.random.Generator) -> float:
    """Draw the size of a galaxy from its r magnitude [arcsec]: 2.6 at 17, 0.9 at 21."""
    return float(np.clip(10 ** (0.42 - 0.12 * (magnitude - 17)) * np.exp(rng.normal(0, 0.35)), 0.35, 6.0))


def draw_galaxy(
    magnitudes: NDArray[np.float64], east: float, north: float, rng: np.random.Generator, share: Any = 1.0
) -> stamps.Galaxy:
    """Draw the size and shape of a galaxy of some magnitudes (5,) [AB mag] at a place from the centre [arcsec]."""
    return stamps.Galaxy(
        flux=nanomaggies(magnitudes) * share,
        half_light_radius=_half_light_radius(float(magnitudes[2]), rng),
        sersic=float(rng.choice([1.0, 2.0, 4.0], p=[0.55, 0.25, 0.2])),
        axis_ratio=float(rng.uniform(0.35, 1.0)),
        angle=float(rng.uniform(0, np.pi)),
        east=east,
        north=north,
    )


def supernova_host(
    stratum: Stratum, r: float | None, separation: float | None, rng: np.random.Generator
) -> tuple[stamps.Galaxy, float, float]:
    """Draw the host of a supernova as a stratum has them, but for what is known of it.

    Returns
    -------
    galaxy, r, separation : Galaxy, float, float
        The host, its r magnitude [AB mag] and its distance from the supernova [arcsec].
    """
    drawn = draw_correlated(stratum, rng)
    r, separation = drawn[1] if r is None else r, drawn[2] if separation is None else separation
    magnitudes = r + np.array([drawn[3], drawn[4], 0.0, drawn[5], drawn[6]])
    angle = rng.uniform(0, 2 * np.pi)
    return draw_galaxy(magnitudes, separation * np.sin(angle), separation * np.cos(angle), rng), r, separation


def _surroundings(
    sky_object: SkyObject, nucleus: NDArray[np.float64], rng: np.random.Generator
) -> tuple[list[stamps.Galaxy], list[stamps.Star]]:
    """Draw what else is in the stamp: the host, another object of the survey, unrelated galaxies and stars."""
    galaxies: list[stamps.Galaxy] = []
    stars: list[stamps.Star] = []
    if _is_supernova(sky_object):
        angle = rng.uniform(0, 2 * np.pi)
        east, north = sky_object.separation * np.sin(angle), sky_object.separation * np.cos(angle)
        galaxies.append(draw_galaxy(sky_object.magnitudes, east, north, rng))
    elif (nucleus < 1).any():
        galaxies.append(draw_galaxy(sky_object.magnitudes, 0.0, 0.0, rng, share=1 - nucleus))
    for east, north, magnitudes in sky_object.neighbours:
        stars.append(stamps.Star(nanomaggies(magnitudes), east, north))
    others = unrelated(rng)
    return galaxies + others[0], stars + others[1]


def unrelated(rng: np.random.Generator, size: int = stamps.SIZE) -> tuple[list[stamps.Galaxy], list[stamps.Star]]:
    """Draw the galaxies and stars that happen to lie in a stamp of so many pixels along a side."""
    galaxies: list[stamps.Galaxy] = []
    stars: list[stamps.Star] = []
    half = size * stamps.PIXEL_SCALE / 2
    for _ in range(rng.poisson(NEIGHBOURS * (size / stamps.SIZE) ** 2)):
        bright, faint = (10 ** (NEIGHBOUR_SLOPE * limit) for limit in NEIGHBOUR_LIMITS)
        r = np.log10(rng.uniform(bright, faint)) / NEIGHBOUR_SLOPE
        magnitudes = r + NEIGHBOUR_COLOURS + rng.normal(0, 0.3, 5) * (np.arange(5) != 2)
        east, north = rng.uniform(-half, half, 2)
        if rng.random() < 0.5:
            stars.append(stamps.Star(nanomaggies(magnitudes), east, north))
        else:
            galaxies.append(draw_galaxy(magnitudes, east, north, rng))
    return galaxies, stars
