"""Importance weights are the ratio of two densities, and nothing where there is no shift."""

import numpy as np
import pytest

from ictconvention.evaluation.shift.propensity import Floats, ImportanceWeights, Propensity, fit_propensity

SHIFT = 0.8  # standard deviations between the means of the two Gaussians
N = 5000


def gaussians(shift: float, m: int = N) -> tuple[Floats, Floats]:
    """Return objects that train (N, 2), and to be predicted (m, 2), whose first feature is shifted."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (N, 2)), rng.normal([shift, 0], 1, (m, 2))


def test_weights_are_the_ratio_of_the_densities_to_a_tenth() -> None:
    source, target = gaussians(SHIFT, 2 * N)
    ratio = np.exp(SHIFT * source[:, 0] - SHIFT**2 / 2)
    found = ImportanceWeights.of(fit_propensity(source, target), 20.0)
    assert np.median(np.abs(found.weight / ratio - 1)) < 0.1
    fifth = np.searchsorted(np.quantile(ratio, np.linspace(0.2, 0.8, 4)), ratio)
    for number in range(5):
        here = fifth == number
        assert found.weight[here].mean() == pytest.approx(ratio[here].mean(), rel=0.1), number
    assert found.weight.mean() == pytest.approx(1)
    assert found.weight @ source[:, 0] / N == pytest.approx(SHIFT, rel=0.1)  # the mean of those to be predicted
    assert found.effective == pytest.approx(N / np.exp(SHIFT**2), rel=0.15)
    assert found.auc == pytest.approx(0.714, abs=0.02)  # Phi(shift / sqrt 2)


def test_without_a_shift_all_objects_weigh_about_the_same() -> None:
    source, target = gaussians(0.0)
    found = ImportanceWeights.of(fit_propensity(source[:600], target[:600]), 20.0)
    assert np.abs(found.weight - 1).mean() < 0.2
    assert found.effective > 540
    assert found.auc == pytest.approx(0.5, abs=0.06)
    assert found.clipped == 0


def test_kinds_that_share_nothing_leave_a_few_objects_and_none_weighs_more_than_the_largest() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.uniform(0, 1, (500, 1)), rng.uniform(0.9, 2, (500, 1))
    found = ImportanceWeights.of(fit_propensity(source, target), 5.0)
    assert found.auc > 0.9
    assert 0 < found.clipped < 0.2
    assert found.effective < 150


def test_no_object_weighs_more_than_the_largest_though_few_are_like_those_to_be_predicted() -> None:
    ratio = np.append(np.full(99, 0.1), 100.0)
    found = ImportanceWeights.of(Propensity(ratio / (1 + ratio), np.array([0.99]), np.zeros(0)), 5.0)
    assert found.weight[-1] / found.weight[0] == pytest.approx(5 / (0.1 / ratio.mean()))
    assert found.clipped == 0.01
    assert found.weight.mean() == pytest.approx(1)


def test_what_is_not_known_of_any_object_or_of_some_is_no_hindrance() -> None:
    source, target = gaussians(SHIFT)
    lost = np.full((N, 1), np.nan)
    source, target = np.hstack([source, lost])[:500], np.hstack([target, lost])[:500]
    source[::3, 1] = target[::3, 1] = np.nan
    assert fit_propensity(source, target).auc == pytest.approx(0.714, abs=0.06)


def test_the_odds_are_of_those_to_be_predicted_over_those_that_train() -> None:
    found = Propensity(np.array([0.2, 0.5, 0.75]), np.array([0.8]), np.zeros(0))
    np.testing.assert_allclose(found.density_ratio(), [0.25, 1, 3])
    assert ImportanceWeights.of(found, 2.0).weight @ [1, 1, 1] == pytest.approx(3)
    assert found.auc == 1
