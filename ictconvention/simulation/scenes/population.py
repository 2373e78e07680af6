"""Draw the chips of a survey of land cover: their scenes, their shares of the classes, what is known of them.

Knows no place in a chip and no reflectance.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ictconvention.core.errors import UsageError
from ictconvention.simulation.sdss.population import LEAST_OBJECTS, generator

CLASSES = ("artificial", "cultivated", "broadleaf", "coniferous", "herbaceous", "natural", "snow", "water")
OBJECTS = 800  # of 64 pixels, for two cores; the public challenge trains on 18 491 of 256
SIZE = 64  # [pixels]
LEAST_SIZE = 32  # [pixels]; room for parcels
SCENE_CHIPS = 4  # chips cut from one scene
MOST_UNLABELLED = 0.95

# Natural logarithms of the shares of the chips in which a class is, and how many chips those are: of 18 491 real chips.
MEAN_LOG = np.array([-4.1, -1.6, -2.0, -3.7, -1.55, -6.0, -8.1, -6.1])
SD_LOG = np.array([1.7, 1.4, 1.3, 1.8, 0.9, 2.2, 1.0, 2.2])
PRESENT = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.33, 0.002, 0.62])
# Correlations of the logarithms (chosen): with them the mean shares, and the KL divergence of their mean, are as those
# of the real chips within a few hundredths.
CORRELATED = {
    ("artificial", "cultivated"): 0.2,
    ("cultivated", "broadleaf"): -0.3,
    ("cultivated", "coniferous"): -0.4,
    ("cultivated", "herbaceous"): 0.2,
    ("broadleaf", "coniferous"): 0.3,
}
OF_SCENE = 0.5  # share of all variance between chips that is between scenes (chosen)

# What the draws of a survey are for; with the seed and the number of a scene or chip they are the key of a generator.
LAYOUT, SCENE, CHIP, GROUND, LIGHT, DEFECTS = range(6)


class Scenes:
    """The chips of a simulated survey of land cover, each drawn when asked for, keyed by seed and number.

    Four chips are cut from each scene, not side by side, as tiles of a satellite are cut: they share half of the
    variance of their shares and reflectances. So folds and bootstraps that ignore the scene are too sure of themselves,
    as with real chips, while a single chip has the statistics of a chip whatever the scenes are.

    Parameters
    ----------
    objects : int
        Chips, at least 100.
    seed : int
        Key of all draws.
    extra_test : int
        Additional test chips, of scenes of their own, all with a mask.
    size : int
        Pixels along a side of a chip, at least 32.
    unlabelled : float
        Share of the chips whose mask is not known, 0 to 0.95.

    Raises
    ------
    UsageError
        A number is out of range.
    """

    def __init__(
        self, objects: int = OBJECTS, seed: int = 0, extra_test: int = 0, size: int = SIZE, unlabelled: float = 0.0
    ) -> None:
        for found, least, what in ((objects, LEAST_OBJECTS, "objects"), (size, LEAST_SIZE, "pixels along a side")):
            if found < least:
                raise UsageError(f"{found} {what} are too few", "simulate", f"give {least} or more", "E-COMMAND-VALUE")
        if not 0 <= unlabelled <= MOST_UNLABELLED:
            masked, fix = f"the share of chips without a mask is {unlabelled:g}", f"give 0 to {MOST_UNLABELLED:g}"
            raise UsageError(masked, "simulate", fix, "E-COMMAND-VALUE")
        self.seed, self.size, self.unlabelled, self._main = seed, size, unlabelled, objects
        shuffled = generator(seed, LAYOUT).permutation(objects) >= round(unlabelled * objects)  # no id tells it
        self.has_mask: NDArray[np.bool_] = np.concatenate([shuffled, np.ones(extra_test, dtype=bool)])

    def __len__(self) -> int:
        return len(self.has_mask)

    def is_extra(self, number: int) -> bool:
        """Return whether a chip is one of the additional test chips."""
        return number >= self._main

    def scene(self, number: int) -> int:
        """Return the scene that a chip is cut from; additional test chips have scenes of their own."""
        if self.is_extra(number):
            return -(-self._main // SCENE_CHIPS) + (number - self._main) // SCENE_CHIPS
        return number // SCENE_CHIPS

    def draw_normals(self, number: int, count: int, purpose: int = SCENE) -> NDArray[np.float64]:
        """Return normal deviates (count,) of a chip, of which those of one scene are correlated by `OF_SCENE`."""
        of_scene = generator(self.seed, purpose, self.scene(number), 1).standard_normal(count)
        own = generator(self.seed, purpose, number, 2).standard_normal(count)
        return np.asarray(np.sqrt(OF_SCENE) * of_scene + np.sqrt(1 - OF_SCENE) * own)

    def shares(self, number: int) -> NDArray[np.float64]:
        """Return the shares of the classes (8,) in a chip; they sum to 1, and a class that is not there has 0."""
        logarithm, presence = np.split(self.draw_normals(number, 2 * len(CLASSES)), 2)
        parts = np.exp(MEAN_LOG + SD_LOG * (self._mixing @ logarithm)) * (presence < ndtri(PRESENT))
        return np.asarray(parts / parts.sum())

    @cached_property
    def _mixing(self) -> NDArray[np.float64]:
        """What makes correlated deviates of independent ones, (8, 8)."""
        correlation = np.eye(len(CLASSES))
        for names, value in CORRELATED.items():
            one, other = (CLASSES.index(name) for name in names)
            correlation[one, other] = correlation[other, one] = value
        return np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)


def count_class_pixels(shares: NDArray[np.float64], pixels: int) -> NDArray[np.int64]:
    """Return how many of the pixels of a chip each class takes (8,), at least one where it is present."""
    counts = np.maximum(np.round(shares * pixels).astype(np.int64), shares > 0)
    counts[shares.argmax()] += pixels - counts.sum()
    return counts
