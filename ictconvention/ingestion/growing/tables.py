"""What a table of objects says of a survey's objects now: what was unknown and is known, and what it contradicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, pluralize, shorten
from ictconvention.ingestion.growing.known import COLUMN_OF, DETECTED, MEASURED, known_frames
from ictconvention.reading.id_column import IdColumn
from ictconvention.survey.growth.frame_sources import FrameSources
from ictconvention.survey.survey import Survey


@dataclass
class Said:
    """What a table says anew of objects that a survey knows.

    Parameters
    ----------
    values : dict
        By id, as arguments of `SurveyWriter.add`.
    filled, changed : dict
        By column: the ids of which nothing was known, and those of which something else was.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    filled: dict[str, list[str]] = field(default_factory=dict)
    changed: dict[str, list[str]] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        """What is to be said of it, a line for each column."""
        lines = [f"{name} of {pluralize(len(ids), 'known object')} is known now" for name, ids in self.filled.items()]
        return lines + [
            f"{name} of {pluralize(len(ids), 'known object')} has changed: {shorten(ids)}"
            for name, ids in self.changed.items()
        ]


def compare_rows(
    survey: Survey,
    sources: FrameSources,
    objects: Mapping[str, Mapping[str, Any]],
    relabel: bool,
    where: str,
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> Said:
    """Compare a table of objects with what a survey, with the sources of its frames, says of them.

    What a table leaves empty stays as it is, and what frames have measured gives way to a table. `left_out` is the
    class that it gives, by id, where the survey does not name that class.

    Raises
    ------
    UsageError
        It contradicts the survey, and `relabel` does not say that it is right.
    """
    said = Said()
    known = [id_ for id_ in objects if id_ in survey] if len(objects) < 1000 else _known(survey, objects)
    if not known:
        return said
    positions = survey.positions(known)
    table = survey.metadata_table
    names = list(dict.fromkeys(name for id_ in known for name in objects[id_]))
    conflicts: dict[str, list[tuple[str, Any, Any]]] = {}
    for name in names:
        column = COLUMN_OF.get(name, name)
        there = column in table.column_names
        old = table.column(column).take(pa.array(positions)).to_pylist() if there else [None] * len(known)
        for id_, before in zip(known, old, strict=True):
            now = objects[id_].get(name)
            if now is None or now == before or now != now:
                continue
            said.values.setdefault(id_, {})[name] = now
            if before is None:
                said.filled.setdefault(column, []).append(id_)
            else:
                conflicts.setdefault(column, []).append((id_, before, now))
    for id_ in left_out:
        if id_ in survey and (before := table.column("class")[survey.position(id_)].as_py()) is not None:
            said.values.setdefault(id_, {})["class_name"] = None
            conflicts.setdefault("class", []).append((id_, before, left_out[id_]))
    measured = _measured(survey, sources, {id_ for name in MEASURED for id_, _, _ in conflicts.get(name, ())})
    for column, rows in conflicts.items():
        real = [row for row in rows if column != DETECTED and (row[0], column) not in measured]
        if real:
            said.changed[column] = [id_ for id_, _, _ in real]
    for id_, values in said.values.items():
        if not {"ra", "dec"}.isdisjoint(values):
            values |= {name: objects[id_].get(name) for name in ("ra", "dec")}
        if "class_name" in values:
            values["label_source"] = objects[id_].get("label_source")
    if said.changed and not relabel:
        column = next(iter(said.changed))
        id_, before, now = next(row for row in conflicts[column] if row[0] in said.changed[column])
        many = pluralize(sum(map(len, said.changed.values())), "value")
        found = f"the table contradicts the survey in {many}: {column} of object {id_} is {before}, and now {now}"
        fix = "correct the table, or say that it is right: --relabel"
        raise UsageError(found, where, fix, "E-INGEST-CHANGED")
    return said


def _known(survey: Survey, objects: Mapping[str, Any]) -> list[str]:
    ids = list(objects)
    return [ids[place] for place in np.flatnonzero(survey.ids.positions(ids) >= 0).tolist()]


def _measured(survey: Survey, sources: FrameSources, ids: set[str]) -> set[tuple[str, str]]:
    """Return the objects and columns whose values their frames have measured."""
    rows = known_frames(survey, sources, sorted(ids)).rows if ids else {}
    return {(id_, name) for id_, row in rows.items() for name in MEASURED if row.get(name) is None}


def order_of(
    survey: Survey, new: pa.ChunkedArray, objects: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the order of the objects of a survey with new ones after them, and which of them tables name.

    Those that the newest table names come first, as it names them; then those of earlier tables, as they were; and then
    the others by their ids. So does one ingest of all nights with that table.

    Returns
    -------
    order : array (n,)
        Places among the survey's objects and then the new ones.
    listed : array (n,)
        By these places.
    """
    ids = IdColumn(pa.chunked_array([*survey.ids.column.chunks, *new.chunks], pa.string()))
    listed = np.concatenate([_listed_before(survey), np.zeros(len(new), dtype=bool)])
    number = np.arange(len(ids), dtype=np.int64)
    group = np.where(listed, 1, 2)
    named = ids.positions(list(objects))
    here = named[named >= 0]
    listed[here], group[here], number[here] = True, 0, np.arange(len(here))
    others = np.flatnonzero(group == 2)
    by_id = pc.sort_indices(ids.column.take(pa.array(others))).to_numpy()
    number[others[by_id]] = np.arange(len(others))
    return np.lexsort((number, group)), listed


def _listed_before(survey: Survey) -> NDArray[np.bool_]:
    """Return which objects earlier tables have named; before the first night, those after which ids are in order."""
    if survey.files.layout.listed is not None:
        return survey.files.layout.listed
    ids = survey.ids.column.combine_chunks()
    back = np.flatnonzero(pc.less(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False))
    return np.arange(len(ids)) <= (back[-1] if back.size else -1)
