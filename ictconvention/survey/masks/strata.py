"""The rarest class of each chip in the place of a class, so that a split spreads rare classes over all its parts."""

from collections.abc import Sequence

import numpy as np
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from ictconvention.survey.labels.groups import find_groups
from ictconvention.survey.labels.selected import read_extra
from ictconvention.survey.labels.strata import OF_MASK, STRATA, has_classes
from ictconvention.survey.split import reach_of
from ictconvention.survey.survey import Survey

LEAST = 10  # scenes of a stratum, or chips of no scene: with 5 folds each part gets one, and mostly two
NONE = -1  # the class of a chip without a known pixel


def rarest_classes(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rarest class that each chip has a pixel of (n,), `NONE` where no pixel is known.

    Rare is a class of few pixels in all chips; of equals the first is the rarer.

    Parameters
    ----------
    pixels : array (n, classes)
        Known pixels of each class in each chip, as of `Survey.count_pixels`.
    """
    order = np.argsort(pixels.sum(axis=0), kind="stable")
    present = pixels[:, order] > 0
    known = present.any(axis=1)
    return np.where(known, order[present.argmax(axis=1)] if len(order) else NONE, NONE)


def stratify_chips(objects: Table, pixels: NDArray[np.int64], names: Sequence[str]) -> Table:
    """Return a copy whose `class` is the rarest class of each chip, such as "rarest water"; none without a known pixel.

    A stratum of fewer than `LEAST` scenes, without those of an additional test, cannot be spread over the parts of a
    split: its chips go by the next rarest class that they have, or where they have no other, to the largest stratum.

    Parameters
    ----------
    objects : Table
        As of `Survey.object_table` of a survey with masks; its column `scene` keeps chips together.
    pixels : array (n, names)
        Known pixels of each class in each chip.
    names : sequence of str
        The classes.
    """
    scene = find_groups(objects, reach_of(objects))
    known = pixels.any(axis=1)
    stratum = _merge_small(pixels, scene, ~read_extra(objects))
    table = objects.copy()
    called = np.array([stratum_name(name) for name in names])
    table["class"] = MaskedColumn(called[np.maximum(stratum, 0)], mask=~known)
    table.meta[STRATA] = OF_MASK
    return table


def stratum_name(name: str) -> str:
    """Return what chips are called of which a class is the rarest."""
    return f"rarest {name}"


def _merge_small(pixels: NDArray[np.int64], scene: NDArray[np.int64], spread: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the class that is the stratum of each chip (n,).

    `scene` (n,) numbers the chips that stay together; `spread` (n,) are those that a split puts into parts.
    """
    counted = pixels.copy()  # without the classes that make no stratum
    known, rarity = pixels.any(axis=1), np.argsort(pixels.sum(axis=0), kind="stable").tolist()
    while True:
        stratum = rarest_classes(counted)
        size = np.bincount(stratum[stratum != NONE], minlength=pixels.shape[1])
        stratum = np.where(known & (stratum == NONE), size.argmax(), stratum)
        pairs = np.unique(np.stack([stratum, scene])[:, known & spread], axis=1)
        scenes = np.bincount(pairs[0], minlength=pixels.shape[1])
        small = [cls for cls in rarity if size[cls] and scenes[cls] < LEAST]  # one of the additional test alone too
        if not small or np.count_nonzero(size) < 2:
            return stratum
        counted[:, small[0]] = 0  # the rarest first: its chips mostly have others, which may then be large enough


def split_table(survey: Survey, by_mask: bool | None = None) -> Table:
    """Return the objects of a survey as a split sees them: by its masks, or as its table says.

    Parameters
    ----------
    survey : Survey
        The survey.
    by_mask : bool, optional
        Whether by the masks; by default where it has masks, and no object has a class.

    Raises
    ------
    SurveyError
        By the masks, and there are none, or one is damaged.
    """
    objects = survey.object_table()
    if by_mask is None:
        by_mask = survey.has_masks and not has_classes(objects)
    return stratify_chips(objects, survey.count_pixels(), survey.header.classes) if by_mask else objects
