"""A survey that is made of what a source has: gathered share by share, and there whole or not at all."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ictconvention.core.atomic import WholeFolder
from ictconvention.ingestion.found import FRAME_LINES, USUAL_BANDS
from ictconvention.ingestion.gathering.doubles import Doubles
from ictconvention.ingestion.gathering.gather import gather_frames
from ictconvention.ingestion.gathering.kept import Gathered, KeptFrames
from ictconvention.ingestion.gathering.shard_files import write_shards
from ictconvention.ingestion.gathering.shares import ObjectOrder
from ictconvention.ingestion.gathering.source import SourceReading
from ictconvention.ingestion.gathering.table_file import WaitingTables
from ictconvention.ingestion.options import IngestOptions, make_header
from ictconvention.ingestion.rejects import check_rejects_place
from ictconvention.ingestion.side_tables import save_frame_sources, save_photometry
from ictconvention.survey.format import TABLES
from ictconvention.survey.writer import join_shards


class NewSurvey:
    """A new survey, which appears whole or not at all."""

    remarks: Sequence[str] = ()

    def __init__(self, options: IngestOptions, folder: WholeFolder | None) -> None:
        self.options, self.folder = options, folder

    @classmethod
    @contextmanager
    def taken(cls, options: IngestOptions) -> Iterator["NewSurvey"]:
        """Reserve the folder; in a dry run see that it is free."""
        folder = WholeFolder(options.out)
        check_rejects_place(folder.path)
        if options.dry_run:
            folder.check_free()
            yield cls(options, None)
            return
        folder.take()
        try:
            yield cls(options, folder)
        finally:
            folder.discard()

    def gather(
        self,
        source: SourceReading,
        objects: Mapping[str, Mapping[str, Any]],
        left_out: Mapping[str, str],
        waiting: WaitingTables,
    ) -> Gathered:
        """Sort all frames, each exposure once."""
        order, twice, kept = ObjectOrder(objects), Doubles(), KeptFrames(waiting.new("kept", FRAME_LINES))
        gathered = Gathered(kept, kept.lines)
        for lines in source.shares(order, waiting):
            frames, doubles, repeats = gather_frames(lines, order)
            gathered.kept.append(frames)
            gathered.listed.update(id_ for id_ in frames.ids if id_ in objects)
            gathered.repeats += repeats
            twice.add(doubles)
        return replace(gathered, doubles=twice.rejects(), read=gathered.listed)

    def brought(self, kept: KeptFrames) -> KeptFrames:
        """Return the frames that were read now: all."""
        return kept

    def known(self, objects: Mapping[str, Any]) -> list[str]:
        """Return the objects that were there before: none."""
        return []

    def counted(self, kept: KeptFrames) -> tuple[int, int]:
        """Return the numbers of objects and frames of the survey."""
        return kept.objects, len(kept)

    def write(
        self,
        kept: KeptFrames,
        objects: Mapping[str, Mapping[str, Any]],
        classes: tuple[str, ...],
        waiting: WaitingTables,
        masks: Mapping[str, tuple[Path, int]] | None,
        units: int,
    ) -> None:
        """Write the survey."""
        options, folder, scratch = self.options, self.folder, waiting.folder
        assert folder is not None  # a dry run writes nothing
        assert scratch is not None
        tables = save_frame_sources(folder.partial, kept)
        tables |= save_photometry(folder.partial, scratch, waiting)
        header = make_header(options, choose_bands(options.bands, kept.bands), classes, {TABLES: tables, "read": units})
        shards = write_shards(folder.partial, header, kept, objects, scratch, options.jobs, masks)
        waiting.close()  # of a file that is open, a shared file system keeps something in the folder
        shutil.rmtree(scratch)
        join_shards(folder.partial, count=shards)
        folder.complete()


def choose_bands(wanted: tuple[str, ...] | None, found: set[str]) -> tuple[str, ...]:
    """Return the bands of the survey: those wanted, or all that were found, the usual ones in order of wavelength."""
    if wanted is not None:
        return wanted
    usual = [name for name in USUAL_BANDS if name in found]
    return (*usual, *sorted(found - set(usual)))
