"""Frames of one object that lie in several shards: which, in time order, and how they come together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors
from ictconvention.reading.mapped_array import map_array
from ictconvention.survey.format import FRAME_COLUMNS
from ictconvention.survey.growth.states import FRAME_PLACE
from ictconvention.survey.shard import RESTORE, Shard

JOINED_COLUMNS: dict[str, np.dtype[Any]] = {FRAME_PLACE: np.dtype("<i8"), **FRAME_COLUMNS}
ROW_BITS = 40  # of a place, for the row; the others are for the shard


@dataclass(frozen=True)
class Joined:
    """The frames of the objects that a night has joined, (F,), those of an object together and in time order."""

    folder: Path
    frame_place: NDArray[np.int64]
    band: NDArray[np.uint8]
    mjd: NDArray[np.float64]
    psf_fwhm: NDArray[np.float32]
    sky_sigma: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    gain: NDArray[np.float32]

    def frames(self, shards: Sequence[Shard], at: slice) -> NDArray[np.floating]:
        """Return frames (n, H, W), read-only: copied into memory, run by run of neighbours in a shard."""
        return gather(shards, self.frame_place[at])


def open_joined(folder: Path) -> Joined:
    """Map what a night has joined.

    Raises
    ------
    SurveyError
        A file is missing, truncated or of another length than the others.
    """
    columns: dict[str, NDArray[Any]] = {}
    for name, dtype in JOINED_COLUMNS.items():
        path = folder / f"{name}.npy"
        if not path.is_file():
            raise SurveyError(f"{path.name} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
        with readable_os_errors("mapping the file", path):
            try:
                columns[name] = map_array(path, dtype, ())
            except ValueError as error:
                raise SurveyError(str(error), path, RESTORE, "E-SURVEY-DAMAGED") from error
        if len(columns[name]) != len(columns[FRAME_PLACE]):
            found = f"{len(columns[name])} values for {len(columns[FRAME_PLACE])} frames"
            raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED")
    return Joined(folder, **columns)


def pack(shard: NDArray[np.integer], row: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return shards and rows (n,) as one number each; neighbours in a shard differ by 1."""
    return (shard.astype(np.int64) << ROW_BITS) + row


def unpack(place: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the shards and rows (n,) that `pack` has packed."""
    return place >> ROW_BITS, place & (2**ROW_BITS - 1)


def gather(shards: Sequence[Shard], place: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return the frames (n, H, W) at places (n,), read-only; a view where all are neighbours in one shard."""
    begins = np.concatenate([[0], np.flatnonzero(place[1:] - place[:-1] != 1) + 1])
    shard, row = unpack(place[begins])
    ends = row + np.diff(begins, append=len(place))
    found = zip(shard.tolist(), row.tolist(), ends.tolist(), strict=True)
    runs: list[NDArray[np.floating]] = [shards[number].frames[first:end] for number, first, end in found]
    if len(runs) == 1:
        return runs[0]
    frames: NDArray[np.floating] = np.concatenate(runs)
    frames.flags.writeable = False
    return frames
