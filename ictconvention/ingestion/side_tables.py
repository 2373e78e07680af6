"""The tables beside the frames of a survey, see `survey.growth.side_tables`, as they are written while files are read.

Measurements wait on the disk while files are read, since a night of alerts holds more of them than memory does.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.ingestion.gathering.kept import KeptFrames
from ictconvention.ingestion.gathering.shares import ObjectOrder, Shares, in_groups
from ictconvention.ingestion.gathering.table_file import WaitingTables
from ictconvention.survey.format import sha256
from ictconvention.survey.growth.side_tables import (
    FRAME_SOURCES_FILE,
    PHOTOMETRY_FILE,
    each_once,
    merge_measurements,
    without_known,
)
from ictconvention.survey.photometry.table import MEASUREMENTS

ROWS_OF_GROUP = 32_768  # of Parquet, which a reader has in memory
MEASUREMENTS_AT_ONCE = 8192


def keep_measurements(scratch: Path, number: int, measured: pa.Table) -> None:
    """Write the measurements of a unit, each once, where `save_photometry` finds them."""
    if measured.num_rows:
        pq.write_table(each_once(measured), measurements_file(scratch, number))


def measurements_file(scratch: Path, number: int) -> Path:
    """Return where the measurements of a unit lie."""
    return scratch / f"{number}.parquet"


def save_frame_sources(folder: Path, frames: KeptFrames) -> dict[str, str]:
    """Write where each frame came from, its reliability and how stars calibrated it, where they are known.

    Returns the checksum by file.
    """
    names = ["id", "band", "mjd", "file", "hdu", "x", "y", "ra", "dec"]
    names += ["reliability"] if "reliability" in frames.known else []
    names += ["calibration", "calibration_scatter"] if "calibration_scatter" in frames.known else []
    schema = pa.schema([frames.schema.field(name) for name in names])
    _write_groups(folder / FRAME_SOURCES_FILE, schema, (some.lines.select(names) for some in frames))
    return {FRAME_SOURCES_FILE: sha256(folder / FRAME_SOURCES_FILE)}


def save_photometry(folder: Path, scratch: Path, waiting: WaitingTables, before: Sequence[Path] = ()) -> dict[str, str]:
    """Write the measurements of all units, each once.

    Parameters
    ----------
    folder : Path
        Folder of the survey, or of its new night.
    scratch : Path
        Where `keep_measurements` wrote.
    waiting : WaitingTables
        Where they wait when they are sorted.
    before : sequence of Path
        Photometry of what there was before the night, whose measurements are not written again.

    Returns
    -------
    dict
        The checksum by file; empty where there is no measurement, or of a night none that is new.
    """
    files = sorted(scratch.glob("*.parquet"), key=lambda file: int(file.stem))  # in the order of the units
    if not files:
        return {}

    def measured() -> Iterator[pa.Table]:
        return (pq.read_table(file) for file in files)

    rows = sum(pq.read_metadata(file).num_rows for file in files)
    shares = Shares(measured, rows, ObjectOrder(), MEASUREMENTS_AT_ONCE)
    dealt = waiting.new("measured", MEASUREMENTS)

    def merged() -> Iterator[pa.Table]:
        for table in shares.deal(measured, dealt):
            while len(shares) > 1 and files:
                files.pop().unlink()  # all of them are dealt before the first share
            yield merge_measurements(without_known(table, before))

    path = folder / PHOTOMETRY_FILE
    written = _write_groups(path, MEASUREMENTS, merged())
    dealt.remove()
    if before and not written:
        path.unlink()
        return {}
    return {PHOTOMETRY_FILE: sha256(path)}


def _write_groups(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables one after the other, in groups of rows that do not depend on where they end; return all rows."""
    rows = 0
    with pq.ParquetWriter(path, schema) as writer:
        for table in in_groups(tables, ROWS_OF_GROUP):
            writer.write_table(table)
            rows += table.num_rows
        if not rows:
            writer.write_table(schema.empty_table())
    return rows
