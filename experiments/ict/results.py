"""The results of the study: a small Parquet file for each job, with its predictions, and in its metadata the rest."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt

from experiments.ict.arms import ARMS
from experiments.ict.jobs import Job
from experiments.ict.regimes import REGIMES
from experiments.study import damage_reported, path_of, read_table, write_result
from experiments.study import read_results as read_folder
from ictconvention.reading.json_file import Shape

ID, LABEL = "id", "label"
COLUMN = "log probability of {}"  # half precision: a rank and a decision need no more, and a file stays small


class RecordShape(Shape):
    """The types of what the metadata says."""

    regime: str
    arm: str
    survey: NonNegativeInt
    fold: NonNegativeInt
    seed: NonNegativeInt
    title: str
    survey_hash: str
    setting: str
    names: list[str]
    passes: list[NonNegativeFloat]
    ratio: NonNegativeFloat
    core_seconds: NonNegativeFloat | None
    scores: dict[str, dict[str, Any]]
    course: dict[str, list[float]]
    environment: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """What a job predicts of the extra test part, at equal class shares, and what is known of it.

    Parameters
    ----------
    job : Job
    record : mapping
        See `RecordShape`.
    ids : array (n,)
        Of the objects, sorted.
    label : array (n,)
        Their classes.
    likely : array (n, classes)
        Probabilities.
    """

    job: Job
    record: Mapping[str, Any]
    ids: NDArray[np.str_]
    label: NDArray[np.int64]
    likely: NDArray[np.float64]


def save_result(folder: Path, result: Result) -> None:
    """Write a result, whole or not at all."""
    order = np.argsort(result.ids)
    with np.errstate(divide="ignore"):
        halves = np.log(result.likely[order]).clip(-60).astype(np.float16)
    columns: dict[str, Any] = {ID: result.ids[order], LABEL: result.label[order].astype(np.uint8)}
    columns |= {COLUMN.format(name): halves[:, c] for c, name in enumerate(result.record["names"])}
    encoding = {name: "BYTE_STREAM_SPLIT" for name in columns if name not in (ID, LABEL)}
    encoding |= {ID: "DELTA_BYTE_ARRAY"}
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
        halves = np.column_stack([columns[COLUMN.format(name)] for name in record["names"]]).astype(np.float64)
        if record["regime"] not in REGIMES or record["arm"] not in ARMS:
            raise ValueError(f"there is no {record['regime']}, or no {record['arm']}")
        likely = np.exp(halves)
        likely /= likely.sum(1, keepdims=True)
        if not np.isfinite(likely).all():
            raise ValueError("its probabilities are none")
        job = Job(*(record[name] for name in ("regime", "arm", "survey", "fold", "seed")))
        return Result(job, record, columns[ID].astype(str), columns[LABEL].astype(np.int64), likely)


def read_results(folder: Path, settings: Mapping[Job, str] | None = None) -> dict[Job, Result]:
    """Read all results of a folder; see `experiments.study.read_results`."""
    return read_folder(folder, read_result, settings, lambda job: survey_of(job))


def survey_of(job: Job) -> str:
    """Return which survey a job is of: one for each seed, and for each labelling."""
    return f"{job.survey}, labels of {REGIMES[job.regime].errors}, {ARMS[job.arm].relabelled}"
