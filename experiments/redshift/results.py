"""The results of the study: a small Parquet file for each job, with the PDFs, and in its metadata what made them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from experiments.redshift.jobs import Job
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.evaluation.predictions import Predictions
from ictconvention.reading.json_file import Shape
from ictconvention.reading.parquet_file import as_arrays, read_parquet

PARTS = ("test", "extra_test")
WHOLE = 10_000  # parts of a probability, in which PDFs are kept
RECORD = b"record"
SMALL: Mapping[str, Any] = {  # how they are written: a third smaller than by default
    "compression": "zstd",
    "compression_level": 19,
    "use_dictionary": False,
    "column_encoding": {
        "pdf.list.element": "BYTE_STREAM_SPLIT",
        "z": "BYTE_STREAM_SPLIT",
        "group": "DELTA_BINARY_PACKED",
    },
    "write_page_checksum": True,
}
DAMAGED = "remove this file, and give the command of the study again"
OTHER = "take another folder of --results, or remove those results"


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


def path_of(folder: Path, job: Job) -> Path:
    """Return the file of a job's result."""
    return folder / f"{job.name}.parquet"


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
    said = {RECORD: json.dumps({**vars(result.job), **result.record})}
    with whole_file(path_of(folder, result.job), "saving the result") as partial:
        table = pa.concat_tables(tables).replace_schema_metadata(said)
        pq.write_table(table, partial, **SMALL)


def read_result(path: Path) -> Result:
    """Read a result.

    Raises
    ------
    UsageError
        It is damaged, or named otherwise than its job.
    """
    with readable_os_errors("reading the result", path):
        try:
            table = read_parquet(path)
            record = json.loads((table.schema.metadata or {})[RECORD])
            TypeAdapter(RecordShape).validate_python(record)
            columns = as_arrays(table)
            pdf = columns["pdf"].astype(np.float64)
            pdf /= pdf.sum(1, keepdims=True)
            if pdf.shape[1] != len(record["names"]):
                raise ValueError(f"its PDFs have {pdf.shape[1]} bins of {len(record['names'])}")
            there = {part: here for part in PARTS if (here := columns["part"] == part).any()}
            ids, z = columns["id"].astype(str), columns["z"].astype(np.float64)
            parts = {part: Predictions(ids[here], z[here], {"row": pdf[here]}) for part, here in there.items()}
            groups = {part: columns["group"][here].astype(np.int64) for part, here in there.items()}
        except (KeyError, ValueError, ValidationError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(f"this result is damaged: {reason}", path, DAMAGED, "E-RUN-DAMAGED") from error
    job = Job(*(record[name] for name in ("survey", "row", "labels", "seed")))
    if path_of(path.parent, job) != path:
        raise UsageError(f"it is named otherwise than its job, {job.name}", path, DAMAGED, "E-RUN-EDITED")
    return Result(job, record, parts, groups)


def read_results(folder: Path, settings: Mapping[Job, str] | None = None) -> dict[Job, Result]:
    """Read all results of a folder.

    Parameters
    ----------
    folder : Path
        Folder of the results; it may not be there.
    settings : mapping of Job to str, optional
        Hashes of what makes the jobs today.

    Raises
    ------
    UsageError
        A result is damaged, was made by other settings, or is of another survey than the others of its name.
    """
    found: dict[Job, Result] = {}
    surveys: dict[str, str] = {}
    for path in sorted(folder.glob("[!.]*.parquet")):
        one = read_result(path)
        same = {"survey_hash": surveys.setdefault(one.job.survey, one.record["survey_hash"])}
        if settings is not None and one.job in settings:
            same["setting"] = settings[one.job]
        if other := [name.replace("_hash", "") for name, value in same.items() if one.record[name] != value]:
            raise UsageError(f"this result is of another {shorten(other)}", path, OTHER, "E-COMPARE-MISMATCH")
        found[one.job] = one
    return found
