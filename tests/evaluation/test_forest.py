"""The forests see what they should and no more."""

import numpy as np
import pytest

from ictconvention.evaluation import forest
from ictconvention.evaluation.forest import (
    BAND_FEATURES,
    NIGHT_FEATURES,
    cadence_features,
    forest_probabilities,
    light_curve_features,
)


@pytest.fixture(autouse=True)
def small_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow as many trees as these few objects need."""
    monkeypatch.setattr(forest, "TREES", 60)


def curve(rng: np.random.Generator, bump: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    mjd = 53600 + np.repeat(np.arange(20) * 4.0, 5) + np.tile(np.arange(5) * 1e-3, 20)
    flux = 5 + bump * np.exp(-0.5 * ((mjd - 53640) / 10) ** 2) + rng.normal(0, 0.5, 100)
    return flux, np.full(100, 0.5), np.tile(np.arange(5, dtype=np.uint8), 20), mjd


def test_features_are_finite_and_do_not_know_the_date() -> None:
    flux, error, band, mjd = curve(np.random.default_rng(0), 10)
    features = light_curve_features(flux, error, band, mjd, 5)
    assert features.shape == (BAND_FEATURES * 5 + 20 + NIGHT_FEATURES,)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(light_curve_features(flux, error, band, mjd + 365.0, 5), features)


def test_sparse_and_broken_light_curves_have_features() -> None:
    flux, error, band, mjd = curve(np.random.default_rng(0), 10)
    for chosen in (slice(0, 1), slice(0, 4), slice(0, 30)):
        assert len(light_curve_features(flux[chosen], error[chosen], band[chosen], mjd[chosen], 5)) == 81
    flux[:] = np.nan
    assert np.isnan(light_curve_features(flux, error, band, mjd, 5)).all()


def test_the_forest_finds_a_bump_whatever_the_imbalance() -> None:
    rng = np.random.default_rng(0)
    labels = ["flat"] * 180 + ["bump"] * 20
    features = np.array([light_curve_features(*curve(rng, 8.0 if name == "bump" else 0.0), 5) for name in labels])
    classes, probabilities = forest_probabilities(features[::2], labels[::2], features[1::2])
    assert classes.tolist() == ["bump", "flat"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    predicted = classes[probabilities.argmax(axis=1)]
    assert np.mean(predicted == labels[1::2]) == 1.0
    repeated = forest_probabilities(features[::2], labels[::2], features[1::2])[1]
    np.testing.assert_array_equal(repeated, probabilities)


def test_objects_without_weight_teach_nothing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1))
    truth = np.where(x[:, 0] > 0, "a", "b")
    wrong = rng.random(400) < 0.4
    labels = np.where(wrong, np.where(truth == "a", "b", "a"), truth)
    classes, probabilities = forest_probabilities(x, labels, x, np.where(wrong, 1e-9, 1.0))
    assert np.mean(classes[probabilities.argmax(axis=1)] == truth) > 0.98
    classes, probabilities = forest_probabilities(x, labels, x)
    assert np.mean(classes[probabilities.argmax(axis=1)] == truth) < 0.95


def test_cadence_features_see_no_pixel() -> None:
    n = 30
    features = cadence_features(np.ones(n, "f4"), np.ones(n, "f4"), np.zeros(n, np.uint8), np.arange(n) + 53600.5, 5)
    assert features.shape == (17,)
    assert features[0] == n
    assert features[1:6].tolist() == [n, 0, 0, 0, 0]


@pytest.mark.parametrize("bands", [1, 9])
def test_any_number_of_bands(bands: int) -> None:
    flux, error, band, mjd = curve(np.random.default_rng(0), 10)
    features = light_curve_features(flux, error, band % bands, mjd, bands)
    assert features.shape == (BAND_FEATURES * bands + bands * (bands - 1) + NIGHT_FEATURES,)
