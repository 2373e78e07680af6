"""The shape of a host is told from its median stamps, in any band and in none."""

import numpy as np
import pytest

from ictconvention.measuring.host import HOST_FEATURES, host_features

SCALE = 0.396


def source(x: float = 0.0, fwhm: float = 1.4, flux: float = 20.0, size: int = 32) -> np.ndarray:
    axis = (np.arange(size) - (size - 1) / 2) * SCALE
    stamp = np.exp(-((axis - x) ** 2 + axis[:, None] ** 2) * 2.773 / fwhm**2)
    return np.asarray(flux * stamp / stamp.sum())


def test_fluxes_concentration_and_centroid() -> None:
    point, wide, off = host_features(np.stack([source(), source(fwhm=4.0), source(x=-2.0)]), SCALE).reshape(3, -1)
    assert np.sinh(point[:4]) * 0.1 == pytest.approx(
        20 * (1 - np.exp(-2.773 * np.array([1, 2, 3.5, 5.5]) ** 2 / 1.96)), rel=0.03
    )
    assert point[4] > 1.5 * wide[4]
    assert point[6] == pytest.approx(0, abs=1e-6)
    assert off[6] == pytest.approx(2.0, rel=0.02)  # arcsec


def test_turns_change_nothing() -> None:
    stamp = source(x=1.0) + np.random.default_rng(0).normal(0, 0.05, (32, 32))
    for turned in (np.rot90(stamp), stamp[::-1]):
        np.testing.assert_allclose(host_features(turned[None], SCALE), host_features(stamp[None], SCALE), rtol=1e-9)


def test_what_is_not_there_is_not_known() -> None:
    features = host_features(np.stack([source(size=24), np.full((24, 24), np.nan)]), SCALE)
    assert len(features) == 2 * HOST_FEATURES
    assert np.isnan(features).nonzero()[0].tolist() == [3, 5, *range(7, 14)]  # 5.5 arcsec do not fit


def test_stamps_of_other_sizes_and_scales_between_change_nothing() -> None:
    """Where the circles lie is worked out once for each size of stamp and pixel, and told apart by both."""
    asked = [(source()[None], SCALE), (source(size=24)[None], SCALE), (source()[None], 2 * SCALE)]
    first, again = ([host_features(*one) for one in (*asked, *asked)][k : k + 3] for k in (0, 3))
    np.testing.assert_array_equal(first, again)
    flux = np.sinh(np.array(first)[:, 1]) * 0.1  # within 2 arcsec
    assert flux == pytest.approx([19.93, 19.93, flux[2]], rel=0.02)
    assert flux[2] < 0.95 * flux[0]  # twice as large pixels: the circle holds fewer of them


def test_a_hole_makes_nothing_fainter() -> None:
    """Of a column that no exposure shows, the mean of the others in the circle stands in; a lost half is too much."""
    flat, hole, half = np.ones((32, 32)), np.ones((32, 32)), np.ones((32, 32))
    hole[:, 15] = half[:, :17] = np.nan
    whole, found, lost = host_features(np.stack([flat, hole, half]), SCALE).reshape(3, -1)
    np.testing.assert_allclose(found[:6], whole[:6])
    assert np.isnan(lost).all()
    beside = source()
    beside[:, 26] = np.nan  # 4.2 arcsec off a point source
    np.testing.assert_allclose(host_features(beside[None], SCALE)[:3], host_features(source()[None], SCALE)[:3])
    dark = host_features(np.zeros((1, 32, 32)), SCALE)
    assert dark[:4].tolist() == [0, 0, 0, 0]  # known to be dark is not unknown
