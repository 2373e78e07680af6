"""A .npy file that grows along its first axis while it is written."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class GrowingArray:
    """Write an array of shape (any, *tail) block by block; the header is put right at the end.

    Parameters
    ----------
    path : Path
        The .npy file to make.
    dtype : dtype
        Type of the elements.
    tail : tuple of int
        Shape of one row.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], tail: tuple[int, ...]) -> None:
        self._file = path.open("wb")
        self._dtype, self._tail, self._length = dtype, tail, 0
        self._write_header()
        self._start = self._file.tell()

    def __len__(self) -> int:
        return self._length

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows of shape (n, *tail), contiguous and of the file's type."""
        self._file.write(rows.data)
        self._length += len(rows)

    def close(self) -> None:
        """Write the final shape into the header and close the file."""
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._start:  # numpy leaves room for the first axis to grow to 21 digits
            raise RuntimeError(f"the header of {self._file.name} outgrew its room")
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is; on a full disk, what is still buffered is lost, and meant to be."""
        with suppress(OSError):
            self._file.close()

    def _write_header(self) -> None:
        shape = (self._length, *self._tail)
        entries = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, entries)
