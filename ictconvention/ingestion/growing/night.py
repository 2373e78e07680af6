"""A night of a survey that grows: its frames among those that are known, and the folder that they are written to."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ictconvention.core.atomic import WholeFolder, folder_lock
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.ingestion.found import FRAME_LINES, Reject
from ictconvention.ingestion.gather import GatheredFrames, descriptions, gather_frames, write_shards
from ictconvention.ingestion.growing.known import KnownFrames, compare_pixels, known_frames, tell_apart
from ictconvention.ingestion.growing.state import NextState, write_joined
from ictconvention.ingestion.growing.tables import Said, compare_rows
from ictconvention.ingestion.side_tables import save_frame_sources, save_photometry
from ictconvention.survey.growth.commit import check_may_grow, commit_delta, take_delta
from ictconvention.survey.growth.side_tables import PHOTOMETRY_FILE, side_files
from ictconvention.survey.shard import Shard, open_shard
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import shard_name

SAME_SCALE = 1e-6  # largest relative difference of pixel scales that are one
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
    """

    survey: Survey
    folder: WholeFolder | None
    said: Said = field(default_factory=Said)
    known: KnownFrames = field(default_factory=lambda: KnownFrames(FRAME_LINES.empty_table(), {}))
    exposures: pa.Table = field(default_factory=FRAME_LINES.empty_table)
    kept: GatheredFrames = field(default_factory=lambda: GatheredFrames(FRAME_LINES.empty_table()))

    def gather(
        self,
        lines: pa.Table,
        objects: Mapping[str, Mapping[str, Any]],
        left_out: Mapping[str, str],
        relabel: bool,
        where: str,
        scratch: Path | None,
    ) -> tuple[list[Reject], int]:
        """Sort the frames of the night among those that the survey has of their objects; returns as `gather_frames`.

        Known objects of which no frame is new, and none gives way to one that began earlier, are left alone.

        Raises
        ------
        UsageError
            The table of objects contradicts the survey, and nobody says that it is right.
        """
        self.said = compare_rows(self.survey, objects, relabel, where, left_out)
        ids = tell_apart(set(lines.column("id").unique().to_pylist()), self.survey)
        self.known = known_frames(self.survey, ids)
        before, lines = compare_pixels(self.survey, self.known.lines, lines, scratch)
        found, twice, repeats = gather_frames(pa.concat_tables([before, lines]), list(objects))
        old = GatheredFrames(before)
        count = dict(zip(old.ids, np.diff(old.start).tolist(), strict=True))
        mine = found.number("unit") >= 0
        stays = np.zeros(len(found), dtype=bool)
        for i, id_ in enumerate(found.ids):
            here = slice(found.start[i], found.start[i + 1])
            new = int(np.count_nonzero(mine[here]))
            stays[here] = id_ not in count or new > 0 or len(mine[here]) < count[id_]
        self.exposures = found.lines
        self.kept = GatheredFrames(found.lines.filter(pa.array(stays)))
        return twice, repeats

    @property
    def added(self) -> GatheredFrames:
        """The frames that the night brings."""
        return GatheredFrames(self.kept.lines.filter(pc.greater_equal(self.kept.lines.column("unit"), 0)))

    @property
    def new_objects(self) -> int:
        """How many objects the survey did not know."""
        return sum(id_ not in self.known.rows for id_ in self.kept.ids)

    @property
    def remark(self) -> str:
        """What the night brings, in words."""
        frames, known = pluralize(len(self.added), "frame"), len(self.kept.ids) - self.new_objects
        return f"this night: {frames} of {pluralize(self.new_objects, 'new object')} and {known} known"

    def write(
        self,
        objects: Mapping[str, Mapping[str, Any]],
        classes: tuple[str, ...],
        scratch: Path,
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
        scratch : Path
            Where the pixels and measurements of the night are; it is removed.
        jobs : int
            Processes.
        masks : mapping, optional
            The file and row of each object's mask, where there are masks.
        made : mapping
            How the night was made, for the provenance.
        """
        assert self.folder is not None  # a dry run writes nothing
        survey, partial, added = self.survey, self.folder.partial, self.added
        if masks is not None:
            self._check_masks(masks)
        before = list(side_files(survey, PHOTOMETRY_FILE))
        measured = save_photometry(partial, self.exposures, scratch, before)
        if not (len(self.kept) or self.said.values or measured):
            return survey
        given = {
            id_: self.known.rows[id_] | self.said.values.get(id_, {})
            if id_ in self.known.rows
            else objects.get(id_, {})
            for id_ in self.kept.ids
        }
        rows = dict(zip(self.kept.ids, descriptions(self.kept, given), strict=True))
        written: list[Shard] = []
        if len(added):
            save_frame_sources(partial, added)
            header = replace(survey.files.header, classes=classes, provenance=dict(made))
            of_added = [rows[id_] for id_ in added.ids]
            count = write_shards(partial, header, added, of_added, scratch, jobs, masks)
            written = [open_shard(partial / shard_name(number)) for number in range(count)]
        shutil.rmtree(scratch)
        state = NextState(survey, written, rows, self.said, list(objects))
        joined = write_joined(partial, survey, written, self.kept, state.known)
        table, places = state.tables(joined)
        about = {**made, "new objects": self.new_objects, "frames": len(added)}
        return commit_delta(survey, self.folder, table, places, about, classes)

    def _check_masks(self, masks: Masks) -> None:
        """Refuse a mask that is not that which the survey has of an object."""
        for id_ in self.known.rows:
            file, row = masks[id_]
            own = self.survey.read_masks([self.survey.position(id_)])[0]
            if not np.array_equal(np.load(file, mmap_mode="r")[row], own):
                found = f"the mask of object {id_}, which the survey knows, is another one now"
                fix = "make a new survey of all chips, or leave this one out"
                raise UsageError(found, self.survey.path, fix, "E-INGEST-CHANGED")


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


def settle(survey: Survey, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a night that its survey decides, and refuse those that contradict it.

    Parameters
    ----------
    survey : Survey
        That the night is added to.
    asked : mapping
        name, bands, classes, size, pixel_scale, flux_unit, simulated, orientation, dtype and masks; None where nobody
        asks.

    Raises
    ------
    UsageError
        With the value that the survey has.
    """
    header = survey.header
    has: dict[str, Any] = {"size": header.stamp_size, "masks": survey.has_masks}
    has |= {name: getattr(header, name) for name in asked if name not in has}
    for name, value in asked.items():
        own = has[name]
        if name == "classes" and value is not None and not survey.has_masks:
            if missing := [one for one in own if one not in value]:
                found = f"classes are {', '.join(value)}, and the survey has {', '.join(missing)} too"
                raise UsageError(
                    found, survey.path, f"name all: --classes '{','.join([*value, *missing])}'", "E-INGEST-UNFIT"
                )
            has[name] = value
        elif value is None or value == own or (name == "pixel_scale" and abs(value / own - 1) < SAME_SCALE):
            continue
        else:
            said = ", ".join(own) if isinstance(own, tuple) else own
            shown = ", ".join(value) if isinstance(value, tuple) else value
            word = name.replace("_", " ")
            fix = f"give what the survey has ({_option(name, own)}), or make a survey of its own, without --into"
            raise UsageError(
                f"the {word} of the night is {shown}, that of the survey {said}", survey.path, fix, "E-INGEST-UNFIT"
            )
    return has


def _option(name: str, own: object) -> str:
    if isinstance(own, bool):
        return f"--{name}" if own else f"no --{name}"
    value = ",".join(own) if isinstance(own, tuple) else own
    return f"--{name.replace('_', '-')} {value}"
