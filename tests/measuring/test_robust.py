"""Medians and scatter are those of the finite values, and of a Gaussian its standard deviation."""

import numpy as np
import pytest

from ictconvention.measuring.robust import finite_median, robust_sigma


def test_what_is_unknown_or_far_off_does_not_count() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, 10_000)
    spoiled = np.concatenate([values, np.full(100, 1e6), [np.nan, np.inf]])
    assert finite_median(spoiled) == pytest.approx(5.0, abs=0.1)
    assert robust_sigma(spoiled) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("values", [np.zeros(0), np.array([np.nan, np.inf])])
def test_of_nothing_nothing_is_known(values: np.ndarray) -> None:
    assert np.isnan(finite_median(values))
    assert np.isnan(robust_sigma(values))
