<<<<<<< HEAD
"""What a survey says of its masks, for a task of these classes: pixels of each class, scenes."""
=======
"""How many pixels of each class the masks of a survey have, for a task of classes that may be others."""
>>>>>>> q23task

from collections.abc import Sequence

import numpy as np
<<<<<<< HEAD
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.survey.labels.groups import SCENE
=======
from numpy.typing import NDArray

>>>>>>> q23task
from ictconvention.survey.survey import Survey


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
<<<<<<< HEAD


def scenes_of(objects: Table) -> NDArray[np.int64]:
    """Return the scene (n,) of each picture, by number; one without a scene is its own."""
    number = np.arange(len(objects))
    if SCENE not in objects.colnames:
        return number
    column = np.ma.asarray(objects[SCENE])
    empty = np.ma.getmaskarray(column) | (np.ma.getdata(column).astype(str) == "")
    scene = np.unique(np.ma.getdata(column).astype(str), return_inverse=True)[1]
    return np.asarray(np.where(empty, number, len(objects) + scene))
=======
>>>>>>> q23task
