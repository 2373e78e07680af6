"""Fit a real light curve with what it most resembles: a supernova, a pulsating star, or a random walk."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ictconvention.measuring.robust import SIGMA_OF_MAD
from ictconvention.simulation.painted.gaussian_process import (
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
from ictconvention.simulation.painted.light_curve_table import RealCurve
from ictconvention.simulation.painted.periods import find_period
from ictconvention.simulation.sdss.cadence import SEASON_LENGTH
from ictconvention.simulation.sdss.passbands import EFFECTIVE_WAVELENGTH

SEASON_GAP = 60.0  # [days]; a longer pause ends a season
MOST_POINTS = 600  # of a fit, whose time grows with their cube
CALIBRATION_ERROR = 0.01  # of a flux, from night to night; added to the stated errors

NEIGHBOURS = 5  # measurements of a band whose median tells outliers
OUTLIER = 4.0  # in errors and usual deviations from that median
CONFIRMED = 0.5  # of that, in another band of the same night, and it is none

BAND_CORRELATION = 0.95  # of quasars; from 0.9 to 0.98 the likelihoods of the real ones are nearly alike
FOLD_CORRELATION = 0.98  # of pulsating stars, whose bands share one shape; the real RR Lyrae are likeliest with it
VARIATION = 0.06  # standard deviation over flux in g that a fit starts from
BLUER = -0.479  # power of the wavelength that variation goes with (quasars: MacLeod et al. 2010, SF_inf)
BLUER_WIDTH = 0.25  # by which the logarithm in a band may depart from that law; scales of faint bands follow it

TRANSIENT_CORRELATION = 0.9
TRANSIENT_LENGTHS = np.log([8.0, 200.0])  # [days]
# Mean colours of a class about the peak: the logarithm of the flux of each band over the envelope of all bands. SN Ia:
# weighted means of 101 of SDSS-II, whose blue bands fade first and whose i and z have a second maximum. Others redden
# steadily, as SN Ia do on average. Where a band is faint beside its errors, its curve follows these colours.
COLOUR_PHASES = np.array([-18.5, -9, -3, 3, 9, 15, 21, 27, 35, 50])  # [days]; before and after, colours stay
COLOURS_OF_IA = np.array(
    [
        [-1.47, -1.08, -1.04, -1.46, -1.78, -2.13, -2.51, -2.44, -2.72, -2.72],
        [-0.19, -0.05, -0.04, -0.09, -0.16, -0.28, -0.50, -0.77, -0.91, -0.87],
        [-0.12, -0.07, -0.03, 0.02, 0.10, 0.19, 0.24, 0.25, 0.21, 0.21],
        [-0.09, -0.09, -0.14, -0.14, -0.09, -0.00, 0.18, 0.39, 0.43, 0.36],
        [-0.34, -0.39, -0.48, -0.63, -0.65, -0.53, -0.13, 0.15, 0.34, 0.40],
    ]
)
FADING_TIME = 20.0  # [days]
COLOURS = np.outer([-0.85, -0.33, 0.17, 0.23, 0.25], np.clip(COLOUR_PHASES, -15, 35) / FADING_TIME)
FADING_WIDTH = 0.3  # by which the logarithm of a band may depart from its mean colour, per FADING_TIME
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
        rows = _without_outliers(curve, _near_season(curve))
        return _fit_about_level(curve, rows, BAND_CORRELATION, kernel, start, limits)
    everything, start = np.arange(len(curve.mjd)), np.log([0.7, 0.1])
    return _fit_about_level(curve, everything, FOLD_CORRELATION, pulsation(period), start, PULSATION_LIMITS)


def _fit_about_level(
    curve: RealCurve,
    rows: NDArray[np.intp],
    alike: float,
    kernel: Kernel,
    start: Array,
    limits: tuple[tuple[float, float], ...],
) -> GaussianProcess:
    """Fit what varies about the median of each band; the variation is the bluer the larger."""
    mjd, band, flux, error = _points(curve, rows)
    seen = np.unique(band)
    level = np.array([np.median(flux[band == seen[np.abs(seen - b).argmin()]]) for b in range(5)])
    law = BLUER * np.log(EFFECTIVE_WAVELENGTH / EFFECTIVE_WAVELENGTH[1])
    scale = np.log(VARIATION * np.abs(level) + NOTHING) + law
    precision = (np.eye(5) - 0.999 / 5) / BLUER_WIDTH**2  # it knows their ratios, not their common size
    model = Model(kernel, alike, _of_band, scale, precision, start, limits)
    return fit_gaussian_process(model, mjd, band, flux, error, level)


def _fit_transient(curve: RealCurve) -> GaussianProcess:
    """Fit what is nothing before and after: first with scales that stay, then with scales that follow the first fit.

    The scale of the second fit is an envelope of all bands times the mean colours of its class, from which each band
    may depart, so that a draw is nothing where there is nothing, and that a faint band follows the others.
    """
    mjd, band, flux, error = _points(curve, _near_season(curve))
    level, limits = np.zeros(5), ((float(TRANSIENT_LENGTHS[0]), float(TRANSIENT_LENGTHS[1])),)
    signal = np.average(flux**2 - error**2, weights=error**-2)
    scale = np.full(5, 0.5 * np.log(max(signal, 0.04 * np.median(error) ** 2)))
    loose = np.full(5, 1e-2)
    first = Model(smooth_change, TRANSIENT_CORRELATION, _of_band, scale, np.diag(loose), np.log([20.0]), limits)
    steady = fit_gaussian_process(first, mjd, band, flux, error, level)
    known = np.concatenate([steady.coefficients, np.zeros(5)])
    precision = np.diag(np.concatenate([loose, np.full(5, FADING_WIDTH**-2)]))
    design = _fading_design(steady, COLOURS_OF_IA if curve.class_name == "SN Ia" else COLOURS)
    model = Model(smooth_change, TRANSIENT_CORRELATION, design, known, precision, np.log([25.0]), limits)
    return fit_gaussian_process(model, mjd, band, flux, error, level)


def _of_band(mjd: Array, band: Bands) -> tuple[Array, Array]:
    """Give each band a scale of its own."""
    return np.zeros(len(mjd)), np.eye(5)[band]


def _fading_design(steady: GaussianProcess, colours: Array) -> Design:
    """Return the scales of a transient: the envelope of a first fit times colours (5, phases), and departures."""
    grid = np.arange(steady.mjd[0] - ENVELOPE_MARGIN, steady.mjd[-1] + ENVELOPE_MARGIN, 1.0)
    scale = np.exp(steady.coefficients)
    weight = np.bincount(steady.band, weights=1 / steady.variance, minlength=5) * scale**2
    bands = [np.maximum(steady.mean(grid, np.full(len(grid), b)), 0.0) / scale[b] for b in range(5)]
    envelope = np.sqrt(weight @ np.square(bands) / weight.sum())
    peak = grid[envelope.argmax()]
    logarithm = np.log(np.maximum(envelope / max(envelope.max(), NOTHING), NOTHING))

    def design(mjd: Array, band: Bands) -> tuple[Array, Array]:
        phase = np.clip(mjd - peak, COLOUR_PHASES[0], COLOUR_PHASES[-1])
        colour = np.array([np.interp(phase, COLOUR_PHASES, of_band) for of_band in colours])[band, np.arange(len(band))]
        columns = np.eye(5)[band]
        return np.interp(mjd, grid, logarithm) + colour, np.hstack([columns, phase[:, None] / FADING_TIME * columns])

    return design


def _near_season(curve: RealCurve) -> NDArray[np.intp]:
    """Return the rows of the densest season and of what is near enough to say something about it."""
    first, last = densest_season(curve)
    return np.flatnonzero((curve.mjd >= first - SEASON_LENGTH) & (curve.mjd <= last + SEASON_LENGTH))


def _without_outliers(curve: RealCurve, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Leave out rows far from the median of their neighbours in time: a bad frame would pass for a wild variable.

    What another band of the same night shows too may be an eclipse or an outburst, and stays; but not of an AGN, which
    is not that fast: there the night was bad.
    """
    off_by = np.zeros(len(rows))
    for b in np.unique(curve.band[rows]):
        here = np.flatnonzero(curve.band[rows] == b)
        if len(here) < NEIGHBOURS:
            continue
        flux, error = curve.flux[rows[here]], curve.error[rows[here]]
        off = flux - median_filter(flux, NEIGHBOURS, mode="nearest")
        off_by[here] = off / (OUTLIER * np.hypot(error, SIGMA_OF_MAD * np.median(np.abs(off))))
    good = np.abs(off_by) < 1
    night = np.floor(curve.mjd[rows])
    for i in np.flatnonzero(~good) if curve.class_name != "AGN" else ():
        others = (night == night[i]) & (curve.band[rows] != curve.band[rows[i]])
        good[i] = bool((np.sign(off_by[i]) * off_by[others] > CONFIRMED).any())
    return rows[good] if good.any() else rows


def _points(curve: RealCurve, rows: NDArray[np.intp]) -> tuple[Array, Bands, Array, Array]:
    """Return times, bands, fluxes and errors of rows, evenly thinned where they are too many."""
    if len(rows) > MOST_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int)]
    flux = curve.flux[rows]
    return curve.mjd[rows], curve.band[rows], flux, np.hypot(curve.error[rows], CALIBRATION_ERROR * flux)
