"""Which points without pixels a view sees: those of its time and bands, in training some of them left out."""

from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.options import Augmentation
from ictconvention.feeding.views import ViewRecipe, even_frames
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.series import ImageSeries

NO_BAND = np.zeros(0, np.uint8)


def see_points(view: ViewRecipe, points: Points, most: int) -> ViewRecipe:
    """Return a view of evaluation with its points: all, or `most` of them evenly spaced."""
    return replace(view, points=even_frames(len(points), most))


def draw_points(
    view: ViewRecipe,
    points: Points,
    series: ImageSeries,
    augmentation: Augmentation,
    most: int,
    rng: np.random.Generator,
    left_out: NDArray[np.uint8] = NO_BAND,
) -> ViewRecipe:
    """Return a drawn view with its points, of which as large a share may be left out as of the frames.

    Where the view ends before the last frame of the series, it knows no later point either; earlier ones are the past
    of its first frame.

    Parameters
    ----------
    view : ViewRecipe
        Frames of the view.
    points : Points
        All of the object.
    series : ImageSeries
        The object.
    augmentation : Augmentation
        How far views stray.
    most : int
        Largest number of points.
    rng : Generator
        Gives the draws.
    left_out : array (b,)
        Bands that the view was drawn without: it has no point in them. One that merely lost its frames stays.
    """
    last = int(view.rows[-1])
    there = np.arange(len(points if last == len(series) - 1 else points.until(float(series.mjd[last]))))
    if len(left_out):
        there = there[~np.isin(points.band[there], left_out)]
    fitting = min(len(there), most)
    kept = int(rng.integers(ceil(augmentation.keep * fitting), fitting, endpoint=True))
    rows: NDArray[np.int64] = np.sort(rng.choice(there, kept, replace=False)) if kept else there[:0]
    return replace(view, points=rows)
