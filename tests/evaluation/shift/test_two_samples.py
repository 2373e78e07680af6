"""Two samples of one population are not told apart; those of another mean or another spread are."""

import numpy as np
import pytest

from ictconvention.evaluation.shift.two_samples import LEAST, area_and_variance, compare_samples


def drawn(seed: int, count: int = 100, mean: float = 0.0, spread: float = 1.0) -> np.ndarray:
    mixing = np.random.default_rng(99).normal(size=(6, 20))
    return (mean + spread * np.random.default_rng(seed).normal(size=(count, 6))) @ mixing


def test_the_interval_holds_a_half_where_nothing_tells_the_samples_apart() -> None:
    found = [compare_samples(drawn(2 * n), drawn(2 * n + 1), seed=n) for n in range(20)]
    inside = [one.low <= 0.5 <= one.high for one in found if one is not None]
    assert len(inside) == 20
    assert np.mean(inside) >= 0.85
    assert np.mean([one.auc for one in found if one is not None]) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("mean", "spread"), [(0.7, 1.0), (0.0, 1.7)])
def test_another_mean_and_another_spread_are_detected(mean: float, spread: float) -> None:
    found = compare_samples(drawn(0), drawn(1, 300, mean, spread))
    assert found is not None
    assert found.size == 100
    assert found.low > 0.6
    assert found.scores[1].mean() > found.scores[0].mean() + 0.1


def test_objects_of_both_samples_do_not_tell_them_apart() -> None:
    ids = [str(number) for number in range(100)]
    found = compare_samples(drawn(0), drawn(0), ids, ids)
    assert found is not None
    assert found.auc == pytest.approx(0.5)


def test_of_few_objects_nothing_is_said() -> None:
    assert compare_samples(drawn(0, LEAST - 1), drawn(1)) is None


def test_the_variance_of_an_area_is_that_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    found = np.array([area_and_variance(rng.normal(0, 1, 40), rng.normal(1, 1, 60)) for _ in range(400)])
    assert found[:, 0].mean() == pytest.approx(0.760, abs=0.01)  # of two normals a deviation apart
    assert found[:, 1].mean() == pytest.approx(found[:, 0].var(), rel=0.2)
