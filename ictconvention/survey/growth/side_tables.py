"""Tables beside the frames of a survey, of all its nights: where each frame came from, and photometry without frames.

    frame_sources.parquet   a row for each frame, in the order of the survey's
    photometry.parquet      a row for each measurement, those of an object together and in time order

A survey that has grown has one of each for what there was before, and one for each night; they are merged here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.survey.survey import Survey

FRAME_SOURCES_FILE, PHOTOMETRY_FILE = "frame_sources.parquet", "photometry.parquet"
SAME = ["id", "band", "kind", "moment"]  # in these, two measurements are one
IN_ORDER = [(name, "ascending") for name in ("id", "mjd", "band", "kind")]


def side_files(survey: Survey, name: str) -> list[Path]:
    """Return the files of a table beside a survey, the oldest first; none where it has no such table."""
    places = [survey.path / name, *(folder / name for folder, sums in survey.files.deltas if name in sums)]
    return [path for path in places if path.is_file()]


def read_photometry(survey: Survey) -> pa.Table | None:
    """Return the measurements of a survey's objects without frames, as its photometry.parquet has them.

    Each once, in the order of id, time and band, without the detections of which there is a frame by now.

    Parameters
    ----------
    survey : Survey
        A survey, or a selection of it.

    Returns
    -------
    Table or None
        id, band, kind, flag, mjd [d], flux, error and limit [flux_unit]; None where the survey has none.
    """
    if not (files := side_files(survey, PHOTOMETRY_FILE)):
        return None
    tables = [
        table.filter(pc.is_in(table.column("id"), value_set=_plain(survey))) for table in map(pq.read_table, files)
    ]
    if len(files) == 1 and not survey.files.deltas:
        return tables[0]
    return merge_measurements(pa.concat_tables(tables), exposures(survey))


def exposures(survey: Survey) -> pa.Table:
    """Return the id, band and time [d] of every frame of a survey, or of a selection, in their order."""
    bands, mjd = [np.zeros(0, np.uint8)], [np.zeros(0)]
    for position in range(len(survey)):
        series = survey.frame_columns(position)
        bands.append(series["band"])
        mjd.append(series["mjd"])
    names = pa.array(survey.header.bands, pa.string()).take(pa.array(np.concatenate(bands)))
    ids = _plain(survey).take(pa.array(np.repeat(np.arange(len(survey)), survey.lengths)))
    return pa.table({"id": ids, "band": names, "mjd": np.concatenate(mjd)})


def _plain(survey: Survey) -> pa.Array:
    return survey.ids.column.combine_chunks()


def merge_measurements(table: pa.Table, frames: pa.Table) -> pa.Table:
    """Return measurements each once, the first of equal ones, without the detections that `frames` are of, in order.

    Parameters
    ----------
    table : Table
        Measurements, as of photometry.parquet.
    frames : Table
        With the columns id, band and mjd.
    """
    seen = frames.select(["id", "band", "mjd"]).append_column("kind", pa.repeat("detection", frames.num_rows))
    merged = with_moment(each_once(table)).join(with_moment(seen).select(SAME), SAME, join_type="left anti")
    return merged.select(table.column_names).sort_by(IN_ORDER)


def each_once(table: pa.Table) -> pa.Table:
    """Return a table with the first of equal measurements alone, in its order."""
    numbered = with_moment(table).append_column("number", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(SAME).aggregate([("number", "min")]).column("number_min").to_numpy()
    return table.take(np.sort(first))


def without_known(table: pa.Table, files: Sequence[Path]) -> pa.Table:
    """Return the measurements that are in none of some files, such as those of earlier nights."""
    if not files or not table.num_rows:
        return table
    ids = pc.unique(table.column("id"))
    known = ds.dataset(files).to_table(columns=["id", "band", "kind", "mjd"], filter=pc.field("id").isin(ids))
    ordered = with_moment(table).append_column("number", pa.array(np.arange(table.num_rows)))
    new = ordered.join(with_moment(known).select(SAME), SAME, join_type="left anti").column("number").to_numpy()
    return table.take(np.sort(new))


def with_moment(table: pa.Table) -> pa.Table:
    """Return a table with the time as a whole number of microdays: a key."""
    return table.append_column("moment", pc.round(pc.multiply(table.column("mjd"), 1e6)).cast(pa.int64()))


class FrameSources:
    """Where the frames of a survey came from, by the shard and row of each; reads the groups of rows that it needs."""

    def __init__(self, survey: Survey) -> None:
        self._files: list[pq.ParquetFile] = []
        self._file_of = np.full(len(survey.shards), -1)
        self._offset = np.zeros(len(survey.shards), dtype=np.int64)
        self._kept: dict[int, tuple[int, pa.Table]] = {}  # the group that was read last of each file
        for folder in (survey.path, *(folder for folder, _ in survey.files.deltas)):
            path = folder / FRAME_SOURCES_FILE
            if not path.is_file():
                continue
            here = [number for number, shard in enumerate(survey.shards) if shard.folder.parent == folder]
            lengths = [len(survey.shards[number].frames) for number in here]
            self._file_of[here] = len(self._files)
            self._offset[here] = np.cumsum([0, *lengths])[:-1]
            self._files.append(pq.ParquetFile(path))

    @property
    def schema(self) -> pa.Schema:
        """The columns of all the files."""
        return pa.unify_schemas([file.schema_arrow.remove_metadata() for file in self._files])

    def take(self, shard: NDArray[np.integer], row: NDArray[np.integer]) -> pa.Table | None:
        """Return the rows of frames (n,), in their order, with all columns; None where the survey has no such table.

        Of a frame whose shard has none, texts are empty and numbers NaN, its id, band and time too.
        """
        if not self._files:
            return None
        file, schema = self._file_of[shard], self.schema
        place, parts, order = self._offset[shard] + row, [schema.empty_table()], [np.zeros(0, dtype=np.int64)]
        for number in np.unique(file).tolist():
            here = np.flatnonzero(file == number)
            here = here[np.argsort(place[here], kind="stable")]
            order.append(here)
            found = self._rows(number, place[here]) if number >= 0 else [_blank(schema, len(here))]
            parts += [_completed(part, schema) for part in found]
        return pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))

    def _rows(self, number: int, rows: NDArray[np.int64]) -> Iterator[pa.Table]:
        """Yield the rows of a file, which are in its order, group by group."""
        metadata = self._files[number].metadata
        ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
        groups = np.searchsorted(ends, rows, side="right")
        for group in np.unique(groups).tolist():
            if self._kept.get(number, (-1, None))[0] != group:
                self._kept[number] = (group, self._files[number].read_row_group(group))
            first = int(ends[group - 1]) if group else 0
            yield self._kept[number][1].take(pa.array(rows[groups == group] - first))


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
