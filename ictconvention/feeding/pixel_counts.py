"""What follows from how many pixels of each class the pictures have: their shares, and the weights of the classes."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.options import Imbalance
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.sampler import class_draws

Counts = NDArray[np.int64]


def known_shares(pixels: Counts) -> NDArray[np.float64]:
    """Return the shares (n, classes) of the known pixels of each picture; NaN where none is known."""
    with np.errstate(invalid="ignore"):
        return np.asarray(pixels / pixels.sum(1, keepdims=True))


def drawn_pixels(pixels: Counts, labels: NDArray[np.int64], imbalance: Imbalance) -> NDArray[np.float64]:
    """Return how many pixels of each class (classes,) a training epoch draws, on average.

    Parameters
    ----------
    pixels : array (n, classes)
        Known pixels of the pictures that train.
    labels : array (n,)
        The classes that sampling takes them for: the rarest that each has.
    imbalance : Imbalance
        How often it draws them.
    """
    known = labels != UNLABELLED
    classes = pixels.shape[1]
    draws = class_draws(labels, classes, imbalance) / np.maximum(np.bincount(labels[known], minlength=classes), 1)
    return np.asarray(draws[labels[known]] @ pixels[known])


def pixel_weights(pixels: Counts, labels: NDArray[np.int64], imbalance: Imbalance) -> NDArray[np.float64]:
    """Return the weight of a pixel of each class (classes,): N^-weighting of N pixels; 0 for a class without any.

    The mean weight of all known pixels that an epoch draws is 1. Parameters as of `drawn_pixels`.
    """
    counts = pixels.sum(0)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -imbalance.weighting, 0)
    drawn = drawn_pixels(pixels, labels, imbalance)
    mean = drawn @ weights
    return np.asarray(weights * (drawn.sum() / mean if mean else 0))


def pixel_shares(
    pixels: Counts, labels: NDArray[np.int64], imbalance: Imbalance
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares (classes,) of known pixels, and those in the loss; parameters as of `drawn_pixels`."""
    natural = pixels.sum(0).astype(np.float64)
    trained = drawn_pixels(pixels, labels, imbalance) * pixel_weights(pixels, labels, imbalance)
    return natural / natural.sum(), trained / trained.sum()
