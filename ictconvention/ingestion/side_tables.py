"""The tables beside the frames of a survey, see `survey.growth.side_tables`, as they are written while files are read.

Measurements wait on the disk while files are read, since a night of alerts holds more of them than memory does.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ictconvention.ingestion.gather import GatheredFrames
from ictconvention.survey.format import sha256
from ictconvention.survey.growth.side_tables import (
    FRAME_SOURCES_FILE,
    PHOTOMETRY_FILE,
    each_once,
    merge_measurements,
    without_known,
)
from ictconvention.survey.photometry.table import MEASUREMENTS

BUCKETS = 256  # that objects are dealt into by their ids
ROWS_AT_ONCE = 4_000_000  # measurements in memory


def keep_measurements(scratch: Path, number: int, measured: pa.Table) -> None:
    """Write the measurements of a unit, each once, where `save_photometry` finds them."""
    if measured.num_rows:
        bucket = [zlib.crc32(id_.encode()) % BUCKETS for id_ in measured.column("id").to_pylist()]
        table = measured.append_column("bucket", pa.array(bucket, pa.int32()))
        pq.write_table(each_once(table), scratch / f"{number:06d}.parquet")


def save_frame_sources(folder: Path, frames: GatheredFrames) -> dict[str, str]:
    """Write where each frame came from, its reliability and how stars calibrated it, where they are known.

    Returns the checksum by file.
    """
    names = ["id", "band", "mjd", "file", "hdu", "x", "y", "ra", "dec"]
    names += ["reliability"] if np.isfinite(frames.number("reliability")).any() else []
    names += ["calibration", "calibration_scatter"] if np.isfinite(frames.number("calibration_scatter")).any() else []
    pq.write_table(frames.lines.select(names), folder / FRAME_SOURCES_FILE)
    return {FRAME_SOURCES_FILE: sha256(folder / FRAME_SOURCES_FILE)}


def save_photometry(folder: Path, frames: pa.Table, scratch: Path, before: Sequence[Path] = ()) -> dict[str, str]:
    """Write the measurements of all units, each once, without the detections of which there is a frame.

    Parameters
    ----------
    folder : Path
        Folder of the survey, or of its new night.
    frames : Table
        Its frames: id, band and mjd [d].
    scratch : Path
        Where `keep_measurements` wrote.
    before : sequence of Path
        Photometry of what there was before the night, whose measurements are not written again.

    Returns
    -------
    dict
        The checksum by file; empty where there is no measurement, or of a night none that is new.
    """
    files = sorted(scratch.glob("*.parquet"))
    if not files:
        return {}
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    passes = min(BUCKETS, -(-rows // ROWS_AT_ONCE))
    kept, path, written = ds.dataset(files), folder / PHOTOMETRY_FILE, 0
    with pq.ParquetWriter(path, MEASUREMENTS) as writer:
        for chosen in np.array_split(np.arange(BUCKETS), passes):
            bucket = ds.field("bucket")
            table = kept.to_table(filter=(bucket >= int(chosen[0])) & (bucket <= int(chosen[-1])))
            table = merge_measurements(without_known(table.select(MEASUREMENTS.names), before), frames)
            writer.write_table(table)
            written += table.num_rows
    if before and not written:
        path.unlink()
        return {}
    return {PHOTOMETRY_FILE: sha256(path)}
