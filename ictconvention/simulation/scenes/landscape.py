"""Lay out the classes of a chip: woods, towns and lakes within contours of rough random fields, farmland in parcels.

Knows shares, and no reflectance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from ictconvention.simulation.scenes.population import CLASSES, count_class_pixels

CULTIVATED, HERBACEOUS, WATER = (CLASSES.index(name) for name in ("cultivated", "herbaceous", "water"))
# Which class takes its pixels first; cultivated and herbaceous share what is left over.
ORDER = tuple(CLASSES.index(name) for name in ("snow", "water", "artificial", "coniferous", "broadleaf", "natural"))
MARGIN = 1.25  # fields are periodic: they are made so much wider, and cut
LAKES = 1.0  # added to the slope of fields of water
LEAST_RIVER, RIVERS = 0.015, 0.7  # share of the water of a chip that may be a river; share of such chips that have one
# Share of the variance by which a class is in a parcel or not that is the parcel's own, and not of its surroundings.
OWN = (0.1, 0.7, 0.2, 0.2, 0.0, 0.0, 0.0, 0.0)
PARCEL_SIDE = (4.5, 9.0)  # [pixels] typical side of a parcel in a chip of 64 and of 256 pixels
PARCEL_SCATTER = 0.4  # of the logarithm of the side, from chip to chip
ELONGATED = 1.5  # length of a parcel over its width
JITTER = (0.25, 0.1)  # of length and width, by which the points of parcels are moved
LEFT_OUT = 0.25  # share of the points that are left out
ROWS_COUNT = 1.6  # weight of the distance to a row over that of a place in it
BENT = 0.03  # of a chip's side, by which rows of parcels are bent
BEND_SLOPE = 5.0  # slope of the smooth fields that bend rows, and along whose contours rivers flow
PATCHES = 1.5  # slope of the field by which a mask is wrong


@dataclass(frozen=True)
class Ground:
    """What lies in a chip.

    Parameters
    ----------
    classes : array (H, W)
        Position of the class of each pixel.
    parcel : array (H, W)
        Number of the parcel that each pixel would be in, from 0.
    """

    classes: NDArray[np.uint8]
    parcel: NDArray[np.int64]


def slope_of(size: int) -> float:
    """Return the slope of the power spectra of a chip's fields: 2.6 of 64 pixels, 3.2 of 256."""
    return 2.6 + 0.3 * math.log2(size / 64)


def draw_fields(slopes: Sequence[float], size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return Gaussian fields (slopes, size, size) of power spectra k^-slope, each of mean 0 and deviation 1."""
    wide = fft.next_fast_len(int(np.ceil(MARGIN * size)), real=True)
    white = fft.rfft2(rng.standard_normal((len(slopes), wide, wide), dtype=np.float32))
    falls = np.stack([_fall(slope, wide) for slope in slopes])
    fields = fft.irfft2(white * falls, s=(wide, wide))[:, :size, :size]
    fields -= fields.mean((1, 2), keepdims=True)
    return np.asarray(fields / fields.std((1, 2), keepdims=True))


@cache
def _fall(slope: float, wide: int) -> NDArray[np.float32]:
    """Return the amplitudes of a field (wide, wide // 2 + 1)."""
    k = np.hypot(fft.fftfreq(wide)[:, None], fft.rfftfreq(wide)[None])
    k[0, 0] = np.inf  # no mean
    return np.asarray(k ** (-0.5 * slope), dtype=np.float32)


def draw_parcels(bends: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the parcel of each pixel (size, size), from 0: Voronoi cells of points in turned rows.

    Rows count more than places in them, so that parcels are strips with four corners; where a point is left out the
    parcels about it are larger. `bends` (2, size, size), smooth fields, bend the rows.
    """
    size = bends.shape[-1]
    usual = np.exp(np.interp(np.log(size), np.log([64, 256]), np.log(PARCEL_SIDE)))
    side = usual * np.exp(PARCEL_SCATTER * rng.standard_normal())
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    step = side * np.array([ELONGATED**0.5, ELONGATED**-0.5])
    pixel = (np.indices((size, size)).reshape(2, -1).T - (size - 1) / 2) @ turn
    pixel = (pixel + BENT * size * bends.reshape(2, -1).T) / step
    along, rows = np.ceil(np.abs(pixel).max(0)).astype(int) + 1
    points = np.stack(np.meshgrid(np.arange(-along, along + 1.0), np.arange(-rows, rows + 1.0)), -1)
    points[..., 0] += rng.uniform(0, 1, (len(points), 1))  # rows of their own
    points += JITTER * rng.uniform(-1, 1, points.shape)
    kept = points[rng.random(points.shape[:2]) >= LEFT_OUT]
    weight = np.array([1.0, ROWS_COUNT])
    _, nearest = cKDTree(kept * weight).query(pixel * weight)
    return np.unique(nearest, return_inverse=True)[1].reshape(size, size)


def lay_out(shares: NDArray[np.float64], size: int, rng: np.random.Generator) -> Ground:
    """Return the ground of a chip whose classes have these shares (8,), to the pixel."""
    counts = count_class_pixels(shares, size * size)
    river = shares[WATER] >= LEAST_RIVER and rng.random() < RIVERS
    present = [one for one in ORDER if counts[one]]
    water = BEND_SLOPE if river else slope_of(size) + LAKES
    slopes = [water if one == WATER else slope_of(size) for one in (*present, CULTIVATED)]
    fields = draw_fields([BEND_SLOPE, BEND_SLOPE, *slopes], size, rng)
    parcel = draw_parcels(fields[:2], rng)
    own = rng.standard_normal((len(CLASSES), parcel.max() + 1))
    classes, free = np.full(size * size, HERBACEOUS, dtype=np.uint8), np.arange(size * size)
    for one, field in zip((*present, CULTIVATED), fields[2:], strict=True):
        match CLASSES[one]:
            case "water":
                height = -_distance_to_contour(field, rng.normal(0, 0.5)) if river else field
            case "cultivated":  # parcel by parcel, and the last by its pixels
                height = _blend(_mean_by_parcel(field, parcel), own[one][parcel], OWN[one]) + 1e-6 * field
            case _:
                height = _blend(field, own[one][parcel], OWN[one])
        highest = _highest(height.ravel()[free], counts[one])
        classes[free[highest]] = one
        free = np.delete(free, highest)
    return Ground(classes.reshape(size, size), parcel)


def _highest(height: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Return where so many of the largest values are."""
    return np.argpartition(height, len(height) - count)[len(height) - count :] if count else np.zeros(0, dtype=np.intp)


def _blend(around: NDArray[np.floating], own: NDArray[np.float64], share: float) -> NDArray[np.floating]:
    """Return heights of which a share of the variance is a parcel's own."""
    return np.asarray(np.sqrt(1 - share) * around + np.sqrt(share) * own)


def _distance_to_contour(field: NDArray[np.floating], level: float) -> NDArray[np.floating]:
    """Return about how far a contour of a smooth field is [pixels]."""
    return np.asarray(np.abs(field - level) / np.hypot(*np.gradient(field)))


def _mean_by_parcel(field: NDArray[np.float64], parcel: NDArray[np.int64]) -> NDArray[np.float64]:
    pixels = np.bincount(parcel.ravel())
    sums = np.bincount(parcel.ravel(), weights=field.ravel())
    return np.asarray((sums / np.maximum(pixels, 1))[parcel])


def mistake_borders(classes: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a mask (H, W) that is wrong at borders, since mask and picture are of different dates.

    The mask is that of the ground moved by a pixel to one side, but in patches only: a share of the whole chip, as far
    as it has borders.
    """
    size = len(classes)
    moved = np.pad(classes, 1, mode="edge")
    down, right = ((0, 1), (2, 1), (1, 0), (1, 2))[rng.integers(4)]
    moved = moved[down : down + size, right : right + size]
    border = np.flatnonzero(moved != classes)
    patches = draw_fields([PATCHES], size, rng)[0].ravel()[border]
    wrong = border[_highest(patches, min(round(share * size * size), len(border)))]
    mask = classes.copy()
    mask.ravel()[wrong] = moved.ravel()[wrong]
    return mask
