"""Predictions that no run has made, such as a random forest's, kept in a sweep's folder beside its runs."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import NonNegativeFloat, TypeAdapter, ValidationError

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.evaluation.predictions import Key, ModelPredictions, Predictions
from ictconvention.reading.json_file import parse_json
from ictconvention.reading.parquet_file import as_arrays, read_parquet
from ictconvention.tasks.task import Task

ENTRIES_FILE = "baselines.parquet"
# In the file's metadata, as JSON: the names of the rows, and of each entry the core-seconds of a fold and seed.
ROWS, CORE_SECONDS = b"rows", b"core_seconds"
SPENT = TypeAdapter(dict[str, list[tuple[int, int, NonNegativeFloat]]])


def save_entries(path: Path, entries: Sequence[ModelPredictions], task: Task) -> None:
    """Write entries to a table: entry, fold, seed, id, label, and a column for each output of every row.

    Of classes, that is the probability of each at both class shares. The metadata names the rows: the name of a class
    may end in that of another. It also has the core-seconds of the entries.
    """
    parts, rows = (
        [],
        list(dict.fromkeys(row for entry in entries for of in entry.predictions.values() for row in of.rows)),
    )
    for entry in entries:
        for (fold, seed), found in entry.predictions.items():
            columns: dict[str, Any] = {
                "entry": np.full(len(found.ids), entry.name),
                "fold": np.full(len(found.ids), fold),
                "seed": np.full(len(found.ids), seed),
                "id": found.ids,
                "label": task.format.write_label(found.label),
            }
            for row, values in found.rows.items():
                columns |= {f"{row} {name}": values[:, c] for c, name in enumerate(task.names)}
            parts.append(pa.table(columns))
    with whole_file(path, "saving the predictions", record=True) as partial:
        spent = {entry.name: [[*key, seconds] for key, seconds in entry.core_seconds.items()] for entry in entries}
        said = {ROWS: json.dumps(rows), CORE_SECONDS: json.dumps(spent)}
        table = pa.concat_tables(parts).replace_schema_metadata(said)
        pq.write_table(table, partial, write_page_checksum=True)


def read_entries(path: Path, task: Task) -> tuple[ModelPredictions, ...]:
    """Read entries; none where there is no file.

    Raises
    ------
    UsageError
        The file is damaged, or of other outputs (classes).
    """
    if not os.path.lexists(path):
        return ()
    predictions: dict[str, dict[Key, Predictions]] = {}
    try:
        with readable_os_errors("reading the predictions", path):
            content = read_parquet(path)
            table = as_arrays(content)
        labels = task.format.read_label(table["label"])
        rows = _rows_of(content.schema, task.names)
        spent = _core_seconds_of(content.schema)
        for name in dict.fromkeys(table["entry"].tolist()):
            for fold, seed in sorted(
                set(zip(*(table[key][table["entry"] == name] for key in ("fold", "seed")), strict=True))
            ):
                here = (table["entry"] == name) & (table["fold"] == fold) & (table["seed"] == seed)
                found = {row: np.column_stack([table[f"{row} {one}"][here] for one in task.names]) for row in rows}
                if not rows or not all(np.isfinite(values).all() for values in found.values()):
                    raise ValueError(f"a probability of {name} is not a number")
                of = Predictions(table["id"][here].astype(str), labels[here], found)
                predictions.setdefault(name, {})[int(fold), int(seed)] = of
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"these predictions are damaged, or of other classes ({error})", path, "remove it", "E-TABLE-DAMAGED"
        ) from error
    return tuple(ModelPredictions(name, of, core_seconds=spent.get(name, {})) for name, of in predictions.items())


def _core_seconds_of(schema: pa.Schema) -> dict[str, dict[Key, float]]:
    """Return the core-seconds of each entry; a file of before they were in the metadata has none."""
    said = (schema.metadata or {}).get(CORE_SECONDS)
    if said is None:
        return {}
    try:
        spent = SPENT.validate_python(parse_json(said))
    except ValidationError as error:
        raise ValueError("its metadata does not say the core-seconds") from error
    return {name: {(fold, seed): seconds for fold, seed, seconds in of} for name, of in spent.items()}


def _rows_of(schema: pa.Schema, names: Sequence[str]) -> list[str]:
    """Return the names of the rows; a file of before they were in the metadata tells them by its columns."""
    if (said := (schema.metadata or {}).get(ROWS)) is not None:
        rows = parse_json(said)
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise ValueError("its metadata names no rows")
        return rows
    columns = {*schema.names}
    before = [column.removesuffix(f" {names[0]}") for column in schema.names if column.endswith(f" {names[0]}")]
    return [row for row in before if all(f"{row} {name}" in columns for name in names)]
