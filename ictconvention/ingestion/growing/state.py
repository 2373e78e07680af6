"""The tables of a survey's next state: a row for each object, and where its frames lie, old ones and new."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.ingestion.gathering.rows import NEW, unpack_rows
from ictconvention.ingestion.gathering.table_file import TableFile
from ictconvention.ingestion.growing.joining import JoinedPlaces
from ictconvention.ingestion.growing.known import COLUMN_OF
from ictconvention.ingestion.growing.tables import Said, order_of
from ictconvention.survey.format import OBJECT_COLUMNS, STORAGE_COLUMNS
from ictconvention.survey.growth.states import PLACES
from ictconvention.survey.shard import Shard
from ictconvention.survey.survey import Survey

Row = Mapping[str, Any]


class NextState:
    """The objects of a survey when a night has been added.

    Parameters
    ----------
    survey : Survey
        As it is before.
    written : sequence of Shard
        Those of the night.
    rows : TableFile
        What is known now of each object with new frames, as of `rows.ROWS`, in the order of the shards.
    said : Said
        What a table says anew of known objects.
    objects : sequence of str
        Ids in the order of the table.
    """

    def __init__(
        self, survey: Survey, written: Sequence[Shard], rows: TableFile, said: Said, objects: Sequence[str]
    ) -> None:
        self._survey, self._written, self._rows, self._said, self._listed = survey, written, rows, said, objects

    def tables(self, joined: JoinedPlaces) -> tuple[pa.Table, pa.Table]:
        """Return the object table, and the places; `joined` are those of the known objects."""
        new, fresh = self._fresh()
        order, listed = order_of(self._survey, new, self._listed)
        return self._objects(len(new), order), self._places(fresh, joined, order, listed)

    def _places(
        self,
        fresh: Mapping[str, NDArray[np.int64]],
        joined: JoinedPlaces,
        order: NDArray[np.int64],
        listed: NDArray[np.bool_],
    ) -> pa.Table:
        """Return where the frames of all objects lie, in an order; `fresh` is where those of new ones do."""
        survey, layout = self._survey, self._survey.files.layout
        place: dict[str, NDArray[Any]] = {
            name: getattr(layout, name) for name in ("first", "length", "crc32", "shard", "row")
        }
        number = len(survey.shards)
        place["delta"] = np.where(layout.holder < number, -1, layout.holder - number)
        place = {name: np.concatenate([values.astype(np.int64), fresh[name]]) for name, values in place.items()}
        at = joined.column("position")
        place["delta"][at] = len(survey.files.deltas)
        for name in STORAGE_COLUMNS:
            place[name][at] = joined.column(name)
        columns = {**place, "listed": listed}
        return pa.table({one.name: pa.array(columns[one.name][order], one.type) for one in PLACES}, PLACES)

    def _fresh(self) -> tuple[pa.ChunkedArray, dict[str, NDArray[np.int64]]]:
        """Return the ids of new objects, in the order of the shards of the night, and where each lies."""
        ids: list[pa.Array] = []
        found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in ("shard", "row", *STORAGE_COLUMNS)}
        for number, shard in enumerate(self._written, start=len(self._survey.shards)):
            here = np.flatnonzero(self._survey.ids.positions(shard.ids) < 0)
            ids += shard.ids.column.take(pa.array(here)).chunks
            found["shard"].append(np.full(len(here), number))
            found["row"].append(here)
            for name in STORAGE_COLUMNS:
                found[name].append(shard.objects.column(name).to_numpy()[here].astype(np.int64))
        none = np.zeros(0, dtype=np.int64)
        fresh = {name: np.concatenate([none, *values]) for name, values in found.items()}
        return pa.chunked_array(ids, pa.string()), fresh | {"delta": np.full(len(fresh["row"]), -1)}

    def _objects(self, new: int, order: NDArray[np.int64]) -> pa.Table:
        """Return the rows of the survey's objects as they are now, and of new ones, in an order."""
        old = self._survey.files.layout.objects
        of_known, of_new, places = list[pa.Table](), list[pa.Table](), [np.zeros(0, dtype=np.int64)]
        try:
            for table in self._rows.tables():
                position = table.column("position").to_numpy()
                rows = [{"id": id_, **row} for id_, row in unpack_rows(table).items()]
                for tables, some in ((of_known, position != NEW), (of_new, position == NEW)):
                    if some.any():
                        tables.append(_columns([rows[i] for i in np.flatnonzero(some).tolist()]))
                places.append(position[position != NEW])
            changed = self._changed(np.concatenate(places))
            if changed:
                of_known.append(_columns([self._row(id_) for id_ in changed]))
                places.append(self._survey.positions(changed))
            table = pa.concat_tables([old, *of_known, *of_new], promote_options="permissive")
        except pa.ArrowException as error:
            fix = "give one type in the whole column, as the survey has it"
            raise SurveyError(
                f"a column is of another type now: {error}", self._survey.path, fix, "E-VALUE-TYPE"
            ) from error
        known = np.concatenate(places)
        take = np.arange(old.num_rows + new)
        take[old.num_rows :] += len(known)
        take[known] = old.num_rows + np.arange(len(known))
        return table.take(pa.array(take[order]))

    def _changed(self, known: NDArray[np.int64]) -> list[str]:
        """Return the objects that are not at these positions, and of which a table says something anew."""
        ids = list(self._said.values)
        has_row = np.isin(self._survey.positions(ids), known)
        return [ids[i] for i in np.flatnonzero(~has_row).tolist()]

    def _row(self, id_: str) -> dict[str, Any]:
        """Return the row of a known object, as arguments of `SurveyWriter.add`."""
        old = self._survey.files.layout.objects.slice(self._survey.position(id_), 1).to_pylist()[0]
        return {"class_name": old.pop("class"), **old, **self._said.values[id_]}


def _columns(rows: Sequence[Row]) -> pa.Table:
    """Return rows, which are arguments of `SurveyWriter.add`, as columns of the object table."""
    columns: dict[str, pa.Array] = {}
    for argument in _names(rows):
        name = COLUMN_OF.get(argument, argument)
        values = [row.get(argument) for row in rows]
        values = [None if value != value else value for value in values]  # NaN
        kind = OBJECT_COLUMNS.get(name)
        columns[name] = pa.array(values, kind) if kind is not None else pa.array(values)
    return pa.table(columns)


def _names(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
