"""What a mask may hold: positions among the classes, or 255. Knows neither files nor surveys."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ictconvention.core.errors import SurveyError, shorten
from ictconvention.survey.masks.mask_file import IGNORED, MASK_DTYPE


def check_mask(mask: ArrayLike | None, classes: Sequence[str], size: int, where: str) -> NDArray[np.uint8]:
    """Return a mask as it is stored, contiguous, (size, size).

    Parameters
    ----------
    mask : array (size, size), whole numbers
        Position of each pixel's class in `classes`, or `IGNORED`.
    classes : sequence of str
        Those of the survey's header.
    size : int
        Height and width of the survey's stamps [pixels].
    where : str
        Names the object in messages.

    Raises
    ------
    SurveyError
        It is missing, of another type or shape, or holds a number that is no class.
    """
    if mask is None:
        fix = f"give mask=, (H, W) whole numbers; of a chip whose classes are unknown, {IGNORED} everywhere"
        raise SurveyError("no mask for an object of a survey that has masks", where, fix, "E-VALUE-MISSING")
    given = np.ma.filled(mask, IGNORED) if np.ma.isMaskedArray(mask) else np.asarray(mask)
    if given.dtype.kind not in "iu":
        fix = f"give whole numbers: positions in the header's classes, or {IGNORED}"
        raise SurveyError(f"a mask of type {given.dtype}", where, fix, "E-VALUE-TYPE")
    if given.shape != (size, size):
        found = f"a mask of shape {given.shape} where ({size}, {size}) is expected"
        raise SurveyError(found, where, "cut the mask as its frames are cut", "E-VALUE-SHAPE")
    if found := describe_unknown(given, classes):
        fix = f"give positions from 0 among {shorten(classes) or 'no classes'}, or {IGNORED} for a pixel to be ignored"
        raise SurveyError(found, where, fix, "E-CLASS-UNKNOWN")
    return np.ascontiguousarray(given, dtype=MASK_DTYPE)


def describe_unknown(mask: NDArray[np.integer], classes: Sequence[str]) -> str:
    """Return in words which values of a mask are no class, an empty text where there are none."""
    wrong = (mask != IGNORED) & ((mask < 0) | (mask >= len(classes)))
    if not wrong.any():
        return ""
    values = np.unique(mask[wrong]).tolist()
    return f"mask values {shorten(map(str, values))} are no class: there are {len(classes)}, from 0"


def renumber(classes: Sequence[str], chosen: Sequence[str]) -> NDArray[np.uint8]:
    """Return the position among chosen classes that stands for each stored value, (256,); the others are ignored.

    Parameters
    ----------
    classes : sequence of str
        Those of the survey's header, whose positions are stored.
    chosen : sequence of str
        Those that are read, in their order.
    """
    table = np.full(256, IGNORED, dtype=np.uint8)
    for position, name in enumerate(chosen):
        table[list(classes).index(name)] = position
    return table
