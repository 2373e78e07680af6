"""A survey read once, from its beginning to its end, in the batches that a trained network takes; nothing is kept."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ictconvention.configuration.options import SequenceOptions
from ictconvention.core.errors import UsageError
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch, collate
from ictconvention.feeding.dataset import apply_view, whole_view
from ictconvention.feeding.points import see_points
from ictconvention.feeding.reddening import read_reddening
from ictconvention.feeding.spec import Contents, points_in
from ictconvention.feeding.views import ViewRecipe
from ictconvention.measuring.measured_cache import median_frames
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.format import FRAME_COLUMNS
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.survey import Survey
from ictconvention.survey.values import EARLIEST_MJD, LATEST_MJD

DETECTED = "first_detection"  # column of a survey that knows when its objects were first detected [MJD]


class SurveyDataset(Dataset[tuple[SeriesBatch, ...]]):
    """The objects of a survey as evaluation sees them; indexed by a list of positions, a batch.

    What a network needs beside the frames (photometry, median frames) is measured from the frames that are
    let through, so that nothing of a later day reaches an early classification.

    Parameters
    ----------
    survey : Survey
        Survey of any size.
    sequence : SequenceOptions
        Which frames make a sequence.
    contents : Contents
        What is read of each frame.
    bands : array (bands,)
        The place of each of the survey's bands among those of the network.
    days : float, optional
        Only frames until so many days after an object's first detection, see `day_zero`.
    reddening : bool
        Whether E(B-V) is read.

    Raises
    ------
    SurveyError
        Photometry is read, and the stamps are too small for it; or E(B-V), and it is not known of every object.
    """

    def __init__(
        self,
        survey: Survey,
        sequence: SequenceOptions,
        contents: Contents,
        bands: NDArray[np.integer],
        days: float | None = None,
        reddening: bool = False,
    ) -> None:
        self.survey, self.sequence, self.contents, self.bands, self.days = survey, sequence, contents, bands, days
        self.day_zero = day_zero(survey) if days is not None else None
        self.reddening = torch.from_numpy(read_reddening(survey)) if reddening else None
        read = points_in(contents)
        self.points = SurveyPoints(survey, of_frames=read == "all") if read else None
        self.recipe = None
        if "photometry" in contents:
            self.recipe = photometry_recipe(survey.header.pixel_scale, survey.header.stamp_size, survey.path)

    def __getitem__(self, positions: Sequence[int]) -> tuple[SeriesBatch, ...]:
        """Return a batch in a tuple, as other data sets do; each of the objects has a frame."""
        return self.batch_of([(self.let_through(position), position) for position in positions])

    def batch_of(
        self, objects: Sequence[tuple[ImageSeries, int]], seen: Sequence[NDArray[np.int64]] | None = None
    ) -> tuple[SeriesBatch, ...]:
        """Return a batch of series as `let_through` gives them, or of some of their frames, and their positions.

        `seen` says which frames of each series the network sees, by default those of `whole_view`. A frame that a
        series lacks has no point either.
        """
        views = []
        for number, (series, position) in enumerate(objects):
            median = photometry = None
            if self.recipe is not None:
                photometry = measure_photometry(series, self.recipe)
            if "residual" in self.contents:
                median = median_frames(series, len(self.bands))
            view = whole_view(series, self.sequence) if seen is None else ViewRecipe(seen[number])
            stamps = "direct" in self.contents
            points: Points | None = None
            if self.points is not None:
                points = self._points_with(series, position)
                view = see_points(view, points, self.sequence.max_frames)
            views.append(apply_view(series, view, UNLABELLED, position, median, photometry, stamps, points))
        batch = collate(views)
        return (batch if self.reddening is None else replace(batch, reddening=self.reddening[batch.index]),)

    def frames(self, position: int) -> int:
        """Return the number of frames of an object that are let through."""
        if (until := self._until(position)) is None:
            return int(self.survey.lengths[position])
        return int(np.searchsorted(self.survey[int(position)].mjd, until, side="right"))

    def _points_with(self, series: ImageSeries, position: int) -> Points:
        """Return the points that are let through, without those of frames that the series lacks."""
        points = self.points_let_through(position)
        if len(series) == self.frames(position):
            return points
        whole = self.let_through(position)
        lacks = ~np.isin(whole.mjd + 1j * whole.band, series.mjd + 1j * series.band)
        return points.without_frames(whole.band[lacks], whole.mjd[lacks])

    def points_let_through(self, position: int) -> Points:
        """Return the points of an object that are let through, in the bands of the network.

        None where no points are read.
        """
        if self.points is None:
            return Points.none()
        points = self.points.of(self.survey[int(position)])
        until = self._until(position)
        points = points if until is None else points.until(until)
        return replace(points, band=self.bands[points.band].astype(np.uint8))

    def _until(self, position: int) -> float | None:
        """Return the time until which frames and points are let through [MJD]; None: all are."""
        if self.day_zero is None or self.days is None:
            return None
        return float(self.day_zero[position] + self.days)

    def let_through(self, position: int) -> ImageSeries:
        """Return an object with the frames that are let through, and the bands of the network."""
        series = self.survey[int(position)]
        end = self.frames(position)
        return replace(
            series,
            frames=series.frames[:end],
            **{name: getattr(series, name)[:end] for name in FRAME_COLUMNS if name != "band"},
            band=self.bands[series.band[:end]].astype(np.uint8),
        )


def day_zero(survey: Survey) -> NDArray[np.float64]:
    """Return when each object was first detected, (n,) [MJD].

    As the survey's column `first_detection` says; where it does not, the object's first frame.

    Raises
    ------
    UsageError
        The column holds no MJD.
    """
    first = np.array([series.mjd[0] for series in survey])
    table = survey.object_table()
    if DETECTED not in table.colnames or np.ma.getmaskarray(np.ma.asarray(table[DETECTED])).all():
        return first
    where, fix = f"{survey.path}, column {DETECTED}", "write the survey with MJD [days] there"
    if table[DETECTED].dtype.kind not in "fiu":
        raise UsageError(f"{DETECTED} is not a number: {table[DETECTED][0]}", where, fix, "E-VALUE-TYPE")
    known = np.ma.filled(np.ma.asarray(table[DETECTED], dtype=np.float64), np.nan)
    if (wrong := np.flatnonzero((known < EARLIEST_MJD) | (known > LATEST_MJD))).size:
        found = f"{DETECTED} of object {survey.ids[wrong[0]]} is {known[wrong[0]]:.1f}, no MJD"
        raise UsageError(found, where, f"{fix}: a Julian date minus 2400000.5", "E-VALUE-TIME")
    return np.asarray(np.where(np.isfinite(known), known, first))
