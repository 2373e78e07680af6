"""Rows about many objects, in any order, in shares that fit in memory: each has all rows of some objects.

A share begins where the one before it ends, in an order of objects. So what is made of the shares one after the other
is what would be made of all rows at once, however many shares there are.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.ingestion.gathering.table_file import TableFile

MOST_SHARES = 256
SAMPLE = 64  # rows that are looked at for each share, to tell where it begins
Key = tuple[int, str]
Tables = Callable[[], Iterable[pa.Table]]  # the rows, anew at each call


class ObjectOrder:
    """The order of a survey's objects: those that a table names, as it names them, and then the others by their ids.

    Parameters
    ----------
    first : iterable of str
        Ids in the order of the table.
    """

    def __init__(self, first: Iterable[str] = ()) -> None:
        self._place = {id_: place for place, id_ in enumerate(first)}

    def key(self, id_: str) -> Key:
        """Return what objects are sorted by."""
        return self._place.get(id_, len(self._place)), id_


class Shares:
    """Which share each object belongs to.

    Parameters
    ----------
    tables : function
        Returns the rows, with a column `id`.
    rows : int
        How many there are.
    order : ObjectOrder
        The order of objects.
    at_once : int
        Rows that fit in memory; of more than `MOST_SHARES` times as many, each share has more. An object's rows are in
        one share, however many they are.
    """

    def __init__(self, tables: Tables, rows: int, order: ObjectOrder, at_once: int) -> None:
        count = min(MOST_SHARES, -(-rows // at_once))
        self._order = order
        self._at_once = max(at_once, -(-rows // MOST_SHARES))
        self._begins: list[Key] = []  # of each share but the first
        if count > 1:
            keys = sorted(self._sample(tables(), min(1.0, SAMPLE * count / rows)))
            self._begins = sorted({keys[len(keys) * number // count] for number in range(1, count)} if keys else ())

    def __len__(self) -> int:
        return len(self._begins) + 1

    def deal(self, tables: Tables, file: TableFile) -> Iterator[pa.Table]:
        """Yield the rows of each share, in the order in which they come; an empty table where it has none.

        Parameters
        ----------
        tables : function
            Returns the rows.
        file : TableFile
            Where they wait, where there are several shares.
        """
        empty = file.schema.empty_table()
        if not self._begins:
            yield pa.concat_tables([empty, *tables()])
            return
        batches: list[list[int]] = [[] for _ in range(len(self))]
        for table in in_groups(tables(), self._at_once):
            number = self._numbers(table.column("id"))
            place = np.argsort(number, kind="stable")
            dealt, ends = table.take(pa.array(place)), np.searchsorted(number[place], np.arange(len(self) + 1))
            for share in np.flatnonzero(np.diff(ends)).tolist():
                begin, end = int(ends[share]), int(ends[share + 1])
                batches[share].append(file.append(dealt.slice(begin, end - begin)))
        for own in batches:
            yield pa.concat_tables([empty, *(file.read([number]) for number in own)])

    def _sample(self, tables: Iterable[pa.Table], share: float) -> Iterator[Key]:
        rng = np.random.default_rng(0)
        for table in tables:
            chosen = np.flatnonzero(rng.random(table.num_rows) < share)
            yield from map(self._order.key, table.column("id").take(pa.array(chosen)).to_pylist())

    def _numbers(self, ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the share of each row."""
        coded = ids.combine_chunks().dictionary_encode()
        key, names = self._order.key, coded.dictionary.to_pylist()
        of_name = np.array([bisect_right(self._begins, key(name)) for name in names], dtype=np.int64)
        return np.asarray(of_name[coded.indices.to_numpy()])


def in_groups(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield the rows of tables in tables of so many rows; the last may have fewer, and has one at least."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        while count >= rows:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, rows).combine_chunks()
            waiting, count = [joined.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(waiting).combine_chunks()


def in_order(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return a table sorted by some columns of numbers, the first before the next; equal rows stay as they are."""
    keys = [table.column(name).to_numpy() for name in reversed(names)]
    return table.take(pa.array(np.lexsort(keys)))
