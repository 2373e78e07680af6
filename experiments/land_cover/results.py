"""The results of the study: a small Parquet file for each job, with its shares, and in its metadata what made them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt

from experiments.land_cover.jobs import FEW_MASKS, Job
from experiments.study import damage_reported, path_of, read_table, write_result
from experiments.study import read_results as read_folder
from ictconvention.evaluation.predictions import Predictions
from ictconvention.reading.json_file import Shape

SHARES = ("row", "argmax", "mean", "calibrated")
KNOWN, CONFUSION = "known", "confusion"
SPLIT = {f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in (KNOWN, *SHARES)}


class RecordShape(Shape):
    """The types of what the metadata says."""

    row: str
    seed: NonNegativeInt
    title: str
    survey_hash: str
    setting: str
    names: list[str]
    part: str
    filters: NonNegativeInt | None
    layers: NonNegativeInt | None
    parameters: NonNegativeInt | None
    core_seconds: NonNegativeFloat | None
    course: dict[str, list[float]]
    environment: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """What a job predicts, and what is known of it.

    Parameters
    ----------
    job : Job
    record : mapping
        See `RecordShape`: among it `part`, of the split, and `course`, the KL of the validation part after each
        training epoch: of counts `argmax`, of means `mean`.
    predictions : Predictions
        Known shares (n, classes), and predicted ones by name; of masks `confusion` (n, classes, classes), rows true.
    group : array (n,)
        Group of each chip, such as its scene, which a bootstrap draws whole.
    """

    job: Job
    record: Mapping[str, Any]
    predictions: Predictions
    group: NDArray[np.int64]


def save_result(folder: Path, result: Result) -> None:
    """Write a result, whole or not at all. Shares that are predicted and calibrated are kept once."""
    found = result.predictions
    order = np.argsort(found.ids)
    columns: dict[str, Any] = {"id": found.ids[order], "group": result.group[order].astype(np.int32)}
    lists = {KNOWN: np.asarray(found.label), **{name: found.rows[name] for name in SHARES if name in found.rows}}
    if "calibrated" in lists and np.array_equal(lists["row"], lists["calibrated"]):
        del lists["row"]
    columns |= {name: _lists(values[order].astype(np.float32)) for name, values in lists.items()}
    if CONFUSION in found.rows:
        counts = found.rows[CONFUSION][order].astype(np.int32)
        columns[CONFUSION] = _lists(counts.reshape(len(order), -1))
    encoding = {name: kind for name, kind in SPLIT.items() if name.partition(".")[0] in columns}
    record = {**vars(result.job), **result.record}
    write_result(path_of(folder, result.job), pa.table(columns), record, encoding)


def _lists(values: NDArray[Any]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def read_result(path: Path) -> Result:
    """Read a result.

    Raises
    ------
    UsageError
        It is damaged.
    """
    with damage_reported(path):
        columns, record = read_table(path, RecordShape)
        classes = len(record["names"])
        rows = {name: columns[name].astype(np.float64) for name in SHARES if name in columns}
        rows.setdefault("row", rows.get("calibrated", np.empty((0, 0))))
        known = columns[KNOWN].astype(np.float64)
        for name, values in {KNOWN: known, **rows}.items():
            if values.shape != (len(columns["id"]), classes):
                raise ValueError(f"{name} has the shape {values.shape}, of {classes} classes")
        if CONFUSION in columns:
            rows[CONFUSION] = columns[CONFUSION].astype(np.float64).reshape(-1, classes, classes)
        found = Predictions(columns["id"].astype(str), known, rows)
        group = columns["group"].astype(np.int64)
    return Result(Job(record["row"], record["seed"]), record, found, group)


def read_results(folder: Path, settings: Mapping[Job, str] | None = None) -> dict[Job, Result]:
    """Read all results of a folder; see `experiments.study.read_results`."""
    return read_folder(folder, read_result, settings, lambda job: "few masks" if job.row in FEW_MASKS else "all masks")
