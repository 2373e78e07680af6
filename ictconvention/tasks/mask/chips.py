"""How many pixels of each class the masks of a survey have, for a task of classes that may be others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
