"""Whether the files of a survey still hold what was written into them: checksums, and frames that are frames."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors
from ictconvention.survey.format import FRAME_COLUMNS, FRAMES_FILE, OBJECTS_FILE, sha256
from ictconvention.survey.growth.joined import Joined, unpack
from ictconvention.survey.growth.layout import SurveyFiles
from ictconvention.survey.growth.side_tables import listed_tables
from ictconvention.survey.masks.mask_check import verify_masks
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.shard import RESTORE, Shard
from ictconvention.survey.survey import Survey
from ictconvention.survey.validate import check_finite
from ictconvention.survey.values import flaw_of_frame_columns, flaw_of_number

Verify = bool | Literal["auto"]
SMALL = 256 * 2**20  # bytes of frames and masks up to which `auto` reads them all: a third of a second from memory


def verify_survey(
    survey: Survey, choice: Verify = "auto", progress: Callable[[int, int], object] = lambda done, total: None
) -> bool:
    """Compare every file of a survey with the checksums of its header, and look for frames without a finite pixel.

    Opening a survey has compared the header with its own checksum before.

    Parameters
    ----------
    survey : Survey
        The survey, or a selection of it: its files are read whole.
    choice : bool or "auto"
        Whether to; auto: where the survey has at most `SMALL` bytes of frames and masks.
    progress : function
        Called with the number of shards read and their total.

    Returns
    -------
    bool
        Whether it was done.

    Raises
    ------
    SurveyError
        A file has changed since it was written, the first one is named, with the object; or a value cannot be: a band
        or a position whatever the choice, a time, a seeing, a noise or a place where the survey is verified.
    """
    for shard in survey.shards:
        _check_values(shard)
    if choice is False or (choice == "auto" and sum(map(_large_bytes, survey.shards)) > SMALL):
        return False
    with readable_os_errors("reading the survey", survey.path):
        for flaw in changed_nights(survey.files):
            raise flaw
        for joined in survey.files.joined:
            _check_joined(joined, survey.shards)
    for number, shard in enumerate(survey.shards):
        with readable_os_errors("reading the survey", shard.folder):
            for flaw in changed_files(shard):
                raise flaw
            columns = {name: getattr(shard, name) for name in FRAME_COLUMNS}
            if (flawed := flaw_of_frame_columns(columns, shard.header.stamp_size)) is not None:
                raise SurveyError(flawed.found, shard.folder, RESTORE, "E-SURVEY-DAMAGED")
            _verify_frames(shard)
            verify_masks(shard)
        progress(number + 1, len(survey.shards))
    return True


def _large_bytes(shard: Shard) -> int:
    return shard.frames.nbytes + (0 if shard.masks is None else shard.masks.nbytes)


def changed_files(shard: Shard) -> Iterator[SurveyError]:
    """Yield an error for each file of a shard, but frames and masks, whose checksum is not that of its header."""
    for name in shard.small_files:
        if shard.checksums.get(name) != sha256(shard.folder / name):
            yield SurveyError(f"{name} has changed since it was written", shard.folder / name, RESTORE, "E-SURVEY-HASH")


def changed_nights(files: SurveyFiles) -> Iterator[SurveyError]:
    """Yield an error for each file of the nights of a survey, but those of their shards, that is not as it was."""
    for folder, checksums in files.deltas:
        for name, checksum in checksums.items():
            path = folder / name
            if not path.is_file():
                yield SurveyError(f"{name} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
            elif sha256(path) != checksum:
                yield SurveyError(f"{name} has changed since it was written", path, RESTORE, "E-SURVEY-HASH")


def changed_tables(survey: Survey) -> Iterator[SurveyError]:
    """Yield an error for each table beside the frames of a survey, those of its nights apart, that is not as it was."""
    for name, checksum in listed_tables(survey.header).items():
        path = survey.path / name
        if not path.is_file():
            yield SurveyError(f"{name} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
        elif sha256(path) != checksum:
            yield SurveyError(f"{name} has changed since it was written", path, RESTORE, "E-SURVEY-HASH")


def _check_joined(joined: Joined | None, shards: Sequence[Shard]) -> None:
    """Refuse places of frames that lie in no shard, or beyond its end."""
    if joined is None:
        return
    sizes = np.array([len(shard.frames) for shard in shards])
    number, row = unpack(joined.frame_place)
    known = (number >= 0) & (number < len(sizes))
    known[known] = row[known] < sizes[number[known]]
    if not known.all():
        found = f"{np.count_nonzero(~known)} frames lie where there are none"
        raise SurveyError(found, joined.folder, RESTORE, "E-SURVEY-DAMAGED")


def changed_frames(frames: NDArray[np.floating], crc32: int, where: str) -> SurveyError | None:
    """Return an error where the frames of an object are not those that were written."""
    if zlib.crc32(frames.data) == crc32:
        return None
    return SurveyError("the frames have changed since they were written", where, RESTORE, "E-SURVEY-HASH")


def _check_values(shard: Shard) -> None:
    """Refuse a band that the header does not name, and a position or redshift that is none."""
    if (largest := int(shard.band.max())) >= len(shard.header.bands):
        found = f"band {largest} is none of the places of {', '.join(shard.header.bands)}, from 0"
        raise SurveyError(found, shard.folder / "band.npy", RESTORE, "E-SURVEY-DAMAGED")
    for name in ("redshift", "ra", "dec"):
        ends = pc.min_max(shard.objects.column(name)).as_py()
        for value in (ends["min"], ends["max"]):
            if value is not None and (flaw := flaw_of_number(name, value)):
                row = shard.objects.column(name).to_pylist().index(value)
                where = f"{shard.folder / OBJECTS_FILE}, object {shard.objects.column('id')[row]}"
                raise SurveyError(flaw.found, where, RESTORE, "E-SURVEY-DAMAGED")


def _verify_frames(shard: Shard) -> None:
    ids, firsts, lengths, checksums = (
        shard.objects.column(name).to_pylist() for name in ("id", "first", "length", "crc32")
    )
    for id_, first, length, crc32 in zip(ids, firsts, lengths, checksums, strict=True):
        frames = shard.frames[first : first + length]
        where = f"{shard.folder / FRAMES_FILE}, object {id_}"
        if flaw := changed_frames(frames, crc32, where):
            raise flaw
        check_finite(frames, where)


def check_present(series: ImageSeries, rows: NDArray[np.integer] | slice = slice(None)) -> None:
    """Refuse frames that are about to be used and have no finite pixel: as zeros they would pass for observations.

    Costs next to nothing: where a frame's middle pixel is finite, the others are not looked at.

    Raises
    ------
    SurveyError
        With the object and the frame.
    """
    used = np.arange(len(series))[rows]
    middle = series.frames.shape[1] // 2
    for row in used[~np.isfinite(series.frames[used, middle, middle])]:
        if not np.isfinite(series.frames[row]).any():
            found = "a frame has no finite pixel, which no survey is written with"
            raise SurveyError(
                found, f"object {series.id}, its frame {row} in {FRAMES_FILE}", RESTORE, "E-SURVEY-DAMAGED"
            )
