"""The ids of many objects as one Arrow column: texts for whoever asks, without a Python object for each."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from operator import eq
from typing import Any, SupportsIndex, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import DTypeLike, NDArray

AT_ONCE = 4096  # ids that are texts of Python at a time
FEW = 1000  # one id in so many is looked up by itself, more of them all together
NEAR = 10_000  # ids among which a misspelt one is looked for


class IdColumn(Sequence[str]):
    """Ids in their order; reads as a tuple of str, and equals one.

    Holds the bytes of the texts, and after the first look-up 4 bytes for each: their places in alphabetical order.

    Parameters
    ----------
    ids : Array, ChunkedArray, array (n,) or iterable of str
        Texts without a null.

    Examples
    --------
    >>> ids = IdColumn(["sn7", "sn3", "agn1"])
    >>> ids[1], ids[1:], "sn3" in ids, ids.position("agn1"), ids.positions(["sn3", "sn4"]).tolist()
    ('sn3', ('sn3', 'agn1'), True, 2, [1, -1])
    """

    def __init__(self, ids: pa.Array | pa.ChunkedArray | Iterable[str]) -> None:
        self.column: pa.ChunkedArray = _as_column(ids)

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, key: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[str, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice) -> str | tuple[str, ...]:
        """Return one id, or a tuple of some."""
        if isinstance(key, slice):
            return tuple(self.column[key].to_pylist())
        return str(self.column[int(key)].as_py())

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), AT_ONCE):
            yield from self.column.slice(first, AT_ONCE).to_pylist()

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and self.position(id_) is not None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IdColumn):
            return bool(self.column.equals(other.column))
        return isinstance(other, tuple) and len(other) == len(self) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __add__(self, others: Sequence[str]) -> tuple[str, ...]:
        return (*self, *others)

    def __radd__(self, others: Sequence[str]) -> tuple[str, ...]:
        return (*others, *self)

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the texts as an array (n,), for `np.array(ids)`."""
        return np.array(self.column.to_pylist(), dtype=dtype if len(self) else dtype or str)

    def position(self, id_: str) -> int | None:
        """Return where an id stands, None where there is none."""
        place = self._place(id_)
        found = place < len(self) and self[self.order[place]] == id_
        return int(self.order[place]) if found else None

    def positions(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Return where ids (m,) stand, (m,); -1 where there is none."""
        texts = _as_column(ids)
        if len(texts) < len(self) // FEW:
            places = (self.position(id_) for id_ in texts.to_pylist())
            return np.array([-1 if place is None else place for place in places], dtype=np.int64)
        found = pc.fill_null(pc.index_in(texts, value_set=self.column), -1)
        return np.asarray(found.to_numpy(), dtype=np.int64)

    def repeated(self) -> list[str]:
        """Return the ids that stand more than once, each once, in their order."""
        ordered = self.column.take(pa.array(self.order))
        same = pc.equal(ordered.slice(1), ordered.slice(0, max(len(self) - 1, 0))).to_numpy(zero_copy_only=False)
        if not same.any():
            return []
        twice = set(ordered.slice(1).filter(pa.array(same)).to_pylist())
        return list(dict.fromkeys(id_ for id_ in self if id_ in twice))

    def lacking(self, ids: Iterable[str]) -> list[str]:
        """Return those of some ids that are none of these."""
        asked = ids if isinstance(ids, IdColumn) else IdColumn(ids)
        return asked.where(self.positions(asked) < 0)

    def where(self, chosen: NDArray[np.bool_]) -> list[str]:
        """Return the ids (n,) that a mask chooses."""
        return self.take(np.flatnonzero(chosen))

    def take(self, places: NDArray[np.integer]) -> list[str]:
        """Return the ids at some places."""
        return self.column.take(pa.array(places)).to_pylist()  # type: ignore[no-any-return]

    def near(self, id_: str) -> Sequence[str]:
        """Return ids among which a misspelt one may be: all, or of very many those beside it in alphabetical order."""
        if len(self) <= NEAR:
            return self
        first = max(min(self._place(id_) - NEAR // 2, len(self) - NEAR), 0)
        return self.take(self.order[first : first + NEAR])

    def _place(self, id_: str) -> int:
        """Return where an id is, or would be, in alphabetical order."""
        return bisect_left(self.order, id_, key=self.__getitem__)

    @cached_property
    def order(self) -> NDArray[np.integer]:
        """Places (n,) of the ids in alphabetical order, equal ones in their own."""
        places: NDArray[np.integer] = pc.sort_indices(self.column).to_numpy()
        return places.astype(np.int32 if len(places) < 2**31 else np.int64)


def _as_column(ids: Any) -> pa.ChunkedArray:
    """Return ids of any kind as a column."""
    match ids:
        case IdColumn():
            return ids.column
        case pa.ChunkedArray():
            return ids
        case pa.Array():
            return pa.chunked_array([ids], pa.string())
        case np.ndarray():
            parts = (ids[first : first + AT_ONCE].tolist() for first in range(0, len(ids), AT_ONCE))
            return pa.chunked_array([pa.array(part, pa.string()) for part in parts], pa.string())
    return pa.chunked_array([pa.array(ids if isinstance(ids, Sequence) else list(ids), pa.string())])
