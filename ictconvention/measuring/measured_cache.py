"""What is measured once per survey and kept in its folder: photometry, and each object's median frames.

The files lie in the survey's folder `derived`, named by a hash of the survey and of how they were made; they can be
deleted at any time, and one that is damaged is made anew: its last row is a checksum of the others. Where the folder is
read-only, they are made anew in each run and stay in memory.

Of a survey that has grown by nights each state has files of its own. Objects whose frames lie where they lay in an
earlier state are not measured again: the values are those of the earlier file.
"""

import hashlib
import json
import warnings
import zlib
from abc import ABC, abstractmethod
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention import __version__
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import FileSystemError
from ictconvention.core.parallel import elsewhere_jobs, run_parallel
from ictconvention.measuring.photometry import PhotometryRecipe, measure_photometry, photometry_recipe
from ictconvention.reading.mapped_array import map_array
from ictconvention.survey.growth.layout import find_unchanged
from ictconvention.survey.growth.states import find_state
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.survey import Survey

FOLDER = "derived"
AT_ONCE = 512  # objects that a worker of a cluster measures in a call


class MeasuredCache(ABC):
    """An array measured from every object of a survey, rows of it for each object; `derived[id]` returns them.

    Parameters
    ----------
    survey : Survey
        The survey, or a selection of it: the array is always that of the whole.
    """

    name: str

    def __init__(self, survey: Survey) -> None:
        self._survey = Survey.open(survey.path, state=survey.hash)
        self._ends = np.cumsum(self._rows(self._survey))
        self._array: NDArray[Any] | None = None  # where it cannot be kept
        if not self._fits():
            self._make()
        self._open()

    @property
    def path(self) -> Path:
        """The file that holds the array."""
        return self._path_of(self._survey.hash)

    def _path_of(self, state: str) -> Path:
        made = json.dumps([state, self.name, self.settings(), __version__], sort_keys=True)
        return self._survey.path / FOLDER / f"{self.name}-{hashlib.sha256(made.encode()).hexdigest()[:16]}.npy"

    def __getitem__(self, id_: str) -> NDArray[Any]:
        """Return the rows of one object."""
        i = self._survey.position(id_)
        return self._opened[self._ends[i - 1] if i else 0 : self._ends[i]]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_opened"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what else than the survey decides the values."""

    @abstractmethod
    def measured(self, series: ImageSeries) -> NDArray[Any]:
        """Measure one object."""

    def _rows(self, survey: Survey) -> NDArray[np.int32]:
        """Return the number of rows of each object: one per frame."""
        return survey.lengths

    def _shape(self) -> tuple[int, ...]:
        """Return the shape of what is measured in a row: flux and error."""
        return (2,)

    def _fits(self) -> bool:
        """Return whether the file is there, with the type, shape, size and content that it was kept with."""
        return self._kept(self.path, self._ends[-1]) is not None

    def _kept(self, path: Path, rows: int) -> NDArray[Any] | None:
        """Return what a file keeps, (rows, ...); None where there is none, or it is damaged."""
        try:
            array = map_array(path, np.dtype("<f4"), self._shape())
        except (ValueError, OSError):
            return None
        return array if len(array) == rows + 1 and np.array_equal(array[-1], _checksum(array[:-1])) else None

    def _mapped(self) -> NDArray[Any]:
        return map_array(self.path, np.dtype("<f4"), self._shape())

    def _open(self) -> None:
        self._opened = self._mapped() if self._array is None else self._array

    def _make(self) -> None:
        before, survey = self._before(), self._survey
        asked = [i for i, rows in enumerate(before) if rows is None]
        task = partial(_measure_some, type(self), survey)  # a worker opens the survey once, and not in each call
        parts = [(asked[start : start + AT_ONCE],) for start in range(0, len(asked), AT_ONCE)]
        found = dict(run_parallel(task, parts, elsewhere_jobs(), survey.path))
        fresh = chain.from_iterable(found[number] for number in range(len(parts)))
        array = np.concatenate([next(fresh) if rows is None else rows for rows in before], dtype=np.float32)
        try:
            self.path.parent.mkdir(exist_ok=True)
            with whole_file(self.path, f"keeping the {self.name}", record=True) as unfinished:
                np.save(unfinished, np.concatenate([array, _checksum(array)[None]]))
        except (FileSystemError, OSError) as error:
            self._array = array
            reason = str(error).splitlines()[0]
            warnings.warn(f"the {self.name} of {self._survey.path} is made in each run: {reason}", stacklevel=4)

    def _before(self) -> list[NDArray[Any] | None]:
        """Return what is kept of each object of the newest earlier state of which there is a file; None: nothing.

        No file of a state is changed later: frames that lie where they lay are the same, and so are their columns.
        """
        survey = self._survey
        for state in reversed(survey.lineage[: survey.lineage.index(survey.hash)]):
            if not self._path_of(state).is_file() or find_state(survey.path, state) is None:
                continue
            earlier = Survey.open(survey.path, state=state)
            ends = np.cumsum(self._rows(earlier))
            if (kept := self._kept(self._path_of(state), ends[-1])) is None:
                continue
            first = ends - self._rows(earlier)
            places = find_unchanged(survey.files, earlier.files).tolist()
            return [None if at < 0 else kept[first[at] : ends[at]] for at in places]
        return [None] * len(survey)


def _measure_some(kind: type[MeasuredCache], survey: Survey, positions: list[int]) -> list[NDArray[np.float32]]:
    """Measure some objects, wherever this runs."""
    cache = kind.__new__(kind)  # whose array is yet to be
    cache._survey = survey
    return [cache.measured(survey[i]).astype(np.float32) for i in positions]


def _checksum(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a row like those of an array that holds 24 bits of their CRC-32, which float32 keeps exactly."""
    return np.full(array.shape[1:], zlib.crc32(array.data) % 2**24, dtype=np.float32)


class CachedPhotometry(MeasuredCache):
    """Photometry of every frame: `photometry[id]` is (n, 2), flux and error [flux_unit], NaN where unknown.

    See `measure_photometry`.

    Raises
    ------
    SurveyError
        The stamps are too small.
    """

    name = "photometry"

    def settings(self) -> dict[str, Any]:
        """Return the recipe."""
        return self._recipe.as_dict()

    def measured(self, series: ImageSeries) -> NDArray[Any]:
        """Measure the frames of one object, in float64."""
        return measure_photometry(series, self._recipe)

    @property
    def _recipe(self) -> PhotometryRecipe:
        header = self._survey.header
        return photometry_recipe(header.pixel_scale, header.stamp_size, self._survey.path)


class CachedMedianFrames(MeasuredCache):
    """Each object's median frame in each band: `frames[id]` is (bands, H, W) [flux_unit].

    Over all frames of the object, not only those of a view. NaN where a band has no frame, or a pixel no value in any.
    """

    name = "median_frames"

    def settings(self) -> dict[str, Any]:
        """Return how they are made; there is no choice."""
        return {"unknown": "NaN"}  # they were zero once

    def measured(self, series: ImageSeries) -> NDArray[Any]:
        """Take the median of the frames of one object in each band."""
        return median_frames(series, len(self._survey.header.bands))

    def _shape(self) -> tuple[int, ...]:
        return (self._survey.header.stamp_size,) * 2

    def _rows(self, survey: Survey) -> NDArray[np.int32]:
        return np.full(len(survey), len(survey.header.bands), dtype=np.int32)


def median_frames(series: ImageSeries, bands: int) -> NDArray[np.float32]:
    """Return the median frame (bands, H, W) of one object in each band [flux_unit]; see `CachedMedianFrames`."""
    medians = np.full((bands, *series.frames.shape[1:]), np.nan, dtype=np.float32)
    for band in range(bands):
        frames = series.frames[series.band == band].astype(np.float32)
        if len(frames) == 1:  # of a picture, which has one in each band
            medians[band] = np.where(np.isfinite(frames[0]), frames[0], np.nan)
        elif len(frames):
            medians[band] = np.median(frames, axis=0)
            missing = ~np.isfinite(frames)
            for row, column in zip(*np.nonzero(missing.any(0)), strict=True):
                known = frames[~missing[:, row, column], row, column]
                medians[band, row, column] = np.median(known) if known.size else np.nan
    return medians
