"""Stamps with north up from an image that stands at any angle: interpolated once, so that the flux of a source stays.

A quintic spline, times the area of a pixel of the stamp. It was compared with a cubic one and with the adaptive
resampling of DeForest (2004) that the package reproject 0.21 has, its flux conserved, on Gaussian stars of 24 angles
and places. Of a seeing of 0.5 arcsec, 2.5 pixels, where all do worst:

==================  ===================  ==============  =======  ===========
                    flux within 1.4"     flux by a fit   seeing   noise of a
                    largest error        of the PSF               pixel
==================  ===================  ==============  =======  ===========
spline, quintic     0.001 %              -0.03 %         +0.1 %   0.92
spline, cubic       0.015 %              -0.24 %         +0.6 %   0.87
adaptive, Gaussian  0.14 %               -15 %           +16 %    0.43
adaptive, Hann      0.53 %               -5.6 %          +5.8 %   0.74
==================  ===================  ==============  =======  ===========

Of 0.7 arcsec the fits give 0.00, -0.06, -8.3 and -3.0 %. The adaptive one widens every star; a spline rings about a
single bad pixel.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

ORDER: Literal[5] = 5  # of the spline
MARGIN = 12  # pixels that the spline's prefilter reaches [pixels]
PHASES = 65  # places within a pixel at which the noise is known


@dataclass(frozen=True, slots=True)
class SkyGrid:
    """How an image stands on the sky about an object.

    Parameters
    ----------
    column, row : float
        Where the object lies [pixels, from 0 at the centre of the first].
    east, north : array (2,)
        The step in column and row that an arcsecond to the east, or to the north, is [pixels / arcsec].
    """

    column: float
    row: float
    east: NDArray[np.float64]
    north: NDArray[np.float64]

    def places(self, size: int, scale: float) -> NDArray[np.float64]:
        """Return the row and column of each pixel of a stamp with north up and east left, (2, size, size).

        Parameters
        ----------
        size : int
            Of the stamp, in whose centre the object lies [pixels].
        scale : float
            Side of a pixel of the stamp [arcsec].
        """
        away = (np.arange(size) - (size - 1) / 2) * scale
        up, right = away[:, None, None], away[None, :, None]
        column, row = np.moveaxis(up * self.north - right * self.east, -1, 0)
        return np.stack([self.row + row, self.column + column])

    def area(self, scale: float) -> float:
        """Return the area of a pixel of the stamp [pixels of the image]."""
        return float(abs(self.east[0] * self.north[1] - self.east[1] * self.north[0])) * scale**2


def turn_north_up(
    pixels: NDArray[np.floating], grid: SkyGrid, size: int, scale: float
) -> tuple[NDArray[np.float64], float]:
    """Return a stamp (size, size), and the noise of its pixels where that of the image's is 1.

    A pixel of the stamp is missing beyond the centres of the image's outer pixels, and where one of the four about it
    is missing. The noise is that of independent pixels; those of the stamp have some in common with their neighbours.

    Parameters
    ----------
    pixels : array (H, W)
        Flux of each pixel; NaN where there is none.
    grid : SkyGrid
        How it stands on the sky.
    size, scale : int, float
        Of the stamp, see `SkyGrid.places`.
    """
    row, column = places = grid.places(size, scale)
    known = np.isfinite(pixels)
    filled = np.where(known, pixels, 0).astype(np.float64)
    if not known.all() and known.any():
        filled = filled[tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))]
    stamp = map_coordinates(filled, places, order=ORDER, mode="mirror")
    height, width = pixels.shape
    inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
    top, left = (np.clip(np.floor(at).astype(int), 0, n - 2) for at, n in ((row, height), (column, width)))
    whole = known[:-1, :-1] & known[1:, :-1] & known[:-1, 1:] & known[1:, 1:]
    stamp[~(inside & whole[top, left])] = np.nan
    area = grid.area(scale)
    variance = np.interp(row % 1, *_variance()) * np.interp(column % 1, *_variance())
    return stamp * area, area * float(np.sqrt(variance[inside].mean() if inside.any() else 1.0))


@cache
def _variance() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places within a pixel, and the variance of an interpolation there, in one direction."""
    places = np.linspace(0, 1, PHASES)
    one = np.zeros(2 * MARGIN + 1)
    one[MARGIN] = 1
    at = np.arange(1, 2 * MARGIN)[:, None] + places
    weights = map_coordinates(one, at.ravel()[None], order=ORDER, mode="mirror").reshape(at.shape)
    return places, (weights**2).sum(0)
