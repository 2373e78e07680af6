"""What is asked of a survey of pictures: the sizes of their files, and labels that contradict each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.survey.split import classes_of

WIDTH, HEIGHT = "file_width", "file_height"  # columns of a survey of pictures [pixels]


@dataclass(frozen=True)
class FileSizes:
    """Width and height of the files of one class [pixels]: the smallest, the median and the largest of each."""

    width: tuple[float, ...]
    height: tuple[float, ...]


def sizes_by_class(objects: Table) -> dict[str | None, FileSizes]:
    """Return the sizes that the files of each class had; empty of a survey that does not know them.

    Where they differ from class to class, resampling leaves a trace by which a network may tell the classes.

    Parameters
    ----------
    objects : Table
        As of `Survey.object_table`.
    """
    if not {WIDTH, HEIGHT} <= set(objects.colnames):
        return {}
    names = np.array(list(classes_of(objects).values()), dtype=object)
    sides: list[NDArray[np.float64]] = [
        np.ma.filled(np.ma.asarray(objects[name], dtype=float), np.nan) for name in (WIDTH, HEIGHT)
    ]
    known = np.isfinite(sides).all(axis=0)
    found = {}
    for name in dict.fromkeys(names[known].tolist()):
        here = known & (names == name)
        spreads = [tuple(float(np.percentile(side[here], p)) for p in (0, 50, 100)) for side in sides]
        found[name] = FileSizes(*spreads)
    return found


def find_conflicts(same_frames: Sequence[Sequence[str]], classes: Mapping[str, str | None]) -> dict[int, str]:
    """Return in words which objects of equal pixels have different classes, by their place among those of equal pixels.

    Parameters
    ----------
    same_frames : sequence of sequences of str
        Ids of equal frames.
    classes : mapping
        Class by id, None where there is no label.
    """
    conflicts = {}
    for place, ids in enumerate(same_frames):
        labelled = [(id_, classes[id_]) for id_ in ids if classes[id_] is not None]
        if len({name for _, name in labelled}) > 1:
            conflicts[place] = " = ".join(f"{id_} ({name})" for id_, name in labelled)
    return conflicts
