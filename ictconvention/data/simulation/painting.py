"""Paint real light curves into stamps: smoothed, cut to a season, on a cadence that knows nothing of their class."""

from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ictconvention.data.simulation import stamps
from ictconvention.data.simulation.cadence import SEASON_LENGTH, observe
from ictconvention.data.simulation.light_curve_table import RealCurve
from ictconvention.data.simulation.observed import supernova_host, unrelated
from ictconvention.data.simulation.population import (
    CADENCE,
    CURVE,
    DECLINATION,
    NATURE,
    PIXELS,
    RIGHT_ASCENSION,
    generator,
)
from ictconvention.data.simulation.strata import SEASONS, STRATA

Smooth = Callable[[NDArray[np.float64], NDArray[np.uint8]], NDArray[np.float64]]

SEASON_GAP = 60.0  # [days]; a longer pause ends a season
LENGTHS = (1.5, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0)  # [days] of the smoothing that are tried
BAND_CORRELATION = 0.9
PERIODS = (0.2, 1.2)  # [days] that are tried for a curve too fast to be smooth
PERIODIC_POINTS = 40
LEAST_POWER = 0.4  # share of the scatter that a period must explain
CALIBRATION_ERROR = 0.03  # of a flux, from night to night; added to the stated errors
SHIFT = 15.0  # [days]; the new season's middle lies within this of the old one's


def painted(curve: RealCurve, number: int, seed: int) -> dict[str, Any]:
    """Paint one real light curve: the arguments of `SurveyWriter.add`.

    Its flux is the smoothed curve's, so that the noise is that of the stamps alone; frames on which it is too faint to
    be seen stay. A supernova gets the table's host, or one as supernovae of SDSS-II have it.

    Parameters
    ----------
    curve : RealCurve
        What to paint.
    number, seed : int
        Its place in the survey, and the survey's seed: the key of all draws.
    """
    rng = generator(seed, CURVE, number)
    season = int(rng.choice(SEASONS))
    observations = observe(season, generator(seed, CADENCE, number))
    first, last = densest_season(curve)
    smooth = smoothed(curve)
    middle = 0.5 * (observations.mjd[0] + observations.mjd[-1])
    shift = 0.5 * (first + last) + rng.uniform(-SHIFT, SHIFT) - middle
    point = np.maximum(smooth(observations.mjd + shift, observations.band), 0.0)
    nature = generator(seed, NATURE, number)
    ra, dec = nature.uniform(*RIGHT_ASCENSION) % 360, nature.uniform(*DECLINATION)
    galaxies, stars = unrelated(rng)
    host_r = host_separation = None
    if is_transient(curve.class_name):
        stratum = next(s for s in STRATA if s.label == curve.class_name and s.source == "spectroscopic")
        host, host_r, host_separation = supernova_host(stratum, curve.host_r, curve.host_separation, rng)
        galaxies.append(host)
    column = stamps.camera_column(dec)
    noise = generator(seed, PIXELS, number)
    place = stamps.draw_places(len(point), noise)
    return {
        "id": curve.id,
        "frames": stamps.paint(observations, column, point, galaxies, stars, place, noise),
        "band": observations.band,
        "mjd": observations.mjd,
        "psf_fwhm": observations.psf_fwhm,
        "sky_sigma": stamps.sky_noise(observations, column),
        "x": place[:, 0],
        "y": place[:, 1],
        "gain": stamps.electrons(observations, column),
        "class_name": curve.class_name,
        "label_source": None,
        "redshift": curve.redshift,
        "ra": float(ra),
        "dec": float(dec),
        "true_class": curve.class_name,
        "season": season,
        "host_r": host_r,
        "host_separation": host_separation,
    }


def is_transient(class_name: str) -> bool:
    """Say whether the objects of a class are nothing before and after: supernovae."""
    return class_name.startswith("SN")


def densest_season(curve: RealCurve) -> tuple[float, float]:
    """Return the first and last time [MJD] of the season with the most measurements, at most a season long."""
    breaks = np.flatnonzero(np.diff(curve.mjd) > SEASON_GAP) + 1
    seasons = np.split(curve.mjd, breaks)
    best = max(seasons, key=len)
    ends = np.searchsorted(best, best + SEASON_LENGTH, side="right")
    start = int((ends - np.arange(len(best))).argmax())
    return float(best[start]), float(best[ends[start] - 1])


def smoothed(curve: RealCurve) -> Smooth:
    """Fit a light curve: smooth in time, or periodic where it changes too fast for that.

    Returns
    -------
    callable
        Of times (n,) [MJD] and bands (n,); returns fluxes (n,) [nanomaggies].
    """
    fits = [_gaussian_process(curve, length) for length in LENGTHS]
    length, smooth = max(fits, key=lambda fit: fit[0])[1:]
    if length > LENGTHS[0] or is_transient(curve.class_name) or len(curve.mjd) < PERIODIC_POINTS:
        return smooth
    return _periodic(curve) or smooth


def _gaussian_process(curve: RealCurve, length: float) -> tuple[float, float, Smooth]:
    """Fit a Gaussian process of all bands together (Matern 3/2 in time); return its likelihood, length and mean.

    Its mean is zero for a transient, and each band's median otherwise.
    """
    first, last = densest_season(curve)
    near = (curve.mjd >= first - SEASON_LENGTH) & (curve.mjd <= last + SEASON_LENGTH)
    mjd, band, flux = curve.mjd[near], curve.band[near], curve.flux[near]
    error = np.hypot(curve.error[near], CALIBRATION_ERROR * np.abs(flux))
    level, scale = np.zeros(5), np.zeros(5)
    for b in range(5):
        here = band == b
        if here.any():
            level[b] = 0.0 if is_transient(curve.class_name) else np.median(flux[here])
            spread = np.mean((flux[here] - level[b]) ** 2) - np.mean(error[here] ** 2)
            scale[b] = np.sqrt(max(spread, 0.04 * np.mean(error[here] ** 2)))
    seen = np.unique(band)
    for b in set(range(5)) - set(seen.tolist()):  # a band without a measurement is like the nearest one
        nearest = seen[np.abs(seen - b).argmin()]
        level[b], scale[b] = level[nearest], scale[nearest]

    def covariance(t: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
        distance = np.sqrt(3) * np.abs(t[:, None] - mjd[None]) / length
        alike = np.where(b[:, None] == band[None], 1.0, BAND_CORRELATION)
        return np.asarray(scale[b][:, None] * scale[band][None] * alike * (1 + distance) * np.exp(-distance))

    residual = flux - level[band]
    factor = cho_factor(covariance(mjd, band) + np.diag(error**2 + (1e-6 * scale[band]) ** 2), lower=True)
    weights = cho_solve(factor, residual)
    likelihood = -0.5 * residual @ weights - np.log(np.diag(factor[0])).sum()

    def mean(t: NDArray[np.float64], b: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(level[b] + covariance(t, b) @ weights)

    return float(likelihood), length, mean


def _periodic(curve: RealCurve) -> Smooth | None:
    """Fold a light curve on its best period and fit three harmonics per band; None where no period explains it."""
    time = curve.mjd - curve.mjd[0]
    relative, error = np.zeros(len(time)), np.ones(len(time))
    for b in np.unique(curve.band):  # all bands together, each about its median and over its scatter
        here = curve.band == b
        scatter = curve.flux[here].std() + 1e-12
        relative[here] = (curve.flux[here] - np.median(curve.flux[here])) / scatter
        error[here] = np.maximum(curve.error[here] / scatter, 0.05)
    step = 0.2 / max(np.ptp(time), 1.0)
    search = LombScargle(time, relative, error)
    frequency, slow = (np.arange(low, high, step) for low, high in ((1 / PERIODS[1], 1 / PERIODS[0]), (step, 0.05)))
    power = search.power(frequency, method="fast", assume_regular_frequency=True)
    # What changes slowly, seen once a night, looks periodic within a day too; a real period is the stronger of the two.
    if (
        power.max() < LEAST_POWER
        or power.max() < search.power(slow, method="fast", assume_regular_frequency=True).max()
    ):
        return None
    fine = frequency[power.argmax()] + step * np.linspace(-1, 1, 41)
    best = fine[LombScargle(time, relative, error, nterms=3).power(fine, method="chi2").argmax()]
    coefficients = np.zeros((5, 7))
    for b in np.unique(curve.band):
        here = curve.band == b
        terms = min(3, (int(np.count_nonzero(here)) - 1) // 4)
        design = _harmonics(time[here] * best, terms) / curve.error[here][:, None]
        solution = np.linalg.lstsq(design, curve.flux[here] / curve.error[here], rcond=None)[0]
        coefficients[b, : len(solution)] = solution
    seen = np.unique(curve.band)
    nearest = np.array([seen[np.abs(seen - b).argmin()] for b in range(5)])

    def fold(t: NDArray[np.float64], b: NDArray[np.uint8]) -> NDArray[np.float64]:
        design = _harmonics((t - curve.mjd[0]) * best, 3)
        return np.asarray((design * coefficients[nearest[b]]).sum(axis=1))

    return fold


def _harmonics(phase: NDArray[np.float64], terms: int) -> NDArray[np.float64]:
    columns = [np.ones(len(phase))]
    for k in range(1, terms + 1):
        columns += [np.sin(2 * np.pi * k * phase), np.cos(2 * np.pi * k * phase)]
    return np.column_stack(columns)
