"""Rows of objects that wait on the disk: the same columns, order and kinds of values, and those that a shard needs."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictconvention.ingestion.gathering.rows import NEW, ROWS, pack_rows, parts_of, read_rows, unpack_rows
from ictconvention.ingestion.gathering.table_file import WaitingTables

VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()


@given(st.lists(st.dictionaries(st.text(min_size=1), VALUES)))
def test_rows_are_what_they_were(rows: list[dict[str, Any]]) -> None:
    ids = [str(number) for number in range(len(rows))]
    there = unpack_rows(pack_rows(ids, [NEW] * len(rows), rows))
    assert list(there) == ids
    assert [[*map(repr, row.items())] for row in there.values()] == [[*map(repr, row.items())] for row in rows]


@pytest.mark.parametrize("value", [np.float32(0.1), np.float64(0.1), np.int64(3), np.bool_(True), np.nan])
def test_numbers_of_numpy_are_those_of_python(value: Any) -> None:
    (row,) = unpack_rows(pack_rows(["a"], [0], [{"n": value}])).values()
    plain = value.item() if isinstance(value, np.generic) else value
    assert (repr(row["n"]), type(row["n"])) == (repr(plain), type(plain))


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=5), max_size=8), st.integers(1, 4))
def test_each_shard_finds_the_rows_of_its_objects(batches: list[list[bool]], size: int) -> None:
    """An object is in a shard or in none; a shard has so many of them, and objects of a batch may be in several."""
    with TemporaryDirectory() as folder, WaitingTables(Path(folder)) as waiting:
        file = waiting.new("rows", ROWS)
        number, in_shards = 0, list[str]()
        for batch in batches:
            ids = [f"o{number + i}" for i in range(len(batch))]
            file.append(pack_rows(ids, range(number, number + len(batch)), [{"n": id_} for id_ in ids]))
            in_shards += [id_ for id_, mine in zip(ids, batch, strict=True) if mine]
            number += len(batch)
        shards = [in_shards[first : first + size] for first in range(0, len(in_shards), size)]
        parts = parts_of(file, [sum(batch) for batch in batches], [len(shard) for shard in shards])
        for shard, part in zip(shards, parts, strict=True):
            rows = unpack_rows(part.read())
            assert rows.keys() >= set(shard)
            assert all(rows[id_] == {"n": id_} for id_ in shard)
        assert all(before.places[-1] <= after.places[0] for before, after in pairwise(parts))


def test_rows_are_read_one_after_the_other(tmp_path: Path) -> None:
    with WaitingTables(tmp_path) as waiting:
        file = waiting.new("rows", ROWS)
        file.append(pack_rows(["b", "a"], [5, NEW], [{"x": 1}, {}]))
        file.append(pack_rows(["c"], [0], [{"y": None}]))
        assert list(read_rows(file)) == [("b", 5, {"x": 1}), ("a", NEW, {}), ("c", 0, {"y": None})]
