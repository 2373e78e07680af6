"""A survey that has grown, written anew in the plain form: as one ingest of all its nights would have written it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.core.atomic import LOCK, WholeFolder, check_exchange, exchange, folder_lock
from ictconvention.core.errors import FileSystemError, SurveyError, readable_os_errors
from ictconvention.survey.format import FRAME_COLUMNS, HEADER_FILE, TABLES, read_header, sha256
from ictconvention.survey.growth.commit import NIGHTS
from ictconvention.survey.growth.frame_sources import FrameSources
from ictconvention.survey.growth.side_tables import (
    FRAME_SOURCES_FILE,
    PHOTOMETRY_FILE,
    exposures,
    merge_measurements,
    side_files,
)
from ictconvention.survey.growth.states import COMPACTED, SHORTEST_HASH
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import changed_tables, verify_survey
from ictconvention.survey.writer import SHARD_FRAMES, SurveyWriter, join_shards, shard_name

OBJECTS_AT_ONCE = 100_000  # whose photometry is in memory


@dataclass(frozen=True)
class Compacted:
    """What became of a survey that was compacted.

    Parameters
    ----------
    survey : Survey
        In the plain form.
    before : Path
        Where the survey with its nights and states is now.
    states : tuple of str
        The hashes of the states that open there alone.
    """

    survey: Survey
    before: Path
    states: tuple[str, ...]


def compact(path: str | Path, progress: Callable[[int, int], object] = lambda done, total: None) -> Compacted:
    """Rewrite a survey that has grown by nights into the plain form, at its place.

    The survey with its nights moves, in the same moment, to a folder beside it that has the first letters of its hash
    in its name: the runs on earlier states need it, and nobody else. The newest state opens in both.

    Parameters
    ----------
    path : str or Path
        The survey's folder.
    progress : function
        Called with the number of objects written and their total.

    Raises
    ------
    SurveyError
        It is no survey, no night was added to it, or a file of it has changed.
    FileSystemError
        The disk does not allow it, another process adds a night, or the file system cannot exchange two folders; the
        survey is then as it was.
    """
    path = Path(path).absolute()
    survey = Survey.open(path)
    if not survey.files.deltas:
        raise SurveyError(
            "no night was added to this survey: it has the plain form", path, "leave it as it is", "E-SURVEY-STATE"
        )
    with folder_lock(path):
        survey = Survey.open(path)
        before = path.with_name(f"{path.name}-{survey.hash[:SHORTEST_HASH]}")
        folder = WholeFolder(before)
        folder.take(replacing=_is_leftover(before, survey))
        try:
            if path.is_mount():
                found, fix = (
                    "this folder is where a file system begins, and cannot be exchanged",
                    "move it into a folder",
                )
                raise FileSystemError(found, path, fix, "E-FILES-SYSTEM")
            check_exchange(folder.partial)
            _verify(survey)
            with readable_os_errors("writing the plain form", path):
                _write(survey, folder.partial, before.name, progress)
                folder.complete()
            exchange(before, path)
            (before / LOCK).unlink(missing_ok=True)  # it went along, and is still held
        finally:
            folder.discard()
    return Compacted(Survey.open(path), before, survey.lineage[:-1])


def _is_leftover(before: Path, survey: Survey) -> bool:
    """Return whether a folder holds the plain form of a survey that a killed process wrote and did not put in place."""
    if not (before / HEADER_FILE).is_file():
        return False
    header, entries = read_header(before)
    told = header.provenance.get(COMPACTED)
    of_state = told.get("state") if isinstance(told, dict) else None
    return "deltas" not in entries and of_state == survey.hash


def _verify(survey: Survey) -> None:
    """Refuse a survey of which a file has changed or is missing: what is written anew has checksums of its own."""
    verify_survey(survey, True)
    with readable_os_errors("reading the survey", survey.path):
        for flaw in changed_tables(survey):
            raise flaw


def _write(survey: Survey, folder: Path, kept_in: str, progress: Callable[[int, int], object]) -> None:
    """Write the shards, the tables beside them and the header of the plain form."""
    tables = {}
    if side_files(survey, FRAME_SOURCES_FILE):
        _write_sources(survey, folder / FRAME_SOURCES_FILE)
        tables[FRAME_SOURCES_FILE] = sha256(folder / FRAME_SOURCES_FILE)
    if files := side_files(survey, PHOTOMETRY_FILE):
        _write_photometry(survey, list(files), folder / PHOTOMETRY_FILE)
        tables[PHOTOMETRY_FILE] = sha256(folder / PHOTOMETRY_FILE)
    of = {"state": survey.hash, "states": list(survey.lineage), "folder": kept_in}
    known = dict(survey.header.provenance)
    header = replace(survey.header, provenance={**known, TABLES: tables, COMPACTED: of, NIGHTS: known[NIGHTS]})
    done = 0
    for number, positions in enumerate(_of_shards(survey)):
        with SurveyWriter(folder / shard_name(number), header, masks=survey.has_masks) as writer:
            for position in positions.tolist():
                series = survey[position]
                row = dict(series.metadata)
                row.pop("id")
                columns = {name: getattr(series, name) for name in FRAME_COLUMNS}
                writer.add(series.id, series.frames, **columns, mask=series.mask, class_name=row.pop("class"), **row)
                done += 1
                progress(done, len(survey))
    join_shards(folder, count=number + 1)


def _of_shards(survey: Survey) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the objects of each shard, as one ingest shares them out."""
    start = np.concatenate([[0], np.cumsum(survey.lengths, dtype=np.int64)])[:-1]
    shard = start // SHARD_FRAMES
    yield from np.split(np.arange(len(survey)), np.flatnonzero(np.diff(shard)) + 1)


def _write_sources(survey: Survey, path: Path) -> None:
    sources = FrameSources(survey)
    with pq.ParquetWriter(path, sources.schema) as writer:
        for positions in _of_shards(survey):
            places = [survey.frame_places(position) for position in positions.tolist()]
            taken = sources.take(*(np.concatenate([place[i] for place in places]) for i in (0, 1)))
            assert taken is not None  # the survey has the table
            frames = exposures(survey.select(survey.ids.take(positions)))
            for name in frames.column_names:  # a frame whose shard had no such table has them too
                taken = taken.set_column(taken.column_names.index(name), name, frames.column(name))
            writer.write_table(taken.cast(sources.schema))


def _write_photometry(survey: Survey, files: list[Path], path: Path) -> None:
    """Write all measurements, those of some objects at a time in the order of their ids."""
    kept, schema = ds.dataset(files), pq.read_schema(files[0])
    some = [pc.unique(batch.column("id")) for batch in kept.to_batches(columns=["id"])]
    ids = pc.unique(pa.chunked_array(some, pa.string()))  # of objects without a sound frame too
    ids = ids.take(pc.sort_indices(ids))
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, max(len(ids), 1), OBJECTS_AT_ONCE):
            wanted = ids.slice(first, OBJECTS_AT_ONCE)
            table = kept.to_table(schema.names, filter=pc.field("id").isin(wanted))
            writer.write_table(merge_measurements(table))
