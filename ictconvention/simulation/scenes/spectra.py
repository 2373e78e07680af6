"""Reflectances of the classes in B, G, R and NIR: their means, and their scatter within a chip and between chips.

The numbers [1e-4] go by those of 250 real chips of Sentinel-2, but where they are said to be chosen.
"""

import numpy as np
from numpy.typing import NDArray

BANDS = ("B", "G", "R", "NIR")
# Means by class [1e-4] of ground that is of one class. The telescope mixes classes, and masks are wrong at borders: the
# pixels of a class in the masks then have the means of the real ones. Those of natural (bare rock, sand) and snow are
# chosen.
MEAN = np.array(
    [
        [1180, 1440, 1550, 2890],
        [620, 950, 990, 3480],
        [110, 270, 80, 3670],
        [140, 290, 140, 2640],
        [380, 690, 540, 3550],
        [1150, 1450, 1650, 2500],
        [6000, 6200, 6100, 5800],
        [460, 660, 380, 290],
    ],
    dtype=np.float64,
)
# Standard deviations within a chip [1e-4], likewise: the least and the largest of a class are as those of real pixels.
WITHIN = np.array(
    [
        [930, 1050, 1090, 1230],
        [390, 530, 810, 1260],
        [50, 80, 40, 660],
        [80, 100, 50, 700],
        [200, 300, 450, 780],
        [450, 500, 560, 700],
        [900, 900, 900, 900],
        [120, 190, 200, 150],
    ],
    dtype=np.float64,
)
# Standard deviation between chips over that within a chip: chosen, so that a forest on single pixels is right on .68.
BETWEEN = 0.55
IN_PARCELS = np.array([0, 0.75, 0, 0, 0.5, 0, 0, 0])  # share of the variance within a chip that is between parcels
# Correlations of the logarithms of the bands (chosen): the visible ones vary together. Soil is bright in red, plants in
# NIR.
CORRELATION = np.array([[1, 0.97, 0.93, -0.4], [0.97, 1, 0.96, -0.3], [0.93, 0.96, 1, -0.5], [-0.4, -0.3, -0.5, 1]])
MIXING = np.linalg.cholesky(CORRELATION)


def log_normal(mean: NDArray[np.float64], sd: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of the logarithm of what has this mean and standard deviation."""
    variance = np.log1p((sd / mean) ** 2)
    return np.log(mean) - variance / 2, np.sqrt(variance)


def chip_reflectances(deviates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean logarithms (classes, bands) of the reflectances in a chip, of deviates of that shape."""
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
