"""Places on the sky: how far apart, their median, and which objects are neighbours, whose stamps share pixels."""

import numpy as np
from astropy.coordinates import angular_separation
from numpy.typing import ArrayLike, NDArray

LINKING_LENGTH = 13.0  # [arcsec]; a little more than the width of a stamp of 32 pixels of 0.396"


def linking_length(stamp_size: int, pixel_scale: float) -> float:
    """Return the separation [arcsec] within which objects are neighbours: the width of a stamp, at least 13."""
    return max(LINKING_LENGTH, stamp_size * pixel_scale)


def separations(ra: float, dec: float, others_ra: ArrayLike, others_dec: ArrayLike) -> NDArray[np.float64]:
    """Return how far places (n,) lie from another one; all in degrees."""
    return np.asarray(np.degrees(angular_separation(*map(np.radians, (ra, dec, others_ra, others_dec)))))


def median_position(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median of positions (n,) that lie close together, across right ascension 0 too [deg]."""
    shift = np.median((ra - ra[0] + 180) % 360 - 180)
    return float((ra[0] + shift) % 360 if shift else ra[0]), float(np.median(dec))


def sky_groups(ra: ArrayLike, dec: ArrayLike, linking_length: float = LINKING_LENGTH) -> NDArray[np.int64]:
    """Group objects that are linked by a chain of neighbours.

    Parameters
    ----------
    ra, dec : array (n,)
        Position [deg]; NaN where unknown.
    linking_length : float
        Greatest separation of two neighbours [arcsec].

    Returns
    -------
    array (n,)
        Number of each object's group, from 0 in order of appearance. An object without a position is alone.
    """
    from scipy.sparse import coo_array  # only a split or a check needs them
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    place = np.radians(np.column_stack([np.asarray(dec, dtype=float), np.asarray(ra, dtype=float)]))
    known = np.isfinite(place).all(axis=1)
    label = np.full(len(place), -1)
    if known.any():
        dec, ra = place[known].T
        points = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        chord = 2 * np.sin(np.radians(linking_length / 3600) / 2)
        one, other = cKDTree(points).query_pairs(chord, output_type="ndarray").T
        links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(points), len(points)))
        label[known] = connected_components(links, directed=False)[1]
    label[~known] = label.max(initial=-1) + 1 + np.arange(np.count_nonzero(~known))
    first, inverse = np.unique(label, return_index=True, return_inverse=True)[1:]
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
