"""What a stream has shown of each object so far: every frame of every batch, on the disk and found by the object's id.

    state/12.npy              pixels of the frames of a batch
    state/12.lines.parquet    a line about each, with the number of its detection; its place marks the batch as done
    state/12.points.parquet   the photometry that its packets hold
    state/to-9.lines.parquet  the lines of all batches until one, and to-9.points.parquet, each measurement once

A batch is prepared and becomes part of the state when its rows are on the disk, under a hidden name. Whoever opens the
state makes one table of many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ictconvention.core.atomic import sync, whole_file
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.ingestion.found import FRAME_LINES
from ictconvention.ingestion.gathering.gather import REPEATED_WITHIN
from ictconvention.reading.parquet_file import read_parquet
from ictconvention.survey.growth.side_tables import each_once
from ictconvention.survey.photometry.table import MEASUREMENTS

CANDIDATE = "candidate"
LINES = FRAME_LINES.append(pa.field(CANDIDATE, pa.int64()))
RECALLED = -(2**63)  # in place of the number of a detection: a frame of a survey, from before the stream
CHUNKS = 64  # parts of a table in memory, after which they are made one; and on the disk, when the state is opened
DOING = "keeping the frames of the stream"
WORK = ".work"  # folder of the batch at hand
DONE, PENDING, POINTS, PIXELS = ".lines.parquet", ".pending.parquet", ".points.parquet", ".npy"
FIX = "restore it from a copy, or watch into a new folder from the oldest alert on"
MERGED = "to-"  # before the number of the last batch of a table of many


@dataclass(frozen=True)
class NewFrames:
    """What a batch brings.

    Parameters
    ----------
    lines : Table
        As of `LINES`, a line for each sound frame; `unit` is the batch, `row` the row of its pixels.
    points : Table
        The photometry that its packets hold, as of `MEASUREMENTS`.
    """

    lines: pa.Table
    points: pa.Table


class KnownSeries:
    """The frames and measurements of all objects; opened by one process at a time.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    with_points : bool
        Whether their photometry will be asked for.

    Raises
    ------
    UsageError
        A file is lost or damaged.
    """

    def __init__(self, folder: Path, with_points: bool) -> None:
        self.folder = folder
        with readable_os_errors("making the folder of the series", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._merged = max(map(_number, folder.glob(f"{MERGED}*{DONE}")), default=0)
            self._settle()
        numbers = sorted(_number(path) for path in folder.glob(f"[0-9]*{DONE}"))
        self.next = max([self._merged, *numbers]) + 1
        self._lines, self._points = LINES.empty_table(), MEASUREMENTS.empty_table()
        self._rows_of: dict[str, list[int]] = {}
        self._points_of: dict[str, list[int]] = {}
        self._candidates = set[int]()
        self._recalled = set[str]()
        self._with_points = with_points
        self._take(self._open(numbers))

    def __contains__(self, candidate: int) -> bool:
        """Return whether the frame of a detection is known."""
        return candidate in self._candidates

    def has_object(self, id_: str) -> bool:
        """Return whether there is a frame of an object."""
        return id_ in self._rows_of

    def is_recalled(self, id_: str) -> bool:
        """Return whether there are frames of an object that a survey had before."""
        return id_ in self._recalled

    def is_done(self, number: int) -> bool:
        """Return whether a batch is part of the state."""
        return number <= self._merged or self._file(number, DONE).exists()

    @property
    def work(self) -> Path:
        """Folder of what is not kept."""
        return self.folder / WORK

    def prepare(self, pixels: Path, new: NewFrames) -> None:
        """Write what the next batch brings, so that `complete` needs one rename; `pixels` is moved.

        After it, `lines_of` and `points_of` know the new frames.
        """
        number = self.next
        if new.lines.num_rows:
            with whole_file(self._file(number, PIXELS), DOING, record=True) as partial:
                pixels.replace(partial)
        with whole_file(self._file(number, POINTS), DOING, record=True) as partial:
            pq.write_table(new.points, partial)
        with whole_file(self._file(number, PENDING), DOING, record=True) as partial:
            pq.write_table(new.lines, partial)
        self._take(new)

    def complete(self) -> None:
        """Make the batch that was prepared part of the state."""
        with readable_os_errors(DOING, self.folder):
            self._file(self.next, PENDING).replace(self._file(self.next, DONE))
            sync(self.folder)
        self.next += 1

    def lines_of(self, ids: Sequence[str]) -> list[pa.Table]:
        """Return the lines about the frames of each of some objects, in the order of the stream.

        A frame of a survey gives way to the stream's own of the same exposure.
        """
        tables = [self._lines.take(pa.array(self._rows_of.get(id_, []), pa.int64())) for id_ in ids]
        return [
            _without_doubles(table) if id_ in self._recalled else table for id_, table in zip(ids, tables, strict=True)
        ]

    def points_of(self, id_: str, until: float) -> pa.Table:
        """Return the photometry that the packets of an object hold, until a time [MJD]."""
        table = self._points.take(pa.array(self._points_of.get(id_, []), pa.int64()))
        return table.filter(pc.less_equal(table.column("mjd"), until))

    def _settle(self) -> None:
        """Remove what is left of a batch that was not done, and what has become part of a table of many."""
        done = {_number(path) for path in self.folder.glob(f"[0-9]*{DONE}")}
        for path in self.folder.glob("[0-9]*"):
            if (number := _number(path)) <= self._merged:
                if not path.name.endswith(PIXELS):
                    path.unlink()
            elif number not in done:
                path.unlink()
        for path in self.folder.glob(f"{MERGED}*"):
            if _number(path) != self._merged:
                path.unlink()

    def _open(self, numbers: Sequence[int]) -> NewFrames:
        """Read the state, and make one table of many, where there are."""
        names = [f"{MERGED}{self._merged}", *map(str, numbers)] if self._merged else [*map(str, numbers)]
        many = len(numbers) >= CHUNKS
        lines = _one([self._read(name, DONE, LINES) for name in names], LINES)
        asked = names if self._with_points or many else []
        new = NewFrames(lines, _one([self._read(name, POINTS, MEASUREMENTS) for name in asked], MEASUREMENTS))
        for number in np.unique(lines.column("unit").to_numpy()).tolist():
            if not (pixels := self._file(number, PIXELS)).is_file():
                raise UsageError(
                    f"what is kept of the stream is damaged: {pixels.name} is missing", pixels, FIX, "E-STREAM-STATE"
                )
        return self._merge(new) if many else new

    def _merge(self, new: NewFrames) -> NewFrames:
        """Write the whole state as one table of lines and one of points; the first marks that both are there."""
        last, whole = self.next - 1, NewFrames(new.lines, each_once(new.points).combine_chunks())
        for ending, table in ((POINTS, whole.points), (DONE, whole.lines)):
            with whole_file(self.folder / f"{MERGED}{last}{ending}", DOING, record=True) as partial:
                pq.write_table(table, partial)
        self._merged = last
        with readable_os_errors(DOING, self.folder):
            self._settle()
        return whole

    def _file(self, number: int, ending: str) -> Path:
        return self.folder / f"{number}{ending}"

    def _read(self, name: str, ending: str, schema: pa.Schema) -> pa.Table:
        path = self.folder / f"{name}{ending}"
        try:
            if not path.is_file():
                raise ValueError(f"{path.name} is missing")
            with readable_os_errors("reading the frames of the stream", path):
                table = read_parquet(path)
            if not table.schema.equals(schema):
                raise ValueError("its columns are others")
        except ValueError as error:
            raise UsageError(f"what is kept of the stream is damaged: {error}", path, FIX, "E-STREAM-STATE") from error
        return table

    def _take(self, new: NewFrames) -> None:
        _index(self._rows_of, new.lines, self._lines.num_rows)
        recalled = pc.equal(new.lines.column(CANDIDATE), RECALLED)
        self._recalled.update(new.lines.column("id").filter(recalled).to_pylist())
        self._candidates.update(new.lines.column(CANDIDATE).filter(pc.invert(recalled)).to_pylist())
        self._lines = _joined(self._lines, new.lines)
        if self._with_points:
            _index(self._points_of, new.points, self._points.num_rows)
            self._points = _joined(self._points, new.points)


def _without_doubles(lines: pa.Table) -> pa.Table:
    """Return the lines about an object without the frames of a survey whose exposures the stream has shown, too."""
    recalled = lines.column(CANDIDATE).to_numpy() == RECALLED
    mjd, band = lines.column("mjd").to_numpy(), lines.column("band").to_numpy(zero_copy_only=False).astype(str)
    near = np.abs(mjd[:, None] - mjd[None, ~recalled]) < REPEATED_WITHIN
    double = recalled & (near & (band[:, None] == band[None, ~recalled])).any(axis=1)
    return lines.filter(pa.array(~double))


def _number(path: Path) -> int:
    return int(path.name.partition(".")[0].removeprefix(MERGED))


def _index(rows_of: dict[str, list[int]], table: pa.Table, first: int) -> None:
    for row, id_ in enumerate(table.column("id").to_pylist(), first):
        rows_of.setdefault(id_, []).append(row)


def _joined(table: pa.Table, more: pa.Table) -> pa.Table:
    joined = pa.concat_tables([table, more])
    return joined.combine_chunks() if joined.column(0).num_chunks > CHUNKS else joined


def _one(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
