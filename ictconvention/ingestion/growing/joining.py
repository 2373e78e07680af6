"""Where the frames of objects that a survey knew lie after a night: old ones and new, in time order, in its folder."""

import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.growing_array import GrowingArray
from ictconvention.ingestion.gathering.gather import GatheredFrames
from ictconvention.ingestion.gathering.kept import KeptFrames
from ictconvention.ingestion.gathering.rows import NEW
from ictconvention.ingestion.gathering.table_file import TableFile
from ictconvention.survey.format import FRAME_COLUMNS, STORAGE_COLUMNS
from ictconvention.survey.growth.joined import JOINED_COLUMNS, gather, pack
from ictconvention.survey.growth.states import FRAME_PLACE
from ictconvention.survey.shard import Shard
from ictconvention.survey.survey import Survey


class JoinedPlaces:
    """Where the joined frames of known objects lie: `position` in the survey, and `first`, `length` and `crc32`."""

    def __init__(self) -> None:
        self._columns = {name: array("q") for name in ("position", *STORAGE_COLUMNS)}

    def append(self, position: int, first: int, length: int, crc32: int) -> None:
        """Add an object."""
        for values, value in zip(self._columns.values(), (position, first, length, crc32), strict=True):
            values.append(value)

    def column(self, name: str) -> NDArray[np.int64]:
        """Return a column (objects,)."""
        return np.frombuffer(self._columns[name], dtype=np.int64) if self._columns[name] else np.zeros(0, np.int64)


def write_joined(
    folder: Path, survey: Survey, written: Sequence[Shard], kept: KeptFrames, rows: TableFile
) -> JoinedPlaces:
    """Write where the frames of known objects lie, in time order, with the per-frame columns; return each one's place.

    Parameters
    ----------
    folder : Path
        Folder of the night; nothing is written to it where no object was known.
    survey : Survey
        As it is before.
    written : sequence of Shard
        Those of the night, which hold the frames of `kept` that are new, in its order.
    kept : KeptFrames
        All frames of the objects with new ones.
    rows : TableFile
        As of `rows.ROWS`, of the same objects.
    """
    files: dict[str, GrowingArray] = {}
    places, position = JoinedPlaces(), _positions(rows)
    at = 0  # of the new frames
    try:
        for frames in kept:
            columns, mine = _joined_columns(survey, written, frames, at)
            at += int(np.count_nonzero(mine))
            known = [next(position) for _ in frames.ids]
            if not files and any(one != NEW for one in known):
                files = {
                    name: GrowingArray(folder / f"{name}.npy", dtype, ()) for name, dtype in JOINED_COLUMNS.items()
                }
            _append_joined(survey, written, frames, columns, mine, known, files, places)
        for file in files.values():
            file.close()
    finally:
        for file in files.values():
            file.abandon()
    return places


def _positions(rows: TableFile) -> Iterator[int]:
    for table in rows.tables():
        yield from table.column("position").to_pylist()


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
    known: Sequence[int],
    files: Mapping[str, GrowingArray],
    places: JoinedPlaces,
) -> None:
    """Write the columns of the known ones of some objects, of which these are the positions, and add their places."""
    shards, place = [*survey.shards, *written], columns[FRAME_PLACE]
    for i, position in enumerate(known):
        if position == NEW:
            continue
        here = slice(kept.start[i], kept.start[i + 1])
        fresh = mine[here]
        first, length = len(files[FRAME_PLACE]), int(fresh.size)
        appended = int(np.count_nonzero(~fresh))
        crc32, begin = 0, here.start
        if appended == survey.lengths[position] and not fresh[:appended].any():  # the new ones are all later
            crc32, begin = int(survey.checksums[position]), here.start + appended
        frames = gather(shards, place[begin : here.stop])
        places.append(position, first, length, zlib.crc32(np.ascontiguousarray(frames).data, crc32))
        for name, file in files.items():
            file.append(np.ascontiguousarray(columns[name][here], dtype=JOINED_COLUMNS[name]))
