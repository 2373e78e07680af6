"""Draw the views of one object below each other: which frames each has, and how it turned them."""

from collections.abc import Sequence
from itertools import zip_longest
from math import degrees

import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ictconvention.core.errors import pluralize
from ictconvention.drawing.film_strip import (
    REMOVED,
    STAMP,
    band_colour,
    draw_stamps,
    shown_nights,
    stamp_board,
    title,
)
from ictconvention.drawing.picture_page import colour_bands, compose_colours, describe_scale, draw_band
from ictconvention.drawing.style import title_width
from ictconvention.feeding.views import ViewRecipe, adjust_stamps, turn_stamps
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.series import ImageSeries, night_index

LARGE, SMALL, LEFT, GAP = 1.5, 0.9, 0.12, 0.12  # [inch] of a picture in colours, of a band, and about them
Stamps = NDArray[np.floating]
LEGEND = "grey: asinh of the flux, one scale per band;  blue: left out of the view;  x: not observed"


@rc_context({"text.parse_math": False})  # an id may hold a dollar
def draw_views(
    series: ImageSeries, views: Sequence[ViewRecipe], header: SurveyHeader, seen: Sequence[Stamps | None] = ()
) -> Figure:
    """Draw the stamps of each view, one row per band and one column per night of the object; a picture in its colours.

    The columns are those of the film strip: of many nights, evenly spaced ones; of several frames of a band in a night,
    the first.

    Parameters
    ----------
    series : ImageSeries
        The object.
    views : sequence of ViewRecipe
        Its views, such as `[seen.view for seen in dataset.views_of(draw)]`.
    header : SurveyHeader
        Header of its survey.
    seen : sequence of array (m, H, W) or None, optional
        Stamps of each view before it turns them, where an augmentation has changed them: `seen.frames`.
    """
    stamps = [_turned(series, view, changed) for view, changed in zip_longest(views, seen[: len(views)])]
    if series.is_picture:
        return _draw_picture_views(series, views, header, stamps)
    block = STAMP * len(header.bands) + 0.45
    shown = len(shown_nights(night_index(series.mjd)))
    width = max(STAMP * shown + 1.1, 7.0, title_width(title(series, header)))
    height = 0.75 + block * len(views)
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    figure.text(0.12 / width, 1 - 0.25 / height, title(series, header), fontsize=11, weight="bold", va="center")
    figure.text(0.12 / width, 1 - 0.48 / height, LEGEND, fontsize=7, color="0.35", va="center")
    board = stamp_board(figure)
    for number, view in enumerate(views):
        above = height - 0.75 - block * number
        words = f"view {number + 1}: {_said(view, len(series))}"
        figure.text(0.12 / width, (above - 0.12) / height, words, fontsize=9, va="center")
        draw_stamps(board, series, header, stamps[number], view.rows, above - 0.28)
    return figure


def _draw_picture_views(
    series: ImageSeries, views: Sequence[ViewRecipe], header: SurveyHeader, stamps: Sequence[Stamps]
) -> Figure:
    """Draw each view of a picture in colours, where it has three bands, beside its bands in grey."""
    three = colour_bands(series, header)
    large = LARGE + GAP if three else 0.0
    side = LARGE if three else SMALL
    width = max(2 * LEFT + large + len(series) * (SMALL + GAP), 7.0, title_width(title(series, header)))
    block = side + 0.6
    height = 0.75 + block * len(views)
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    named = [header.bands[band] for band in series.band]
    colours = f"{', '.join(named[frame] for frame in three)} as red, green, blue;  " if three else ""
    legend = f"{colours}{describe_scale(series)};  blue: left out of the view"
    board.text(LEFT, height - 0.25, title(series, header), fontsize=11, weight="bold", va="center")
    board.text(LEFT, height - 0.48, legend, fontsize=7, color="0.35", va="center")
    for number, view in enumerate(views):
        above = height - 0.75 - block * number
        words = f"view {number + 1}: {_said(view, len(series))}"
        board.text(LEFT, above - 0.12, words, fontsize=9, va="center")
        top, kept, frames = above - 0.28, set(view.rows.tolist()), stamps[number]
        if three:
            place = (LEFT, LEFT + LARGE, top - LARGE, top)
            seen = compose_colours(series, three, frames)
            seen[..., [frame not in kept for frame in three]] = 0
            board.imshow(seen, origin="lower", extent=place, aspect="auto")
        for order, frame in enumerate(np.argsort(series.band, kind="stable").tolist()):
            left, bottom = LEFT + large + order * (SMALL + GAP), top - SMALL
            if frame in kept:
                draw_band(board, series, frame, (left, left + SMALL, bottom, top), frames)
            else:
                board.add_patch(Rectangle((left, bottom), SMALL, SMALL, facecolor=REMOVED, linewidth=0))
            colour = band_colour(header, int(series.band[frame]))
            board.text(
                left + 0.5 * SMALL, bottom - 0.1, named[frame], fontsize=9, color=colour, ha="center", va="center"
            )
    return figure


def _turned(series: ImageSeries, view: ViewRecipe, changed: Stamps | None) -> Stamps:
    """Return all stamps turned, and as bright, as the view says; those that it has changed as it has them."""
    own = np.array(series.frames, dtype=np.float32)
    if changed is not None and len(changed) == len(view.rows):  # an augmentation of one's own may leave out some
        own[view.rows] = changed
    frames = torch.from_numpy(np.nan_to_num(own, posinf=0, neginf=0))
    ones = torch.ones(len(frames))
    flips = (torch.full((len(frames),), flip) for flip in (view.horizontal, view.vertical))
    turned = turn_stamps(frames, view.angle * ones, view.quarter_turns * ones.long(), *flips)
    result: Stamps = adjust_stamps(turned, view.brightness * ones, view.contrast * ones).numpy()
    return result


def _said(view: ViewRecipe, frames: int) -> str:
    turn = degrees(view.angle) + 90 * view.quarter_turns
    parts = [f"{len(view.rows)} of {pluralize(frames, 'frame')}"]
    parts += [f"turned by {turn:.1f} degrees"] if turn else []
    flips = [name for name, flip in (("horizontally", view.horizontal), ("vertically", view.vertical)) if flip]
    parts += [f"flipped {' and '.join(flips)}"] if flips else []
    parts += [f"shifted by {view.shift[1]}, {view.shift[0]} pixels"] if view.shift != (0, 0) else []
    parts += [f"blurred by {view.blur:.2f} pixels"] if view.blur else []
    parts += [f"noise of {view.noise:.2f} sky sigma"] if view.noise else []
    parts += [f"E(B-V) {view.reddening:+.3f}"] if view.reddening else []
    factors = {"brightness": view.brightness, "contrast": view.contrast}
    parts += [f"{name} times {factor:.2f}" for name, factor in factors.items() if round(factor, 2) != 1]
    return ", ".join(parts)
