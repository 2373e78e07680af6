"""Tables beside the frames of a survey: where each frame came from, and photometry without frames.

    frame_sources.parquet   a row for each frame, in the order of the survey's
    photometry.parquet      a row for each measurement, those of an object together and in time order

Measurements wait on the disk while files are read, since a night of alerts holds more of them than memory does.
"""

import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ictconvention.ingestion.gather import GatheredFrames
from ictconvention.survey.format import sha256
from ictconvention.survey.photometry.table import MEASUREMENTS, PHOTOMETRY_FILE

FRAME_SOURCES_FILE = "frame_sources.parquet"
BUCKETS = 256  # that objects are dealt into by their ids
ROWS_AT_ONCE = 4_000_000  # measurements in memory
SAME = ["id", "band", "kind", "moment"]  # in these, two measurements are one


def keep_measurements(scratch: Path, number: int, measured: pa.Table) -> None:
    """Write the measurements of a unit, each once, where `save_photometry` finds them."""
    if measured.num_rows:
        bucket = [zlib.crc32(id_.encode()) % BUCKETS for id_ in measured.column("id").to_pylist()]
        table = measured.append_column("bucket", pa.array(bucket, pa.int32()))
        pq.write_table(_each_once(table), scratch / f"{number:06d}.parquet")


def save_frame_sources(folder: Path, frames: GatheredFrames) -> dict[str, str]:
    """Write where each frame came from, its reliability and how stars calibrated it, where they are known.

    Returns the checksum by file.
    """
    names = ["id", "band", "mjd", "file", "hdu", "x", "y", "ra", "dec"]
    names += ["reliability"] if np.isfinite(frames.number("reliability")).any() else []
    names += ["calibration", "calibration_scatter"] if np.isfinite(frames.number("calibration_scatter")).any() else []
    pq.write_table(frames.lines.select(names), folder / FRAME_SOURCES_FILE)
    return {FRAME_SOURCES_FILE: sha256(folder / FRAME_SOURCES_FILE)}


def save_photometry(folder: Path, frames: GatheredFrames, scratch: Path) -> dict[str, str]:
    """Write the measurements of all units, each once, without the detections of which there is a frame.

    Parameters
    ----------
    folder : Path
        Folder of the survey.
    frames : GatheredFrames
        Its frames.
    scratch : Path
        Where `keep_measurements` wrote.

    Returns
    -------
    dict
        The checksum by file; empty where there is no measurement.
    """
    files = sorted(scratch.glob("*.parquet"))
    if not files:
        return {}
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    passes = min(BUCKETS, -(-rows // ROWS_AT_ONCE))
    kept = ds.dataset(files)
    seen = frames.lines.select(["id", "band", "mjd"]).append_column("kind", pa.repeat("detection", len(frames)))
    seen = _with_moment(seen).select(SAME)
    with pq.ParquetWriter(folder / PHOTOMETRY_FILE, MEASUREMENTS) as writer:
        for chosen in np.array_split(np.arange(BUCKETS), passes):
            bucket = ds.field("bucket")
            table = kept.to_table(filter=(bucket >= int(chosen[0])) & (bucket <= int(chosen[-1])))
            table = _with_moment(_each_once(table)).join(seen, SAME, join_type="left anti")
            order = [(name, "ascending") for name in ("id", "mjd", "band", "kind")]
            writer.write_table(table.select(MEASUREMENTS.names).sort_by(order))
    return {PHOTOMETRY_FILE: sha256(folder / PHOTOMETRY_FILE)}


def _each_once(table: pa.Table) -> pa.Table:
    """Return a table with the first of equal measurements alone, in its order."""
    numbered = _with_moment(table).append_column("number", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(SAME).aggregate([("number", "min")]).column("number_min").to_numpy()
    return table.take(np.sort(first))


def _with_moment(table: pa.Table) -> pa.Table:
    """Return a table with the time as a whole number of microdays: a key."""
    return table.append_column("moment", pc.round(pc.multiply(table.column("mjd"), 1e6)).cast(pa.int64()))
