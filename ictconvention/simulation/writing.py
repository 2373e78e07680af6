"""Write a simulated survey: all processors at once, the same bytes whatever their number, whole or not at all."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import UsageError
from ictconvention.core.parallel import run_parallel
from ictconvention.simulation.sdss.alerts import POINTS
from ictconvention.simulation.sdss.passbands import BANDS
from ictconvention.simulation.sdss.stamps import PIXEL_SCALE, SIZE
from ictconvention.simulation.sdss.strata import CLASSES
from ictconvention.survey.format import TABLES, SurveyHeader, sha256
from ictconvention.survey.photometry.table import MEASUREMENTS, PHOTOMETRY_FILE
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_name

SHARD_OBJECTS = 256  # objects of a shard, whatever the number of jobs


def check_least(**given: tuple[int, int]) -> None:
    """Refuse a number, given with the least that it may be."""
    for name, (value, least) in given.items():
        if value < least:
            raise UsageError(f"{name} is {value}", "simulate", f"give {least} or more", "E-COMMAND-VALUE")


def header_of(
    name: str,
    how: str,
    sources: dict[str, Any],
    packages: Sequence[str] = ("galsim", "sncosmo", "speclite", "extinction", "scipy"),
    **of_kind: Any,
) -> SurveyHeader:
    """Return the header of a simulated survey: what it is, and how it can be made again."""
    software = {package: version(package) for package in packages}
    usual = {"bands": BANDS, "classes": CLASSES, "stamp_size": SIZE, "pixel_scale": PIXEL_SCALE}
    return SurveyHeader(
        **{"name": name, **usual, "orientation": "north up, east left", **of_kind},
        simulated=True,
        provenance={"made by": f"ictconvention simulate{how}", **sources, "software": software},
    )


def write_simulated(
    path: Path,
    header: SurveyHeader,
    make: Callable[[int], dict[str, Any]],
    count: int,
    jobs: int,
    progress: Callable[[int, int], object],
    masks: bool = False,
) -> Survey:
    """Write `count` objects in shards of a fixed size, many at once; the whole folder appears at the end."""
    shards = -(-count // SHARD_OBJECTS)
    folder = WholeFolder(path)
    folder.take()
    try:
        done = 0
        task = partial(_write_shard, folder.partial, header, make, count, masks)  # holds what is known of all objects
        for _, written in run_parallel(task, [(number,) for number in range(shards)], jobs, path):
            done += written
            progress(done, count)
        join_shards(folder.partial, count=shards, more=_join_photometry(folder.partial))
        folder.complete()
    finally:
        folder.discard()
    return Survey.open(path)


def _write_shard(
    folder: Path, header: SurveyHeader, make: Callable[[int], dict[str, Any]], count: int, masks: bool, number: int
) -> int:
    """Write one shard; return its number of objects."""
    chosen = range(number * SHARD_OBJECTS, min((number + 1) * SHARD_OBJECTS, count))
    points: list[pa.Table] = []
    shutil.rmtree(folder / shard_name(number), ignore_errors=True)  # of a worker that was lost, whole or in part
    with SurveyWriter(folder / shard_name(number), header, masks) as writer:
        for i in chosen:
            row = make(i)
            points += [row.pop(POINTS)] if POINTS in row else []
            writer.add(**row)
    if points:
        pq.write_table(pa.concat_tables(points), folder / f"{POINTS}-{number:05d}.parquet")
    return len(chosen)


def _join_photometry(folder: Path) -> dict[str, Any]:
    """Make one table of photometry of those of the shards; return what the provenance says of it."""
    parts = sorted(folder.glob(f"{POINTS}-*.parquet"), key=lambda part: (len(part.name), part.name))  # by their numbers
    if not parts:
        return {}
    with pq.ParquetWriter(folder / PHOTOMETRY_FILE, MEASUREMENTS) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))
            part.unlink()
    return {TABLES: {PHOTOMETRY_FILE: sha256(folder / PHOTOMETRY_FILE)}}
