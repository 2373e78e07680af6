"""Deciles of redshift in the place of classes, so that a split has all of them in each of its parts.

Of chips with masks the rarest class of each takes that place, see `survey.masks.strata`.
"""

from itertools import pairwise

import numpy as np
from astropy.table import MaskedColumn, Table

from ictconvention.survey.labels.selected import EXTRA, check_redshifts, known_redshifts, raw_redshifts, read_extra
from ictconvention.survey.labels.targets import ROTATING, SINGLE

MOST = 10  # strata
LEAST = 20  # objects of each, so that it goes into every part
STRATA = "STRATA"  # in the meta of a table whose classes are strata
OF_REDSHIFT, OF_MASK = "redshift", "mask"  # what they are of
LABEL = {OF_REDSHIFT: "redshift", OF_MASK: "known pixel"}  # what an object without a label lacks
STRATUM = {OF_REDSHIFT: "stratum of redshift", OF_MASK: "stratum of rarest class"}  # what a class is there, in words


def has_classes(objects: Table) -> bool:
    """Return whether an object has a class."""
    return bool((~np.ma.getmaskarray(objects["class"])).any())


def name_label(objects: Table) -> str:
    """Return in words what objects without a label lack: a class, or what strata are of."""
    return LABEL.get(objects.meta.get(STRATA, ""), "class")


def by_class_or_redshift(objects: Table) -> Table:
    """Return the table with redshifts in strata for classes where no object has a class and some have a redshift."""
    if STRATA in objects.meta or not {"class", "redshift"} <= {*objects.colnames} or has_classes(objects):
        return objects
    return stratify(objects) if np.isfinite(raw_redshifts(objects)).any() else objects


def usual_protocol(objects: Table) -> str:
    """Return the protocol of folds for objects: of redshifts and masks, all equally good, that of one stage."""
    return SINGLE if STRATA in by_class_or_redshift(objects).meta else ROTATING


def stratify(objects: Table) -> Table:
    """Return a copy whose `class` is the stratum of each redshift, such as "z 0.02 to 0.05"; none where it is unknown.

    The strata are deciles of the objects that may be tested (not those of photometric label, nor of an additional
    test part); fewer where there are not 20 objects for each. Where the table has a column `selected`, the redshifts of
    the others are unknown; its copy says in `extra_test` which of them are tested all the same.

    Parameters
    ----------
    objects : Table
        As of `Survey.object_table`.

    Raises
    ------
    SurveyError
        An object is selected and has no redshift, or a redshift is negative or infinite.
    """
    check_redshifts(objects)
    z, extra = known_redshifts(objects), read_extra(objects)
    known = np.isfinite(z)
    tested = known & (np.ma.filled(np.ma.asarray(objects["label_source"]), "") != "photometric")
    tested &= ~extra
    of = z[tested] if tested.any() else z[known]
    count = int(np.clip(len(of) // LEAST, 1, MOST))
    cuts = np.quantile(of, np.arange(1, count) / count) if len(of) else np.zeros(0)
    inner = np.unique(np.array([float(f"{x:.4g}") for x in cuts]))
    place = np.searchsorted(inner, np.where(known, z, 0), side="right")
    ends = ["0", *(f"{x:.4g}" for x in inner), ""]
    names = [f"z {low} to {high}" if high else f"z from {low}" for low, high in pairwise(ends)]
    table = objects.copy()
    table["class"] = MaskedColumn(np.array(names)[place], mask=~known)
    if extra.any():
        table[EXTRA] = extra
    table.meta[STRATA] = OF_REDSHIFT
    return table
