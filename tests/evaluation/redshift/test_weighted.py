"""Statistics of objects that count so often are scipy's of the same objects, each repeated."""

import numpy as np
import pytest
from scipy.stats import cramervonmises, kstest, wasserstein_distance

from ictconvention.evaluation.redshift.weighted import (
    distances_from_uniform,
    scatter,
    transport_distance,
    weighted_mean,
)


def test_distances_are_scipys_of_repeated_objects() -> None:
    rng = np.random.default_rng(0)
    u, weight = rng.random(25) ** 1.5, rng.integers(0, 4, (6, 25)).astype(float)
    place, mass = np.linspace(0, 1, 7), rng.random((6, 7))
    ks, cvm = distances_from_uniform(u, weight)
    moved = transport_distance(place, mass, u, weight)
    for number, often in enumerate(weight):
        repeated = np.repeat(u, often.astype(int))
        assert ks[number] == pytest.approx(kstest(repeated, "uniform").statistic)
        assert cvm[number] == pytest.approx(cramervonmises(repeated, "uniform").statistic)
        assert moved[number] == pytest.approx(wasserstein_distance(place, repeated, mass[number]))


def test_what_no_object_counts_for_is_not_a_number() -> None:
    x, weight = np.array([0.1, 0.3]), np.array([[0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(weighted_mean(x, weight), [np.nan, 0.2])
    np.testing.assert_allclose(scatter(x, weight), [np.nan, 1.4826 * 0.1])
    assert np.isnan(scatter(x[:0], weight[:, :0])).all()
