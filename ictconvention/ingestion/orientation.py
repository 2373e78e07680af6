"""Stamps with north up and east to the left, as nearly as quarter turns and a flip bring them; no pixel changes."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
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
        """From a step in pixels before the turn to the step after it, (2, 2)."""
        columns = [self.applied(np.zeros((1, 1)), *step)[1:] for step in ((1.0, 0.0), (0.0, 1.0))]
        return np.array(columns).T


def turns_north_up(wcs: WCS, places: SkyCoord) -> list[ExactTurn]:
    """Return for each place the turn after which north is nearest to up and east to the left.

    North and east are those of ICRS at the place, found by steps of a pixel on the sky, whatever the WCS counts in:
    axes in any order, Galactic coordinates, a distortion.

    Parameters
    ----------
    wcs : WCS
        WCS of the image.
    places : SkyCoord (n,)
        Places of the objects.
    """
    step = proj_plane_pixel_scales(wcs).mean() * units.deg
    start = np.stack(wcs.world_to_pixel(places))
    north, east = (
        np.stack(wcs.world_to_pixel(places.directional_offset_by(angle * units.deg, step))) - start for angle in (0, 90)
    )  # (2, n)
    turns = [ExactTurn(flip, quarters) for flip, quarters in product((False, True), range(4))]
    up = np.array([(turn.matrix @ north)[1] - (turn.matrix @ east)[0] for turn in turns])
    return [turns[number] for number in up.argmax(0)]
