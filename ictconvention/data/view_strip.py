"""Draw the views of one object below each other: which frames each has, and how it turned them."""

from collections.abc import Sequence
from math import degrees

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ictconvention.data.film_strip import MOST_NIGHTS, STAMP, band_colour, grey_scale, stamp_board, stamp_place, title
from ictconvention.data.nights import night_index
from ictconvention.data.survey import ImageSeries
from ictconvention.data.survey_format import SurveyHeader
from ictconvention.data.views import View, turned
from ictconvention.errors import counted

REMOVED = "#e8eef4"
LEGEND = "grey: asinh of the flux, one scale per band;  blue: left out of the view;  x: not observed"


@rc_context({"text.parse_math": False})  # an id may hold a dollar
def draw_views(series: ImageSeries, views: Sequence[View], header: SurveyHeader) -> Figure:
    """Draw the stamps of each view, one row per band and one column per night of the object.

    The columns are those of the film strip: of many nights, evenly spaced ones; of several frames of a band in a night,
    the first.

    Parameters
    ----------
    series : ImageSeries
        The object.
    views : sequence of View
        Its views, such as `[seen.view for seen in dataset.views_of(draw)]`.
    header : SurveyHeader
        Of its survey.
    """
    night = night_index(series.mjd)
    count, bands = int(night[-1]) + 1, len(header.bands)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_NIGHTS)).round().astype(int))
    block = STAMP * bands + 0.45
    width, height = max(STAMP * len(shown) + 1.1, 7.0), 0.75 + block * len(views)
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    figure.text(0.12 / width, 1 - 0.25 / height, title(series, header), fontsize=11, weight="bold", va="center")
    figure.text(0.12 / width, 1 - 0.48 / height, LEGEND, fontsize=7, color="0.35", va="center")
    scales = [grey_scale(series, np.flatnonzero(series.band == b)) for b in range(bands)]
    board = stamp_board(figure)
    for number, view in enumerate(views):
        above = height - 0.75 - block * number
        words = f"view {number + 1}: {_said(view, len(series))}"
        figure.text(0.12 / width, (above - 0.12) / height, words, fontsize=9, va="center")
        stamps = _turned(series, view)
        for b, band in enumerate(header.bands):
            y = above - 0.28 - STAMP * (b + 1)
            place = (0.5 / width, (y + 0.5 * STAMP) / height)
            figure.text(*place, band, fontsize=11, color=band_colour(header, b), weight="bold", va="center")
            for column, n in enumerate(shown):
                left, right, bottom, top = stamp_place(0.85 + STAMP * column, y)
                frames = np.flatnonzero((night == n) & (series.band == b))
                kept = np.intersect1d(frames, view.rows)
                if kept.size:
                    softening, low, high = scales[b]
                    stamp = np.arcsinh(stamps[kept[0]] / softening)
                    where = (left, right, bottom, top)
                    board.imshow(stamp, origin="lower", extent=where, aspect="auto", cmap="gray", vmin=low, vmax=high)
                elif frames.size:
                    board.add_patch(
                        Rectangle((left, bottom), right - left, top - bottom, facecolor=REMOVED, linewidth=0)
                    )
                else:
                    board.plot((left + right) / 2, (bottom + top) / 2, "x", color="0.8")
    return figure


def _turned(series: ImageSeries, view: View) -> NDArray[np.float32]:
    """Return all stamps turned as the view says."""
    frames = torch.from_numpy(np.nan_to_num(series.frames, posinf=0, neginf=0).astype(np.float32))
    ones = torch.ones(len(frames))
    flips = (torch.full((len(frames),), flip) for flip in (view.horizontal, view.vertical))
    result: NDArray[np.float32] = turned(frames, view.angle * ones, view.quarter_turns * ones.long(), *flips).numpy()
    return result


def _said(view: View, frames: int) -> str:
    turn = degrees(view.angle) + 90 * view.quarter_turns
    parts = [f"{len(view.rows)} of {counted(frames, 'frame')}"]
    parts += [f"turned by {turn:.1f} degrees"] if turn else []
    flips = [name for name, flip in (("horizontally", view.horizontal), ("vertically", view.vertical)) if flip]
    parts += [f"flipped {' and '.join(flips)}"] if flips else []
    return ", ".join(parts)
