"""Median and scatter of numbers of which some are unknown, or far off."""

from typing import Any

import numpy as np
from astropy.stats import median_absolute_deviation
from numpy.typing import NDArray

SIGMA_OF_MAD = 1.4826  # standard deviation of a Gaussian over its median absolute deviation


def finite_median(values: NDArray[Any]) -> float:
    """Return the median of the finite values of an array; NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def robust_sigma(values: NDArray[Any]) -> float:
    """Return the scatter of the finite values of an array, 1.48 median absolute deviations; NaN where there is none."""
    known = values[np.isfinite(values)].astype(np.float64)
    return SIGMA_OF_MAD * float(median_absolute_deviation(known)) if known.size else np.nan
