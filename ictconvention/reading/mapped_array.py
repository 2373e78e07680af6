"""Map a .npy file, of which every byte is accounted for. Knows nothing of what the array means."""

import math
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from ictconvention.core.plain_file import check_plain

# What numpy raises for a damaged header, whose text it evaluates.
NPY_ERRORS = (ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError)


def map_array(path: Path, dtype: np.dtype[Any], tail: tuple[int, ...]) -> NDArray[Any]:
    """Map a .npy file of the given type and shape (any, *tail) read-only; nothing is unpickled.

    No file stays open, as it does behind each `numpy.memmap`: a survey of hundreds of shards has thousands of such
    files, more than a process may have open.

    Raises
    ------
    ValueError
        It is damaged or another array, or bytes follow its end, which numpy alone would pass over; the message is one
        sentence.
    OSError
        It cannot be read, or is no plain file.
    """
    check_plain(path)  # a pipe may wait for ever
    try:
        shape, in_fortran_order, found, begin = _read_header(path)
        content = _map(path)
        numbers = math.prod(shape)
        missing = begin + numbers * found.itemsize - content.size
        if missing > 0:
            raise ValueError(f"{missing} bytes are missing")
    except NPY_ERRORS as error:
        raise ValueError(f"{path.name} is truncated or no .npy file: {error}") from error
    if found != dtype:
        raise ValueError(f"type {found} where {dtype} is expected")
    if len(shape) != 1 + len(tail) or shape[1:] != tail:
        expected = ", ".join(["any", *map(str, tail)])
        raise ValueError(f"shape {shape} where ({expected}) is expected")
    if in_fortran_order:
        raise ValueError("the array is in Fortran order")
    if missing:
        raise ValueError(f"{-missing} bytes follow the end of the array")
    return np.frombuffer(content, dtype, numbers, begin).reshape(shape)


def _read_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, whether in Fortran order, type, and where the numbers begin."""
    with path.open("rb") as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} of the format")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, in_fortran_order, dtype = read(file)
        return shape, in_fortran_order, dtype, file.tell()


def _map(path: Path) -> pa.Buffer:
    """Map a whole file; the map lives as long as what is made of it."""
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()
