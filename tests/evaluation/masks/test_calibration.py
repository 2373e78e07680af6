"""The calibration of shares: it lowers their divergence, finds what was done to logits, and leaves what is right."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.calibration import probabilities
from ictconvention.evaluation.masks.calibration import fit_share_calibration
from ictconvention.evaluation.masks.kl import mean_divergence

Floats = NDArray[np.float64]
NO_BIAS: Floats = np.zeros(3)


def made(temperature: float = 1.0, bias: tuple[float, ...] = (0.0, 0.0, 0.0)) -> tuple[Floats, Floats]:
    """Return logits (200, 50, 3) whose shares these move to the known ones, and the known ones."""
    rng = np.random.default_rng(0)
    right = rng.normal(size=(200, 1, 3)) * 1.5 + rng.normal(size=(200, 50, 3))
    known = probabilities(right.reshape(-1, 3)).reshape(200, 50, 3).mean(1)
    return (right - np.array(bias)) * temperature, known


def shares(logits: Floats, temperature: float, bias: Floats) -> Floats:
    each = probabilities(logits.reshape(-1, 3), temperature, bias).reshape(*logits.shape)
    return np.asarray(each.mean(1))


def kl(logits: Floats, known: Floats, temperature: float = 1.0, bias: Floats = NO_BIAS) -> float:
    found = mean_divergence(known, shares(logits, temperature, bias))
    assert found is not None
    return found


def test_calibration_finds_the_temperature_and_the_biases() -> None:
    logits, known = made(2.5, (0.8, -0.5, -0.3))
    temperature, bias = fit_share_calibration(logits, known)
    assert abs(temperature - 2.5) < 0.05
    assert np.abs(bias - [0.8, -0.5, -0.3]).max() < 0.03
    assert kl(logits, known, temperature, bias) < 1e-4 < 0.05 < kl(logits, known)


def test_calibration_never_raises_the_divergence_that_it_is_fitted_on() -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        logits, known = rng.normal(size=(8, 30, 3)) * 4, rng.dirichlet([0.2, 0.5, 1.0], size=8)
        temperature, bias = fit_share_calibration(logits, known)
        assert kl(logits, known, temperature, bias) < kl(logits, known)


def test_pictures_without_a_known_pixel_do_not_count() -> None:
    logits, known = made(0.5)
    with_none = np.concatenate([logits, np.full((1, 50, 3), 9.0)]), np.concatenate([known, np.zeros((1, 3))])
    expected, found = fit_share_calibration(logits, known), fit_share_calibration(*with_none)
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    nothing = fit_share_calibration(logits[:1], np.zeros((1, 3)))
    assert nothing[0] == 1.0
    assert not nothing[1].any()


def test_a_class_that_validation_does_not_know_keeps_a_finite_bias() -> None:
    logits, known = made()
    known[:, 2] = 0
    temperature, bias = fit_share_calibration(logits, known)
    assert 0 < temperature < 2000
    assert np.abs(bias).max() < 15
