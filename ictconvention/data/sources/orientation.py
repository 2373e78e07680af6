"""Stamps with north up and east to the left, as nearly as quarter turns and a flip bring them; no pixel changes."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ExactTurn:
    """A flip, then quarter turns.

    Parameters
    ----------
    flip : bool
        Left to right.
    quarters : int
        Turns by 90 degrees counterclockwise, rows counted upwards.
    """

    flip: bool = False
    quarters: int = 0

    def applied(self, stamp: NDArray[np.floating], x: float, y: float) -> tuple[NDArray[np.floating], float, float]:
        """Turn a square stamp (H, H), and a place x to the right of its centre and y above it [pixels]."""
        if self.flip:
            stamp, x = stamp[:, ::-1], -x
        for _ in range(self.quarters):
            x, y = -y, x
        return np.rot90(stamp, -self.quarters), x, y  # rot90 counts rows downwards

    @property
    def matrix(self) -> NDArray[np.float64]:
        """From a step in pixels before the turn to the step behind it, (2, 2)."""
        columns = [self.applied(np.zeros((1, 1)), *step)[1:] for step in ((1.0, 0.0), (0.0, 1.0))]
        return np.array(columns).T


def north_up(wcs: WCS) -> ExactTurn:
    """Return the turn behind which north is nearest to up and east to the left."""
    sky = wcs.pixel_scale_matrix  # from a step in pixels to one in longitude and latitude
    sky = sky / np.sqrt(abs(np.linalg.det(sky)))
    wanted = np.array([[-1.0, 0.0], [0.0, 1.0]])
    turns = [ExactTurn(flip, quarters) for flip, quarters in product((False, True), range(4))]
    return max(turns, key=lambda turn: float(np.sum(sky @ np.linalg.inv(turn.matrix) * wanted)))
