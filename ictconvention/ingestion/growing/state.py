"""The tables of a survey's next state: a row for each object, and where its frames lie, old ones and new."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.core.growing_array import GrowingArray
from ictconvention.ingestion.gathering.gather import GatheredFrames
from ictconvention.ingestion.gathering.kept import KeptFrames
from ictconvention.ingestion.growing.known import COLUMN_OF
from ictconvention.ingestion.growing.tables import Said, order_of
from ictconvention.survey.format import FRAME_COLUMNS, OBJECT_COLUMNS, STORAGE_COLUMNS
from ictconvention.survey.growth.joined import JOINED_COLUMNS, gather, pack
from ictconvention.survey.growth.states import FRAME_PLACE, PLACES
from ictconvention.survey.shard import Shard
from ictconvention.survey.survey import Survey

Place = tuple[int, int, int]  # of a joined object: its first frame there, their number, and their checksum


class NextState:
    """The objects of a survey when a night has been added.

    Parameters
    ----------
    survey : Survey
        As it is before.
    written : sequence of Shard
        Those of the night.
    rows : mapping
        What is known now of each object with new frames, by id, as arguments of `SurveyWriter.add`.
    said : Said
        What a table says anew of known objects.
    objects : sequence of str
        Ids in the order of the table.
    """

    def __init__(
        self,
        survey: Survey,
        written: Sequence[Shard],
        rows: Mapping[str, Mapping[str, Any]],
        said: Said,
        objects: Sequence[str],
    ) -> None:
        self._survey, self._rows, self._said, self._listed = survey, rows, said, objects
        self._written = written
        self.known = {id_: survey.position(id_) for id_ in rows if id_ in survey}

    def tables(self, joined: Mapping[str, Place]) -> tuple[pa.Table, pa.Table]:
        """Return the object table, and the places; `joined` are those of the known objects, by id."""
        survey, layout = self._survey, self._survey.files.layout
        shard_of, row_of, new = list[int](), list[int](), list[str]()
        for number, shard in enumerate(self._written, start=len(survey.shards)):
            for row, id_ in enumerate(shard.ids):
                if id_ not in self.known:
                    new.append(id_)
                    shard_of.append(number)
                    row_of.append(row)
        place: dict[str, NDArray[Any]] = {
            name: getattr(layout, name) for name in ("first", "length", "crc32", "shard", "row")
        }
        number = len(survey.shards)
        place["delta"] = np.where(layout.holder < number, -1, layout.holder - number)
        fresh = {name: np.zeros(len(new), dtype=np.int64) for name in place}
        fresh |= {
            "shard": np.array(shard_of, np.int64),
            "row": np.array(row_of, np.int64),
            "delta": np.full(len(new), -1),
        }
        for name in STORAGE_COLUMNS:
            values = [shard.objects.column(name).to_numpy() for shard in self._written]
            fresh[name] = np.array(
                [values[s - number][r] for s, r in zip(shard_of, row_of, strict=True)], dtype=np.int64
            )
        place = {name: np.concatenate([values.astype(np.int64), fresh[name]]) for name, values in place.items()}
        for id_, (first, length, crc32) in joined.items():
            at = self.known[id_]
            place["delta"][at], place["first"][at] = len(survey.files.deltas), first
            place["length"][at], place["crc32"][at] = length, crc32
        order, listed = order_of(survey, new, self._listed)
        columns = {name: values[order] for name, values in place.items()} | {"listed": listed[order]}
        places = pa.table({one.name: pa.array(columns[one.name], one.type) for one in PLACES}, PLACES)
        return self._objects(new).take(pa.array(order)), places

    def _objects(self, new: Sequence[str]) -> pa.Table:
        """Return the rows of the survey's objects as they are now, and those of new ones after them."""
        old = self._survey.files.layout.objects
        changed = [id_ for id_ in self._said.values if id_ not in self._rows]
        of_known = [*self.known, *changed]
        rows = [self._row(id_) for id_ in of_known]
        rows += [{"id": id_, **self._rows[id_]} for id_ in new]
        names = list(dict.fromkeys([*old.column_names, *(COLUMN_OF.get(name, name) for row in rows for name in row)]))
        written: dict[str, pa.Array] = {}
        for name in names:
            argument = next((one for one, column in COLUMN_OF.items() if column == name), name)
            values = [row.get(argument) for row in rows]
            values = [None if value != value else value for value in values]  # NaN
            kind = OBJECT_COLUMNS.get(name)
            written[name] = pa.array(values, kind) if kind is not None else pa.array(values)
        try:
            table = pa.concat_tables([old, pa.table(written)], promote_options="permissive")
        except pa.ArrowException as error:
            fix = "give one type in the whole column, as the survey has it"
            raise SurveyError(
                f"a column is of another type now: {error}", self._survey.path, fix, "E-VALUE-TYPE"
            ) from error
        take = np.arange(old.num_rows + len(new))
        take[old.num_rows :] += len(of_known)
        places = [self._survey.position(id_) for id_ in of_known]
        take[places] = old.num_rows + np.arange(len(of_known))
        return table.take(pa.array(take))

    def _row(self, id_: str) -> dict[str, Any]:
        """Return the row of a known object, as arguments of `SurveyWriter.add`."""
        if id_ in self._rows:
            return {"id": id_, **self._rows[id_]}
        old = self._survey.files.layout.objects.slice(self._survey.position(id_), 1).to_pylist()[0]
        return {"class_name": old.pop("class"), **old, **self._said.values[id_]}


def write_joined(
    folder: Path, survey: Survey, written: Sequence[Shard], kept: KeptFrames, known: Mapping[str, int]
) -> dict[str, Place]:
    """Write where the frames of known objects lie, in time order, with the per-frame columns; return each one's place.

    Parameters
    ----------
    folder : Path
        Folder of the night.
    survey : Survey
        As it is before.
    written : sequence of Shard
        Those of the night, which hold the frames of `kept` that are new, in its order.
    kept : KeptFrames
        All frames of the objects with new ones.
    known : mapping
        Position in the survey, by the id of a known object.
    """
    if not known:
        return {}
    files = {name: GrowingArray(folder / f"{name}.npy", dtype, ()) for name, dtype in JOINED_COLUMNS.items()}
    places: dict[str, Place] = {}
    at = 0  # of the new frames
    try:
        for frames in kept:
            columns, mine = _joined_columns(survey, written, frames, at)
            at += int(np.count_nonzero(mine))
            _append_joined(survey, written, frames, columns, mine, known, files, places)
        for file in files.values():
            file.close()
    finally:
        for file in files.values():
            file.abandon()
    return places


def _joined_columns(
    survey: Survey, written: Sequence[Shard], frames: GatheredFrames, at: int
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    """Return the per-frame columns of some objects, of which the first new frame is the `at`th, and which are new."""
    unit, row = (frames.number(name).astype(np.int64) for name in ("unit", "row"))
    mine = unit >= 0
    ends = np.cumsum([len(shard.frames) for shard in written])
    places = at + np.arange(np.count_nonzero(mine))
    number = np.searchsorted(ends, places, side="right")
    shard_of, row_of = -1 - unit, row.copy()
    shard_of[mine] = len(survey.shards) + number
    row_of[mine] = places - np.concatenate([[0], ends])[number] if len(places) else places
    bands = {name: place for place, name in enumerate(survey.files.header.bands)}
    columns: dict[str, NDArray[Any]] = {FRAME_PLACE: pack(shard_of, row_of)}
    columns |= {name: frames.number(name) for name in FRAME_COLUMNS if name != "band"}
    columns["band"] = np.array([bands[name] for name in frames.lines.column("band").to_pylist()])
    return columns, mine


def _append_joined(
    survey: Survey,
    written: Sequence[Shard],
    kept: GatheredFrames,
    columns: Mapping[str, NDArray[Any]],
    mine: NDArray[np.bool_],
    known: Mapping[str, int],
    files: Mapping[str, GrowingArray],
    places: dict[str, Place],
) -> None:
    """Write the columns of the known ones of some objects to the files, and add their places."""
    shards, place = [*survey.shards, *written], columns[FRAME_PLACE]
    for i, id_ in enumerate(kept.ids):
        if id_ not in known:
            continue
        here = slice(kept.start[i], kept.start[i + 1])
        position, fresh = known[id_], mine[here]
        first, length = len(files[FRAME_PLACE]), int(fresh.size)
        appended = int(np.count_nonzero(~fresh))
        crc32, begin = 0, here.start
        if appended == survey.lengths[position] and not fresh[:appended].any():  # the new ones are all later
            crc32, begin = int(survey.checksums[position]), here.start + appended
        frames = gather(shards, place[begin : here.stop])
        places[id_] = (first, length, zlib.crc32(np.ascontiguousarray(frames).data, crc32))
        for name, file in files.items():
            file.append(np.ascontiguousarray(columns[name][here], dtype=JOINED_COLUMNS[name]))
