"""From what a reader finds to a survey: frames in any order are checked, sorted by object and time, and written.

Files are read side by side, each frame once; pixels and measurements wait in a scratch folder inside the unfinished
survey, so that memory holds no more than a line about each frame.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ictconvention.atomic import WholeFolder
from ictconvention.data.growing_array import GrowingArray
from ictconvention.data.sources.found import (
    FRAME_LINES,
    MEASUREMENTS,
    USUAL_BANDS,
    Found,
    FoundFrame,
    Measurement,
    Reject,
)
from ictconvention.data.sources.gathering import descriptions, gathered, write_shards
from ictconvention.data.sources.growing_table import GrowingTable
from ictconvention.data.sources.rejects import check_rejects_place, check_share, save_rejects
from ictconvention.data.sources.side_tables import keep_measurements, save_frame_sources, save_photometry
from ictconvention.data.sources.user_table import checked_objects
from ictconvention.data.survey_format import LATEST_MJD, MAX_NONFINITE_SHARE, SurveyHeader
from ictconvention.data.survey_writer import join_shards
from ictconvention.data.worker_pool import worked
from ictconvention.errors import UsageError, counted, did_you_mean, readable_os_errors

Reader = Callable[[Any], Iterable[Found]]
Progress = Callable[[int, int], object]


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
        Of the stamps [arcsec].
    name : str, optional
        Of the survey; by default that of the folder.
    size : int
        Of the stamps [pixels].
    bands : tuple of str, optional
        The bands to take, in their order in the survey; by default all that are found.
    classes : tuple of str, optional
        Names of the classes; by default those that are found, in alphabetical order.
    flux_unit : str
        Of the pixels.
    simulated : bool
        Whether the sky did not make the images.
    jobs : int
        Processes.
    max_rejects : float
        Largest share of what is found that may be left out.
    dry_run : bool
        Read and check everything, and write nothing.
    """

    out: Path
    made_by: str
    pixel_scale: float
    name: str | None = None
    size: int = 32
    bands: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    flux_unit: str = "nanomaggy"
    simulated: bool = False
    jobs: int = 1
    max_rejects: float = 0.5
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1 or self.size < 1 or not 0 <= self.max_rejects <= 1:
            found = f"jobs is {self.jobs}, size {self.size}, max-rejects {self.max_rejects:g}"
            raise UsageError(found, "options of ingest", "give at least one job and one pixel, and a share from 0 to 1")


@dataclass(frozen=True)
class Ingested:
    """What became of it all.

    Parameters
    ----------
    objects, frames : int
        In the survey.
    rejects : list of Reject
        What was left out.
    rejects_file : Path, optional
        The table of it; None where nothing was left out, or nothing was written.
    """

    objects: int
    frames: int
    rejects: list[Reject]
    rejects_file: Path | None = None

    def __str__(self) -> str:
        kinds = counted(self.objects, "object"), counted(self.frames, "frame")
        return f"{', '.join(kinds)}, {len(self.rejects)} rejected"


@dataclass
class _UnitReading:
    """What one unit held: a line about each frame, and the rejects. Pixels and measurements are in the scratch."""

    frames: pa.Table
    rejects: list[Reject] = field(default_factory=list)


def ingest(
    options: IngestOptions,
    read: Reader,
    units: Sequence[Any],
    objects: Mapping[str, Mapping[str, Any]],
    progress: Progress = lambda done, total: None,
    rejects: Sequence[Reject] = (),
    everything_listed: bool = False,
) -> Ingested:
    """Make a survey.

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

    Returns
    -------
    Ingested

    Raises
    ------
    UsageError, SurveyError, FileSystemError
        Nothing is found, too much is left out, or the disk does not allow it; no survey is left then.
    """
    folder = WholeFolder(options.out)
    check_rejects_place(folder.path)
    if options.dry_run:
        folder.check_free()
    else:
        folder.take()
    try:
        scratch = None if options.dry_run else folder.partial / "scratch"
        if scratch is not None:
            scratch.mkdir()
        known = {own.get("class_name") for own in objects.values()} - {None}
        classes = options.classes if options.classes is not None else tuple(sorted(map(str, known)))
        trial = _header(options, options.bands or ("unknown",), classes, {})
        checked_objects(objects, trial, options.made_by)
        readings = _all_read(options, read, units, scratch, progress)
        rejects = [*rejects, *(reject for reading in readings for reject in reading.rejects)]
        lines = pa.concat_tables([FRAME_LINES.empty_table(), *(reading.frames for reading in readings)])
        kept, twice = gathered(lines, list(objects))
        rejects += twice
        if everything_listed:
            present = {*kept.ids, *(reject.object for reject in rejects)}
            rejects += [Reject(id_, "", "no frame of this object", flaw=False) for id_ in objects if id_ not in present]
        result = Ingested(len(kept.ids), len(kept), rejects)
        rejects_file = None if options.dry_run else save_rejects(rejects, folder.path)
        check_share(rejects, len(kept), options.max_rejects, rejects_file, options.out)
        if scratch is None:
            return result
        with readable_os_errors("writing the survey", options.out):
            tables = save_frame_sources(folder.partial, kept) | save_photometry(folder.partial, kept, scratch)
            bands = _bands(options.bands, kept.bands)
            header = _header(options, bands, classes, {"tables": tables, "read": len(units)})
            rows = descriptions(kept, objects)
            shards = write_shards(folder.partial, header, kept, rows, scratch, options.jobs)
            shutil.rmtree(scratch)
            join_shards(folder.partial, count=shards)
            folder.complete()
        return Ingested(result.objects, result.frames, rejects, rejects_file)
    finally:
        folder.discard()


def _header(
    options: IngestOptions, bands: tuple[str, ...], classes: tuple[str, ...], more: Mapping[str, Any]
) -> SurveyHeader:
    return SurveyHeader(
        name=options.name or options.out.absolute().name,
        bands=bands,
        classes=classes,
        pixel_scale=options.pixel_scale,
        stamp_size=options.size,
        flux_unit=options.flux_unit,
        simulated=options.simulated,
        provenance={"made by": options.made_by, **more},
    )


def _bands(wanted: tuple[str, ...] | None, found: set[str]) -> tuple[str, ...]:
    """Return the bands of the survey: those wanted, or all that were found, the usual ones in order of wavelength."""
    if wanted is not None:
        return wanted
    usual = [name for name in USUAL_BANDS if name in found]
    return (*usual, *sorted(found - set(usual)))


def _all_read(
    options: IngestOptions, read: Reader, units: Sequence[Any], scratch: Path | None, progress: Progress
) -> list[_UnitReading]:
    task = partial(_unit_read, read, options.size, options.bands, scratch)
    readings: dict[int, _UnitReading] = {}
    for number, reading in worked(task, list(enumerate(units)), options.jobs, options.out):
        readings[number] = reading
        progress(len(readings), len(units))
    return [readings[number] for number in range(len(units))]


def _unit_read(
    read: Reader, size: int, bands: tuple[str, ...] | None, scratch: Path | None, number: int, unit: Any
) -> _UnitReading:
    """Read a unit; keep the pixels of its sound frames in the scratch, and the rest in memory."""
    lines, measured = GrowingTable(FRAME_LINES), GrowingTable(MEASUREMENTS)
    rejects = []
    array = GrowingArray(scratch / f"{number}.npy", np.dtype("<f4"), (size, size)) if scratch is not None else None
    writing = readable_os_errors("keeping the stamps", scratch or "") if array is not None else nullcontext()
    with writing, np.errstate(all="ignore"):  # a pixel beyond float32 becomes infinite, which is a flaw, not a warning
        for found in read(unit):
            match found:
                case Reject():
                    rejects.append(found)
                case Measurement():
                    measured.append(getattr(found, name) for name in MEASUREMENTS.names)
                case FoundFrame():
                    if bands is not None and found.band and found.band not in bands:
                        near = did_you_mean(found.band, bands)
                        reason = f"unknown band {found.band!r}{near}: bands are {', '.join(bands)}"
                        rejects.append(Reject(found.id, _place(found), reason, flaw=bool(near)))
                        continue
                    if flaw := _flaw(found, size):
                        rejects.append(Reject(found.id, _place(found), flaw))
                        continue
                    if array is not None:
                        array.append(np.ascontiguousarray(found.pixels[None], dtype="<f4"))
                    place = {"unit": number, "row": len(lines)}
                    lines.append(place[name] if name in place else getattr(found, name) for name in FRAME_LINES.names)
        if array is not None and scratch is not None:
            array.close()
            keep_measurements(scratch, number, measured.table())
    return _UnitReading(lines.table(), rejects)


def _flaw(frame: FoundFrame, size: int) -> str | None:
    """Say why a frame cannot be in a survey; None where it can."""
    if frame.pixels.shape != (size, size):
        return f"stamp of shape {frame.pixels.shape}, not {size} x {size}"
    if not np.isfinite(frame.mjd):
        return "no date"
    if frame.mjd < 0:
        return f"MJD {frame.mjd:.1f} is before 1858"
    if frame.mjd > LATEST_MJD:
        return f"MJD {frame.mjd:.1f} looks like a Julian date: subtract 2400000.5"
    if not frame.id or not frame.id.isprintable():
        return f"id {frame.id!r} cannot be read"
    if not frame.band:
        return "no band"
    missing = 1 - np.isfinite(frame.pixels.astype(np.float32)).mean()
    if missing == 1:
        return "no pixel is finite"
    if missing > MAX_NONFINITE_SHARE:
        return f"{missing:.0%} of the pixels are not finite"
    for name, value in (("seeing", frame.psf_fwhm), ("sky noise", frame.sky_sigma)):
        if not (np.isnan(value) or 0 < value < np.inf):
            return f"{name} is {value:g}"
    return None


def _place(frame: FoundFrame) -> str:
    return f"{frame.file}[{frame.hdu}]" if frame.hdu else frame.file
