"""A small survey of alerts for tests: frames of detections, and photometry without pixels beside them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.survey.format import TABLES, SurveyHeader, sha256
from ictconvention.survey.photometry.table import MEASUREMENTS, PHOTOMETRY_FILE
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from tests.conftest import HEADER, image_series

Row = dict[str, Any]


def measurement(id_: str, mjd: float, **other: Any) -> Row:
    """Return a forced flux in r, unless `other` says something else."""
    usual = {"band": "r", "kind": "forced", "flag": "", "flux": 1.0, "error": 0.1, "limit": 0.5}
    return {"id": id_, "mjd": mjd} | usual | other


def write_alerts(
    path: Path, objects: Sequence[dict[str, Any]], rows: Sequence[Row], header: SurveyHeader = HEADER
) -> Survey:
    """Write a survey with these measurements beside its frames."""
    beside = path.parent / f"beside-{path.name}"
    beside.mkdir()
    pq.write_table(pa.Table.from_pylist(list(rows), MEASUREMENTS), beside / PHOTOMETRY_FILE)
    header = replace(header, provenance={TABLES: {PHOTOMETRY_FILE: sha256(beside / PHOTOMETRY_FILE)}})
    with SurveyWriter(path, header) as writer:
        for arguments in objects:
            writer.add(**arguments)
        writer.copy_beside(beside / PHOTOMETRY_FILE)
    return Survey.open(path)


def forced_rows(objects: Sequence[dict[str, Any]], each: int = 20) -> list[Row]:
    """Return measurements of objects from 20 days before their first frames on, a fifth of them limits."""
    rows = []
    for number, one in enumerate(objects):
        rng = np.random.default_rng(1000 + number)
        mjd = np.sort(float(one["mjd"][0]) + rng.uniform(-20, 60, each))
        for place, time in enumerate(mjd.tolist()):
            limit = place % 5 == 4
            found = {"kind": "limit", "flux": np.nan, "error": np.nan} if limit else {"flux": rng.normal()}
            rows.append(measurement(one["id"], time, band=HEADER.bands[int(rng.integers(5))], **found))
    return rows


def small_alerts(path: Path, objects: int = 6, frames: int = 8) -> Survey:
    """Write objects with forced photometry."""
    made = [image_series(number, frames) for number in range(objects)]
    return write_alerts(path, made, forced_rows(made))
