"""Tables that wait on the disk, batch after batch in one file: what waits takes no memory, and one file is open."""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from types import TracebackType

import pyarrow as pa

from ictconvention.core.errors import readable_os_errors

DOING = "keeping what is said of the frames"
Place = tuple[int, int]  # of a batch in its file: the first byte, and their number


@dataclass(frozen=True)
class FilePart:
    """Some batches of a file, for whoever reads them, such as another process.

    Parameters
    ----------
    path : Path
        The file.
    schema : Schema
        Of the batches.
    places : tuple of Place
        Where they lie.
    """

    path: Path
    schema: pa.Schema
    places: tuple[Place, ...]

    def read(self) -> pa.Table:
        """Return the rows of the batches, one after the other."""
        with self.path.open("rb") as file:
            return _read(file.fileno(), self.schema, self.places)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows of each batch."""
        with self.path.open("rb") as file:
            for place in self.places:
                yield _read(file.fileno(), self.schema, [place])


class TableFile:
    """A table in a file, written in batches and read in batches, in any order.

    Parameters
    ----------
    schema : Schema
        Of the table.
    path : Path, optional
        The file to make; None: a file without a name in the system's temporary folder, which goes with the process.
    """

    def __init__(self, schema: pa.Schema, path: Path | None) -> None:
        self.schema = schema
        self.rows = 0
        self._path = path
        with self._writing():
            # Without a buffer: others read it by its place, and nothing is left to write when it is closed.
            self._file = TemporaryFile(buffering=0) if path is None else path.open("w+b", buffering=0)  # noqa: SIM115
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, table: pa.Table) -> int:
        """Write a table, which has a row at least, as one batch; return its number.

        Raises
        ------
        FileSystemError
            The disk does not allow it.
        """
        (batch,) = table.combine_chunks().to_batches()
        content = batch.serialize()
        with self._writing():
            rest = memoryview(content)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._ends.append(self._ends[-1] + content.size)
        self.rows += table.num_rows
        return len(self) - 1

    def read(self, numbers: Iterable[int]) -> pa.Table:
        """Return the rows of some batches, one after the other."""
        return _read(self._file.fileno(), self.schema, self._places(numbers))

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows of each batch."""
        for number in range(len(self)):
            yield self.read([number])

    def part(self, numbers: Iterable[int] | None = None) -> FilePart:
        """Return some batches, or all, as another process reads them; the file has a path."""
        assert self._path is not None  # what has none is read here alone
        return FilePart(self._path, self.schema, tuple(self._places(range(len(self)) if numbers is None else numbers)))

    def sync(self) -> None:
        """Wait until what was written is on the disk, so that another machine reads it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; it stays where it has a path."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and remove it, once nobody reads it any more; its number of rows stays known."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _writing(self) -> AbstractContextManager[None]:
        return readable_os_errors(DOING, self._path or gettempdir())

    def _places(self, numbers: Iterable[int]) -> list[Place]:
        return [(self._ends[number], self._ends[number + 1] - self._ends[number]) for number in numbers]


class WaitingTables:
    """The files of what waits, closed at the end of a `with` block.

    Parameters
    ----------
    folder : Path, optional
        Where they lie; None: they have no name, as in a dry run, which leaves nothing even where it is killed.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._files: list[TableFile] = []

    def new(self, name: str, schema: pa.Schema) -> TableFile:
        """Return a new, empty file."""
        path = None if self.folder is None else self.folder / f"waiting-{len(self._files)}-{name}.arrow"
        self._files.append(TableFile(schema, path))
        return self._files[-1]

    def __enter__(self) -> "WaitingTables":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        self.close()

    def close(self) -> None:
        """Close all files; they may be removed then, and none is read any more."""
        for file in self._files:
            file.close()


def _read(file: int, schema: pa.Schema, places: Sequence[Place]) -> pa.Table:
    batches = [
        pa.ipc.read_record_batch(pa.py_buffer(os.pread(file, size, begin)), schema)  # leaves alone where others read
        for begin, size in places
    ]
    return pa.Table.from_batches(batches, schema)
