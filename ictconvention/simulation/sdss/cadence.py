"""When an object is observed: nights of one season, five bands a night, seeing and sky. Knows no class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEASON_START = {2005: 53614.0, 2006: 53979.0, 2007: 54344.0}  # [MJD], the first of September
SEASON_LENGTH = 98.0  # [days], to the first week of December
ORDER = np.array([2, 3, 0, 4, 1])  # r i u z g: the order of a pass
BAND_DELAY = 71.72 / 86400  # [days] from band to band of a pass
MISSING = np.array([0.084, 0.053, 0.030, 0.033, 0.049])  # probability of a band to be missing on a night, ugriz

# Percentiles of the frames of an object (all bands), by season; where strips overlap there are twice as many.
FRAME_LEVELS = (0.0, 0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99, 1.0)
FRAMES = {
    2005: (25, 65, 80, 94, 100, 110, 123, 130, 150),
    2006: (24, 76, 94, 100, 110, 115, 130, 130, 148),
    2007: (15, 63, 73, 85, 95, 101, 110, 127, 150),
}
FRAMES_IN_OVERLAP = {
    2005: (151, 154, 169, 185, 195, 209, 236, 244, 245),
    2006: (151, 155, 164, 206, 214, 224, 235, 236, 238),
    2007: (151, 153, 155, 165, 179, 190, 205, 209, 209),
}
OVERLAP = 0.073  # share of objects in the overlap of two strips
GAP_LEVELS = (0.0, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)
GAPS = (0.95, 1.0, 2.0, 3.0, 7.4, 16.0, 19.0)  # [days] from night to night; a little long, since all must fit a season
FITTING_DRAWS = 100

SEEING = 1.43  # median FWHM in r [arcsec]
SEEING_SCATTER = 0.145  # of its logarithm, from night to night
SEEING_OF_BAND = np.array([1.10, 1.05, 1.00, 0.95, 0.96])  # over that in r
WORST_SEEING = 1.8  # [arcsec]; worse frames were not used


@dataclass(frozen=True)
class Observations:
    """The frames of one object before any pixel: arrays (n,) in time order.

    Parameters
    ----------
    mjd : array
        [days]
    band : array
        Position in ugriz.
    psf_fwhm : array
        [arcsec]
    sky : array
        Brightness of the sky over its usual one.
    """

    mjd: NDArray[np.float64]
    band: NDArray[np.uint8]
    psf_fwhm: NDArray[np.float64]
    sky: NDArray[np.float64]


def observe(season: int, rng: np.random.Generator) -> Observations:
    """Draw the observations of one object in a season.

    Parameters
    ----------
    season : int
        2005, 2006 or 2007; nothing else about the object is known here, so no class can leak into the cadence.
    rng : Generator
        Draws nights, missing bands, seeing and sky.
    """
    frames = FRAMES_IN_OVERLAP if rng.random() < OVERLAP else FRAMES
    wanted = np.interp(rng.random(), FRAME_LEVELS, frames[season])
    night = SEASON_START[season] + _nights(max(round(wanted / (5 - MISSING.sum())), 1), rng)
    mjd = np.repeat(night, 5) + np.tile(np.arange(5) * BAND_DELAY, len(night))
    band = np.tile(ORDER, len(night))
    seeing = np.repeat(_truncated(SEEING, SEEING_SCATTER, len(night), rng), 5) * SEEING_OF_BAND[band]
    seeing = np.minimum(seeing * np.exp(rng.normal(0, 0.03, len(band))), WORST_SEEING)
    sky = np.repeat(np.exp(rng.normal(0, 0.10, len(night))), 5) * np.exp(rng.normal(0, 0.02, len(band)))
    seen = rng.random(len(band)) >= MISSING[band]
    seen[rng.integers(len(seen))] = True  # at least one frame
    return Observations(mjd[seen], band[seen].astype(np.uint8), seeing[seen], sky[seen])


def _nights(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw nights of a season [days since its start], with the real gaps; so many that they fit into it."""
    for _ in range(FITTING_DRAWS):
        gaps = np.interp(rng.random(count - 1), GAP_LEVELS, GAPS)
        if gaps.sum() <= SEASON_LENGTH:
            break
    while gaps.sum() > SEASON_LENGTH:  # of many nights in one season, the longest pauses were shorter
        longest = gaps.argmax()
        gaps[longest] = np.interp(rng.random() * gaps[longest] / GAPS[-1], GAP_LEVELS, GAPS)
    gaps = np.maximum(np.round(gaps), 1.0)  # from night to night
    start = np.floor(rng.uniform(0, max(SEASON_LENGTH - gaps.sum(), 1.0)))
    hour = rng.uniform(0.15, 0.35) + rng.normal(0, 0.02, count)
    return np.asarray(start + hour + np.concatenate([[0.0], np.cumsum(gaps)]))


def _truncated(median: float, scatter: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw from a log-normal, again where it is worse than used."""
    values = median * np.exp(rng.normal(0, scatter, count))
    while (bad := values > WORST_SEEING).any():
        values[bad] = median * np.exp(rng.normal(0, scatter, np.count_nonzero(bad)))
    return values
