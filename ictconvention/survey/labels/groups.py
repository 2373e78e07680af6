"""Which objects of a survey stay together: neighbours on the sky, equal pixels, and what the survey's `group` says."""

from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ictconvention.survey.neighbours import sky_groups

GROUP = "group"  # a column of the survey's own: objects with the same text or number in it stay together
SCENE = "scene"  # a column of a survey with masks: chips with the same text in it were cut from one scene
STATES = "STATES"  # in the meta of a table of objects of a survey that has grown: how many states it has had
MASKS = "MASKS"  # in the meta of a table of objects that have masks
PIXELS = "crc32"  # the column of the checksums of the objects' frames
ALONE = -1  # the bond of an object that is bound to no other


def find_groups(objects: Table, linking_length: float) -> NDArray[np.int64]:
    """Return the number of each object's group (n,), from 0 in order of appearance.

    Objects are of one group that are linked by a chain of these:

    - neighbours on the sky;
    - equal pixels, by the checksum of the frames, where one of the two has no position: of two with a position, the
      sky says whether they are one;
    - the same value in the survey's column `group`, or of a survey with masks in its column `scene`.

    Parameters
    ----------
    objects : Table
        As of `Survey.object_table`; without its column crc32 no pixels are compared.
    linking_length : float
        Greatest separation of two neighbours [arcsec].
    """
    group = sky_groups(*positions_of(objects), linking_length)
    own = [_own_groups(objects, name) for name in binding_columns(objects)]
    bonds = [bond for bond in (_equal_pixels(objects), *own) if (bond != ALONE).any()]
    if not bonds:
        return group
    count, pairs = len(group), [(np.arange(len(group)), _first_of(group))]
    for bond in bonds:
        bound = np.flatnonzero(bond != ALONE)
        pairs.append((bound, bound[_first_of(bond[bound])]))
    one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    label = connected_components(links, directed=False)[1]
    return np.asarray(np.argsort(np.argsort(np.unique(label, return_index=True)[1]))[label], dtype=np.int64)


def name_bonds(objects: Table, linking_length: float) -> str:
    """Return in words what binds the objects of such a survey."""
    words = [f"neighbours within {linking_length:g} arcsec"]
    words += ["equal pixels"] if (_equal_pixels(objects) != ALONE).any() else []
    for name in binding_columns(objects):
        words += [f"one value of the column {name}"] if count_groups(objects, name) else []
    return " or ".join(words)


def binding_columns(objects: Table) -> list[str]:
    """Return the names of the survey's own columns whose values bind objects."""
    names = [GROUP, SCENE] if objects.meta.get(MASKS) else [GROUP]
    return [name for name in names if name in objects.colnames]


def count_groups(objects: Table, name: str = GROUP) -> int:
    """Return how many values a column that binds objects has; 0 without it."""
    if name not in binding_columns(objects):
        return 0
    own = _own_groups(objects, name)
    return len(np.unique(own[own != ALONE]))


def positions_of(objects: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ra and dec [deg], NaN where masked."""
    columns: list[Any] = [np.ma.asarray(objects[name], dtype=float) for name in ("ra", "dec")]
    ra, dec = (np.where(np.ma.getmaskarray(column), np.nan, np.ma.getdata(column)) for column in columns)
    return ra, dec


def _equal_pixels(objects: Table) -> NDArray[np.int64]:
    """Return a number for each object (n,), the same for equal pixels; `ALONE` where no other has them."""
    if PIXELS not in objects.colnames:
        return np.full(len(objects), ALONE)
    ra, dec = positions_of(objects)
    value, count = np.unique(np.asarray(objects[PIXELS]), return_inverse=True, return_counts=True)[1:]
    unplaced = np.bincount(value, weights=~np.isfinite(ra + dec), minlength=len(count)) > 0
    return np.where(((count > 1) & unplaced)[value], value, ALONE)


def _own_groups(objects: Table, name: str) -> NDArray[np.int64]:
    """Return a number for each object (n,), the same for one value of a column; `ALONE` where it is empty."""
    column = np.ma.asarray(objects[name])
    given = np.ma.getdata(column)
    empty = np.ma.getmaskarray(column) | (np.isnan(given) if given.dtype.kind == "f" else given == "")
    return np.where(empty, ALONE, np.unique(given, return_inverse=True)[1])


def _first_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each value (n,) appears first, (n,)."""
    first, inverse = np.unique(values, return_index=True, return_inverse=True)[1:]
    return np.asarray(first[inverse])
