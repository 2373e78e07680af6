"""Fit a real light curve with what it most resembles: a supernova, a pulsating star, or a random walk."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ictconvention.data.simulation.cadence import SEASON_LENGTH
from ictconvention.data.simulation.gaussian_process import (
    PULSATION_LIMITS,
    WALK_LIMITS,
    Array,
    Bands,
    Design,
    GaussianProcess,
    Kernel,
    Model,
    damped_random_walk,
    fit_gaussian_process,
    pulsation,
    smooth_change,
)
from ictconvention.data.simulation.light_curve_table import RealCurve
from ictconvention.data.simulation.passbands import EFFECTIVE_WAVELENGTH
from ictconvention.data.simulation.periods import find_period

SEASON_GAP = 60.0  # [days]; a longer pause ends a season
MOST_POINTS = 600  # of a fit, whose time grows with their cube
CALIBRATION_ERROR = 0.01  # of a flux, from night to night; added to the stated errors

NEIGHBOURS = 5  # measurements of a band whose median tells outliers
OUTLIER = 4.0  # in errors and usual deviations from that median

BAND_CORRELATION = 0.95  # of quasars and stars; from 0.9 to 0.98 the likelihoods of the real quasars are alike
VARIATION = 0.06  # standard deviation over flux in g that a fit starts from
BLUER = -0.479  # power of the wavelength that variation goes with (quasars: MacLeod et al. 2010, SF_inf)
BLUER_WIDTH = 0.25  # by which the logarithm in a band may depart from that law; scales of faint bands follow it

TRANSIENT_CORRELATION = 0.9
TRANSIENT_LENGTHS = np.log([8.0, 200.0])  # [days]
# How a band fades against the others, in the logarithm of the flux per FADING_TIME: blue bands fade first. Medians of
# 101 SN Ia of SDSS-II; without them, a faint u is painted 0.1 mag too faint at the peak and too bright after it.
FADING = np.array([-0.85, -0.33, 0.17, 0.23, 0.25])
FADING_WIDTH = 0.3
FADING_TIME = 20.0  # [days]
FADING_PHASES = (-15.0, 35.0)  # [days] about the peak; before and after, colours stay
ENVELOPE_MARGIN = 200.0  # [days] about the points; farther away a transient is nothing
NOTHING = 1e-6  # of the peak


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


def fit_light_curve(curve: RealCurve) -> GaussianProcess:
    """Fit a light curve: as a supernova, folded on its period where it has one, or as a damped random walk.

    Only a fold uses more than the densest season and a season's length on either side of it.
    """
    if is_transient(curve.class_name):
        return _fit_transient(curve)
    period = find_period(curve.mjd, curve.band, curve.flux, curve.error)
    if period is None:
        kernel, start, limits = damped_random_walk, np.log([30.0]), WALK_LIMITS[:1]
        return _fit_about_level(curve, _without_outliers(curve, _near_season(curve)), kernel, start, limits)
    everything = np.arange(len(curve.mjd))
    return _fit_about_level(curve, everything, pulsation(period), np.log([0.7, 0.1]), PULSATION_LIMITS)


def _fit_about_level(
    curve: RealCurve, rows: NDArray[np.intp], kernel: Kernel, start: Array, limits: tuple[tuple[float, float], ...]
) -> GaussianProcess:
    """Fit what varies about the median of each band; the variation is the bluer the larger."""
    mjd, band, flux, error = _points(curve, rows)
    seen = np.unique(band)
    level = np.array([np.median(flux[band == seen[np.abs(seen - b).argmin()]]) for b in range(5)])
    law = BLUER * np.log(EFFECTIVE_WAVELENGTH / EFFECTIVE_WAVELENGTH[1])
    scale = np.log(VARIATION * np.abs(level) + NOTHING) + law
    precision = (np.eye(5) - 0.999 / 5) / BLUER_WIDTH**2  # it knows their ratios, not their common size
    model = Model(kernel, BAND_CORRELATION, _of_band, scale, precision, start, limits)
    return fit_gaussian_process(model, mjd, band, flux, error, level)


def _fit_transient(curve: RealCurve) -> GaussianProcess:
    """Fit what is nothing before and after: first with scales that stay, then with scales that follow the first fit.

    The scale of the second fit is an envelope of all bands times a band's own fading, so that a draw is nothing where
    there is nothing, and that a faint band follows the others as those of supernovae do.
    """
    mjd, band, flux, error = _points(curve, _near_season(curve))
    level, limits = np.zeros(5), ((float(TRANSIENT_LENGTHS[0]), float(TRANSIENT_LENGTHS[1])),)
    signal = np.average(flux**2 - error**2, weights=error**-2)
    scale = np.full(5, 0.5 * np.log(max(signal, 0.04 * np.median(error) ** 2)))
    loose = np.full(5, 1e-2)
    first = Model(smooth_change, TRANSIENT_CORRELATION, _of_band, scale, np.diag(loose), np.log([20.0]), limits)
    steady = fit_gaussian_process(first, mjd, band, flux, error, level)
    known = np.concatenate([steady.coefficients, FADING])
    precision = np.diag(np.concatenate([loose, np.full(5, FADING_WIDTH**-2)]))
    design = _fading_design(steady)
    model = Model(smooth_change, TRANSIENT_CORRELATION, design, known, precision, np.log([25.0]), limits)
    return fit_gaussian_process(model, mjd, band, flux, error, level)


def _of_band(mjd: Array, band: Bands) -> tuple[Array, Array]:
    """Give each band a scale of its own."""
    return np.zeros(len(mjd)), np.eye(5)[band]


def _fading_design(steady: GaussianProcess) -> Design:
    """Return the scales of a transient: the envelope of a first fit, and how each band fades against it."""
    grid = np.arange(steady.mjd[0] - ENVELOPE_MARGIN, steady.mjd[-1] + ENVELOPE_MARGIN, 1.0)
    scale = np.exp(steady.coefficients)
    weight = np.bincount(steady.band, weights=1 / steady.variance, minlength=5) * scale**2
    bands = [np.maximum(steady.mean(grid, np.full(len(grid), b)), 0.0) / scale[b] for b in range(5)]
    envelope = np.sqrt(weight @ np.square(bands) / weight.sum())
    peak = grid[envelope.argmax()]
    logarithm = np.log(np.maximum(envelope / max(envelope.max(), NOTHING), NOTHING))

    def design(mjd: Array, band: Bands) -> tuple[Array, Array]:
        phase = np.clip(mjd - peak, *FADING_PHASES) / FADING_TIME
        return np.interp(mjd, grid, logarithm), np.hstack([np.eye(5)[band], phase[:, None] * np.eye(5)[band]])

    return design


def _near_season(curve: RealCurve) -> NDArray[np.intp]:
    """Return the rows of the densest season and of what is near enough to say something about it."""
    first, last = densest_season(curve)
    return np.flatnonzero((curve.mjd >= first - SEASON_LENGTH) & (curve.mjd <= last + SEASON_LENGTH))


def _without_outliers(curve: RealCurve, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Leave out rows far from the median of their neighbours in time: one bad night would pass for a wild variable."""
    good = np.ones(len(rows), bool)
    for b in np.unique(curve.band[rows]):
        here = np.flatnonzero(curve.band[rows] == b)
        if len(here) < NEIGHBOURS:
            continue
        flux, error = curve.flux[rows[here]], curve.error[rows[here]]
        off = np.abs(flux - median_filter(flux, NEIGHBOURS, mode="nearest"))
        good[here] = off < OUTLIER * np.hypot(error, 1.4826 * np.median(off))
    return rows[good] if good.any() else rows


def _points(curve: RealCurve, rows: NDArray[np.intp]) -> tuple[Array, Bands, Array, Array]:
    """Return times, bands, fluxes and errors of rows, evenly thinned where they are too many."""
    if len(rows) > MOST_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int)]
    flux = curve.flux[rows]
    return curve.mjd[rows], curve.band[rows], flux, np.hypot(curve.error[rows], CALIBRATION_ERROR * flux)
