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
from ictconvention.ingestion.growing_table import GrowingTable
from ictconvention.ingestion.side_tables import keep_measurements
from ictconvention.survey.photometry.table import MEASUREMENTS
from ictconvention.survey.values import flaw_of_frame_columns, flaw_of_id, flaw_of_number, flaw_of_pixels

Reader = Callable[[Any], Iterable[Found]]
Progress = Callable[[int, int], object]


@dataclass
class UnitReading:
    """A line about each frame and mask of one unit, and the rejects. Pixels and measurements lie in the scratch."""

    frames: pa.Table
    masks: pa.Table
    rejects: list[Reject] = field(default_factory=list)
    bands: set[str] = field(default_factory=set)  # as the source names them


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
    lines, measured = GrowingTable(FRAME_LINES), GrowingTable(MEASUREMENTS)
    rejects, seen = list[Reject](), set[str]()
    array = GrowingArray(scratch / f"{number}.npy", np.dtype("<f4"), (size, size)) if scratch is not None else None
    masks, mask_array = GrowingTable(MASK_LINES), None
    writing = readable_os_errors("keeping the stamps", scratch or "") if array is not None else nullcontext()
    with writing, np.errstate(all="ignore"), ExitStack() as unfinished:
        # A pixel beyond float32 becomes infinite, which is a flaw, not a warning.
        if array is not None:
            unfinished.callback(array.abandon)
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
    return UnitReading(lines.table(), masks.table(), rejects, seen)


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
