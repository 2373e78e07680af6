"""From what a reader finds to a survey: frames in any order are checked, sorted by object and time, and written.

Files are read side by side, each frame once. Pixels, measurements and a line about each frame wait in a scratch folder
inside the unfinished survey, so that the memory of a new survey does not grow with the frames.
"""

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors, shorten
from ictconvention.files.joins import check_matched, check_renamed_bands, report_renamed_bands, report_unused_names
from ictconvention.files.user_table import check_objects
from ictconvention.ingestion.found import FRAME_LINES, USUAL_BANDS, Reject
from ictconvention.ingestion.gathering.doubles import Doubles
from ictconvention.ingestion.gathering.gather import gather_frames
from ictconvention.ingestion.gathering.kept import Gathered, KeptFrames, check_fluxes
from ictconvention.ingestion.gathering.shard_files import write_shards
from ictconvention.ingestion.gathering.shares import ObjectOrder
from ictconvention.ingestion.gathering.source import SourceReading, collect
from ictconvention.ingestion.gathering.table_file import WaitingTables
from ictconvention.ingestion.growing.known import tell_apart
from ictconvention.ingestion.growing.night import Night, open_night, settle
from ictconvention.ingestion.rejects import Rejects, check_rejects_place, check_share, reasons, save_rejects
from ictconvention.ingestion.side_tables import save_frame_sources, save_photometry
from ictconvention.ingestion.unit_reading import Progress, Reader, read_units
from ictconvention.survey.format import TABLES, SurveyHeader
from ictconvention.survey.growth.states import SHORTEST_HASH
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import join_shards

SETTLED = (  # options of a night that its survey decides
    *("name", "bands", "classes", "size", "pixel_scale", "flux_unit", "simulated", "orientation", "dtype", "masks"),
)
NO_LABEL: dict[str, Any] = {"class_name": None, "label_source": None}  # what is known of an object without a label


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What holds for every source.

    Parameters
    ----------
    out : Path
        The survey's folder to make.
    made_by : str
        The command, kept in the survey's provenance.
    pixel_scale : float
        Pixel scale of the stamps [arcsec].
    name : str, optional
        Name of the survey; by default that of the folder.
    size : int
        Size of the stamps [pixels].
    bands : tuple of str, optional
        The bands to take, in their order in the survey; by default all that are found.
    rename_band : mapping
        Names that bands shall have, by those that they have in the source.
    classes : tuple of str, optional
        Names of the classes; by default those that are found, in alphabetical order. Objects of others have no label.
    flux_unit : str
        Flux unit of the pixels.
    simulated : bool
        Whether the sky did not make the images.
    jobs : int
        Processes.
    max_rejects : float
        Largest share of what is found that may be left out.
    dry_run : bool
        Read and check everything, and write nothing.
    orientation : str
        How the stamps stand, as in `SurveyHeader`.
    times : str
        What the times of frames are, such as "UTC, middle of the exposure"; empty where the source does not say.
    dtype : str
        How frames are stored, as in `SurveyHeader`.
    provenance : mapping
        What else the survey shall say of how it was made.
    frames_each : int
        Frames that a reject stands for, such as the bands of a picture.
    masks : bool
        Whether every object has a mask, whose values are positions in `classes`.
    into : bool
        Whether `out` is a survey that there is, to which what is read is added as a night.
    relabel : bool
        Of a night: whether what the table of objects says holds, where the survey says something else.
    """

    out: Path
    made_by: str
    pixel_scale: float
    name: str | None = None
    size: int = 32
    bands: tuple[str, ...] | None = None
    rename_band: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    flux_unit: str = "nanomaggy"
    simulated: bool = False
    jobs: int = 1
    max_rejects: float = 0.5
    dry_run: bool = False
    orientation: str = "as given"
    times: str = ""
    dtype: str = "float32"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    frames_each: int = 1
    masks: bool = False
    into: bool = False
    relabel: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1 or self.size < 1 or not 0 <= self.max_rejects <= 1:
            found = f"jobs is {self.jobs}, size {self.size}, max-rejects {self.max_rejects:g}"
            raise UsageError(
                found,
                "options of ingest",
                "give at least one job and one pixel, and a share from 0 to 1",
                "E-COMMAND-VALUE",
            )


@dataclass(frozen=True)
class Ingested:
    """What became of it all.

    Parameters
    ----------
    objects, frames : int
        In the survey.
    rejects : Rejects
        What was left out, a sequence of `Reject`.
    rejects_file : Path, optional
        The table of it; None where nothing was left out, or nothing was written.
    remarks : tuple of str
        What else is to be said: repeats, and names in tables and options that match nothing.
    out : Path, optional
        The survey's folder; None of a dry run.
    """

    objects: int
    frames: int
    rejects: Rejects
    rejects_file: Path | None = None
    remarks: tuple[str, ...] = ()
    out: Path | None = None

    @property
    def survey(self) -> Survey:
        """The survey that was made; a `UsageError` says that it was a dry run."""
        if self.out is None:
            raise UsageError(
                "this was a dry run, which writes nothing", "dry_run", "leave dry_run out", "E-SURVEY-MISSING"
            )
        return Survey.open(self.out)

    @property
    def said(self) -> list[str]:
        """What became of it all, in lines: what was left out and why, and in the last line how much there is."""
        lines = [f"rejected: {line}" for line in reasons(self.rejects)]
        lines += [f"all rejects: {self.rejects_file}"] if self.rejects_file is not None else []
        written = "nothing was written" if self.out is None else f"survey: {self.out}"
        return [*lines, *self.remarks, written, str(self)]

    def __str__(self) -> str:
        kinds = pluralize(self.objects, "object"), pluralize(self.frames, "frame")
        return f"{', '.join(kinds)}, {len(self.rejects)} rejected"


def ingest(
    options: IngestOptions,
    read: Reader,
    units: Sequence[Any],
    objects: Mapping[str, Mapping[str, Any]],
    progress: Progress = lambda done, total: None,
    rejects: Sequence[Reject] = (),
    everything_listed: bool = False,
    objects_table: Path | None = None,
    bands_there: Collection[str] = (),
) -> Ingested:
    """Make a survey, or add a night to one.

    Parameters
    ----------
    options : IngestOptions
        What holds for every source.
    read : function
        Returns what is found in a unit; it pickles, and a file that it cannot read becomes a `Reject`.
    units : sequence
        What is read at once, such as a file.
    objects : mapping
        What is known of objects by id, as arguments of `SurveyWriter.add`; they come first, in this order.
    progress : function
        Called with the number of units read and their total.
    rejects : sequence of Reject
        What was left out before.
    everything_listed : bool
        Whether an object of `objects` without a frame is a reject.
    objects_table : Path, optional
        The table that `objects` came from, where frames and objects are joined by id alone.
    bands_there : collection of str
        The bands that there may be, as the source names them; empty where only reading tells.

    Returns
    -------
    Ingested

    Raises
    ------
    UsageError, SurveyError, FileSystemError
        Nothing is found, too much is left out, or the disk does not allow it; no survey is left then.
    """
    check_renamed_bands(options.rename_band, bands_there, options.made_by)
    place: type[_OfNight] | type[_OfSurvey] = _OfNight if options.into else _OfSurvey
    with place.taken(options) as made, WaitingTables(_make_scratch(made.folder)) as waiting:
        options, asked = made.options, options
        scratch = waiting.folder
        known = {own.get("class_name") for own in objects.values()} - {None}
        classes = options.classes if options.classes is not None else tuple(sorted(map(str, known)))
        left_out = _left_out(objects, classes, None if options.into and asked.classes is None else options.made_by)
        objects = {id_: {**own, **NO_LABEL} if id_ in left_out else own for id_, own in objects.items()}
        trial = _header(options, options.bands or ("unknown",), classes, {})
        check_objects(objects, trial, options.made_by)
        ours = options.rename_band
        readings = read_units(
            read, units, options.size, options.bands, scratch, options.jobs, options.out, progress, ours
        )
        source = collect(readings, waiting.new("lines", FRAME_LINES))
        found = made.gather(source, objects, left_out, waiting)
        kept = found.kept
        left = Rejects.of(rejects) + source.rejects + found.doubles
        remarks = [f"{pluralize(found.repeats, 'exact repeat')} of frames left out"] if found.repeats else []
        if objects_table is not None and source.lines.rows:
            there = {*found.read, *made.known(objects), *left.objects()}
            if there.isdisjoint(objects):
                there |= found.ids()
            remarks += check_matched(objects_table, objects, there, "the images")
        check_fluxes(options.flux_unit, made.brought(kept), options.made_by)
        why = "which --classes does not name" if asked.classes is not None else "which the survey does not name"
        remarks += [
            f"{pluralize(number, 'object')} of the class {name}, {why}: without a label"
            for name, number in sorted(
                Counter(left_out[id_] for id_ in {*found.read, *made.known(left_out)} & left_out.keys()).items()
            )
        ]
        of_objects = None if options.masks else asked.classes
        remarks += report_renamed_bands(ours, source.bands)
        remarks += report_unused_names(asked.bands, kept.bands, of_objects, found.listed, objects)
        if everything_listed:
            present = {*found.read, *made.known(objects), *left.objects()}
            left += [Reject(id_, "", "no frame of this object", flaw=False) for id_ in objects if id_ not in present]
        count = source.lines.rows - len(found.doubles) if options.into else len(kept)
        rejects_file = None if scratch is None else save_rejects(left, options.out.absolute())
        check_share(left, count, options.max_rejects, rejects_file, options.out, options.frames_each)
        result = Ingested(kept.objects, len(kept), left, rejects_file)
        if scratch is not None:
            with readable_os_errors("writing the survey", options.out):
                masks = source.mask_places(scratch) if options.masks else None
                made.write(kept, objects, classes, waiting, masks, len(units))
            result = replace(result, out=options.out)
        number, count = made.counted(kept)
        return replace(result, objects=number, frames=count, remarks=(*remarks, *made.remarks))


def _make_scratch(folder: WholeFolder | None) -> Path | None:
    """Make the folder of what waits; there is none in a dry run."""
    if folder is None:
        return None
    scratch = folder.partial / "scratch"
    scratch.mkdir()
    return scratch


class _OfSurvey:
    """A new survey, which appears whole or not at all."""

    remarks: Sequence[str] = ()

    def __init__(self, options: IngestOptions, folder: WholeFolder | None) -> None:
        self.options, self.folder = options, folder

    @classmethod
    @contextmanager
    def taken(cls, options: IngestOptions) -> Iterator["_OfSurvey"]:
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
        tables |= save_photometry(folder.partial, kept.lines, scratch, waiting)
        header = _header(options, _bands(options.bands, kept.bands), classes, {TABLES: tables, "read": units})
        shards = write_shards(folder.partial, header, kept, objects, scratch, options.jobs, masks)
        waiting.close()  # of a file that is open, a shared file system keeps something in the folder
        shutil.rmtree(scratch)
        join_shards(folder.partial, count=shards)
        folder.complete()


class _OfNight:
    """A night that a survey grows by."""

    def __init__(self, options: IngestOptions, night: Night) -> None:
        self.options, self.folder, self._night = options, night.folder, night
        self._survey = night.survey
        self.remarks: Sequence[str] = ()

    @classmethod
    @contextmanager
    def taken(cls, options: IngestOptions) -> Iterator["_OfNight"]:
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


def _left_out(objects: Mapping[str, Mapping[str, Any]], classes: Sequence[str], where: str | None) -> dict[str, str]:
    """Return the class of each object, by id, whose class was not asked for.

    One that is spelled like a class but for capitals and signs is not among them: it is refused later, as a mistake.

    Raises
    ------
    UsageError
        No label would be left, and `where` names who asked for that.
    """
    given = {id_: str(own["class_name"]) for id_, own in objects.items() if own.get("class_name") is not None}
    spelled = {_letters(name) for name in classes}
    left_out = {id_: name for id_, name in given.items() if _letters(name) not in spelled}
    if where is not None and given and len(left_out) == len(given):
        found = f"no object is of the class {shorten(classes)}, which --classes names"
        fix = f"name some of {shorten(sorted(set(given.values())))}, or leave --classes out"
        raise UsageError(found, where, fix, "E-CLASS-UNKNOWN")
    return left_out


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold())) or name


def _header(
    options: IngestOptions, bands: tuple[str, ...], classes: tuple[str, ...], more: Mapping[str, Any]
) -> SurveyHeader:
    return SurveyHeader(
        name=options.name or options.out.absolute().name,
        bands=bands,
        classes=classes,
        pixel_scale=options.pixel_scale,
        stamp_size=options.size,
        dtype=options.dtype,
        flux_unit=options.flux_unit,
        simulated=options.simulated,
        orientation=options.orientation,
        provenance={
            "made by": options.made_by,
            **({"mjd": options.times} if options.times else {}),
            **options.provenance,
            **more,
        },
    )


def _bands(wanted: tuple[str, ...] | None, found: set[str]) -> tuple[str, ...]:
    """Return the bands of the survey: those wanted, or all that were found, the usual ones in order of wavelength."""
    if wanted is not None:
        return wanted
    usual = [name for name in USUAL_BANDS if name in found]
    return (*usual, *sorted(found - set(usual)))
