"""The objects of a survey as a split sees them: classes, worth of labels, and groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import SplitError
from ictconvention.survey.labels.groups import find_groups, positions_of
from ictconvention.survey.labels.selected import read_named_extra
from ictconvention.survey.labels.strata import STRATA, name_label
from ictconvention.survey.labels.targets import Ints
from ictconvention.survey.split import classes_of


@dataclass(frozen=True)
class Crowd:
    """The objects, in the order of their ids, so that a split does not depend on the order of the rows."""

    ids: NDArray[np.str_]  # (n,)
    names: list[str]  # the classes that occur
    cls: Ints  # (n,) position in names, -1 without class
    weak: NDArray[np.bool_]  # (n,) photometric label
    extra: NDArray[np.bool_]  # (n,) additional test object of a simulated survey
    group: Ints  # (n,) what stays together, see `find_groups`
    groups: int
    where: str  # names the survey in messages
    by_class: bool = True  # whether the classes are those of the survey, and no strata
    placed: bool = True  # whether an object has a position on the sky

    @classmethod
    def of(cls, objects: Table, linking_length: float) -> "Crowd":
        """Return the objects of a table.

        Parameters
        ----------
        objects : Table
            As of `Survey.object_table`.
        linking_length : float
            Of sky groups [arcsec].

        Raises
        ------
        SplitError
            A column is missing, an id stands twice, or no object has a class.
        SurveyError
            The column `extra_test` does not hold true and false.
        """
        where = f"survey {objects.meta.get('SURVEY', 'table')}"
        columns = ("id", "class", "label_source", "ra", "dec")
        if absent := [name for name in columns if name not in objects.colnames]:
            raise SplitError(
                f"the table lacks {', '.join(absent)}", where, "give survey.object_table()", "E-TABLE-COLUMN"
            )
        if not len(objects):
            raise SplitError("no objects", where, "give a survey with objects", "E-TABLE-EMPTY")
        class_of = classes_of(objects)
        if class_of.ids.repeated():
            raise SplitError("ids stand twice", where, "give each object an id of its own", "E-ID-DUPLICATE")
        ids, order = np.array(class_of.ids), class_of.ids.order
        names = list(class_of.names)
        if not names:
            raise SplitError(
                f"no object has a {name_label(objects)}",
                where,
                "label some objects (by a class, a redshift, or a mask, which task=mask learns), "
                "or use the survey to predict only",
                "E-SPLIT-LABELS",
            )
        number = class_of.codes.astype(np.int64)
        weak = (number >= 0) & (np.ma.filled(np.ma.asarray(objects["label_source"]), "") == "photometric")
        named = read_named_extra(objects)
        extra = np.zeros(len(ids), dtype=bool) if named is None else named
        group = find_groups(objects[order], linking_length)
        by_class, placed = STRATA not in objects.meta, bool(np.isfinite(np.add(*positions_of(objects))).any())
        count = int(group.max()) + 1
        return cls(ids[order], names, number[order], weak[order], extra[order], group, count, where, by_class, placed)

    @property
    def testable(self) -> NDArray[np.bool_]:
        """Objects (n,) whose label may be tested against."""
        return (self.cls >= 0) & ~self.weak & ~self.extra

    @property
    def beside_others(self) -> NDArray[np.bool_]:
        """Objects (n,) whose sky group has a member that is not an additional test object."""
        return (np.bincount(self.group, weights=~self.extra, minlength=self.groups) > 0)[self.group]

    @property
    def has_class(self) -> NDArray[np.bool_]:
        """Groups (G,) with a labelled member."""
        return np.bincount(self.group, weights=self.cls >= 0, minlength=self.groups) > 0

    @property
    def groups_to_test(self) -> Ints:
        """How many groups hold an object of each class that may be tested against, (C,)."""
        return np.asarray(np.count_nonzero(self.table(self.testable), axis=0))

    def keep(self, classes: Sequence[str]) -> "Crowd":
        """Return the same with the labels of some classes alone."""
        place = np.array([*(classes.index(name) if name in classes else -1 for name in self.names), -1])
        cls = place[self.cls]
        return replace(self, names=list(classes), cls=cls, weak=self.weak & (cls >= 0))

    def table(self, chosen: NDArray[np.bool_]) -> Ints:
        """Count the chosen labelled objects of each group and class, (G, C), without the additional ones."""
        counts = np.zeros((self.groups, len(self.names)), dtype=np.int64)
        chosen = chosen & (self.cls >= 0) & ~self.extra
        np.add.at(counts, (self.group[chosen], self.cls[chosen]), 1)
        return counts
