"""The results of the study: a small Parquet file for each job, with the PDFs, and in its metadata what made them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from experiments.redshift.jobs import Job
from experiments.study import damage_reported, path_of, read_table, write_result
from experiments.study import read_results as read_folder
from ictconvention.evaluation.predictions import Predictions
from ictconvention.reading.json_file import Shape

PARTS = ("test", "extra_test")
WHOLE = 10_000  # parts of a probability, in which PDFs are kept
ENCODING = {
    "pdf.list.element": "BYTE_STREAM_SPLIT",
    "z": "BYTE_STREAM_SPLIT",
    "group": "DELTA_BINARY_PACKED",
}


class RecordShape(Shape):
    """The types of what the metadata says."""

    survey: str
    row: str
    labels: PositiveInt
    seed: NonNegativeInt
    title: str
    survey_hash: str
    setting: str
    names: list[str]
    trained: list[float]
    beyond: float
    labelled: PositiveInt
    parameters: NonNegativeInt | None
    core_seconds: NonNegativeFloat | None
    environment: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Result:
    """What a job predicts, and what is known of it.

    Parameters
    ----------
    job : Job
    record : mapping
        See `RecordShape`: among it `trained`, the shares of the bins in the whole training part, and `beyond`, its 95th
        percentile of redshift.
    parts : mapping of str to Predictions
        PDFs and true redshifts of `PARTS`.
    groups : mapping of str to array (n,)
        Groups of their objects, which a bootstrap draws whole.
    """

    job: Job
    record: Mapping[str, Any]
    parts: Mapping[str, Predictions]
    groups: Mapping[str, NDArray[np.int64]]


def save_result(folder: Path, result: Result) -> None:
    """Write a result, whole or not at all."""
    tables = []
    for part, found in result.parts.items():
        order = np.argsort(found.ids)
        kept = np.round(WHOLE * found.at("row")[order]).astype(np.uint16)
        pdf = pa.FixedSizeListArray.from_arrays(pa.array(kept.ravel()), kept.shape[1])
        columns: dict[str, Any] = {"part": [part] * len(order), "id": found.ids[order]}
        columns |= {"group": result.groups[part][order].astype(np.int32), "z": found.label[order].astype(np.float32)}
        tables.append(pa.table(columns | {"pdf": pdf}))
    record = {**vars(result.job), **result.record}
    write_result(path_of(folder, result.job), pa.concat_tables(tables), record, ENCODING)


def read_result(path: Path) -> Result:
    """Read a result.

    Raises
    ------
    UsageError
        It is damaged.
    """
    with damage_reported(path):
        columns, record = read_table(path, RecordShape)
        pdf = columns["pdf"].astype(np.float64)
        pdf /= pdf.sum(1, keepdims=True)
        if pdf.shape[1] != len(record["names"]):
            raise ValueError(f"its PDFs have {pdf.shape[1]} bins of {len(record['names'])}")
        there = {part: here for part in PARTS if (here := columns["part"] == part).any()}
        ids, z = columns["id"].astype(str), columns["z"].astype(np.float64)
        parts = {part: Predictions(ids[here], z[here], {"row": pdf[here]}) for part, here in there.items()}
        groups = {part: columns["group"][here].astype(np.int64) for part, here in there.items()}
    return Result(Job(*(record[name] for name in ("survey", "row", "labels", "seed"))), record, parts, groups)


def read_results(folder: Path, settings: Mapping[Job, str] | None = None) -> dict[Job, Result]:
    """Read all results of a folder; see `experiments.study.read_results`."""
    return read_folder(folder, read_result, settings, lambda job: job.survey)
