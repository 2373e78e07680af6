"""Which objects are selected: their redshift may be learned, that of the others is what a network is to predict."""

import zlib

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ictconvention.core.errors import SurveyError, pluralize, shorten

SELECTED, EXTRA, TRUTH = "selected", "extra_test", "true_redshift"  # columns; no network reads the last
TESTED = 5  # one of so many others is an additional test object where the survey names none


def read_selected(objects: Table) -> NDArray[np.bool_] | None:
    """Return which objects (n,) are selected; one of which nothing is said is not. None without such a column.

    Raises
    ------
    SurveyError
        The column does not hold true and false.
    """
    if SELECTED not in objects.colnames:
        return None
    column = np.ma.asarray(objects[SELECTED])
    if column.dtype.kind != "b":
        found = f"the column {SELECTED} holds {column.dtype} values, such as {column[0]!r}"
        fix = "write true where an object has a spectroscopic redshift, and false elsewhere"
        raise SurveyError(found, _name(objects), fix, "E-VALUE-TYPE")
    return np.asarray(np.ma.filled(column, False))


def read_extra(objects: Table) -> NDArray[np.bool_]:
    """Return which objects (n,) are additional test objects.

    The column `extra_test` says it. Without it, where some objects are selected, a fifth of the others whose redshift
    is known are, chosen by their ids.
    """
    if EXTRA in objects.colnames:
        return np.asarray(np.ma.filled(np.ma.asarray(objects[EXTRA], dtype=bool), False))
    if (selected := read_selected(objects)) is None:
        return np.zeros(len(objects), dtype=bool)
    drawn = np.array([zlib.crc32(str(id_).encode()) % TESTED == 0 for id_ in objects["id"]], dtype=bool)
    return drawn & ~selected & np.isfinite(raw_redshifts(objects))


def raw_redshifts(objects: Table) -> NDArray[np.float64]:
    """Return the column `redshift` (n,), NaN where it is empty."""
    return np.asarray(np.ma.filled(np.ma.asarray(objects["redshift"], dtype=np.float64), np.nan))


def known_redshifts(objects: Table) -> NDArray[np.float64]:
    """Return the redshifts (n,) that may be learned or tested, NaN elsewhere.

    Where objects are selected, those of the others count as unknown, but for the additional test objects.

    Raises
    ------
    SurveyError
        An object is selected and has no redshift.
    """
    z, selected = raw_redshifts(objects), read_selected(objects)
    if selected is None:
        return z
    extra = read_extra(objects)
    if (without := np.flatnonzero(selected & ~extra & ~np.isfinite(z))).size:
        first = shorten(f"{objects['id'][row]} (row {row})" for row in without)
        found = f"{pluralize(len(without), 'object')} selected, without a redshift: {first}"
        fix = f"give them redshifts, or write false into their column {SELECTED}"
        raise SurveyError(found, _name(objects), fix, "E-VALUE-MISSING")
    return np.where(selected | extra, z, np.nan)


def describe_selection(objects: Table) -> str | None:
    """Say how many objects are selected, and how far apart the redshifts of those and of the others are.

    The column `true_redshift` has them where there is one, else `redshift`. None where nothing is selected, or no
    redshift of the others is known.
    """
    selected = read_selected(objects)
    if selected is None:
        return None
    z = np.ma.filled(np.ma.asarray(objects[TRUTH], dtype=np.float64), np.nan) if TRUTH in objects.colnames else None
    z = raw_redshifts(objects) if z is None else z
    near, far = (z[those & np.isfinite(z)] for those in (selected, ~selected))
    if not len(near) or not len(far):
        return None
    distance = ks_2samp(near, far, method="asymp").statistic  # the exact way is for its significance, and may fail
    return (
        f"selected: {selected.sum()} of {pluralize(len(selected), 'object')}, median redshift {np.median(near):.3f}, "
        f"of the others {np.median(far):.3f}; KS distance of the redshifts {distance:.3f}"
    )


def _name(objects: Table) -> str:
    return f"survey {objects.meta.get('SURVEY', 'table')}"
