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
from ictconvention.survey.growth.states import FRAME_ROW, FRAME_SHARD
from ictconvention.survey.shard import RESTORE, Shard

JOINED_COLUMNS: dict[str, np.dtype[Any]] = {
    FRAME_SHARD: np.dtype("<u4"),
    FRAME_ROW: np.dtype("<i8"),
    **FRAME_COLUMNS,
}


@dataclass(frozen=True)
class Joined:
    """The frames of the objects that a night has joined, (F,), those of an object together and in time order."""

    folder: Path
    frame_shard: NDArray[np.uint32]
    frame_row: NDArray[np.int64]
    band: NDArray[np.uint8]
    mjd: NDArray[np.float64]
    psf_fwhm: NDArray[np.float32]
    sky_sigma: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    gain: NDArray[np.float32]

    def frames(self, shards: Sequence[Shard], at: slice) -> NDArray[np.floating]:
        """Return frames (n, H, W), read-only: copied into memory, run by run of neighbours in a shard."""
        return gather(shards, self.frame_shard[at], self.frame_row[at])


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
        if len(columns[name]) != len(columns[FRAME_SHARD]):
            found = f"{len(columns[name])} values for {len(columns[FRAME_SHARD])} frames"
            raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED")
    return Joined(folder, **columns)


def gather(shards: Sequence[Shard], shard: NDArray[np.integer], row: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return the frames (n, H, W) at rows of shards (n,), read-only; a view where all are neighbours in one shard."""
    ends = [*(np.flatnonzero((np.diff(shard) != 0) | (np.diff(row) != 1)) + 1).tolist(), len(row)]
    runs, begin = list[NDArray[np.floating]](), 0
    shard_of, row_of = shard.tolist(), row.tolist()
    for end in ends:
        first = row_of[begin]
        runs.append(shards[shard_of[begin]].frames[first : first + end - begin])
        begin = end
    if len(runs) == 1:
        return runs[0]
    frames: NDArray[np.floating] = np.concatenate(runs)
    frames.flags.writeable = False
    return frames
