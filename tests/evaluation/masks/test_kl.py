"""The divergence of shares: by hand, of cases that are known, and of pictures without a known pixel."""

import numpy as np
import pytest

from ictconvention.evaluation.masks.kl import EPSILON, divergences, mean_divergence


def test_divergence_is_the_rule_of_the_challenge_by_hand() -> None:
    y, p = np.array([[0.5, 0.5, 0.0]]), np.array([[0.2, 0.3, 0.5]])
    own, other = y[0] + EPSILON, p[0] + EPSILON
    by_hand = sum(a * np.log(a / b) for a, b in zip(own, other, strict=True))
    assert divergences(y, p)[0] == pytest.approx(by_hand, rel=1e-14)
    assert EPSILON == 1e-7


def test_both_are_normalised_first_so_that_pixels_count_as_shares_do() -> None:
    counts, predicted = np.array([[30.0, 10.0]]), np.array([[2.0, 6.0]])
    assert divergences(counts, predicted) == pytest.approx(divergences(counts / 40, predicted / 8), rel=1e-14)


def test_equal_shares_of_eight_classes_are_log_8_away_from_a_picture_of_one_class() -> None:
    y = np.eye(8)
    assert divergences(y, np.full((8, 8), 1 / 8)) == pytest.approx(np.log(8), abs=2e-5)


def test_the_best_constant_answer_is_the_mean_share() -> None:
    y = np.random.default_rng(0).dirichlet([0.3, 1.0, 2.0], size=400)
    mean = y.mean(0)
    best = mean_divergence(y, np.tile(mean, (400, 1)))
    assert best is not None
    for moved in ([0.02, -0.01, -0.01], [-0.02, 0.0, 0.02], 1 / 3 - mean):
        found = mean_divergence(y, np.tile(mean + np.array(moved), (400, 1)))
        assert found is not None
        assert found > best


def test_a_share_of_nothing_that_is_there_costs_no_more_than_epsilon_allows() -> None:
    assert divergences(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))[0] == pytest.approx(np.log(1e7), rel=1e-5)


def test_pictures_without_a_known_pixel_are_left_out() -> None:
    y, p = np.array([[1.0, 0.0], [0.0, 0.0], [np.nan, np.nan]]), np.full((3, 2), 0.5)
    assert mean_divergence(y, p) == pytest.approx(np.log(2), abs=1e-5)
    assert mean_divergence(y[1:], p[1:]) is None
