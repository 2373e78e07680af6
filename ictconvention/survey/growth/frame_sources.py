"""Where each frame of a survey came from, of all its nights: rows of many tables, few files and rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors
from ictconvention.survey.growth.side_tables import FRAME_SOURCES_FILE, check_unchanged, side_files
from ictconvention.survey.shard import RESTORE
from ictconvention.survey.survey import Survey

MOST_OPEN = 32  # files: a survey has one for each night, and a process may often open no more than 256
MOST_ROWS = 524_288  # in memory, about 100 bytes each


class FrameSources:
    """Where the frames of a survey came from, by the shard and row of each; reads the groups of rows that it needs.

    Few files are open, and few groups of rows in memory, however many nights the survey has.

    Raises
    ------
    SurveyError
        As of `side_files`; or a table has not one row for each frame.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._paths: list[Path] = []
        self._ends: list[NDArray[np.int64]] = []  # of the groups of rows of each file
        self._open: dict[int, pq.ParquetFile] = {}  # by the number of the file; the one that was asked for last is last
        self._kept: dict[int, tuple[int, pa.Table]] = {}  # the group that was read last of each file, in this order too
        self._file_of = np.full(len(survey.shards), -1)
        self._offset = np.zeros(len(survey.shards), dtype=np.int64)
        shards_in: dict[Path, list[int]] = {}
        for number, shard in enumerate(survey.shards):
            shards_in.setdefault(shard.folder.parent, []).append(number)
        schemas = []
        for path in side_files(survey, FRAME_SOURCES_FILE):
            here = shards_in.get(path.parent, [])
            lengths = [len(survey.shards[number].frames) for number in here]
            self._file_of[here] = len(self._paths)
            self._offset[here] = np.cumsum([0, *lengths])[:-1]
            self._paths.append(path)
            file = self._file(len(self._paths) - 1)
            schemas.append(file.schema_arrow.remove_metadata())
            groups = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            self._ends.append(np.cumsum(groups, dtype=np.int64))
            if (rows := file.metadata.num_rows) != sum(lengths):
                found = f"{path.name} has {rows} rows for {sum(lengths)} frames"
                raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED")
        self.schema: pa.Schema = pa.unify_schemas(schemas) if schemas else pa.schema([])  # the columns of all the files
        check_unchanged(survey)  # what is open by now stays, whatever is put in its place

    def take(self, shard: NDArray[np.integer], row: NDArray[np.integer]) -> pa.Table | None:
        """Return the rows of frames (n,), in their order, with all columns; None where the survey has no such table.

        Of a frame whose shard has none, texts are empty and numbers NaN, its id, band and time too.

        Raises
        ------
        SurveyError
            The survey was compacted or written anew since it was opened.
        """
        if not self._paths:
            return None
        file = self._file_of[shard]
        place, parts, order = self._offset[shard] + row, [self.schema.empty_table()], [np.zeros(0, dtype=np.int64)]
        for number in np.unique(file).tolist():
            here = np.flatnonzero(file == number)
            here = here[np.argsort(place[here], kind="stable")]
            order.append(here)
            found = self._rows(number, place[here]) if number >= 0 else [_blank(self.schema, len(here))]
            parts += [_completed(part, self.schema) for part in found]
        return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))

    def _rows(self, number: int, rows: NDArray[np.int64]) -> Iterator[pa.Table]:
        """Yield the rows of a file, which are in its order, group by group."""
        ends = self._ends[number]
        groups = np.searchsorted(ends, rows, side="right")
        for group in np.unique(groups).tolist():
            first = int(ends[group - 1]) if group else 0
            yield self._group(number, group).take(pa.array(rows[groups == group] - first))

    def _group(self, number: int, group: int) -> pa.Table:
        """Return a group of rows of a file; what was asked for the longest ago makes room for it."""
        kept = self._kept.pop(number, None)
        if kept is None or kept[0] != group:
            kept = group, self._file(number).read_row_group(group)
        self._kept[number] = kept
        rows = sum(table.num_rows for _, table in self._kept.values())
        while rows > MOST_ROWS and len(self._kept) > 1:
            rows -= self._kept.pop(next(iter(self._kept)))[1].num_rows
        return kept[1]

    def _file(self, number: int) -> pq.ParquetFile:
        """Return an open file; one that was closed to make room is opened again, where it is still the same."""
        file = self._open.pop(number, None)
        if file is None:
            while len(self._open) >= MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            path = self._paths[number]
            with readable_os_errors("opening the table", path):
                file = pq.ParquetFile(path)
            if number < len(self._ends):
                check_unchanged(self._survey)
        self._open[number] = file
        return file


def _blank(schema: pa.Schema, count: int) -> pa.Table:
    values = [np.full(count, np.nan) if pa.types.is_floating(one.type) else [""] * count for one in schema]
    return pa.table([pa.array(value, one.type) for value, one in zip(values, schema, strict=True)], schema)


def _completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the columns of a schema, NaN or empty where it has none."""
    blank = _blank(schema, table.num_rows)
    columns = [(table if name in table.column_names else blank).column(name) for name in schema.names]
    return pa.table(columns, schema)


def numbers_of(table: pa.Table | None, name: str, length: int) -> NDArray[np.float64]:
    """Return a column of numbers (n,) of a table, NaN where it has none, or there is no table."""
    if table is None or name not in table.column_names:
        return np.full(length, np.nan)
    values: NDArray[Any] = table.column(name).to_numpy()
    return np.asarray(values, dtype=np.float64)
