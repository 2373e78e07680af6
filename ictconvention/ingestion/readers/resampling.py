"""Stamps of other pixels than those of their image: interpolated, so that the flux of a source stays."""

from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates


def resample(
    pixels: NDArray[np.floating], column: float, row: float, size: int, ratio: float
) -> NDArray[np.float64] | None:
    """Return a stamp about a place of an image, or None where it does not fit.

    A pixel of the stamp is the mean of bilinear interpolations, at least two in each pixel of the image, times the
    area of a pixel of the stamp. It is missing where one of the pixels that it is made of is.

    Parameters
    ----------
    pixels : array (H, W)
        Flux of each pixel.
    column, row : float
        Where the stamp's centre lies [pixels, from 0 at the centre of the first].
    size : int
        Of the stamp [its pixels].
    ratio : float
        Side of a pixel of the stamp [pixels of the image].
    """
    finer = max(2, ceil(2 * ratio))
    steps = ((np.arange(size * finer) + 0.5) / finer - size / 2) * ratio
    window, places = [], []
    for middle, length in zip((row, column), pixels.shape, strict=True):
        at = middle + steps
        if at[0] < 0 or at[-1] > length - 1:
            return None
        first = int(at[0])
        window.append(slice(first, int(at[-1]) + 2))
        places.append(at - first)
    values = map_coordinates(
        np.asarray(pixels[tuple(window)], dtype=np.float64), np.meshgrid(*places, indexing="ij"), order=1, cval=np.nan
    )
    return np.asarray(values.reshape(size, finer, size, finer).mean(axis=(1, 3)) * ratio**2)


@cache
def resampled_noise(ratio: float) -> float:
    """Return the noise of a pixel of a stamp where that of a pixel of the image is 1, independent of its neighbours.

    Pixels of a stamp that are smaller than those of the image have noise in common with their neighbours.
    """
    side = ceil(64 * ratio) + 4
    noise = np.random.default_rng(0).normal(size=(side, side))
    stamp = resample(noise, (side - 1) / 2, (side - 1) / 2, 64, ratio)
    return float(np.std(stamp)) if stamp is not None else np.nan
