"""Light curves have the brightness, colours, shapes and correlations that the field knows."""

import numpy as np
import pytest

from ictconvention.core.magnitudes import flux_error, magnitude, nanomaggies
from ictconvention.simulation.sdss import supernovae, variability
from ictconvention.simulation.sdss.passbands import dust

DAYS = np.arange(53500.0, 53800.0, 1.0)


def band(b: int) -> np.ndarray:
    return np.full(len(DAYS), b, dtype=np.uint8)


def peak_magnitudes(z: float, b: int, n: int = 80) -> np.ndarray:
    rng = np.random.default_rng(0)
    flux = [supernovae.type_ia_flux(z, 53600, DAYS, band(b), rng).max() for _ in range(n)]
    return np.asarray(22.5 - 2.5 * np.log10(flux))


@pytest.mark.parametrize(("z", "expected"), [(0.05, 17.6), (0.1, 19.1), (0.2, 20.7), (0.3, 21.5)])
def test_a_type_ia_is_as_bright_as_its_redshift_says(z: float, expected: float) -> None:
    assert np.median(peak_magnitudes(z, 2)) == pytest.approx(expected, abs=0.2)
    assert 0.2 < np.std(peak_magnitudes(z, 2)) < 0.6


def test_a_type_ia_rises_in_weeks_fades_in_a_month_and_is_zero_before() -> None:
    rng = np.random.default_rng(1)
    flux = np.mean([supernovae.type_ia_flux(0.1, 53600, DAYS, band(1), rng) for _ in range(50)], axis=0)
    assert (flux[DAYS < 53600 - 30] == 0).all()
    top = DAYS[flux.argmax()]
    assert abs(top - 53600) < 3
    fading = 2.5 * np.log10(flux.max() / flux[int(np.flatnonzero(top + 16.5 // 1 == DAYS)[0])])
    assert 0.6 < fading < 1.2  # Delta m15 of g, stretched by the redshift
    assert flux[top + 100 == DAYS] < 0.1 * flux.max()


def test_stretch_makes_bright_ones_slow() -> None:
    brightness, width = [], []
    for seed in range(150):
        flux = supernovae.type_ia_flux(0.05, 53600, DAYS, band(2), np.random.default_rng(seed))
        brightness.append(np.log10(flux.max()))
        width.append(np.count_nonzero(flux > 0.5 * flux.max()))
    assert np.corrcoef(brightness, width)[0, 1] > 0.15


def test_distant_supernovae_are_redder() -> None:
    near, far = (np.median(peak_magnitudes(z, 1)) - np.median(peak_magnitudes(z, 3)) for z in (0.1, 0.4))
    assert far > near + 0.5


def test_core_collapse_subtypes_have_their_own_shapes() -> None:
    curves: dict[str, list[np.ndarray]] = {}
    magnitudes: list[float] = []
    for seed in range(600):
        name, flux = supernovae.core_collapse_flux(0.05, 53560, DAYS, band(2), np.random.default_rng(seed))
        curves.setdefault(name, []).append(flux / flux.max())
        magnitudes.append(22.5 - 2.5 * np.log10(flux.max()) - supernovae.distance_modulus(0.05))
    for name, subtype in supernovae.SUBTYPES.items():
        assert len(curves[name]) / 600 == pytest.approx(subtype.share, abs=0.06)
    mean = {name: np.mean(flux, axis=0) for name, flux in curves.items()}
    day60 = {name: flux[DAYS == 53560 + 60][0] for name, flux in mean.items()}
    assert day60["II-P"] > 2 * day60["II-L"]  # the plateau
    assert day60["IIn"] > day60["II-L"] > day60["Ic"]
    assert mean["II-P"][DAYS == 53560 + 130][0] < 0.3 * day60["II-P"]  # and its end
    assert np.median(magnitudes) == pytest.approx(-17.2, abs=0.3)
    assert np.std(magnitudes) == pytest.approx(1.1, abs=0.3)


def test_type_ii_cools() -> None:
    ratios = []
    for seed in range(40):
        early, late = (
            [
                supernovae.core_collapse_flux(
                    0.03, 53600, np.array([day]), np.array([b], np.uint8), np.random.default_rng(seed)
                )[1][0]
                for b in (1, 3)
            ]
            for day in (53600.0, 53650.0)
        )
        ratios.append((early[0] / early[1]) / (late[0] / late[1]))
    assert np.median(ratios) > 1.3


def test_a_damped_random_walk_has_its_structure_function() -> None:
    """Scatter and memory of MacLeod et al. 2010 for M_i = -25 at redshift 1."""
    rng = np.random.default_rng(0)
    days = np.array([0.0, 30.0, 3000.0])
    walks = np.array([variability.damped_random_walk(days, 1.0, -25.0, rng) for _ in range(3000)])
    g = walks[:, :, 1]
    rest = np.log10(4686 / 2 / 4000)
    structure = 10 ** (-0.51 - 0.479 * rest - 0.131 * 2)  # at a black hole of 1e9 suns, about the mean for this M_i
    assert np.sqrt(np.mean((g[:, 2] - g[:, 0]) ** 2)) == pytest.approx(structure, rel=0.2)
    assert np.std(g[:, 1] - g[:, 0]) < 0.5 * np.std(g[:, 2] - g[:, 0])
    assert np.std(walks[:, 0, 0]) > np.std(walks[:, 0, 4])  # bluer bands vary more
    assert np.corrcoef(g[:, 0], walks[:, 0, 3])[0, 1] > 0.95  # and together


@pytest.mark.parametrize("kind", ["RR Lyrae", "eclipsing", "long-period", "flaring"])
def test_variable_stars_vary_about_their_mean(kind: str) -> None:
    rng = np.random.default_rng(0)
    magnitudes = np.array([23.0, 21.5, 20.5, 20.0, 19.7])
    days = np.sort(rng.uniform(53600, 53690, 400))
    factors = [variability.star_factor(kind, days, np.full(400, 1, np.uint8), magnitudes, rng) for _ in range(60)]
    assert (np.array(factors) > 0).all()
    assert np.median([np.median(f) for f in factors]) == pytest.approx(1.0, abs=0.15)
    assert np.median([np.ptp(f) for f in factors]) > 0.15


def test_a_flare_is_blue_and_short() -> None:
    rng = np.random.default_rng(3)
    magnitudes = np.array([24.0, 22.0, 20.5, 19.5, 19.0])
    days = np.repeat(np.arange(53600.3, 53690.0, 4.0), 5) + np.tile(np.arange(5) * 72 / 86400, 23)
    bands = np.tile(np.array([2, 3, 0, 4, 1], np.uint8), 23)
    factor = variability.star_factor("flaring", days, bands, magnitudes, rng)
    rise = [factor[bands == b].max() - 1 for b in range(5)]
    assert rise[0] > rise[1] > rise[2] > rise[4]
    assert np.count_nonzero(factor[bands == 0] > 1.3) <= 3


def test_blue_stars_pulsate_and_faint_red_ones_flare() -> None:
    rng = np.random.default_rng(0)
    blue, red = np.array([18.5, 17.5, 17.3, 17.2, 17.2]), np.array([25.0, 23.0, 21.5, 20.5, 20.0])
    kinds = [[variability.star_kind(star, rng) for _ in range(300)] for star in (blue, red)]
    assert kinds[0].count("RR Lyrae") > 120
    assert kinds[0].count("flaring") == 0
    assert kinds[1].count("flaring") > 80


def test_dust_and_magnitudes() -> None:
    assert nanomaggies(22.5) == pytest.approx(1.0)
    assert magnitude(nanomaggies(20.0)) == pytest.approx(20.0)
    assert flux_error(100.0, 0.01) == pytest.approx((nanomaggies(17.495) - nanomaggies(17.505)), rel=1e-4)
    np.testing.assert_allclose(dust(), [4.9, 3.8, 2.6, 1.95, 1.4], atol=0.25)  # Schlegel et al. 1998, for SDSS
