"""A field at a time: its frames are fetched, the stamps of all its objects cut, and the frames removed again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import Cutout2D
from numpy.typing import NDArray

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.found import Found, FoundFrame, Reject
from ictconvention.ingestion.orientation import turns_north_up
from ictconvention.ingestion.sdss.archive import (
    Archive,
    DamagedFileError,
    MissingFileError,
    frame_path,
    mask_path,
    psf_path,
)
from ictconvention.ingestion.sdss.calibration import compare_stars, measure_stars
from ictconvention.ingestion.sdss.companions import Instrument, read_mask, read_psf_field
from ictconvention.ingestion.sdss.fields import BANDS, FieldVisit
from ictconvention.ingestion.sdss.frame_file import SdssFrame, read_frame
from ictconvention.ingestion.sdss.kept_stamps import keep_stamps, kept_stamps, stamps_path
from ictconvention.measuring.robust import robust_sigma

EDGE = 16.0  # [pixels]; an object nearer to the edge of a frame is left out
MOST_MEASURED = 2_000_000  # pixels, at most, whose scatter is measured where the gain is unknown


@dataclass(frozen=True)
class SdssOptions:
    """How stamps are made.

    Parameters
    ----------
    archive : Archive
        Where the frames come from.
    stamps : Path
        Folder of the stamps of fields that are done.
    bands : sequence of str
        The bands to take.
    size : int
        Size of the stamps [pixels].
    psf : bool
        Whether the point spread function is fetched, which has the gain too.
    masks : bool
        Whether masks are fetched, and the pixels that show no sky are NaN.
    room : int
        Bytes of frames that are kept after their stamps were cut, the youngest; 0: none.
    calibrate : bool
        Whether frames of nights that were not clear are brought to the flux of a clear one.
    """

    archive: Archive
    stamps: Path
    bands: Sequence[str] = BANDS
    size: int = 32
    psf: bool = True
    masks: bool = False
    room: int = 0
    calibrate: bool = False

    def stamps_of(self, visit: FieldVisit) -> Path:
        """Return the file of a field's stamps."""
        asked: list[Any] = [
            visit,
            self.archive.server,
            tuple(self.bands),
            self.size,
            self.psf,
            self.masks,
            self.calibrate,
        ]
        return stamps_path(self.stamps, visit.field.name, [repr(one) for one in asked])


def read_field(options: SdssOptions, visit: FieldVisit) -> Iterator[Found]:
    """Yield the stamps of all objects on a field, and rejects; from what is kept, where the field is done already."""
    path = options.stamps_of(visit)
    found = kept_stamps(path)
    if found is None:
        found, sound = _cut_field(options, visit)
        if sound:  # what is damaged is asked for again by the next command
            keep_stamps(path, found)
    yield from found


def _cut_field(options: SdssOptions, visit: FieldVisit) -> tuple[list[Found], bool]:
    """Return what is found in a field, and whether each file was there or is not in the archive."""
    field, archive = visit.field, options.archive
    found: list[Found] = []
    sound = True
    instrument = Instrument(field.psf_fwhm, field.gain, field.dark_variance)
    if options.psf:
        try:
            instrument = archive.read(psf_path(field), read_psf_field)
        except (MissingFileError, DamagedFileError) as error:
            found.append(Reject("", archive.local(psf_path(field)).name, f"no seeing and gain: {error}", flaw=False))
            sound &= isinstance(error, MissingFileError)
    fetched = [psf_path(field)]
    for band in options.bands:
        path = frame_path(field, band)
        fetched.append(path)
        name = archive.local(path).name
        try:
            frame = archive.read(path, read_frame)
            masked = None
            if options.masks:
                fetched.append(mask_path(field, band))
                reader = partial(read_mask, shape=(frame.pixels.shape[0], frame.pixels.shape[1]))
                masked = archive.read(mask_path(field, band), reader)
        except (MissingFileError, DamagedFileError) as error:
            found += [Reject(id_, name, str(error)) for id_ in visit.ids]
            sound &= isinstance(error, MissingFileError)
            continue
        if frame.band != band:
            found += [Reject(id_, name, f"its FILTER is {frame.band}, its name says {band}") for id_ in visit.ids]
            continue
        factor, factor_scatter = 1.0, np.nan
        if options.calibrate and not field.photometric:
            try:
                factor, factor_scatter = _calibrate(options, visit, frame, fetched)
            except UnreadableError as error:
                found += [Reject(id_, name, f"no clear night: {error}") for id_ in visit.ids]
                sound &= not isinstance(error, DamagedFileError)
                continue
        for one in _cut_frame(options, visit, frame, instrument, masked, name):
            found.append(_scaled(one, factor, factor_scatter) if isinstance(one, FoundFrame) else one)
    _make_room(options, fetched)
    return found, sound


def _calibrate(options: SdssOptions, visit: FieldVisit, frame: SdssFrame, fetched: list[str]) -> tuple[float, float]:
    """Return the factor to the flux of a clear night, and its scatter; add the file that this takes to a list.

    Raises
    ------
    UnreadableError
        No clear night shows the same sky, its frame is not to be had, or too few stars are on both.
    """
    if visit.reference is None:
        raise UnreadableError("no field of a clear night shows its sky")
    path = frame_path(visit.reference, frame.band)
    fetched.append(path)
    return compare_stars(measure_stars(frame), measure_stars(options.archive.read(path, read_frame)))


def _scaled(frame: FoundFrame, factor: float, scatter: float) -> FoundFrame:
    return replace(
        frame,
        pixels=(frame.pixels * factor).astype(np.float32),
        sky_sigma=frame.sky_sigma * factor,
        gain=frame.gain / factor,
        calibration=factor,
        calibration_scatter=scatter,
    )


def _cut_frame(
    options: SdssOptions,
    visit: FieldVisit,
    frame: SdssFrame,
    instrument: Instrument,
    masked: NDArray[np.bool_] | None,
    name: str,
) -> list[Found]:
    places = SkyCoord(list(visit.ra), list(visit.dec), unit="deg")
    x, y = frame.locate(places)
    height, width = frame.pixels.shape
    pixels = frame.pixels if masked is None else np.where(masked, np.nan, frame.pixels)
    number = BANDS.index(frame.band)
    gain, dark = instrument.gain[number], instrument.dark_variance[number]
    scatter = np.nan  # of the frame itself, where the recipe lacks the gain
    if np.isnan(gain + dark):
        scatter = robust_sigma(frame.pixels.ravel()[:: 1 + frame.pixels.size // MOST_MEASURED]) or np.nan
    found: list[Found] = []
    for id_, column, row, turn in zip(
        visit.ids, x.tolist(), y.tolist(), turns_north_up(frame.wcs, places), strict=True
    ):
        edge = min(column + 0.5, row + 0.5, width - 0.5 - column, height - 0.5 - row)
        if not edge >= EDGE:  # of NaN, where the projection does not reach, neither
            where = f"{edge:.1f} pixels from the edge of the frame" if edge >= 0 else "beyond the edge of the frame"
            found.append(Reject(id_, name, f"{where}, nearer than {EDGE:g}", flaw=False))
            continue
        cutout = Cutout2D(pixels, (column, row), options.size, mode="partial", fill_value=np.nan)
        dx, dy = (at - (options.size - 1) / 2 for at in cutout.input_position_cutout)
        stamp, right, up = turn.applied(cutout.data, dx, dy)
        noise = scatter if np.isnan(gain + dark) else frame.noise(column, row, gain, dark)
        found.append(
            FoundFrame(
                id_,
                np.array(stamp, dtype=np.float32),
                frame.band,
                frame.mjd(row),
                name,
                psf_fwhm=instrument.psf_fwhm[number],
                sky_sigma=noise,
                x=right,
                y=up,
                gain=gain / frame.flux_of_count(column),
            )
        )
    return found


def _make_room(options: SdssOptions, fetched: Sequence[str]) -> None:
    """Remove the files of a field, or the oldest of all files, until no more is kept than there is room for."""
    if options.room == 0:
        for path in fetched:
            options.archive.remove(path)
        return
    sizes = []
    for file in options.archive.folder.iterdir():
        try:
            status = file.stat()
        except FileNotFoundError:  # another process made room too
            continue
        if not file.name.startswith("."):
            sizes.append((status.st_mtime, status.st_size, file))
    total = sum(size for _, size, _ in sizes)
    for _, size, file in sorted(sizes):
        if total <= options.room:
            break
        file.unlink(missing_ok=True)
        total -= size
