"""From what a reader finds to a survey: frames in any order are checked, sorted by object and time, and written.

Files are read side by side, each frame once. Pixels, measurements and a line about each frame wait in a scratch folder
inside the unfinished survey or night, so that memory does not grow with the frames.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors, shorten
from ictconvention.files.joins import check_matched, check_renamed_bands, report_renamed_bands, report_unused_names
from ictconvention.files.user_table import check_objects
from ictconvention.ingestion.found import FRAME_LINES, Reject
from ictconvention.ingestion.gathering.kept import check_fluxes
from ictconvention.ingestion.gathering.new_survey import NewSurvey
from ictconvention.ingestion.gathering.source import collect
from ictconvention.ingestion.gathering.table_file import WaitingTables
from ictconvention.ingestion.growing.added_night import AddedNight
from ictconvention.ingestion.options import Ingested, IngestOptions, make_header
from ictconvention.ingestion.rejects import Rejects, check_share, save_rejects
from ictconvention.ingestion.unit_reading import Progress, Reader, read_units

NO_LABEL: dict[str, Any] = {"class_name": None, "label_source": None}  # what is known of an object without a label


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
    place: type[AddedNight] | type[NewSurvey] = AddedNight if options.into else NewSurvey
    with place.taken(options) as made, WaitingTables(_make_scratch(made.folder)) as waiting:
        options, asked = made.options, options
        scratch = waiting.folder
        known = {own.get("class_name") for own in objects.values()} - {None}
        classes = options.classes if options.classes is not None else tuple(sorted(map(str, known)))
        left_out = _left_out(objects, classes, None if options.into and asked.classes is None else options.made_by)
        objects = {id_: {**own, **NO_LABEL} if id_ in left_out else own for id_, own in objects.items()}
        trial = make_header(options, options.bands or ("unknown",), classes, {})
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
