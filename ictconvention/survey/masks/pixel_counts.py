"""Count the known pixels of each class in masks, block by block: a survey's masks never stand in memory at once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ictconvention.survey.masks.mask_file import IGNORED

BLOCK = 2**24  # bytes of masks that are read at once


def blocks_of(count: int, bytes_each: int) -> Iterator[slice]:
    """Yield slices of `count` rows, each of at most `BLOCK` bytes, or of one row."""
    step = max(1, BLOCK // max(1, bytes_each))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def count_values(masks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many pixels of each mask (n, H, W) have each of the 256 values, (n, 256)."""
    counts = np.zeros((len(masks), IGNORED + 1), dtype=np.int64)
    for row, mask in enumerate(masks):
        counts[row] = np.bincount(mask.ravel(), minlength=IGNORED + 1)
    return counts


def count_classes(masks: NDArray[np.uint8], classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the known pixels of each class in each mask, and the pixels of no class that are not ignored, in blocks.

    Parameters
    ----------
    masks : array (n, H, W)
        Positions of classes, or 255; a memory map may be.
    classes : int
        How many there are.

    Returns
    -------
    arrays (n, classes) and (n,)
    """
    known = np.zeros((len(masks), classes), dtype=np.int64)
    unknown = np.zeros(len(masks), dtype=np.int64)
    for block in blocks_of(len(masks), int(np.prod(masks.shape[1:]))):
        counts = count_values(masks[block])
        known[block], unknown[block] = counts[:, :classes], counts[:, classes:IGNORED].sum(axis=1)
    return known, unknown
