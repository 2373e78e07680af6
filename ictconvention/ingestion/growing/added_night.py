"""A night that a survey grows by, from the options of its ingest to what is said of it at the end."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ictconvention.ingestion.gathering.kept import Gathered, KeptFrames
from ictconvention.ingestion.gathering.source import SourceReading
from ictconvention.ingestion.gathering.table_file import WaitingTables
from ictconvention.ingestion.growing.known import tell_apart
from ictconvention.ingestion.growing.night import Night, open_night
from ictconvention.ingestion.growing.settled import SETTLED, settle
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.rejects import check_rejects_place
from ictconvention.survey.growth.states import SHORTEST_HASH


class AddedNight:
    """A night that a survey grows by."""

    def __init__(self, options: IngestOptions, night: Night) -> None:
        self.options, self.folder, self._night = options, night.folder, night
        self._survey = night.survey
        self.remarks: Sequence[str] = ()

    @classmethod
    @contextmanager
    def taken(cls, options: IngestOptions) -> Iterator["AddedNight"]:
        """Take the survey, and its name, bands, classes and so on."""
        check_rejects_place(options.out.absolute())
        with open_night(options.out, options.dry_run) as night:
            has = settle(night.survey, {name: getattr(options, name) for name in SETTLED})
            yield cls(replace(options, **has), night)

    def gather(
        self,
        source: SourceReading,
        objects: Mapping[str, Mapping[str, Any]],
        left_out: Mapping[str, str],
        waiting: WaitingTables,
    ) -> Gathered:
        """Sort the frames among those that the survey has, each exposure once."""
        options = self.options
        gathered = self._night.gather(source, objects, left_out, options.relabel, options.made_by, waiting)
        self.remarks = (*self._night.said.remarks, self._night.remark)
        return gathered

    def brought(self, kept: KeptFrames) -> KeptFrames:
        """Return the frames that were read now."""
        return self._night.added

    def known(self, objects: Mapping[str, Any]) -> list[str]:
        """Return the objects that the survey knows."""
        return tell_apart(objects, self._night.survey)

    def counted(self, kept: KeptFrames) -> tuple[int, int]:
        """Return the numbers of objects and frames of the survey, with the night."""
        survey, night = self._survey, self._night
        if survey is not night.survey or self.folder is not None:
            return len(survey), int(survey.lengths.sum())
        frames = int(survey.lengths.sum()) - night.frames_before + len(kept)
        return len(survey) + night.new_objects, frames

    def write(
        self,
        kept: KeptFrames,
        objects: Mapping[str, Mapping[str, Any]],
        classes: tuple[str, ...],
        waiting: WaitingTables,
        masks: Mapping[str, tuple[Path, int]] | None,
        units: int,
    ) -> None:
        """Write the night, and make it part of the survey."""
        options = self.options
        made = {"made by": options.made_by, **options.provenance, "read": units}
        self._survey = self._night.write(objects, classes, waiting, options.jobs, masks, made)
        state = self._survey.hash[:SHORTEST_HASH]
        same = self._survey is self._night.survey
        self.remarks = (
            *self.remarks,
            f"nothing new: the survey stays {state}" if same else f"the survey is now {state}",
        )
