"""E(B-V) of the Milky Way before each object, which a survey may have in a column of its own."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, pluralize, shorten
from ictconvention.survey.labels.redshifts import REDDENING
from ictconvention.survey.survey import Survey

WITHOUT = "train without it: model.reddening=false"


def has_reddening(survey: Survey) -> bool:
    """Return whether a survey has the column `ebv`, and it says anything."""
    table = survey.object_table()
    return REDDENING in table.colnames and not np.ma.getmaskarray(np.ma.asarray(table[REDDENING])).all()


def read_reddening(survey: Survey) -> NDArray[np.float32]:
    """Return E(B-V) of every object (n,) [mag], of a survey that has it.

    Raises
    ------
    SurveyError
        It is not a number, not known of every object, or below 0.
    """
    column = np.ma.asarray(survey.object_table()[REDDENING])
    where = f"{survey.path}, column {REDDENING}"
    if column.dtype.kind not in "fiu":
        found = f"{REDDENING} is not a number: {column[0]}"
        raise SurveyError(found, where, f"write the survey with E(B-V) [mag] there, or {WITHOUT}", "E-VALUE-TYPE")
    ebv = np.ma.filled(column.astype(np.float64), np.nan)
    if (wrong := np.flatnonzero(~(np.isfinite(ebv) & (ebv >= 0)))).size:
        first = shorten(f"{ebv[row]:g} of object {survey.ids[row]} (row {row})" for row in wrong)
        found = f"{pluralize(len(wrong), 'value')} of {REDDENING} unknown, infinite or below 0: {first}"
        raise SurveyError(found, where, f"give every object its E(B-V) [mag], or {WITHOUT}", "E-VALUE-RANGE")
    return np.asarray(ebv, dtype=np.float32)
