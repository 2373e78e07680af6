"""A batch of messages: each alert once, its frame checked as in ingestion, and the series that it ends."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.applying.watching.history import History
from ictconvention.applying.watching.kind import AlertKind
from ictconvention.applying.watching.packets import Packets
from ictconvention.applying.watching.series import CANDIDATE, LINES, KnownSeries, NewFrames
from ictconvention.applying.watching.topic import Message
from ictconvention.core.errors import readable_os_errors
from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.found import FRAME_LINES, Found, FoundFrame, Reject
from ictconvention.ingestion.gathering.gather import REPEATED_WITHIN, GatheredFrames, gather_frames
from ictconvention.ingestion.gathering.kept import KeptFrames
from ictconvention.ingestion.gathering.shard_files import write_shards
from ictconvention.ingestion.gathering.shares import ObjectOrder
from ictconvention.ingestion.gathering.table_file import WaitingTables
from ictconvention.ingestion.unit_reading import read_units
from ictconvention.survey.format import NANOMAGGY, TABLES, SurveyHeader, sha256
from ictconvention.survey.growth.side_tables import merge_measurements
from ictconvention.survey.photometry.table import MEASUREMENTS, PHOTOMETRY_FILE
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import join_shards

UNIT_PIXELS, UNIT_POINTS = "0.npy", "0.parquet"  # what `read_units` leaves of its first unit
SURVEY = "batch"


@dataclass
class ReadBatch:
    """What a batch holds.

    Parameters
    ----------
    new : NewFrames
        Frames that were not known.
    pixels : Path
        File of their pixels.
    alerts : int
        Packets that could be read, known ones and others.
    duplicates : int
        Alerts of a detection that is known already.
    rejects : list of Reject
        What cannot be used.
    """

    new: NewFrames
    pixels: Path
    alerts: int = 0
    duplicates: int = 0
    rejects: list[Reject] = field(default_factory=list)


def read_batch(
    messages: Sequence[Message], packets: Packets, kind: AlertKind, known: KnownSeries, history: History | None = None
) -> ReadBatch:
    """Read messages; the pixels of new frames wait in the work folder of `known`.

    What a survey had of their objects before becomes a batch of its own in `known`, once for each.

    Raises
    ------
    UsageError
        Packet after packet lacks a schema, see `Packets.read`.
    """
    with readable_os_errors("emptying the folder of the batch", known.work):
        shutil.rmtree(known.work, ignore_errors=True)
        known.work.mkdir()
    read = ReadBatch(NewFrames(LINES.empty_table(), MEASUREMENTS.empty_table()), known.work / UNIT_PIXELS)
    candidate_at: dict[str, int] = {}
    seen = set[int]()

    def found(unit: Sequence[Message]) -> Iterator[Found]:
        for message in unit:
            for number, alert in enumerate(packets.read(message.content)):
                place = f"{message.place}#{number}" if number else message.place
                try:
                    if isinstance(alert, Exception):
                        raise alert
                    kind.source.check(alert.keys())
                    candidate = kind.candidate(alert)
                except UnreadableError as error:
                    yield Reject("", place, str(error))
                    continue
                read.alerts += 1
                if candidate in known or candidate in seen:
                    read.duplicates += 1
                    continue
                candidate_at[place] = candidate
                for one in kind.take(alert, place):
                    if isinstance(one, FoundFrame):
                        seen.add(candidate)
                    yield one

    def nothing(done: int, total: int) -> None:
        pass

    readings = read_units(found, [messages], kind.size, kind.bands, known.work, 1, known.folder, nothing)
    ((_, reading),) = readings
    lines, read.rejects = pa.concat_tables([FRAME_LINES.empty_table(), *reading.lines()]), list(reading.rejects)
    candidates = pa.array([candidate_at[place] for place in lines.column("file").to_pylist()], pa.int64())
    lines = lines.append_column(CANDIDATE, candidates)
    file = known.work / UNIT_POINTS
    points = pq.read_table(file).select(MEASUREMENTS.names) if file.exists() else MEASUREMENTS.empty_table()
    framed = {*lines.column("id").to_pylist()}  # its packet may have no sound frame, and the object has others
    if history is not None:
        _recall(history, framed | {*points.column("id").to_pylist()}, known)
    unit = lines.column_names.index("unit")
    lines = lines.set_column(unit, "unit", pa.array(np.full(lines.num_rows, known.next)))
    kept = [id_ in framed or known.has_object(id_) for id_ in points.column("id").to_pylist()]
    read.new = NewFrames(lines, points.filter(pa.array(kept, pa.bool_())))
    return read


def _recall(history: History, ids: set[str], known: KnownSeries) -> None:
    """Keep what a survey had of objects before the stream, where it is not kept yet."""
    found = history.of_objects(sorted(id_ for id_ in ids if not known.is_recalled(id_)), known.work, known.next)
    if found is not None:
        new, pixels = found
        known.prepare(pixels, new)
        known.complete()


def survey_of_batch(
    read: ReadBatch, known: KnownSeries, kind: AlertKind, with_points: bool
) -> tuple[Survey | None, pa.Table]:
    """Make a survey for a moment whose objects are the new detections, each with the frames of its object until then.

    A frame of an exposure of which the object has another one is a reject, or a duplicate where its pixels are the
    same; it has no series.

    Parameters
    ----------
    read : ReadBatch
        Its frames are in `known`; it takes the rejects.
    known : KnownSeries
        What there is of all objects.
    kind : AlertKind
        What stamps are.
    with_points : bool
        Whether their photometry comes along.

    Returns
    -------
    survey : Survey or None
        Its ids are the numbers of the detections; None where there is none.
    lines : Table
        That about the own frame of each object of it, in its order.
    """
    new = read.new.lines
    ids, mjd, candidates = (new.column(name).to_pylist() for name in ("id", "mjd", CANDIDATE))
    unique = list(dict.fromkeys(ids))
    of_id = dict(zip(unique, known.lines_of(unique), strict=True))
    parts = []
    for id_, until, candidate in zip(ids, mjd, candidates, strict=True):
        lines = of_id[id_]
        lines = lines.filter(pa.array(lines.column("mjd").to_numpy() <= until))
        name = pa.array([str(candidate)] * lines.num_rows, pa.string())
        parts.append(lines.set_column(lines.column_names.index("id"), "id", name))
    if not parts:
        return None, new
    names = [str(candidate) for candidate in candidates]
    gathered, _, _ = gather_frames(pa.concat_tables(parts), ObjectOrder(names))
    own = gathered.lines.column(CANDIDATE).cast(pa.string()).to_numpy(zero_copy_only=False)
    there = {*own[own == gathered.lines.column("id").to_numpy(zero_copy_only=False)]}
    _refuse_doubles(read, of_id, there)
    chosen = pa.array([name in there for name in names])
    new = new.filter(chosen)
    if not there:
        return None, new
    keep = np.isin(gathered.lines.column("id").to_numpy(zero_copy_only=False).astype(str), sorted(there))
    frames = GatheredFrames(gathered.lines.filter(pa.array(keep)))
    points = {str(c): (i, m) for i, m, c in zip(ids, mjd, candidates, strict=True) if str(c) in there}
    return _write(frames, known, kind, points if with_points else None), new


def _refuse_doubles(read: ReadBatch, of_id: dict[str, pa.Table], there: set[str]) -> None:
    """Count the new frames that are not `there`, since their exposure has another: as duplicates, or as rejects."""
    for line in read.new.lines.to_pylist():
        if str(line[CANDIDATE]) in there:
            continue
        others = of_id[line["id"]]
        near = np.abs(others.column("mjd").to_numpy() - line["mjd"]) < 2 * REPEATED_WITHIN
        near &= others.column(CANDIDATE).to_numpy() != line[CANDIDATE]
        near &= others.column("crc32").to_numpy() == line["crc32"]
        if near.any():
            read.duplicates += 1
        else:
            reason = f"duplicate exposure in band {line['band']} at MJD {line['mjd']:.5f}"
            read.rejects.append(Reject(line["id"], line["file"], reason))


def _write(
    frames: GatheredFrames, known: KnownSeries, kind: AlertKind, points: dict[str, tuple[str, float]] | None
) -> Survey:
    folder: Path = known.work / SURVEY
    folder.mkdir()
    provenance = {}
    if points is not None:
        pq.write_table(_points(known, points), folder / PHOTOMETRY_FILE)
        provenance[TABLES] = {PHOTOMETRY_FILE: sha256(folder / PHOTOMETRY_FILE)}
    header = SurveyHeader(
        name=SURVEY,
        bands=kind.bands,
        classes=(),
        pixel_scale=kind.pixel_scale,
        stamp_size=kind.size,
        flux_unit=NANOMAGGY,
        simulated=bool(kind.settings["simulated"]),
        provenance=provenance,
    )
    with WaitingTables(known.work) as waiting:
        kept = KeptFrames(waiting.new("kept", frames.lines.schema))
        kept.append(frames)
        count = write_shards(folder, header, kept, {}, known.folder, 1)
    return join_shards(folder, count=count)


def _points(known: KnownSeries, points: dict[str, tuple[str, float]]) -> pa.Table:
    """Return the measurements of each object of the survey, each once."""
    tables = [MEASUREMENTS.empty_table()]
    for name, (id_, until) in points.items():
        table = known.points_of(id_, until + REPEATED_WITHIN)
        column = pa.array([name] * table.num_rows, pa.string())
        tables.append(table.set_column(table.column_names.index("id"), "id", column))
    return merge_measurements(pa.concat_tables(tables))
