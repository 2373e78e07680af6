"""Draw what the objects of each class look like: a row for each class, an object beside the other. Says 'simulated'."""

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.film_strip import NO_PIXEL, STAMP, grey_scale, stamp_board
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.split import classes_of
from ictconvention.survey.survey import Survey

MOST_OBJECTS = 10  # of a class, evenly chosen
LEFT, TOP, BELOW = 1.6, 0.75, 0.2  # [inch] about the stamps
SIDE = 1.5 * STAMP  # [inch]


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_class_sheet(survey: Survey) -> Figure:
    """Draw one stamp of up to ten objects of each class: the middle one of its frames in its most frequent band.

    Each stamp has greys of its own, asinh of the flux over three times its sky noise. Objects without a class are the
    last row.
    """
    label = list(classes_of(survey.object_table()).values())
    rows = {name: [i for i, own in enumerate(label) if own == name] for name in (*survey.header.classes, None)}
    rows = {name: of_class for name, of_class in rows.items() if of_class}
    width, height = LEFT + SIDE * MOST_OBJECTS + 0.2, TOP + SIDE * len(rows) + BELOW
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    board.text(0.12, height - 0.25, survey.header.full_name, fontsize=11, weight="bold", va="center")
    said = f"of each class up to {MOST_OBJECTS} objects, the middle frame of the most frequent band; pink: no pixel"
    board.text(0.12, height - 0.5, said, fontsize=7, color="0.35", va="center")
    for row, (name, of_class) in enumerate(rows.items()):
        bottom = height - TOP - SIDE * (row + 1)
        board.text(0.12, bottom + 0.6 * SIDE, name or "unlabelled", fontsize=10, va="center")
        board.text(0.12, bottom + 0.3 * SIDE, f"{len(of_class)} objects", fontsize=7, color="0.35", va="center")
        chosen = np.unique(np.linspace(0, len(of_class) - 1, min(len(of_class), MOST_OBJECTS)).round().astype(int))
        for column, place in enumerate(chosen):
            _draw_stamp(board, survey[of_class[place]], LEFT + SIDE * column, bottom)
    return figure


def _draw_stamp(board: Axes, series: ImageSeries, left: float, bottom: float) -> None:
    here = np.flatnonzero(series.band == np.bincount(series.band).argmax())
    frame = here[len(here) // 2 : len(here) // 2 + 1]
    softening, low, high = grey_scale(series, frame)
    stamp = np.arcsinh(series.frames[frame[0]].astype(np.float64) / softening)
    side, greys = 0.96 * SIDE, colormaps["gray"].with_extremes(bad=NO_PIXEL)  # a seam to the next
    place = (left, left + side, bottom, bottom + side)
    board.imshow(stamp, origin="lower", extent=place, aspect="auto", cmap=greys, vmin=low, vmax=high)
