"""Read units of a source side by side: each frame is checked, and its pixels are kept until all frames are known."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ictconvention.core.errors import did_you_mean, readable_os_errors
from ictconvention.core.growing_array import GrowingArray
from ictconvention.core.parallel import run_parallel
from ictconvention.ingestion.found import (
    FRAME_LINES,
    MASK_LINES,
    Found,
    FoundFrame,
    FoundMask,
    Measurement,
    Reject,
    place_of,
)
from ictconvention.ingestion.gathering.table_file import FilePart, TableFile
from ictconvention.ingestion.growing_table import GrowingTable
from ictconvention.ingestion.rejects import Rejects
from ictconvention.ingestion.side_tables import keep_measurements
from ictconvention.survey.photometry.table import MEASUREMENTS
from ictconvention.survey.values import flaw_of_frame_columns, flaw_of_id, flaw_of_number, flaw_of_pixels

Reader = Callable[[Any], Iterable[Found]]
Progress = Callable[[int, int], object]


@dataclass
class UnitReading:
    """What is said of one unit; its pixels, its measurements and most of many lines about frames lie in the scratch.

    Parameters
    ----------
    frames, masks : Table
        A line about each frame and mask.
    rejects : Rejects
        What was left out.
    earlier : FilePart, optional
        The lines about the first of many frames, which are not in `frames`.
    bands : set of str
        As the source names them.
    """

    frames: pa.Table
    masks: pa.Table
    rejects: Rejects = field(default_factory=lambda: Rejects.of(()))
    earlier: FilePart | None = None
    bands: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[pa.Table]:
        """Yield the lines about all frames; those that lie in a file of their own are gone with it then."""
        if self.earlier is not None:
            yield from self.earlier.tables()
            self.earlier.path.unlink()
        if self.frames.num_rows:
            yield self.frames


class _Spill:
    """Takes the lines of a unit that do not fit in memory, to a file that is made for the first of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TableFile | None = None

    def add(self, table: pa.Table) -> None:
        if self._file is None:
            self._file = TableFile(FRAME_LINES, self._path)
        self._file.append(table)

    def part(self) -> FilePart | None:
        """Return what another process reads; None of nothing."""
        if self._file is None:
            return None
        self._file.sync()
        return self._file.part()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def read_units(
    read: Reader,
    units: Sequence[Any],
    size: int,
    bands: tuple[str, ...] | None,
    scratch: Path | None,
    jobs: int,
    out: Path,
    progress: Progress,
    renamed: Mapping[str, str] | None = None,
) -> Iterator[tuple[int, UnitReading]]:
    """Read all units, and yield what is said of each; pixels of sound frames and measurements stay in the scratch.

    Parameters
    ----------
    read : function
        Returns what is found in a unit.
    units : sequence
        What is read at once, such as a file.
    size : int
        Size of the stamps [pixels].
    bands : tuple of str, optional
        The bands to take; None: all.
    scratch : Path, optional
        Folder of what is kept; None: nothing is.
    jobs : int
        Processes.
    out : Path
        Names the survey in errors.
    progress : function
        Called with the number of units read and their total.
    renamed : mapping, optional
        Band by the name that it has in the source; `bands` are those of the survey.

    Yields
    ------
    number : int
        Of the unit; they come as they are read.
    reading : UnitReading
    """
    task = partial(_read_unit, read, size, bands, renamed or {}, scratch)
    for done, (number, reading) in enumerate(run_parallel(task, list(enumerate(units)), jobs, out), start=1):
        yield number, reading
        progress(done, len(units))


def _read_unit(
    read: Reader,
    size: int,
    bands: tuple[str, ...] | None,
    renamed: Mapping[str, str],
    scratch: Path | None,
    number: int,
    unit: Any,
) -> UnitReading:
    spill = None if scratch is None else _Spill(scratch / f"{number}-lines.arrow")
    lines, measured = GrowingTable(FRAME_LINES, None if spill is None else spill.add), GrowingTable(MEASUREMENTS)
    rejects, seen = list[Reject](), set[str]()
    array = GrowingArray(scratch / f"{number}.npy", np.dtype("<f4"), (size, size)) if scratch is not None else None
    masks, mask_array = GrowingTable(MASK_LINES), None
    writing = readable_os_errors("keeping the stamps", scratch or "") if array is not None else nullcontext()
    with writing, np.errstate(all="ignore"), ExitStack() as unfinished:
        # A pixel beyond float32 becomes infinite, which is a flaw, not a warning.
        if array is not None:
            unfinished.callback(array.abandon)
        if spill is not None:
            unfinished.callback(spill.close)
        for found in read(unit):
            if isinstance(found, FoundFrame | Measurement):
                seen.add(found.band)
                found = replace(found, band=renamed.get(found.band, found.band)) if renamed else found
            match found:
                case Reject():
                    rejects.append(found)
                case FoundMask():
                    if scratch is not None:
                        if mask_array is None:
                            mask_array = GrowingArray(masks_file(scratch, number), np.dtype("u1"), (size, size))
                            unfinished.callback(mask_array.abandon)
                        mask_array.append(np.ascontiguousarray(found.values[None]))
                    masks.append((found.id, number, len(masks)))
                case Measurement():
                    if scratch is not None:
                        measured.append(getattr(found, name) for name in MEASUREMENTS.names)
                case FoundFrame():
                    if reason := _other_band(found, bands):
                        rejects.append(reason)
                        continue
                    if flaw := _flaw(found, size):
                        rejects.append(Reject(found.id, place_of(found.file, found.hdu), flaw))
                        continue
                    pixels = np.ascontiguousarray(found.pixels[None], dtype="<f4")
                    if array is not None:
                        array.append(pixels)
                    place = {"unit": number, "row": len(lines), "crc32": zlib.crc32(pixels.data)}
                    lines.append(place[name] if name in place else getattr(found, name) for name in FRAME_LINES.names)
        if array is not None and scratch is not None:
            array.close()
            if mask_array is not None:
                mask_array.close()
            keep_measurements(scratch, number, measured.table())
        earlier = None if spill is None else spill.part()
    return UnitReading(lines.table(), masks.table(), Rejects.of(rejects), earlier, seen)


def masks_file(scratch: Path, number: int) -> Path:
    """Return where the masks of a unit lie."""
    return scratch / f"{number}-masks.npy"


def _other_band(frame: FoundFrame, bands: tuple[str, ...] | None) -> Reject | None:
    """Return the reject of a frame in a band that was not asked for; a flaw where its name is nearly one that was."""
    if bands is None or not frame.band or frame.band in bands:
        return None
    near = did_you_mean(frame.band, bands)
    reason = f"unknown band {frame.band!r}{near}: bands are {', '.join(bands)}"
    return Reject(frame.id, place_of(frame.file, frame.hdu), reason, flaw=bool(near))


def _flaw(frame: FoundFrame, size: int) -> str | None:
    """Say why a frame cannot be in a survey, by the rules that the survey's writer has; None where it can."""
    if frame.pixels.shape != (size, size):
        return f"stamp of shape {frame.pixels.shape}, not {size} x {size}"
    if not frame.band:
        return "no band"
    numbers = {name: np.array([getattr(frame, name)]) for name in ("mjd", "psf_fwhm", "sky_sigma", "gain", "x", "y")}
    pixels = frame.pixels[None].astype(np.float32)
    flaw = flaw_of_id(frame.id) or flaw_of_pixels(pixels) or flaw_of_frame_columns(numbers, size)
    flaw = flaw or flaw_of_number("ra", frame.ra) or flaw_of_number("dec", frame.dec)
    return flaw.found if flaw else None
