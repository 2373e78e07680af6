"""The results of the study: a small Parquet file for each job, with its predictions of the extra test objects."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt

from experiments.photometry.jobs import ARMS, FOREST, MODELS, Job
from experiments.study import damage_reported, path_of, read_table, write_result
from experiments.study import read_results as read_folder
from ictconvention.reading.json_file import Shape

DAYS: Mapping[str, float | None] = {"5": 5.0, "10": 10.0, "20": 20.0, "all": None}  # since the first detection
ID, LABEL, GROUP = "id", "label", "group"
COLUMN = "log probability of {} in {} days"  # half precision


class RecordShape(Shape):
    """The types of what the metadata says."""

    row: str
    arm: str
    seed: NonNegativeInt
    epochs: NonNegativeInt
    title: str
    survey_hash: str
    setting: str
    classes: list[str]
    core_seconds: NonNegativeFloat
    environment: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """What a job predicts of the extra test objects as they stand after some days, at equal class shares.

    Parameters
    ----------
    job : Job
    record : mapping
        See `RecordShape`.
    ids : array (n,)
        Of the objects, sorted.
    label, group : arrays (n,)
        Their classes and sky groups.
    likely : mapping of str to array (n, classes)
        Probabilities, by the days since the first detection that are known.
    """

    job: Job
    record: Mapping[str, Any]
    ids: NDArray[np.str_]
    label: NDArray[np.int64]
    group: NDArray[np.int64]
    likely: Mapping[str, NDArray[np.float64]]


def save_result(folder: Path, result: Result) -> None:
    """Write a result, whole or not at all."""
    order = np.argsort(result.ids)
    columns: dict[str, Any] = {ID: result.ids[order], LABEL: result.label[order].astype(np.uint8)}
    columns[GROUP] = result.group[order].astype(np.int32)
    encoding = {ID: "DELTA_BYTE_ARRAY"}
    for days, likely in result.likely.items():
        with np.errstate(divide="ignore"):
            halves = np.log(likely[order]).clip(-60).astype(np.float16)
        for number, name in enumerate(result.record["classes"]):
            columns[COLUMN.format(name, days)] = halves[:, number]
            encoding[COLUMN.format(name, days)] = "BYTE_STREAM_SPLIT"
    write_result(path_of(folder, result.job), pa.table(columns), {**asdict(result.job), **result.record}, encoding)


def read_result(path: Path) -> Result:
    """Read a result.

    Raises
    ------
    UsageError
        It is damaged.
    """
    with damage_reported(path):
        columns, record = read_table(path, RecordShape)
        if record["row"] not in (*MODELS, FOREST) or record["arm"] not in ARMS:
            raise ValueError(f"there is no {record['row']}, or no {record['arm']}")
        likely = {}
        for days in DAYS:
            names = [COLUMN.format(name, days) for name in record["classes"]]
            rows = np.exp(np.column_stack([columns[name] for name in names]).astype(np.float64))
            likely[days] = rows / rows.sum(1, keepdims=True)
            if not np.isfinite(likely[days]).all():
                raise ValueError("its probabilities are none")
        job = Job(record["row"], record["arm"], record["seed"])
        label, group = columns[LABEL].astype(np.int64), columns[GROUP].astype(np.int64)
        return Result(job, record, columns[ID].astype(str), label, group, likely)


def read_results(folder: Path, settings: Mapping[Job, str] | None = None) -> dict[Job, Result]:
    """Read all results of a folder; see `experiments.study.read_results`."""
    return read_folder(folder, read_result, settings)
