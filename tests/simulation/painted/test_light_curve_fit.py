"""Fits of light curves: a draw varies as the object does, is unbiased, and goes on where nothing was measured."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ictconvention.simulation.painted.gaussian_process import damped_random_walk
from ictconvention.simulation.painted.light_curve_fit import _without_outliers, densest_season, fit_light_curve
from ictconvention.simulation.painted.light_curve_table import RealCurve
from ictconvention.simulation.painted.periods import find_period
from ictconvention.simulation.sdss.population import generator
from tests.simulation.painted.test_painting import pulsator, supernova

Array = NDArray[np.float64]
LEVELS = np.array([7.0, 9.5, 11.5, 13.0, 15.0])  # [nanomaggies] of a quasar in ugriz
WALK = np.array([1.25, 1.0, 0.9, 0.8, 0.75])  # its variation over that in g


def nights(rng: np.random.Generator, seasons: int = 3, each: int = 15) -> Array:
    """Return nights of seasons of 90 days [MJD], a little apart in their hours."""
    days = np.concatenate([365.0 * k + np.sort(rng.choice(90, each, replace=False)) for k in range(seasons)])
    return np.asarray(53600.0 + days + rng.uniform(0.2, 0.35, len(days)))


def in_bands(night: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return times and bands of visits in five bands, 72 s apart."""
    return np.repeat(night, 5) + np.tile(np.arange(5) * 72 / 86400, len(night)), np.tile(np.arange(5), len(night))


def quasar(seed: int, scatter: float = 0.08, memory: float = 150.0, error: float = 0.02) -> tuple[RealCurve, Array]:
    """Return a damped random walk, alike in all bands, as it is measured, and its true flux."""
    rng = np.random.default_rng(seed)
    mjd, band = in_bands(nights(rng))
    lag = np.abs(mjd[:, None] - mjd[None])
    walk = np.linalg.cholesky(scatter**2 * np.exp(-lag / memory) + 1e-10 * np.eye(len(mjd))) @ rng.normal(size=len(mjd))
    truth = LEVELS[band] * (1 + WALK[band] * walk)
    sigma = error * np.array([3.0, 1.0, 1.0, 1.2, 3.0])[band] * LEVELS[band]
    return RealCurve(f"q{seed}", "AGN", mjd, band, truth + sigma * rng.normal(size=len(mjd)), sigma), truth


def season_scatter(curve: RealCurve, flux: Array, band: int) -> float:
    """Return the standard deviation of a band's flux within the densest season, over its mean."""
    first, last = densest_season(curve)
    here = (curve.mjd >= first) & (curve.mjd <= last) & (curve.band == band)
    return float(np.std(flux[here], ddof=1) / np.mean(flux[here]))


def sawtooth(
    period: float, seed: int, seasons: int = 8
) -> tuple[RealCurve, Callable[[Array, NDArray[np.int64]], Array]]:
    """Return a star that rises fast and fades slowly, seen once a night for years, and its true flux."""
    rng = np.random.default_rng(seed)
    mjd, band = in_bands(nights(rng, seasons, 8))
    swing = np.array([0.38, 0.40, 0.29, 0.23, 0.21])

    def truth(time: Array, band: NDArray[np.int64]) -> Array:
        phase = (time / period) % 1
        wave = np.where(phase < 0.15, phase / 0.15, 1 - (phase - 0.15) / 0.85) - 0.5
        return np.asarray(40.0 * np.exp(2 * swing[band] * wave))

    true = truth(mjd, band)
    return RealCurve("rr", "Variable", mjd, band, true * (1 + 0.015 * rng.normal(size=len(mjd))), 0.015 * true), truth


def test_a_drawn_quasar_varies_within_a_season_as_the_true_one() -> None:
    rng = np.random.default_rng(0)
    objects = [quasar(seed) for seed in range(25)]
    fits = [fit_light_curve(curve) for curve, _ in objects]
    for band in range(5):
        true = [season_scatter(curve, truth, band) for curve, truth in objects]
        drawn = [
            season_scatter(curve, fit.draw(curve.mjd, curve.band, rng), band)
            for (curve, _), fit in zip(objects, fits, strict=True)
        ]
        assert np.median(drawn) == pytest.approx(np.median(true), rel=0.2), "ugriz"[band]


def test_a_draw_scatters_about_the_mean_as_far_as_the_points_allow() -> None:
    """Where much is measured draws agree; years away they vary as the prior does, and not all alike."""
    curve, _ = quasar(0)
    fit = fit_light_curve(curve)
    first, last = densest_season(curve)
    times = np.array([0.5 * (first + last), curve.mjd[-1] + 20000])
    draws = np.array([fit.draw(times, np.array([1, 1]), np.random.default_rng(k)) for k in range(300)])
    assert draws.std(axis=0)[0] < 0.7 * draws.std(axis=0)[1]
    np.testing.assert_allclose(draws.std(axis=0)[1], fit.scale(times, np.array([1, 1]))[1], rtol=0.15)
    np.testing.assert_allclose(draws.mean(axis=0), fit.mean(times, np.array([1, 1])), rtol=0.02)


def test_bands_of_one_draw_belong_together() -> None:
    curve, _ = quasar(1)
    mjd, band = in_bands(54900.0 + np.arange(0.0, 4000.0, 40.0))
    flux = fit_light_curve(curve).draw(mjd, band, np.random.default_rng(0))
    assert np.corrcoef(flux[band == 1], flux[band == 2])[0, 1] > 0.8


def test_the_same_generator_gives_the_same_draw() -> None:
    curve, _ = quasar(2)
    one, same, other = (fit_light_curve(curve).draw(curve.mjd, curve.band, generator(s, 1, 2)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_measurement_errors_are_not_painted_as_variation() -> None:
    rng = np.random.default_rng(0)
    scatter = []
    for seed in range(10):
        curve, truth = quasar(seed, scatter=1e-6, error=0.05)
        scatter.append(season_scatter(curve, fit_light_curve(curve).draw(curve.mjd, curve.band, rng), 1))
        assert truth.std() > 0
    assert np.median(scatter) < 0.02  # the points scatter by 0.05


def test_one_bad_night_does_not_make_a_wild_variable() -> None:
    rng = np.random.default_rng(0)
    curve, truth = quasar(5, scatter=0.03)
    spoilt = curve.flux.copy()
    first, last = densest_season(curve)
    spoilt[np.flatnonzero((curve.mjd >= first) & (curve.mjd <= last))[20:25]] *= 4
    drawn = fit_light_curve(replace(curve, flux=spoilt)).draw(curve.mjd, curve.band, rng)
    assert season_scatter(curve, drawn, 1) < 2 * season_scatter(curve, truth, 1)


def test_a_quasar_is_not_folded() -> None:
    for seed in range(60, 75):
        curve, _ = quasar(seed, scatter=0.15, memory=(50.0, 200.0, 800.0)[seed % 3])
        assert fit_light_curve(curve).model.kernel is damped_random_walk, curve.id


@pytest.mark.parametrize("period", [0.4988, 0.3345, 0.5612])
def test_a_sawtooth_is_folded_on_its_own_period_and_keeps_its_amplitude(period: float) -> None:
    """Even a period near one half or one third of a day: enough nights tell it from a slow change."""
    curve, truth = sawtooth(period, 3)
    assert find_period(curve.mjd, curve.band, curve.flux, curve.error) == pytest.approx(period, abs=5e-7)
    mjd, band = in_bands(curve.mjd[-1] + 60 + np.sort(np.random.default_rng(0).uniform(0, 90, 40)))
    true, drawn = truth(mjd, band), fit_light_curve(curve).draw(mjd, band, np.random.default_rng(1))
    assert np.std((drawn - true)[band == 1]) < 0.33 * np.std(true[band == 1])
    assert np.std(drawn[band == 1]) == pytest.approx(np.std(true[band == 1]), rel=0.12)


def test_a_pulsating_star_is_folded_and_goes_on_pulsating() -> None:
    curve, truth = pulsator()
    times = 53650 + np.sort(np.random.default_rng(3).uniform(0, 90, 200))
    drawn = fit_light_curve(curve).draw(times, np.full(200, 2), np.random.default_rng(0))
    np.testing.assert_allclose(drawn, truth(times), rtol=0.06)


def test_a_slow_variable_is_not_taken_for_a_fast_one() -> None:
    curve, _ = pulsator("AGN")
    slow = 50 * (1 + 0.2 * np.sin(2 * np.pi * curve.mjd / 900))
    rng = np.random.default_rng(0)
    curve = replace(curve, flux=slow * (1 + rng.normal(0, 0.02, 300)), error=slow * 0.02)
    times = np.linspace(curve.mjd[0], curve.mjd[0] + 5, 50)
    assert np.ptp(fit_light_curve(curve).mean(times, np.full(50, 1))) < 3  # of 50


def test_a_fitted_supernova_is_nearer_the_truth_than_its_points() -> None:
    curve, truth = supernova(class_name="SN Other")
    fit, times = fit_light_curve(curve), np.linspace(53625, 53700, 200)
    off = [np.std(fit.mean(times, np.full(200, b)) - truth(times)) for b in range(5)]
    assert np.mean(off) < 0.32  # the points scatter by 0.4
    assert np.abs(fit.draw(np.array([53300.0, 54000.0]), np.array([1, 1]), np.random.default_rng(0))).max() < 0.05


def fading_supernova(seed: int) -> tuple[RealCurve, Callable[[Array, NDArray[np.int64]], Array]]:
    """Return a supernova whose u and z are faint beside their errors, and whose u fades first."""
    rng = np.random.default_rng(seed)
    mjd, band = in_bands(np.sort(53620.0 + rng.choice(85, 20, replace=False)))
    peak, fall = np.array([0.6, 3.0, 4.0, 3.5, 2.5]), np.array([9.0, 14.0, 20.0, 22.0, 22.0])
    error = np.array([0.5, 0.2, 0.25, 0.35, 1.3])

    def truth(time: Array, band: NDArray[np.int64]) -> Array:
        phase = time - 53655.0
        return np.asarray(peak[band] * np.exp(-0.5 * (phase / np.where(phase < 0, 7.0, fall[band])) ** 2))

    flux = truth(mjd, band) + error[band] * rng.normal(size=len(mjd))
    return RealCurve(f"s{seed}", "SN Other", mjd, band, flux, error[band]), truth


def test_a_supernova_is_painted_without_bias_in_faint_bands_too() -> None:
    rng = np.random.default_rng(0)
    day = np.arange(53645.0, 53666.0)
    ratios, deepest, jags = [], [], []
    for seed in range(40):
        curve, truth = fading_supernova(seed)
        fit = fit_light_curve(curve)
        ratio = []
        for b in range(5):
            drawn, band = fit.draw(day, np.full(len(day), b), rng), np.full(len(day), b)
            ratio.append(np.maximum(drawn, 0).sum() / truth(day, band).sum())
            deepest.append(drawn.min() / truth(day, band).max())
            if b == 2:
                jags.append(np.abs(np.diff(drawn, 2)).max() / drawn.max())
        ratios.append(ratio)
    bias = np.mean(ratios, axis=0) - 1
    assert np.abs(bias[1:4]).max() < 0.035, bias
    assert np.abs(bias[[0, 4]]).max() < 0.12, bias  # scales alone, without fading, lose 0.21 of u
    assert min(deepest) > -0.1
    assert np.median(jags) < 0.06  # of the peak, from one day to the next; the true curve's is 0.02


@pytest.mark.parametrize("class_name", ["SN Ia", "AGN", "Variable"])
def test_whatever_is_given_is_drawn_finite(class_name: str) -> None:
    """Five points of one band, a constant, and a supernova that was never seen."""
    rng, mjd = np.random.default_rng(0), 53620.0 + np.arange(60.0)
    few = np.arange(5) * 12
    for rows, flux in ((few, rng.normal(8, 1, 60)), (slice(None), np.full(60, 40.0)), (slice(None), np.full(60, -1.0))):
        curve = RealCurve("x", class_name, mjd[rows], np.full(60, 2)[rows], flux[rows], np.full(60, 0.5)[rows])
        drawn = fit_light_curve(curve).draw(np.linspace(53600, 53720, 50), np.arange(50) % 5, rng)
        assert np.isfinite(drawn).all()
        assert np.abs(drawn).max() < 200


def test_measurements_that_stand_twice_are_fitted() -> None:
    """Their covariance is singular but for rounding."""
    once, _ = supernova(1)
    rows = np.repeat(np.arange(len(once.mjd)), 2)
    twice = replace(once, mjd=once.mjd[rows], band=once.band[rows], flux=once.flux[rows], error=once.error[rows])
    at, bands = np.linspace(53600, 53720, 50), np.arange(50) % 5
    single, double = (fit_light_curve(curve).mean(at, bands) for curve in (once, twice))
    assert np.abs(double - single).max() < 0.3 * single.max()


def test_an_eclipse_that_all_bands_show_is_painted_and_a_bad_frame_is_not() -> None:
    rng = np.random.default_rng(3)
    visit = 53600.0 + np.sort(rng.uniform(0, 90, 60))
    mjd, band = np.repeat(visit, 5), np.tile(np.arange(5), 60)
    eclipsed = np.isin(np.arange(60), [7, 20, 21, 33, 47, 55])
    flux = np.where(np.repeat(eclipsed, 5), 10.0, 20.0) + rng.normal(0, 0.1, 300)
    flux[203] = 60.0  # one frame alone
    curve = RealCurve("a", "Variable", mjd, band, flux, np.full(300, 0.1))
    kept = _without_outliers(curve, np.arange(300))
    assert np.isin(np.flatnonzero(np.repeat(eclipsed, 5)), kept).all()
    assert 203 not in kept
