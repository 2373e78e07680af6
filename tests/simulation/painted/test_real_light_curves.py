"""Fits of real light curves: RR Lyrae are folded, quasars vary and are not, supernovae are painted without bias."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table, vstack
from numpy.typing import NDArray

from ictconvention.simulation.painted import light_curve_fit
from ictconvention.simulation.painted.gaussian_process import damped_random_walk
from ictconvention.simulation.painted.light_curve_fit import densest_season, fit_light_curve
from ictconvention.simulation.painted.light_curve_table import RealCurve, read_light_curves
from ictconvention.simulation.painted.periods import find_period
from ictconvention.simulation.sdss.passbands import BANDS
from ictconvention.simulation.simulate import paint_light_curves
from tests.conftest import ROOT
from tests.ingestion.commands import drawn

Array = NDArray[np.float64]
pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.no_cover]
HARMONICS = 10


def test_real_curves_and_templates_are_painted_and_drawn(shared: Callable[[str], Path], tmp_path: Path) -> None:
    """The brightest a painted object becomes, over its faintest, is what its light curve says, from template to figure.

    The host adds the same in every frame; the cadence is another, and may miss the peak.
    """
    study = runpy.run_path(str(ROOT / "experiments" / "real_light_curves" / "paint_and_train.py"))
    templates = study["template_curves"](shared("sn_other_templates"), each=1)
    assert len(set(templates["id"])) == 8
    tables = [templates[np.arange(len(templates)) // 5 % 3 == 0]]  # fits take the cube of the points: every third night
    for name, file in (("AGN", "quasars"), ("Variable", "rr_lyrae"), ("SN Ia", "sn_ia")):
        curve = read_light_curves([f"{name}={shared(f'light_curves/{file}.npz')}"])[0]
        columns = {"id": [curve.id] * len(curve.mjd), "class": [name] * len(curve.mjd), "mjd": curve.mjd}
        columns |= {"band": [BANDS[b] for b in curve.band], "flux": curve.flux, "error": curve.error}
        tables.append(Table(columns)[:40])
    vstack(tables, metadata_conflicts="silent").write(tmp_path / "curves.ecsv")
    survey = paint_light_curves(tmp_path / "painted", [str(tmp_path / "curves.ecsv")])
    assert len(survey) == 11
    rises = []
    for id_ in survey.ids:
        seen = drawn(survey, id_)["r"]
        curve_r = next(table for table in tables if id_ in table["id"])
        curve_r = curve_r[(curve_r["id"] == id_) & (curve_r["band"] == "r")]
        if "SN" in curve_r["class"][0] and len(seen):
            rises.append(np.ptp(seen) / np.max(curve_r["flux"]))
    assert 0.7 < np.median(rises) < 1.2, rises


def test_real_quasars_vary_when_painted_and_none_is_folded(shared: Callable[[str], Path]) -> None:
    """The scatter that two bands share, whose errors are independent, against that of one draw."""
    curves = read_light_curves([f"AGN={shared('light_curves/quasars.npz')}"])
    chosen = [curves[k] for k in np.random.default_rng(0).permutation(len(curves))[:50]]
    rng = np.random.default_rng(1)
    real: list[list[float]] = [[], [], []]
    painted: list[list[float]] = [[], [], []]
    for curve in chosen:
        fit = fit_light_curve(curve)
        assert fit.model.kernel is damped_random_walk, curve.id
        flux = fit.draw(curve.mjd, curve.band, rng)
        for k, pair in enumerate(((1, 2), (1, 3), (2, 3))):
            real[k].append(shared_variance(curve, curve.flux, pair))
            painted[k].append(shared_variance(curve, flux, pair))
    for k in range(3):
        assert np.sqrt(np.median(painted[k])) == pytest.approx(np.sqrt(np.median(real[k])), rel=0.2)


def shared_variance(curve: RealCurve, flux: Array, pair: tuple[int, int]) -> float:
    """Return the covariance of two bands [mag^2] over the visits of the densest season on which both were seen."""
    first, last = densest_season(curve)
    series = []
    for b in pair:
        here = (curve.band == b) & (curve.mjd >= first) & (curve.mjd <= last)
        series.append(
            dict(zip(np.round(curve.mjd[here] * 20), -2.5 * np.log10(np.maximum(flux[here], 0.1)), strict=True))
        )
    visits = sorted(series[0].keys() & series[1].keys())
    return float(np.cov([series[0][v] for v in visits], [series[1][v] for v in visits])[0, 1])


def fold(period: float, mjd: Array, band: NDArray[np.int64], value: Array, weight: Array) -> Array:
    """Return a fold at the points (n,): one shape of ten harmonics, with a mean and an amplitude in each band."""
    turn = 2 * np.pi * (mjd - mjd.mean())[:, None] / period * np.arange(1, HARMONICS + 1)
    waves, bands = np.hstack([np.cos(turn), np.sin(turn)]), np.eye(5)[band]
    root, amplitude, mean = np.sqrt(weight)[:, None], np.ones(5), np.zeros(5)
    shape = np.zeros(len(mjd))
    for _ in range(6):
        design = root * np.hstack([bands, amplitude[band, None] * waves])
        design = np.vstack([design, 1e-2 * np.eye(design.shape[1])])
        wanted = np.concatenate([root[:, 0] * value, np.zeros(design.shape[1])])
        shape = waves @ np.linalg.lstsq(design, wanted)[0][5:]
        for b in np.unique(band):
            here = band == b
            columns = root[here] * np.column_stack([np.ones(here.sum()), shape[here]])
            mean[b], amplitude[b] = np.linalg.lstsq(columns, root[here, 0] * value[here])[0]
    return np.asarray(mean[band] + amplitude[band] * shape)


def test_folded_rr_lyrae_scatter_by_less_than_a_third_and_keep_their_amplitude(
    shared: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the scatter about the medians: of all points, in units of each band's scatter; then beyond the stated errors.

    The errors alone are above a third of the scatter in one of ten, so that no fold gets them below it.
    """
    curves = read_light_curves([f"Variable={shared('light_curves/rr_lyrae.npz')}"])
    periods: list[float | None] = []

    def remembering(*points: Any) -> float | None:
        periods.append(find_period(*points))
        return periods[-1]

    monkeypatch.setattr(light_curve_fit, "find_period", remembering)
    rng, amplitude = np.random.default_rng(1), []
    plain, beyond, in_g = 0, 0, 0
    for k in np.random.default_rng(0).permutation(len(curves))[:16]:
        mjd, band, flux, error = curves[k].mjd, curves[k].band, curves[k].flux, curves[k].error
        fit, g = fit_light_curve(curves[k]), band == 1
        amplitude.append(np.std(fit.draw(mjd[g] + 200.0, band[g], rng)) / np.std(flux[g]))
        period = periods[-1]
        assert period is not None, curves[k].id
        level = np.array([np.median(flux[band == b]) for b in range(5)])[band]
        scatter = np.array([np.std(flux[band == b]) for b in range(5)])[band]
        value, noise = (flux - level) / scatter, np.hypot(error, 0.01 * flux) / scatter
        rest = np.square(value - fold(period, mjd, band, value, np.ones(len(value))))
        weighted = np.square(value - fold(period, mjd, band, value, 1 / (0.05**2 + noise**2)))
        noise_2, value_2 = np.mean(noise**2), np.mean(value**2)
        plain += int(np.mean(rest) < value_2 / 9)
        beyond += int(np.mean(rest) - noise_2 < (value_2 - noise_2) / 9)
        in_g += int(np.mean(weighted[g]) < np.mean(value[g] ** 2) / 9)
    assert len(periods) == 16
    assert beyond == 16
    assert in_g >= 15
    assert plain >= 13
    assert np.median(amplitude) == pytest.approx(1.0, abs=0.07)


def test_real_supernovae_are_painted_without_bias(shared: Callable[[str], Path]) -> None:
    """Painted over measured flux [mag]: sums of all supernovae, none left out, weighted by errors and brightness in r.

    A cut by the measured S/N would keep what noise made bright. The sums of u and z are uncertain by 0.013 mag near
    the peaks, those of all epochs by 0.035 and 0.014.
    """
    curves = read_light_curves([f"SN Ia={shared('light_curves/sn_ia.npz')}"])
    rng = np.random.default_rng(0)
    sums = np.zeros((2, 2, 5))  # near the peak or ever; painted or measured; bands
    for curve in curves:
        fit = fit_light_curve(curve)
        day = np.arange(curve.mjd[0], curve.mjd[-1])
        red = fit.mean(day, np.full(len(day), 2))
        painted = np.mean([np.maximum(fit.draw(curve.mjd, curve.band, rng), 0) for _ in range(6)], axis=0)
        for k, days in enumerate((10.0, np.inf)):
            for b in range(5):
                here = (curve.band == b) & (np.abs(curve.mjd - day[red.argmax()]) < days)
                if here.any():
                    noise = np.sqrt(np.mean(curve.error[here] ** 2) / here.sum()) / red.max()
                    weight = 1 / (noise**2 + 0.1**2) / red.max()
                    sums[k, :, b] += weight * np.array([painted[here].mean(), curve.flux[here].mean()])
    near, ever = -2.5 * np.log10(sums[:, 0] / sums[:, 1])
    assert np.abs(near).max() < 0.02, near
    assert np.abs(near[1:4]).max() < 0.01, near
    assert np.abs(ever[1:]).max() < 0.03, ever
