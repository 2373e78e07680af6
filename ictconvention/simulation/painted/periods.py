"""Find the period of a pulsating star in a few dozen visits, taken at night in up to five bands; knows no class."""

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import NDArray

from ictconvention.measuring.robust import robust_sigma
from ictconvention.simulation.painted.gaussian_process import (
    PULSATION_LIMITS,
    WALK_LIMITS,
    GaussianProcess,
    Kernel,
    Model,
    fit_gaussian_process,
    pulsation,
    scattered_walk,
)

Array = NDArray[np.float64]
Bands = NDArray[np.integer]

PERIODS = (0.2, 0.95)  # [days] that are tried; short of 1, where all that is slow repeats, and of twice 1/2
VISIT = 0.01  # [days]; points within it are one visit, whose bands show one phase
LEAST_VISITS, MOST_VISITS = 15, 400  # a fold has 9 free numbers; more visits than these say nothing new
OUTLIER = 6.0  # usual deviations from the median beyond which a visit is left out: a fold would spike there
LEAST_ERROR = 0.05  # of a band's scatter; folds differ from band to band by about as much
LEAST_POWER = 0.2  # share of the scatter that one sine explains at the best period
SLOW = 0.05  # [1/day]; below it a change is slow
SLOWER = 1.03  # the power of a slow change over that of the best period, beyond which no fold is tried
STEP = 0.3  # of the frequencies, over that which the whole span tells apart
PEAKS = 8  # of the periodogram that are looked at
HARMONICS = 4
FINALISTS = 3  # folds that are compared by their likelihood
# Frequencies of the last search, over a step and about the best fold: at most 1/400 turn off at the ends of the span.
FINEST = np.linspace(-0.5, 0.5, 31)
ALIASES = (1.0, 1 / 2, 1 / 3, 1 / 4)  # [days]; what changes slowly, seen once a night, repeats with them
ALIAS_WIDTH = 0.01  # [days]
# Logarithm of the likelihood by which a fold must beat a random walk, and a fold near an alias every other explanation.
# Some 3 500 periods are tried in three seasons, and the best of them gains log(3 500) = 8 by chance. Of the real
# quasars none gains more than 9; the RR Lyrae gain 16 and more.
MARGIN = 12.0


def is_alias(period: float) -> bool:
    """Say whether a period [days] is one that nightly observations make of a slow change."""
    return any(abs(period - alias) < ALIAS_WIDTH for alias in ALIASES)


def find_period(mjd: Array, band: Bands, flux: Array, error: Array) -> float | None:
    """Find the period that explains a light curve better than any other period or a slow change does.

    The peaks of a Lomb-Scargle periodogram of all bands together, their daily aliases, halves and doubles are ranked by
    what folds of four harmonics leave. The best folds compete with slow changes, a damped random walk and the best
    period of more than 20 days, by their likelihoods. The likelihood refines the period that wins.

    Parameters
    ----------
    mjd, band, flux, error : arrays (n,)
        Points: times [days], bands, fluxes and errors.

    Returns
    -------
    float or None
        The period [days]; None where no fold beats the slow changes by `MARGIN`. A period near an alias of the night
        must beat every other period by as much, too.
    """
    time, value, sigma = _visits(mjd, band, flux, error)
    if len(time) < LEAST_VISITS or not np.ptp(value):
        return None
    step = STEP / max(np.ptp(time), 1.0)
    frequency = np.arange(1 / PERIODS[1], 1 / PERIODS[0], step)
    slow = np.arange(step, max(SLOW, 2 * step), step)
    search = LombScargle(time, value, sigma)
    power = search.power(frequency, method="fast", assume_regular_frequency=True)
    slow_power = search.power(slow, method="slow")
    if power.max() < LEAST_POWER or slow_power.max() > SLOWER * power.max():
        return None
    found = _fold(_candidates(frequency, power), step, time, value, sigma)
    otherwise = _walk_likelihood(time, value, sigma)
    folds = {found[0]: _fit_fold(found[0], time, value, sigma)}
    if folds[found[0]].likelihood < otherwise:
        return None
    otherwise = max(otherwise, _fit_fold(1 / slow[slow_power.argmax()], time, value, sigma).likelihood)
    free = [period for period in found if not is_alias(period)][:FINALISTS]
    near = [period for period in found if is_alias(period)][:1]
    for period in {*free, *near} - {found[0]}:
        folds[period] = _fit_fold(period, time, value, sigma)
    likely = {period: fold.likelihood for period, fold in folds.items()}
    best = max(free, key=likely.__getitem__, default=None)
    if near and likely[near[0]] > max([otherwise, *(likely[period] for period in free)]) + MARGIN:
        best = near[0]
    if best is None or likely[best] < otherwise + MARGIN:
        return None
    finer = 1 / (1 / best + step * FINEST)
    return float(max(finer, key=lambda period: folds[best].likelihood_under(pulsation(period))))


def _visits(mjd: Array, band: Bands, flux: Array, error: Array) -> tuple[Array, Array, Array]:
    """Return times, values and errors of visits: all bands together, each about its median and over its scatter."""
    value, weight = np.zeros(len(mjd)), np.ones(len(mjd))
    for b in np.unique(band):
        here = band == b
        scatter = flux[here].std() + 1e-12
        value[here] = (flux[here] - np.median(flux[here])) / scatter
        weight[here] = 1 / (LEAST_ERROR**2 + (error[here] / scatter) ** 2)
    begun = np.concatenate([[0], np.flatnonzero(np.diff(mjd) > VISIT) + 1])
    pause = np.searchsorted(begun, np.arange(len(mjd)), side="right") - 1
    part = np.floor((mjd - mjd[begun][pause]) / VISIT)  # of a long unbroken run
    visit = np.unique(np.column_stack([pause, part]), axis=0, return_inverse=True)[1].ravel()
    total = np.bincount(visit, weights=weight)
    time, mean = (np.bincount(visit, weights=weight * x) / total for x in (mjd - mjd[0], value))
    good = np.flatnonzero(np.abs(mean - np.median(mean)) <= OUTLIER * robust_sigma(mean))
    some = good[np.unique(np.linspace(0, len(good) - 1, min(len(good), MOST_VISITS)).round().astype(int))]
    return time[some], mean[some], 1 / np.sqrt(total[some])


def _candidates(frequency: Array, power: Array) -> Array:
    """Return the frequencies of the highest peaks, and what they may be mistaken for [1/day]."""
    top = np.flatnonzero((power[1:-1] >= power[:-2]) & (power[1:-1] > power[2:])) + 1
    peaks = frequency[top[np.argsort(power[top])[::-1][:PEAKS]]]
    every = np.concatenate([peaks, peaks + 1, peaks - 1, peaks + 2, peaks - 2, 2 * peaks, peaks / 2])
    return np.unique(every[(every > frequency[0]) & (every < frequency[-1])])


def _fold(candidates: Array, step: float, time: Array, value: Array, sigma: Array) -> list[float]:
    """Refine candidates [1/day] and return their periods [days], those whose folds leave least first."""
    weight = 1 / sigma**2
    near = candidates[:, None] + step * np.linspace(-1, 1, 13)  # (c, 13)
    turn = np.exp(2j * np.pi * near.ravel()[:, None] * time)  # (f, n)
    power, columns = np.ones_like(turn), [np.ones(turn.shape)]
    for _ in range(HARMONICS):
        power = power * turn
        columns += [power.real, power.imag]
    design = np.stack(columns, axis=1)  # (f, 2 h + 1, n)
    normal = (design * weight) @ design.swapaxes(1, 2)
    diagonal = range(1, normal.shape[1])
    normal[:, diagonal, diagonal] += 1e-3 * weight.sum()  # the fewer the visits, the tamer the fold
    right = design @ (weight * value)
    explained = np.sum(np.linalg.solve(normal, right[..., None])[..., 0] * right, axis=1).reshape(near.shape)
    best = explained.argmax(axis=1)
    left = {float(1 / f[k]): -float(e[k]) for f, e, k in zip(near, explained, best, strict=True)}
    distinct: list[float] = []
    for period in sorted(left, key=left.__getitem__):
        if all(abs(1 / period - 1 / other) > step for other in distinct):
            distinct.append(period)
    return distinct


def _fit_fold(period: float, time: Array, value: Array, sigma: Array) -> GaussianProcess:
    return _fit(pulsation(period), np.log([0.7, 0.1]), PULSATION_LIMITS, time, value, sigma)


def _walk_likelihood(time: Array, value: Array, sigma: Array) -> float:
    return _fit(scattered_walk, np.log([30.0, 0.1]), WALK_LIMITS, time, value, sigma).likelihood


def _fit(
    kernel: Kernel, start: Array, limits: tuple[tuple[float, float], ...], time: Array, value: Array, sigma: Array
) -> GaussianProcess:
    """Fit a Gaussian process of one band to visits."""

    def design(time: Array, band: Bands) -> tuple[Array, Array]:
        return np.zeros(len(time)), np.ones((len(time), 1))

    model = Model(kernel, 1.0, design, np.zeros(1), np.full((1, 1), 0.01), start, limits)
    one = np.zeros(len(time), np.int64)
    return fit_gaussian_process(model, time, one, value, sigma, np.zeros(1))
