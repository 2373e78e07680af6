"""Between AB magnitudes and fluxes in nanomaggies. Knows no file and no header."""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

POGSON = 2.5 * np.log10(np.e)  # magnitudes of a relative change of flux
ZERO_POINT = 22.5  # [AB mag] of one nanomaggy
Number = TypeVar("Number", float, NDArray[np.float64])


def nanomaggies(magnitude: Number) -> Number:
    """Return the flux [nanomaggies] of an AB magnitude."""
    return 10 ** (-0.4 * (magnitude - ZERO_POINT))


def magnitude(flux: Number) -> Number:
    """Return the AB magnitude of a flux above 0 [nanomaggies]."""
    logarithm: Number = np.log10(flux)
    return ZERO_POINT - 2.5 * logarithm


def flux_error(flux: Number, error: Number) -> Number:
    """Return the error of a flux, in its unit, from the error of its magnitude [mag]."""
    return flux * math.log(10) / 2.5 * error
