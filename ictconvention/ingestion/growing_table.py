"""A table that grows row by row while files are read."""

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

ROWS_AT_ONCE = 4096  # in Python's numbers


class GrowingTable:
    """Rows of a table; all but the last of them lie in Arrow, which takes a fifth of the room of Python's numbers.

    Parameters
    ----------
    schema : Schema
        Schema of the table.
    give : function, optional
        Takes the rows that are in Arrow, some thousand at a time; they are not kept then.
    """

    def __init__(self, schema: pa.Schema, give: Callable[[pa.Table], object] | None = None) -> None:
        self._schema = schema
        self._give = give
        self._parts: list[pa.RecordBatch] = []
        self._rows: list[tuple[Any, ...]] = []
        self._packed = 0

    def __len__(self) -> int:
        return self._packed + len(self._rows)

    def append(self, row: Iterable[Any]) -> None:
        """Add a row, its values in the order of the schema."""
        self._rows.append(tuple(row))
        if len(self._rows) == ROWS_AT_ONCE:
            self._pack()
            if self._give is not None:
                self._give(pa.Table.from_batches(self._parts, self._schema))
                self._parts = []

    def table(self) -> pa.Table:
        """Return all rows that were not given away."""
        self._pack()
        return pa.Table.from_batches(self._parts, self._schema)

    def _pack(self) -> None:
        if self._rows:
            columns = [
                pa.array(c, kind) for c, kind in zip(zip(*self._rows, strict=True), self._schema.types, strict=True)
            ]
            self._parts.append(pa.record_batch(columns, self._schema))
            self._packed += len(self._rows)
            self._rows = []
