"""Which objects are selected: their redshift may be learned, that of the others is what a network is to predict."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from ictconvention.core.errors import SurveyError, pluralize, shorten

SELECTED, EXTRA, TRUTH = "selected", "extra_test", "true_redshift"  # columns; no network reads the last
MAGNITUDES = ("magnitude_r", "mag_r", "r_mag", "rmag")  # columns that may have the magnitude in r
TESTED = 5  # one of so many others is an additional test object where the survey names none


def read_selected(objects: Table) -> NDArray[np.bool_] | None:
    """Return which objects (n,) are selected; one of which nothing is said is not. None without such a column.

    Raises
    ------
    SurveyError
        The column does not hold true and false.
    """
    return _read_truth(
        objects, SELECTED, "write true where an object has a spectroscopic redshift, and false elsewhere"
    )


def read_named_extra(objects: Table) -> NDArray[np.bool_] | None:
    """Return which objects (n,) the column `extra_test` names additional test objects; None without such a column.

    Raises
    ------
    SurveyError
        The column does not hold true and false.
    """
    return _read_truth(objects, EXTRA, "write true for an additional test object, and false elsewhere")


def read_extra(objects: Table) -> NDArray[np.bool_]:
    """Return which objects (n,) are additional test objects.

    The column `extra_test` says it. Without it, where some objects are selected, a fifth of the others whose redshift
    is known are, chosen by their ids.

    Raises
    ------
    SurveyError
        A column does not hold true and false.
    """
    if (named := read_named_extra(objects)) is not None:
        return named
    if (selected := read_selected(objects)) is None:
        return np.zeros(len(objects), dtype=bool)
    drawn = np.array([zlib.crc32(str(id_).encode()) % TESTED == 0 for id_ in objects["id"]], dtype=bool)
    return drawn & ~selected & np.isfinite(raw_redshifts(objects))


def _read_truth(objects: Table, name: str, fix: str) -> NDArray[np.bool_] | None:
    """Return a column of true and false (n,), false where it is empty; None without it, or a `SurveyError`.

    Nothing else is taken for a truth value: of texts and of NaN, numpy makes true.
    """
    if name not in objects.colnames:
        return None
    column = np.ma.asarray(objects[name])
    if np.ma.getmaskarray(column).all():
        return np.zeros(len(column), dtype=bool)
    if column.dtype.kind != "b":
        found = f"the column {name} holds {column.dtype} values, such as {column.compressed().tolist()[0]!r}"
        raise SurveyError(found, _name(objects), fix, "E-VALUE-TYPE")
    return np.asarray(np.ma.filled(column, False))


def raw_redshifts(objects: Table) -> NDArray[np.float64]:
    """Return the column `redshift` (n,), NaN where it is empty."""
    return _numbers(objects, "redshift")


def check_redshifts(objects: Table, where: str | Path | None = None) -> None:
    """Refuse redshifts that none can learn; `where` names the survey, by default as its table does.

    Raises
    ------
    SurveyError
        One is negative or infinite.
    """
    z = raw_redshifts(objects)
    if (wrong := np.flatnonzero((z < 0) | np.isinf(z))).size:
        first = shorten(f"{z[row]:g} of object {objects['id'][row]} (row {row})" for row in wrong)
        found = f"{pluralize(len(wrong), 'redshift')} below 0 or infinite: {first}"
        fix = "correct them; where a redshift is not known, leave it empty (NaN), and the object is unlabelled"
        raise SurveyError(found, _name(objects) if where is None else where, fix, "E-VALUE-RANGE")


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


@dataclass(frozen=True)
class Selection:
    """Which objects are selected, and how unlike the others they are.

    Parameters
    ----------
    objects, selected : int
        How many there are, and how many of them are selected.
    medians : tuple of float
        Median redshift of those that are selected, and of the others, where both are known of some; else empty.
    distances : mapping of str to float
        KS distance between the two of the redshifts ("redshifts"), and of magnitudes, by their column, where both are
        known of some: 0 where they are alike, 1 where they share nothing.
    """

    objects: int
    selected: int
    medians: tuple[float, ...]
    distances: Mapping[str, float]

    @property
    def said(self) -> str:
        """The same in words."""
        words = f"selected: {self.selected} of {pluralize(self.objects, 'object')}"
        if self.medians:
            words += ", median redshift {:.3f}, of the others {:.3f}".format(*self.medians)
        apart = [f"of the {name} {distance:.3f}" for name, distance in self.distances.items()]
        return f"{words}; KS distance {', '.join(apart)}" if apart else words


def find_selection(objects: Table) -> Selection | None:
    """Return which objects are selected; None without such a column.

    The redshifts of the column `true_redshift` are compared where there is one, else those of `redshift`.

    Raises
    ------
    SurveyError
        The column does not hold true and false.
    """
    if (selected := read_selected(objects)) is None:
        return None
    columns = {"redshifts": TRUTH if TRUTH in objects.colnames else "redshift"}
    columns |= {name: name for name in MAGNITUDES if name in objects.colnames and objects[name].dtype.kind in "fiu"}
    medians: tuple[float, ...] = ()
    distances = {}
    for said, name in columns.items():
        values = _numbers(objects, name)
        near, far = (values[those & np.isfinite(values)] for those in (selected, ~selected))
        if len(near) and len(far):  # the exact way is for its significance, and may fail
            distances[said] = float(ks_2samp(near, far, method="asymp").statistic)
            medians = (float(np.median(near)), float(np.median(far))) if said == "redshifts" else medians
    return Selection(len(objects), int(selected.sum()), medians, distances)


def _numbers(objects: Table, name: str) -> NDArray[np.float64]:
    return np.asarray(np.ma.filled(np.ma.asarray(objects[name], dtype=np.float64), np.nan))


def _name(objects: Table) -> str:
    return f"survey {objects.meta.get('SURVEY', 'table')}"
