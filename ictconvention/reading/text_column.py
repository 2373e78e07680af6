"""A text, or none, for each of many ids: a mapping of texts to texts without a Python object for each."""

from collections import Counter
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.reading.id_column import AT_ONCE, IdColumn


class TextColumn(Mapping[str, str | None]):
    """Texts that repeat, such as classes, by id; reads as a dict of str, and equals one.

    Parameters
    ----------
    ids : IdColumn
        The n ids, each once.
    names : sequence of str
        The texts, sorted.
    codes : array (n,)
        Which of them each id has; -1: none.

    Examples
    --------
    >>> classes = TextColumn.of({"sn7": "SN Ia", "x": None})
    >>> classes["sn7"], classes == {"x": None, "sn7": "SN Ia"}, classes.count(["x", "sn7"])
    ('SN Ia', True, Counter({None: 1, 'SN Ia': 1}))
    """

    def __init__(self, ids: IdColumn, names: Iterable[str], codes: NDArray[np.integer]) -> None:
        self.ids, self.names, self.codes = ids, tuple(names), codes

    @classmethod
    def of(cls, texts: Mapping[str, str | None]) -> Self:
        """Return the column of a mapping."""
        return cls.from_column(IdColumn(texts), pa.array(texts.values(), pa.string()))

    @classmethod
    def from_column(cls, ids: IdColumn, texts: pa.Array | pa.ChunkedArray) -> Self:
        """Return the texts (n,) of ids (n,), null where there is none."""
        chunked = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts], pa.string())
        packed = chunked.combine_chunks().dictionary_encode()
        packed = packed.combine_chunks() if isinstance(packed, pa.ChunkedArray) else packed
        names = packed.dictionary.to_pylist()
        place = np.array([*(sorted(names).index(name) for name in names), -1], dtype=np.int32)
        codes = place[packed.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)]
        return cls(ids, sorted(names), codes)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __getitem__(self, id_: str) -> str | None:
        """Return the text of an id."""
        if (place := self.ids.position(id_)) is None:
            raise KeyError(id_)
        return self._name(int(self.codes[place]))

    def __contains__(self, id_: object) -> bool:
        return id_ in self.ids

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TextColumn) and self.ids == other.ids:
            return self.names == other.names and np.array_equal(self.codes, other.codes)
        return isinstance(other, Mapping) and self._as_dict() == {**dict(other.items())}

    def __hash__(self) -> int:
        return hash(frozenset(self._as_dict().items()))

    def __repr__(self) -> str:
        return repr(self._as_dict())

    def __reduce__(self) -> tuple[Any, ...]:
        return TextColumn, (self.ids, self.names, self.codes)

    def items(self) -> ItemsView[str, str | None]:
        """Return the pairs of id and text, in their order."""
        return self._as_dict().items()

    def values(self) -> ValuesView[str | None]:
        """Return the texts, in their order."""
        return self._as_dict().values()

    def in_order(self) -> Iterator[dict[str, str | None]]:
        """Yield the texts in alphabetical order of their ids, some thousands at a time."""
        for first in range(0, len(self), AT_ONCE):
            places = self.ids.order[first : first + AT_ONCE]
            yield dict(zip(self.ids.take(places), map(self._name, self.codes[places].tolist()), strict=True))

    def codes_of(self, ids: Iterable[str]) -> NDArray[np.integer]:
        """Return which of the names each of some ids (m,) has, (m,); -1: none, or no such id."""
        places = self.ids.positions(ids)
        return np.where(places < 0, -1, self.codes[places]) if len(self) else np.full(len(places), -1)

    def count(self, ids: Iterable[str]) -> Counter[str | None]:
        """Count the texts of some ids, in the order of their first appearance."""
        codes, first, number = np.unique(self.codes_of(ids), return_index=True, return_counts=True)
        order = np.argsort(first)
        return Counter(
            {self._name(code): n for code, n in zip(codes[order].tolist(), number[order].tolist(), strict=True)}
        )

    def texts(self) -> pa.Array:
        """Return the texts (n,), null where there is none, each stored once."""
        codes = pa.array(self.codes, pa.int32(), mask=self.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(self.names, pa.string()))

    def _name(self, code: int) -> str | None:
        return None if code < 0 else self.names[code]

    def _as_dict(self) -> dict[str, str | None]:
        return dict(zip(self.ids, map(self._name, self.codes.tolist()), strict=True))
