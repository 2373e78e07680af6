"""Map a .npy file, of which every byte is accounted for. Knows nothing of what the array means."""

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.plain_file import check_plain

# What numpy raises for a damaged header, whose text it evaluates.
NPY_ERRORS = (ValueError, EOFError, SyntaxError, TokenError, TypeError, OverflowError, MemoryError)


def map_array(path: Path, dtype: np.dtype[Any], tail: tuple[int, ...]) -> NDArray[Any]:
    """Map a .npy file of the given type and shape (any, *tail) read-only; nothing is unpickled.

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
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except NPY_ERRORS as error:
        raise ValueError(f"{path.name} is truncated or no .npy file: {error}") from error
    if not isinstance(array, np.memmap) or array.dtype != dtype:
        raise ValueError(f"type {getattr(array, 'dtype', 'npz')} where {dtype} is expected")
    if array.ndim != 1 + len(tail) or array.shape[1:] != tail:
        expected = ", ".join(["any", *map(str, tail)])
        raise ValueError(f"shape {array.shape} where ({expected}) is expected")
    if not array.flags.c_contiguous:
        raise ValueError("the array is in Fortran order")
    if (beyond := path.stat().st_size - array.offset - array.nbytes) != 0:
        raise ValueError(f"{beyond} bytes follow the end of the array")
    return array.view(np.ndarray)  # a plain view of the map: slicing it is several times faster than slicing memmap
