"""Ways to damage tables: cells, rows and columns of text, and the types of Parquet's columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator

from experiments.faults.draws import one_of

CELLS: Sequence[str] = (
    *("", "nan", "NaN", "inf", "-inf", "-999", "-1", "0", "1e400", "9" * 400, "1e-400", "0x10", "1_000", "1,5", "--"),
    *("null", "None", "text", "a\0b", '"', "'", "\\", "95", "400", "-91", "2.5", "1e300", "10:00:00", "2020-01-01"),
    *("../../etc/passwd", "/dev/zero", ".", "/", "..", "nowhere.fits", "x" * 5000, "ä", "\ufeff", "\u202e", "=1+1"),
    *(" ", "\t", "1.698e17", "True", "999999999999999999999", "-0.0", "1/0", "g", "ZZZ", "a;b", "a\rb", "a/b"),
)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")


def _save(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines), encoding="utf-8")


def change_cells(path: Path, rng: Generator) -> str:
    lines, said = _lines(path), []
    rows = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    for _ in range(int(rng.integers(1, 3))):
        row = one_of(rows, rng)
        separator = "," if "," in lines[row] else " "
        cells = lines[row].split(separator)
        column = int(rng.integers(len(cells)))
        before, cells[column] = cells[column], one_of(CELLS, rng)
        lines[row] = separator.join(cells)
        said.append(f"line {row + 1}, cell {column + 1}: {before[:20]!r} to {cells[column][:20]!r}")
    _save(path, lines)
    return "; ".join(said)


def change_column(path: Path, rng: Generator) -> str:
    """Give all rows the same strange cell."""
    lines = _lines(path)
    rows = [number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")][1:]
    if not rows:
        return "no rows"
    separator = "," if "," in lines[rows[0]] else " "
    column, cell = int(rng.integers(lines[rows[0]].count(separator) + 1)), one_of(CELLS, rng)
    for row in rows:
        cells = lines[row].split(separator)
        cells[min(column, len(cells) - 1)] = cell
        lines[row] = separator.join(cells)
    _save(path, lines)
    return f"cell {column + 1} to {cell[:20]!r}"


def change_header(path: Path, rng: Generator) -> str:
    lines = _lines(path)
    first = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    separator = "," if "," in lines[first] else " "
    names = lines[first].split(separator)
    column = int(rng.integers(len(names)))
    before = names[column]
    match int(rng.integers(5)):
        case 0:
            del names[column]
        case 1:
            names[column] = names[0]
        case 2:
            names[column] = before.upper()
        case 3:
            names.append(before)
        case _:
            names[column] = one_of(CELLS, rng)
    lines[first] = separator.join(names)
    _save(path, lines)
    return f"{before!r} in {lines[first][:80]!r}"


def change_rows(path: Path, rng: Generator) -> str:
    lines = _lines(path)
    row = int(rng.integers(len(lines)))
    match int(rng.integers(5)):
        case 0:
            lines.insert(row, lines[row])
        case 1:
            del lines[row]
        case 2:
            lines[row] += ",more"
        case 3:
            lines[row] = '"' + lines[row]
        case _:
            del lines[1:]
    _save(path, lines)
    return f"line {row + 1}"


def write_in_another_way(path: Path, rng: Generator) -> str:
    text = path.read_text(encoding="utf-8")
    made = (
        *(text.encode("utf-16"), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode(), b"\0" + text.encode()),
        *(text.replace(",", ";").encode(), text.replace(",", "\t").encode(), (text + "\xe4").encode("latin-1")),
        *(text.replace("\n", "\n\n").encode(), text.replace("\n", "\r").encode(), text.encode()[:-1]),
    )
    which = int(rng.integers(len(made)))
    path.write_bytes(made[which])
    return str(which)


OF_CSV = (change_cells, change_cells, change_cells, change_column, change_header, change_rows, write_in_another_way)


def change_parquet_cells(path: Path, rng: Generator) -> str:
    table = pq.read_table(path)
    if not table.num_rows or not table.num_columns:
        return "nothing in it"
    column = int(rng.integers(table.num_columns))
    values, said = table.column(column).to_pylist(), []
    for _ in range(int(rng.integers(1, 4))):
        row = int(rng.integers(len(values)))
        values[row] = _strange_like(table.schema.field(column).type, values, rng)
        said.append(f"row {row} to {str(values[row])[:20]!r}")
    made = pa.chunked_array([pa.array(values, table.schema.field(column).type, from_pandas=False)])
    pq.write_table(table.set_column(column, table.schema.field(column), made), path)
    return f"{table.column_names[column]}: {'; '.join(said)}"


def _strange_like(kind: pa.DataType, values: Sequence[Any], rng: Generator) -> Any:
    if pa.types.is_floating(kind):
        return one_of((None, float("nan"), float("inf"), -1.0, 0.0, 1e30, 95.0, -999.0), rng)
    if pa.types.is_integer(kind):
        return one_of((None, 0, 1, 100, 127), rng)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return one_of((None, "", "text", "a\0b", values[0], "x" * 300, "../x"), rng)
    return None


def change_parquet_type(path: Path, rng: Generator) -> str:
    table = pq.read_table(path)
    if not table.num_columns:
        return "nothing in it"
    column, rows = int(rng.integers(table.num_columns)), table.num_rows
    made: list[pa.Array] = [
        pa.nulls(rows),
        pa.array([[1.0]] * rows),
        pa.array([{"a": 1}] * rows, pa.struct([("a", pa.int64())])),
        pa.array([True] * rows),
        pa.array([b"\xff"] * rows),
        pa.array(["text"] * rows).dictionary_encode(),
        pa.array([0] * rows, pa.timestamp("us")),
        pa.array([0] * rows, pa.date32()),
        pa.array([1] * rows, pa.decimal128(10, 2)),
        pa.array([str(value) for value in table.column(column).to_pylist()], pa.string()),
        pa.array([2**63 - 1] * rows),
        pa.array([float("nan")] * rows, pa.float16()),
        pa.array([[]] * rows, pa.list_(pa.string())),
    ]
    which = int(rng.integers(len(made)))
    name = table.column_names[column]
    pq.write_table(table.set_column(column, name, made[which]), path)
    return f"{name} as {made[which].type}"


def change_parquet_columns(path: Path, rng: Generator) -> str:
    table = pq.read_table(path)
    if not table.num_columns:
        return "nothing in it"
    column = int(rng.integers(table.num_columns))
    name = table.column_names[column]
    names = list(table.column_names)
    match int(rng.integers(5)):
        case 0:
            made = table.remove_column(column)
        case 1:
            names[column] = one_of(CELLS, rng)
            made = table.rename_columns(names)
        case 2:
            names[column] = names[0]
            made = table.rename_columns(names)
        case 3:
            made = table.slice(0, int(rng.integers(table.num_rows + 1)))
        case _:
            made = pa.concat_tables([table, table])
    pq.write_table(made, path)
    return f"{name}: {made.num_columns} columns, {made.num_rows} rows"


OF_PARQUET = (change_parquet_cells, change_parquet_cells, change_parquet_type, change_parquet_columns)
