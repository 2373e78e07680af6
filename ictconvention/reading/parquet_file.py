"""The one reader of Parquet: a plain file, bounded where others wrote it, of which every value is looked at first."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.core.plain_file import read_plain

ROWS_AT_ONCE = 4096


def read_parquet(
    source: Path | bytes,
    columns: Sequence[str] | None = None,
    most_rows: float = math.inf,
    most_bytes: float = math.inf,
) -> pa.Table:
    """Return the table of a Parquet file, or of its bytes; numbers in a dictionary come as plain ones.

    Parameters
    ----------
    source : Path or bytes
        The file, or its content.
    columns : sequence of str, optional
        Columns that must be there, and are all that is read; None: all that there are.
    most_rows, most_bytes : float
        Bounds of what the file may unpack to, for a file that this package did not write.

    Raises
    ------
    OSError
        The file is no plain one, or cannot be read.
    ValueError
        It is not Parquet, is damaged, lacks a column, or unpacks to more than the bounds.
    """
    content = source if isinstance(source, bytes) else read_plain(source)
    try:
        return _read(content, columns, most_rows, most_bytes)
    except ValueError:
        raise
    except Exception as error:  # what is damaged may break the reader anywhere, or claim more than the memory holds
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from error


def as_arrays(table: pa.Table) -> dict[str, NDArray[Any]]:
    """Return the columns of a table as arrays (n,), or (n, m) of lists of m; whole numbers in int64, others in float64.

    Cells that are empty make an array of objects.

    Raises
    ------
    ValueError
        Lists of a column differ in length.
    """
    return {name: _as_array(column) for name, column in zip(table.column_names, table.columns, strict=True)}


def _as_array(column: pa.ChunkedArray) -> NDArray[Any]:
    kind = column.type
    if len(column) and not column.null_count:
        if pa.types.is_floating(kind):
            return np.array(column.to_numpy(), dtype=np.float64)
        if pa.types.is_integer(kind) and kind != pa.uint64():
            return np.array(column.to_numpy(), dtype=np.int64)
        if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
            lengths = pc.unique(pc.list_value_length(column)).to_pylist()
            if len(lengths) > 1:
                raise ValueError(f"lists of {' and '.join(map(str, sorted(lengths)[:2]))} in a column")
            values = _as_array(pc.list_flatten(column))
            return values.reshape(len(column), lengths[0], *values.shape[1:])
    return np.array(column.to_pylist())


def _read(content: bytes, columns: Sequence[str] | None, most_rows: float, most_bytes: float) -> pa.Table:
    with pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True) as file:
        if file.metadata.num_rows > most_rows:
            raise ValueError(f"it claims {file.metadata.num_rows} rows, more than {most_rows}")
        schema = file.schema_arrow
        if absent := [name for name in columns or () if name not in schema.names]:
            raise ValueError(f"it lacks the column {absent[0]}")
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns], schema.metadata)
        plain = pa.schema([_plain(field) for field in wanted], wanted.metadata)
        batches, size = [], 0
        for packed in file.iter_batches(ROWS_AT_ONCE, columns=columns):
            batch = packed.select(plain.names).cast(plain)
            batch.validate(full=True)  # text that is no UTF-8
            batches.append(batch)
            if (size := size + batch.nbytes) > most_bytes:
                raise ValueError(f"it unpacks to more than {most_bytes} bytes")
        return pa.Table.from_batches(batches, plain)


def _plain(field: pa.Field) -> pa.Field:
    """Return a field whose values are no longer numbers in a dictionary, which hide their size."""
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
