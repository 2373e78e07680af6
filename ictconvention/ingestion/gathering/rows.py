"""What is known of the objects of a night, a row each: the rows wait on the disk, those of some objects at a time.

A row is kept as a text, since which columns it has, in which order and of which kind, is what a writer goes by.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from ictconvention.ingestion.gathering.table_file import FilePart, TableFile

NEW = -1  # position of an object that the survey does not know
ROWS = pa.schema([("id", pa.string()), ("position", pa.int64()), ("row", pa.string())])
Row = Mapping[str, Any]


def pack_rows(ids: Sequence[str], positions: Sequence[int], rows: Sequence[Row]) -> pa.Table:
    """Return a table as of `ROWS` of some objects, their positions in the survey, and what is known of each."""
    texts = [json.dumps(row, default=_plain) for row in rows]
    return pa.table([pa.array(ids, pa.string()), pa.array(positions, pa.int64()), pa.array(texts, pa.string())], ROWS)


def unpack_rows(table: pa.Table) -> dict[str, dict[str, Any]]:
    """Return the rows of a table as of `ROWS`, by id."""
    texts = zip(table.column("id").to_pylist(), table.column("row").to_pylist(), strict=True)
    return {id_: json.loads(text) for id_, text in texts}


def read_rows(file: TableFile) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield the id, the position and the row of each object; one batch is in memory."""
    for table in file.tables():
        positions = table.column("position").to_pylist()
        for position, (id_, row) in zip(positions, unpack_rows(table).items(), strict=True):
            yield id_, position, row


def parts_of(file: TableFile, objects: Sequence[int], shards: Sequence[int]) -> list[FilePart]:
    """Return the batches that have the rows of each shard's objects, as another process reads them.

    Parameters
    ----------
    file : TableFile
        Rows of objects in the order of the shards, some of which may be in none.
    objects : sequence of int
        How many objects of each batch are in a shard.
    shards : sequence of int
        How many objects each shard has.
    """
    file.sync()
    ends = np.cumsum([0, *objects])
    parts = []
    for begin, end in pairwise(np.cumsum([0, *shards]).tolist()):
        parts.append(file.part(np.flatnonzero((ends[:-1] < end) & (ends[1:] > begin)).tolist()))
    return parts


def _plain(value: Any) -> Any:
    """Return a number of numpy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no value of an object's row")
