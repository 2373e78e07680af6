"""Reflectances of the classes: mean, scatter within a chip and between chips, in B, G, R and NIR.

Numbers of [1e-4] are measured on 250 real chips of Sentinel-2, but for those that are said to be chosen.
"""

import numpy as np
from numpy.typing import NDArray

BANDS = ("B", "G", "R", "NIR")
# Means by class [1e-4]; those of natural (bare rock, sand) and snow are chosen.
MEAN = np.array(
    [
        [1012, 1271, 1350, 2995],
        [589, 898, 924, 3461],
        [156, 337, 158, 3622],
        [183, 343, 206, 2762],
        [385, 682, 546, 3545],
        [1150, 1450, 1650, 2500],
        [6000, 6200, 6100, 5800],
        [468, 684, 436, 647],
    ],
    dtype=np.float64,
)
# Standard deviations within a chip [1e-4]: the least and the largest of a class are measured, the others chosen between.
WITHIN = np.array(
    [
        [604, 680, 740, 885],
        [319, 430, 650, 1002],
        [100, 140, 115, 553],
        [114, 140, 125, 577],
        [187, 260, 380, 649],
        [450, 500, 560, 700],
        [900, 900, 900, 900],
        [120, 190, 200, 300],
    ],
    dtype=np.float64,
)
BETWEEN = 0.5  # standard deviation between chips over that within a chip (chosen: see the tests, a forest on pixels)
IN_PARCELS = np.array([0, 0.75, 0, 0, 0.5, 0, 0, 0])  # share of the variance within a chip that is between parcels
# Correlations of the logarithms of the bands (chosen): bright soil is so in all that is visible, green plants in NIR.
CORRELATION = np.array([[1, 0.9, 0.85, 0.1], [0.9, 1, 0.9, 0.2], [0.85, 0.9, 1, 0.0], [0.1, 0.2, 0.0, 1]])
MIXING = np.linalg.cholesky(CORRELATION)


def log_normal(mean: NDArray[np.float64], sd: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the logarithm of what has this mean and standard deviation."""
    variance = np.log1p((sd / mean) ** 2)
    return np.log(mean) - variance / 2, np.sqrt(variance)


def chip_reflectances(deviates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean logarithms of the reflectances of a chip's classes (classes, bands); deviates are of that shape."""
    centre, _ = log_normal(MEAN, WITHIN)
    _, between = log_normal(MEAN, BETWEEN * WITHIN)
    return np.asarray(centre - between**2 / 2 + between * (deviates @ MIXING.T))


def reflect(
    classes: NDArray[np.uint8],
    parcel: NDArray[np.int64],
    centre: NDArray[np.float64],
    of_parcel: NDArray[np.float64],
    texture: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return the reflectances (bands, H, W) [1e-4] of the ground, before the telescope.

    Parameters
    ----------
    classes, parcel : array (H, W)
        Of each pixel.
    centre : array (classes, bands)
        See `chip_reflectances`.
    of_parcel : array (parcels, bands)
        Independent normal deviates of the parcels.
    texture : array (bands, H, W)
        Independent fields of mean 0 and standard deviation 1.
    """
    _, sd = log_normal(MEAN, WITHIN)
    smooth = np.sqrt(1 - IN_PARCELS)[classes] * texture
    deviates = smooth + np.sqrt(IN_PARCELS)[classes] * of_parcel.T[:, parcel]
    mixed = np.tensordot(MIXING, deviates, 1)
    return np.asarray(np.exp(centre.T[:, classes] + sd.T[:, classes] * mixed))
