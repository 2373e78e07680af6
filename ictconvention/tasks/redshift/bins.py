"""The bins of a redshift's PDF: from options and survey to edges, to names that hold them, and back."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, UsageError, pluralize, shorten
from ictconvention.survey.labels.redshifts import FARTHEST
from ictconvention.survey.labels.selected import check_redshifts, known_redshifts
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.options import BinOptions

Floats = NDArray[np.float64]
RANGE = "redshift_range"  # in the provenance of a survey that states it: [least, largest]
ROOM = 1.1  # upper edge of the last bin over the largest redshift that is stated, or known
SHARES_KEY = "shares"  # of the bins in the training part, among what is known of it
BETWEEN = " to "  # of the edges in the name of a bin
DIGITS = 7


def read_redshifts(survey: Survey) -> Floats:
    """Return the redshift of every object (n,), NaN where it is not known, or not to be: see `known_redshifts`.

    Raises
    ------
    SurveyError
        One is negative or infinite, or an object is selected and has none.
    """
    objects = survey.object_table()
    check_redshifts(objects, survey.path)
    return known_redshifts(objects)


def make_edges(survey: Survey, options: BinOptions) -> Floats:
    """Return the edges of the bins (bins + 1,), to `DIGITS` digits.

    Without an upper edge the bins reach to 1.1 times the largest redshift that the survey states (`redshift_range` in
    its provenance) or, where it states none, that is known, of whatever part: objects that are shifted against the
    training have bins too.

    Raises
    ------
    SurveyError
        No object has a redshift, one is impossible, or what the survey states is no range.
    UsageError
        A known redshift is in no bin, or beyond `FARTHEST` without an upper edge.
    """
    z = read_redshifts(survey)
    known = z[np.isfinite(z)]
    if not len(known):
        fix = "give its objects redshifts (column `redshift`), use it to predict only, or simulate one: survey=galaxies"
        raise SurveyError("no object has a redshift to learn", survey.path, fix, "E-SPLIT-LABELS")
    high = options.high
    if high is None:
        stated = _stated_range(survey)
        if stated is None and known.max() > FARTHEST:
            raise _too_far(survey, z)
        high = _rounded_up(ROOM * (float(known.max()) if stated is None else stated[1]))
    if not high > options.low:
        found = f"the bins would end at {high:g}, and begin at task.bins.low, {options.low:g}"
        raise UsageError(found, "task.bins", f"set task.bins.low below {high:g}", "E-CONFIG-VALUE")
    edges = np.array([float(_written(x)) for x in np.linspace(options.low, high, options.number + 1)])
    if (np.diff(edges) <= 0).any():
        found = f"{options.number} bins from {options.low:g} to {high:g} are too narrow to tell apart"
        raise UsageError(found, "task.bins.number", "take fewer bins", "E-CONFIG-VALUE")
    outside = (known < edges[0]) | (known > edges[-1])
    if outside.any():
        found = f"{outside.mean():.1%} of the known redshifts, {known.min():.4g} to {known.max():.4g}, are in no bin: "
        found += f"these reach from {edges[0]:g} to {edges[-1]:g}"
        low = min(_rounded_down(float(known.min())), options.low)
        fix = f"set task.bins.low={_written(low)} task.bins.high={_written(_rounded_up(ROOM * float(known.max())))}"
        if (options.high is not None or options.low) and known.max() <= FARTHEST:
            fix += ", or leave both out"
        raise UsageError(found, "task.bins", fix, "E-CONFIG-CONFLICT")
    return edges


def _too_far(survey: Survey, z: Floats) -> UsageError:
    """Return the error of redshifts to which bins do not reach unasked: one mark of a missing value widens them all."""
    far = np.flatnonzero(z > FARTHEST)
    first = shorten(f"{z[row]:g} of object {survey.ids[row]} (row {row})" for row in far)
    fix = "leave a redshift empty (NaN) where it is not known; where these are right, "
    fix += f"set task.bins.high={_written(_rounded_up(ROOM * float(z[far].max())))}"
    found = f"{pluralize(len(far), 'redshift')} above {FARTHEST:g}, to which all bins would be widened: {first}"
    return UsageError(found, "task.bins.high", fix, "E-VALUE-RANGE")


def _stated_range(survey: Survey) -> tuple[float, float] | None:
    """Return the least and the largest redshift that a survey states; None where it states none."""
    stated = survey.header.provenance.get(RANGE)
    if stated is None:
        return None
    numbers = stated if isinstance(stated, list | tuple) else ()
    if len(numbers) != 2 or not all(isinstance(x, int | float) for x in numbers):
        numbers = (0, -1)
    if not 0 <= numbers[0] <= numbers[1] or not numbers[1]:
        fix = "state it as [least, largest], or set task.bins.high"
        raise SurveyError(f"its {RANGE} is {stated!r}", survey.path, fix, "E-SURVEY-HEADER")
    return float(numbers[0]), float(numbers[1])


def _rounded_up(x: float) -> float:
    """Return a number to three digits, not below it."""
    if x <= 0:
        return x
    step = _third_digit(x)
    return float(_written(np.ceil(x / step - 1e-9) * step))  # 1.1 times 1 is a little more than 1.1


def _rounded_down(x: float) -> float:
    """Return a number to three digits, not above it."""
    if x <= 0:
        return x
    step = _third_digit(x)
    return float(_written(np.floor(x / step) * step))


def _third_digit(x: float) -> float:
    return float(10.0 ** (np.floor(np.log10(x)) - 2))


def names_of(edges: Floats) -> list[str]:
    """Return the names of bins, which hold their edges whole."""
    return [f"{_written(low)}{BETWEEN}{_written(high)}" for low, high in pairwise(edges)]


def edges_of(names: Sequence[str]) -> Floats:
    """Return the edges that names of bins hold.

    Raises
    ------
    ValueError
        They are no such names, or their bins do not join.
    """
    ends = np.array([[float(end) for end in name.split(BETWEEN)] for name in names])
    if ends.ndim != 2 or ends.shape[1] != 2 or (ends[1:, 0] != ends[:-1, 1]).any() or (ends[:, 0] >= ends[:, 1]).any():
        raise ValueError(f"these are no bins of a redshift: {shorten(names)}")
    return np.append(ends[:, 0], ends[-1, 1])


def _written(x: float) -> str:
    return f"{x:.{DIGITS}g}"
