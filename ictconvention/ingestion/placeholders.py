"""Pixels that hold one and the same number where no sky was seen: zeros beside a chip, -999 in a gap.

Real sky has noise, so a solid block of equal pixels is no sky. Where equal pixels happen by chance (photon counts,
whole numbers of a small scatter), nothing is taken for a placeholder, and neither is the sky of an image that was made
without noise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ictconvention.files.reading import UnreadableError

BLOCK = 5  # pixels of a side of a solid block; the image goes on beyond its edge, so that a narrow strip there counts
LARGE_SHARE = 0.01  # of the pixels: from here on a region is no chance,
LARGE_PIXELS = 256  # and from this number on, or that of a side of the image,
FEWEST_PIXELS = 25  # and below this number in no image
SMOOTH = (
    1e-3  # of the range of all other pixels: where a region's neighbours are that near to it, it is sky without noise
)
SMALL_HOLE, HOLES = 9, 1e-3  # pixels of a hole; number of such in a region, as a share of its pixels, that is no gap
COMMON = 0.25  # where one value fills this share of the other pixels, equal pixels happen by chance


def drop_placeholders(pixels: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return an image in which the pixels that show no sky are NaN; the same array where there are none.

    A region shows no sky if its pixels are all equal, it holds a solid block of 5 by 5 of them (or a strip along the
    edge of the image), and it has at least 1 % of the pixels of the image, or 256, or as many as a side. An image in
    which equal pixels happen by chance is left as it is: there, one value fills a quarter or more of the pixels
    outside of such regions.

    Parameters
    ----------
    pixels : array (H, W)
        Pixels of any unit, as they were read: before a sky is subtracted. NaN where there is no pixel.

    Raises
    ------
    UnreadableError
        No sky is left: no pixel is finite, or all are equal.
    """
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        raise UnreadableError("no pixel is finite")
    if (lowest := finite.min()) == finite.max():
        raise UnreadableError(f"all pixels are {lowest:g}: the image shows no sky")
    fewest = max(FEWEST_PIXELS, min(LARGE_SHARE * pixels.size, LARGE_PIXELS, *pixels.shape))
    solid = _solid(pixels)
    if solid.sum() < FEWEST_PIXELS:
        return pixels
    empty, sky = (np.zeros(pixels.shape, dtype=bool) for _ in range(2))
    values, counts = np.unique(pixels[solid], return_counts=True)
    for value in values[counts >= fewest]:
        equal = pixels == value
        regions, _ = ndimage.label(ndimage.binary_propagation(solid & equal, mask=equal))
        region = (np.bincount(regions.ravel()) >= fewest)[regions] & (regions > 0)
        by_chance = _has_small_holes(region) or _is_smooth(pixels, region, solid, value)
        (sky if by_chance else empty)[region] = True
    if not empty.any():
        return pixels
    others = pixels[~empty & ~sky & np.isfinite(pixels)]
    if not others.size:
        raise UnreadableError(f"all pixels belong to blocks of equal ones, such as {lowest:g}: the image shows no sky")
    if np.unique(others, return_counts=True)[1].max() >= COMMON * others.size:
        return pixels
    return np.where(empty, pixels.dtype.type(np.nan), pixels)


def _has_small_holes(region: NDArray[np.bool_]) -> bool:
    """Return whether single other pixels are strewn over a region: counts, of which most are zero."""
    holes, _ = ndimage.label(ndimage.binary_fill_holes(region) & ~region)
    small = np.count_nonzero(np.bincount(holes.ravel())[1:] <= SMALL_HOLE)
    return bool(small > max(2, HOLES * region.sum()))


def _is_smooth(
    pixels: NDArray[np.floating], region: NDArray[np.bool_], solid: NDArray[np.bool_], value: np.floating
) -> bool:
    """Return whether the pixels beside a region rise from it, or fall, without a step: wings of stars without noise."""
    others = pixels[~solid & np.isfinite(pixels)].astype(np.float64)
    beside = pixels[ndimage.binary_dilation(region) & ~region & ~solid & np.isfinite(pixels)] - np.float64(value)
    if not beside.size or (beside.min() < 0 < beside.max()):
        return False
    return bool(np.median(np.abs(beside)) < SMOOTH * np.ptp(others))


def _solid(pixels: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which pixels lie in a block of equal ones."""
    if sum(int((np.diff(pixels, axis=axis) == 0).sum()) for axis in (0, 1)) < FEWEST_PIXELS // 2:  # as in most images
        return np.zeros(pixels.shape, dtype=bool)
    parity = np.add.outer(*(np.arange(side) for side in pixels.shape)) % 2
    unlike = np.where(parity == 1, np.inf, -np.inf)  # a block with a pixel that is not finite is not equal
    filled = np.pad(np.where(np.isfinite(pixels), pixels, unlike), BLOCK - 1, mode="edge")
    centres = ndimage.maximum_filter(filled, BLOCK) == ndimage.minimum_filter(filled, BLOCK)
    solid = ndimage.binary_dilation(centres & np.isfinite(filled), np.ones((BLOCK, BLOCK), dtype=bool))
    return np.asarray(solid[BLOCK - 1 : 1 - BLOCK, BLOCK - 1 : 1 - BLOCK])
