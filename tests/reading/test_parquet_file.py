"""Tables come from Parquet as numbers, bounded where somebody else wrote them."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.reading.parquet_file import as_arrays, read_parquet

ROWS = 10_000  # more than are read at once


def test_our_own_tables_have_no_bound_and_those_of_others_have(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": pa.nulls(20_000_001, pa.int8())}), path, row_group_size=2**26)
    assert read_parquet(path).num_rows == 20_000_001
    pq.write_table(pa.table({"x": np.zeros(ROWS)}), path)
    assert read_parquet(path, most_rows=ROWS, most_bytes=10 * ROWS).num_rows == ROWS
    with pytest.raises(ValueError, match=f"more than {ROWS - 1}"):
        read_parquet(path, most_rows=ROWS - 1)
    with pytest.raises(ValueError, match=f"more than {8 * ROWS - 1} bytes"):
        read_parquet(path, most_bytes=8 * ROWS - 1)


@pytest.mark.parametrize("fixed", [True, False])
def test_lists_come_as_an_array_without_a_python_number_for_each(tmp_path: Path, fixed: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(ROWS, 3))
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 3)
    columns = {
        "id": [f"a{n}" for n in range(ROWS)],
        "fold": pa.array(np.arange(ROWS), pa.int32()),
        "shares": lists if fixed else lists.cast(pa.list_(pa.float64())),
        "z": pa.array(rows[:, 0], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = read_parquet(tmp_path / "a.parquet")
    plain = {name: np.array(values) for name, values in table.to_pydict().items()}
    for name, array in as_arrays(table).items():
        assert array.dtype == plain[name].dtype
        np.testing.assert_array_equal(array, plain[name])
    tracemalloc.start()
    try:
        shares = as_arrays(table.select(["shares"]))["shares"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(shares, rows)
    assert peak < 3 * rows.nbytes  # Python's numbers and lists take seven times


def test_odd_columns_are_what_their_cells_are() -> None:
    arrays = as_arrays(pa.table({"x": [1.0, None], "b": [True, False], "n": [[[1, 2]], [[3, 4]]]}))
    assert arrays["x"].tolist() == [1.0, None]
    assert arrays["b"].dtype == bool
    assert arrays["n"].tolist() == [[[1, 2]], [[3, 4]]]
    for lists in ([[1], [1, 2]], [[1], None]):
        with pytest.raises(ValueError):  # noqa: PT011 - NumPy's or ours
            as_arrays(pa.table({"x": lists}))
    assert as_arrays(pa.table({"x": pa.array([], pa.float64())}))["x"].shape == (0,)
