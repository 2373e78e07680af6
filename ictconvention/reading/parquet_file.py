"""The one reader of Parquet: a plain file, bounded, of which every value is looked at before it is used."""

import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.core.plain_file import read_plain

MOST_ROWS, MOST_BYTES = 20_000_000, 2**31  # of a table: what is packed may unpack without end
ROWS_AT_ONCE = 4096


def read_parquet(source: Path | bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table of a Parquet file, or of its bytes; numbers in a dictionary come as plain ones.

    Parameters
    ----------
    source : Path or bytes
        The file, or its content.
    columns : sequence of str, optional
        Columns that must be there, and are all that is read; None: all that there are.

    Raises
    ------
    OSError
        The file is no plain one, or cannot be read.
    ValueError
        It is not Parquet, is damaged, lacks a column, or unpacks to more than `MOST_ROWS` rows or `MOST_BYTES`.
    """
    content = source if isinstance(source, bytes) else read_plain(source)
    try:
        return _read(content, columns)
    except ValueError:
        raise
    except Exception as error:  # what is damaged may break the reader anywhere, or claim more than the memory holds
        raise ValueError((str(error) or type(error).__name__).splitlines()[0]) from error


def _read(content: bytes, columns: Sequence[str] | None) -> pa.Table:
    with pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True) as file:
        if file.metadata.num_rows > MOST_ROWS:
            raise ValueError(f"it claims {file.metadata.num_rows} rows, more than {MOST_ROWS}")
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
            if (size := size + batch.nbytes) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
        return pa.Table.from_batches(batches, plain)


def _plain(field: pa.Field) -> pa.Field:
    """Return a field whose values are no longer numbers in a dictionary, which hide their size."""
    return field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
