"""What a survey says of its masks, for a task of these classes: pixels of each class, strata for a split, scenes."""

from collections.abc import Sequence

import numpy as np
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from ictconvention.survey.labels.groups import GROUP
from ictconvention.survey.survey import Survey

SCENE = "scene"  # a column of the survey's own: pictures with the same text in it were cut from one scene
LEAST = 20  # pictures of a stratum, so that it goes into every part of a split


def count_known(survey: Survey, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the known pixels of each class in every object (n, names); none of a survey without masks.

    The survey may have its classes in another order, and others: pixels of these are not known.
    """
    counts = np.zeros((len(survey), len(names)), dtype=np.int64)
    if survey.has_masks:
        own = survey.count_pixels()
        for column, name in enumerate(names):
            if name in survey.header.classes:
                counts[:, column] = own[:, survey.header.classes.index(name)]
    return counts


def stratify_chips(objects: Table, pixels: NDArray[np.int64], names: Sequence[str]) -> Table:
    """Return a copy whose `class` is the class of most pixels of each picture; none of a picture without a known pixel.

    Classes that fewer than 20 pictures have most of are together, and join the others where they are still too few.
    Pictures of one scene stay together, by the column `group`, unless the table has one of its own.

    Parameters
    ----------
    objects : Table
        As of `Survey.object_table`.
    pixels : array (n, names)
        Known pixels.
    names : sequence of str
        Names of the classes.
    """
    known = pixels.any(1)
    most = np.where(known, pixels.argmax(1), -1)
    counts = np.bincount(most[known], minlength=len(names))
    stratum = np.array([f"mostly {name}" for name in names], dtype=object)
    few = (counts > 0) & (counts < LEAST)
    if counts[few].sum() >= LEAST:
        stratum[few] = "mostly of a rare class"
    elif few.any():
        stratum[few] = stratum[counts.argmax()]
    table = objects.copy()
    table["class"] = MaskedColumn(stratum[most].astype(str), mask=~known)
    if SCENE in table.colnames and GROUP not in table.colnames:
        table[GROUP] = table[SCENE]
    return table


def scenes_of(objects: Table) -> NDArray[np.int64]:
    """Return the scene (n,) of each picture, by number; one without a scene is its own."""
    number = np.arange(len(objects))
    if SCENE not in objects.colnames:
        return number
    column = np.ma.asarray(objects[SCENE])
    empty = np.ma.getmaskarray(column) | (np.ma.getdata(column).astype(str) == "")
    scene = np.unique(np.ma.getdata(column).astype(str), return_inverse=True)[1]
    return np.asarray(np.where(empty, number, len(objects) + scene))
