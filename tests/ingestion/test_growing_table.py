"""A growing table holds every row in its order, however many are packed."""

import pyarrow as pa
import pytest

from ictconvention.ingestion.growing_table import ROWS_AT_ONCE, GrowingTable

SCHEMA = pa.schema([("id", pa.string()), ("number", pa.int64())])


@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE + 3])
def test_all_rows_are_kept_in_order(count: int) -> None:
    growing = GrowingTable(SCHEMA)
    for number in range(count):
        assert len(growing) == number
        growing.append((f"o{number}", number))
    table = growing.table()
    assert table.schema == SCHEMA
    assert table.column("number").to_pylist() == list(range(count))
    assert table.column("id").to_pylist() == [f"o{number}" for number in range(count)]


def test_a_row_of_another_length_is_refused() -> None:
    growing = GrowingTable(SCHEMA)
    growing.append(("a", 1))
    growing.append(("b",))
    with pytest.raises(ValueError, match="shorter"):
        growing.table()
