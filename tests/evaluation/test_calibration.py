"""Probabilities come back to the sky's class shares and to an honest sharpness."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from ictconvention.evaluation.calibration import SHARPEST, fit_temperature, prior_shift, probabilities

SKY, BALANCED = np.array([0.193, 0.105, 0.684, 0.018]), np.full(4, 0.25)


def measured(n: int, share: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels at some class shares, and a feature (n, 4) drawn from each class's own Gaussian."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, n, p=share)
    return labels, rng.normal(2 * np.eye(4)[labels], 1.0)


def exact_logits(feature: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the logits of Bayes' rule at some class shares."""
    centres = 2 * np.eye(4)
    return np.asarray(-((feature[:, None] - centres) ** 2).sum(2) / 2 + np.log(share))


def test_balanced_logits_become_those_of_the_sky() -> None:
    labels, feature = measured(20_000, SKY)
    moved = probabilities(exact_logits(feature, BALANCED), shift=prior_shift(BALANCED, SKY))
    assert np.allclose(moved, probabilities(exact_logits(feature, SKY)))
    balanced = probabilities(exact_logits(feature, BALANCED))
    assert log_loss(labels, moved, labels=range(4)) < log_loss(labels, balanced, labels=range(4)) - 0.1
    assert np.allclose(moved.mean(0), SKY, atol=0.01)


def test_a_class_that_training_never_saw_keeps_its_logit() -> None:
    trained = np.array([0.5, 0.5, 0.0, 0.0])
    shift = prior_shift(trained, BALANCED)
    assert np.isfinite(shift).all()
    assert shift[2] == 0


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found(temperature: float) -> None:
    labels, feature = measured(20_000, SKY)
    spoilt = exact_logits(feature, SKY) * temperature
    assert fit_temperature(spoilt, labels) == pytest.approx(temperature, rel=0.03)


def test_it_is_the_minimum_of_the_log_loss() -> None:
    labels, feature = measured(300, SKY, seed=4)
    logits = exact_logits(feature, BALANCED)
    found = fit_temperature(logits, labels)
    best = minimize_scalar(lambda t: log_loss(labels, probabilities(logits, t), labels=range(4)), bounds=(0.1, 10))
    assert found == pytest.approx(best.x, rel=1e-3)


def test_a_shift_to_other_shares_is_added_after_the_division() -> None:
    labels, feature = measured(20_000, SKY)
    shift = prior_shift(BALANCED, SKY)
    spoilt = exact_logits(feature, BALANCED) * 0.4
    assert fit_temperature(spoilt, labels, shift) == pytest.approx(0.4, rel=0.03)
    assert fit_temperature(spoilt + shift, labels) > 0.45


def test_logits_that_are_always_right_or_say_nothing() -> None:
    labels = np.arange(8) % 4
    assert fit_temperature(np.eye(4)[labels], labels) == pytest.approx(1 / SHARPEST, rel=0.01)
    assert fit_temperature(-np.eye(4)[labels], labels) == pytest.approx(SHARPEST, rel=0.01)


def test_large_logits_do_not_overflow() -> None:
    assert probabilities(np.array([[1e4, 0.0], [-1e4, 0.0]])).tolist() == [[1, 0], [0, 1]]
