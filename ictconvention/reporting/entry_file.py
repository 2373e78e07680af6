"""Predictions that no run has made, such as a random forest's, kept in a sweep's folder beside its runs."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.evaluation.predictions import Key, ModelPredictions, Predictions
from ictconvention.evaluation.prior import Prior
from ictconvention.reading.parquet_file import read_parquet

ENTRIES_FILE = "baselines.parquet"


def save_entries(path: Path, entries: Sequence[ModelPredictions], classes: Sequence[str]) -> None:
    """Write entries to a table: entry, fold, seed, id, label, and each class's probability at both class shares."""
    parts = []
    for entry in entries:
        for (fold, seed), found in entry.predictions.items():
            columns = {
                "entry": np.full(len(found.ids), entry.name),
                "fold": np.full(len(found.ids), fold),
                "seed": np.full(len(found.ids), seed),
                "id": found.ids,
                "label": np.array(classes, dtype=str)[found.label],
            }
            for shares in Prior:
                for c, name in enumerate(classes):
                    columns[f"{shares} {name}"] = found.at(shares)[:, c]
            parts.append(pa.table(columns))
    with whole_file(path, "saving the predictions", record=True) as partial:
        pq.write_table(pa.concat_tables(parts), partial, write_page_checksum=True)


def read_entries(path: Path, classes: Sequence[str]) -> tuple[ModelPredictions, ...]:
    """Read entries; none where there is no file.

    Raises
    ------
    UsageError
        The file is damaged, or of other classes.
    """
    if not os.path.lexists(path):
        return ()
    predictions: dict[str, dict[Key, Predictions]] = {}
    try:
        with readable_os_errors("reading the predictions", path):
            content = read_parquet(path).to_pydict()
        table = {name: np.array(values) for name, values in content.items()}
        labels = np.array([classes.index(name) for name in table["label"]], dtype=np.int64)
        for name in dict.fromkeys(table["entry"].tolist()):
            for fold, seed in sorted(
                set(zip(*(table[key][table["entry"] == name] for key in ("fold", "seed")), strict=True))
            ):
                here = (table["entry"] == name) & (table["fold"] == fold) & (table["seed"] == seed)
                likely, uniform = (np.column_stack([table[f"{shares} {c}"][here] for c in classes]) for shares in Prior)
                if not (np.isfinite(likely).all() and np.isfinite(uniform).all()):
                    raise ValueError(f"a probability of {name} is not a number")
                found = Predictions(table["id"][here].astype(str), labels[here], likely, uniform)
                predictions.setdefault(name, {})[int(fold), int(seed)] = found
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"these predictions are damaged, or of other classes ({error})", path, "remove it", "E-TABLE-DAMAGED"
        ) from error
    return tuple(ModelPredictions(name, of) for name, of in predictions.items())
