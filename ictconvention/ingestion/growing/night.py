"""A night of a survey that grows: its frames among those that are known, and the folder that they are written to."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ictconvention.core.atomic import WholeFolder, folder_lock
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.ingestion.found import FRAME_LINES
from ictconvention.ingestion.gathering.doubles import Doubles
from ictconvention.ingestion.gathering.gather import GatheredFrames, descriptions, gather_frames
from ictconvention.ingestion.gathering.kept import Gathered, KeptFrames
from ictconvention.ingestion.gathering.rows import NEW, ROWS, pack_rows, parts_of, read_rows
from ictconvention.ingestion.gathering.shard_files import write_shards
from ictconvention.ingestion.gathering.shares import ObjectOrder
from ictconvention.ingestion.gathering.source import SourceReading
from ictconvention.ingestion.gathering.table_file import TableFile, WaitingTables
from ictconvention.ingestion.growing.joining import write_joined
from ictconvention.ingestion.growing.known import KnownFrames, compare_pixels, known_frames, tell_apart
from ictconvention.ingestion.growing.state import NextState
from ictconvention.ingestion.growing.tables import Said, compare_rows
from ictconvention.ingestion.side_tables import save_frame_sources, save_photometry
from ictconvention.survey.growth.commit import check_may_grow, commit_delta, take_delta, write_state
from ictconvention.survey.growth.frame_sources import FrameSources
from ictconvention.survey.growth.side_tables import PHOTOMETRY_FILE, side_files
from ictconvention.survey.shard import open_shard
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import shard_name

IDS = pa.schema([("id", pa.string())])

Masks = Mapping[str, tuple[Path, int]]


@dataclass
class Night:
    """What a night adds to a survey.

    Parameters
    ----------
    survey : Survey
        As it is before.
    folder : WholeFolder, optional
        The folder of the night, taken; None in a dry run.

    Attributes
    ----------
    kept : KeptFrames
        All frames of objects of which one is new.
    added : KeptFrames
        Those of them that the night brings.
    rows : TableFile
        What the survey knows of each object of `kept`, as of `rows.ROWS`; nothing of a new one.
    seen : TableFile
        The ids of all objects of the night.
    known_objects, frames_before : int
        How many objects of `kept` the survey knows, and how many frames it has of them.
    """

    survey: Survey
    folder: WholeFolder | None
    kept: KeptFrames = field(init=False)
    added: KeptFrames = field(init=False)
    rows: TableFile = field(init=False)
    seen: TableFile = field(init=False)
    said: Said = field(default_factory=Said)
    known_objects: int = 0
    frames_before: int = 0

    def gather(
        self,
        source: SourceReading,
        objects: Mapping[str, Mapping[str, Any]],
        left_out: Mapping[str, str],
        relabel: bool,
        where: str,
        waiting: WaitingTables,
    ) -> Gathered:
        """Sort the frames of the night among those that the survey has of their objects.

        Known objects of which no frame is new, and none gives way to one that began earlier, are left alone.

        Raises
        ------
        UsageError
            The table of objects contradicts the survey, and nobody says that it is right.
        """
        sources = FrameSources(self.survey)
        self.said = compare_rows(self.survey, sources, objects, relabel, where, left_out)
        self.kept, self.added = (KeptFrames(waiting.new(name, FRAME_LINES)) for name in ("kept", "added"))
        self.seen, self.rows = waiting.new("seen", IDS), waiting.new("rows", ROWS)
        gathered, order, twice = Gathered(self.kept, self.seen), ObjectOrder(objects), Doubles()
        for lines in source.shares(order, waiting):
            ids = lines.column("id").unique().to_pylist()
            known = known_frames(self.survey, sources, tell_apart(ids, self.survey))
            before, new = compare_pixels(self.survey, known.lines, lines, waiting.folder)
            found, doubles, repeats = gather_frames(pa.concat_tables([before, new]), order)
            kept = self._with_new(found, GatheredFrames(before))
            if len(found):
                self.seen.append(pa.table({"id": found.ids}, IDS))
            if len(kept):
                self._keep_rows(kept.ids, known)
            self.kept.append(kept)
            self.added.append(GatheredFrames(_new_of(kept.lines)))
            gathered.read.update(id_ for id_ in ids if id_ in objects)
            gathered.listed.update(id_ for id_ in kept.ids if id_ in objects)
            gathered.repeats += repeats
            twice.add(doubles)
        return replace(gathered, doubles=twice.rejects())

    def _keep_rows(self, ids: Sequence[str], known: KnownFrames) -> None:
        positions = [known.positions.get(id_, NEW) for id_ in ids]
        self.rows.append(pack_rows(ids, positions, [known.rows.get(id_, {}) for id_ in ids]))
        there = np.array([position for position in positions if position != NEW], dtype=np.int64)
        self.known_objects += len(there)
        self.frames_before += int(self.survey.lengths[there].sum())

    def _with_new(self, found: GatheredFrames, before: GatheredFrames) -> GatheredFrames:
        """Return the frames of objects of which one is new, or one that was there before is no more."""
        count = dict(zip(before.ids, np.diff(before.start).tolist(), strict=True))
        mine = found.number("unit") >= 0
        stays = np.zeros(len(found), dtype=bool)
        for i, id_ in enumerate(found.ids):
            here = slice(found.start[i], found.start[i + 1])
            new = int(np.count_nonzero(mine[here]))
            stays[here] = id_ not in count or new > 0 or len(mine[here]) < count[id_]
        return GatheredFrames(found.lines.filter(pa.array(stays)))

    @property
    def new_objects(self) -> int:
        """How many objects the survey did not know."""
        return self.kept.objects - self.known_objects

    @property
    def remark(self) -> str:
        """What the night brings, in words."""
        frames = pluralize(len(self.added), "frame")
        return f"this night: {frames} of {pluralize(self.new_objects, 'new object')} and {self.known_objects} known"

    def write(
        self,
        objects: Mapping[str, Mapping[str, Any]],
        classes: tuple[str, ...],
        waiting: WaitingTables,
        jobs: int,
        masks: Masks | None,
        made: Mapping[str, Any],
    ) -> Survey:
        """Write the night and make it part of the survey; where it brings nothing, the survey stays as it is.

        Parameters
        ----------
        objects : mapping
            What a table says of objects, by id.
        classes : tuple of str
            Classes of the survey from now on.
        waiting : WaitingTables
            Whose folder has the pixels and measurements of the night; it is removed.
        jobs : int
            Processes.
        masks : mapping, optional
            The file and row of each object's mask, where there are masks.
        made : mapping
            How the night was made, for the provenance.
        """
        assert self.folder is not None  # a dry run writes nothing
        assert waiting.folder is not None
        survey, partial, added, scratch = self.survey, self.folder.partial, self.added, waiting.folder
        if masks is not None:
            self._check_masks(masks)
        before = list(side_files(survey, PHOTOMETRY_FILE))
        measured = save_photometry(partial, scratch, waiting, before)
        self.seen.remove()
        if not (len(self.kept) or self.said.values or measured):
            return survey
        rows, in_shards = self._describe(objects, waiting)
        count = 0
        if len(added):
            save_frame_sources(partial, added)
            header = replace(survey.files.header, classes=classes, provenance=dict(made))
            parts = parts_of(rows, in_shards, added.objects_of_shards)
            count = write_shards(partial, header, added, parts, scratch, jobs, masks)
        size = self._write_state(count, rows, list(objects))
        waiting.close()
        shutil.rmtree(scratch)
        about = {**made, "new objects": self.new_objects, "frames": len(added)}
        return commit_delta(survey, self.folder, size, about, classes)

    def _describe(
        self, objects: Mapping[str, Mapping[str, Any]], waiting: WaitingTables
    ) -> tuple[TableFile, list[int]]:
        """Return what is known now of each object of `kept`, and how many of each batch have a new frame."""
        described, in_shards, before = waiting.new("described", ROWS), list[int](), read_rows(self.rows)
        for frames in self.kept:
            given, positions = dict[str, Mapping[str, Any]](), list[int]()
            for id_ in frames.ids:
                known, position, row = next(before)
                assert known == id_  # both are in the order of `kept`
                positions.append(position)
                given[id_] = objects.get(id_, {}) if position == NEW else row | self.said.values.get(id_, {})
            rows = descriptions(frames, given, self.kept.known)
            described.append(pack_rows(frames.ids, positions, rows))
            in_shards.append(len(GatheredFrames(_new_of(frames.lines)).ids))
        self.rows.remove()
        return described, in_shards

    def _write_state(self, shards: int, rows: TableFile, listed: Sequence[str]) -> tuple[int, int]:
        """Write the tables of the next state, of which nothing is in memory then; return its objects and frames."""
        assert self.folder is not None
        written = [open_shard(self.folder.partial / shard_name(number)) for number in range(shards)]
        joined = write_joined(self.folder.partial, self.survey, written, self.kept, rows)
        return write_state(self.folder, *NextState(self.survey, written, rows, self.said, listed).tables(joined))

    def _check_masks(self, masks: Masks) -> None:
        """Refuse a mask that is not that which the survey has of an object."""
        for lines in self.seen.tables():
            for id_ in tell_apart(lines.column("id").to_pylist(), self.survey):
                file, row = masks[id_]
                own = self.survey.read_masks([self.survey.position(id_)])[0]
                if not np.array_equal(np.load(file, mmap_mode="r")[row], own):
                    found = f"the mask of object {id_}, which the survey knows, is another one now"
                    fix = "make a new survey of all chips, or leave this one out"
                    raise UsageError(found, self.survey.path, fix, "E-INGEST-CHANGED")


def _new_of(lines: pa.Table) -> pa.Table:
    """Return the lines about frames that the night brings."""
    return lines.filter(pc.greater_equal(lines.column("unit"), 0))


@contextmanager
def open_night(path: Path, dry_run: bool) -> Iterator[Night]:
    """Take a survey to add a night to, for this process alone; what is not written at the end leaves no trace.

    Raises
    ------
    SurveyError
        It is no survey, or one that cannot grow.
    FileSystemError
        Another process adds a night to it.
    """
    path = path.absolute()
    check_may_grow(path)
    if dry_run:
        yield Night(Survey.open(path), None)
        return
    with folder_lock(path):
        survey = Survey.open(path)
        folder = take_delta(survey)
        try:
            yield Night(survey, folder)
        finally:
            folder.discard()
