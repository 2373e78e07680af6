"""Which galaxies have a spectroscopic redshift: the shift between those that train and those to be predicted."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Select = Literal["magnitude", "redshift", "colour"]
REDSHIFT_WIDTH = 0.02  # over which the cut in redshift falls
RED, OTHERS = 0.9, 0.05  # shares of the red galaxies and of the others that the cut in colour selects


@dataclass(frozen=True)
class Cuts:
    """Where a selection cuts: in r [AB mag], in redshift, and in u - r [mag]."""

    magnitude: float
    redshift: float
    colour: float

    def chance(
        self, select: Select, r: NDArray[np.float64], redshift: NDArray[np.float64], u_minus_r: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the chance of galaxies (n,) to be selected: bright, near or luminous red ones, as surveys target them.

        The cut in magnitude is sharp; in redshift it falls softly; in colour, as of luminous red galaxies, nine of ten
        red galaxies are selected and one of twenty others.
        """
        match select:
            case "magnitude":
                return (r < self.magnitude).astype(float)
            case "redshift":
                return np.asarray(expit((self.redshift - redshift) / REDSHIFT_WIDTH))
            case "colour":
                return np.where(u_minus_r > self.colour, RED, OTHERS)
