"""Draw what the chips of a survey look like: a row for each class that is the rarest of some, chips beside their masks.

Says 'simulated' where they are.
"""

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictconvention.core.errors import pluralize
from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.film_strip import stamp_board
from ictconvention.drawing.masks.colours import NOTHING, class_colours
from ictconvention.drawing.masks.mask_panel import draw_legend, draw_mask
from ictconvention.drawing.picture_page import colour_bands, compose_colours, describe_scale, draw_band
from ictconvention.drawing.style import fold_name, shorten_middle
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.masks.strata import NONE, rarest_classes
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.survey import Survey

MOST_CHIPS = 5  # of a row, evenly chosen
LEFT, TOP, SIDE, SEAM, LEGEND = 1.6, 0.75, 1.0, 0.04, 1.9  # [inch]
UNKNOWN = "no known pixel"  # the row of chips without one


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_chip_sheet(survey: Survey) -> Figure:
    """Draw up to five chips of which each class is the rarest, each beside its mask; those of no known pixel come last.

    Parameters
    ----------
    survey : Survey
        With masks.
    """
    names = survey.header.classes
    rarest = rarest_classes(survey.count_pixels())
    rows = {name: np.flatnonzero(rarest == number) for number, name in enumerate(names)}
    rows = {name: chips for name, chips in (rows | {UNKNOWN: np.flatnonzero(rarest == NONE)}).items() if len(chips)}
    width = LEFT + 2 * SIDE * MOST_CHIPS + 0.2 + LEGEND
    height = TOP + max(SIDE * len(rows), 0.2 * (len(names) + 1)) + 0.2
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    board.text(0.12, height - 0.25, survey.header.full_name, fontsize=11, weight="bold", va="center")
    first = survey[int(next(iter(rows.values()))[0])] if rows else None
    said = f"chips beside their masks, by the rarest class in them, up to {MOST_CHIPS} of each"
    said += "" if first is None else f"; {describe_scale(first)}"
    board.text(0.12, height - 0.5, said, fontsize=7, color="0.35", va="center")
    for row, (name, chips) in enumerate(rows.items()):
        bottom = height - TOP - SIDE * (row + 1)
        board.text(0.12, bottom + 0.6 * SIDE, fold_name(name, 18), fontsize=10, va="center")
        board.text(0.12, bottom + 0.2 * SIDE, pluralize(len(chips), "chip"), fontsize=7, color="0.35", va="center")
        chosen = chips[np.unique(np.linspace(0, len(chips) - 1, min(len(chips), MOST_CHIPS)).round().astype(int))]
        for column, chip in enumerate(chosen.tolist()):
            _draw_chip(board, survey[chip], survey.header, LEFT + 2 * SIDE * column, bottom)
    lines = [(colour, shorten_middle(name, 20)) for colour, name in zip(class_colours(names), names, strict=True)]
    draw_legend(board, [*lines, (NOTHING, "no known class")], width - LEGEND, height - TOP)
    return figure


def _draw_chip(board: Axes, series: ImageSeries, header: SurveyHeader, left: float, bottom: float) -> None:
    """Draw a chip and its mask beside each other."""
    side = SIDE - SEAM
    place = (left, left + side, bottom, bottom + side)
    three = colour_bands(series, header) if series.is_picture else None
    if three:
        board.imshow(compose_colours(series, three), origin="lower", extent=place, aspect="auto")
    else:
        draw_band(board, series, 0, place)
    if series.mask is not None:
        right = (left + side, left + 2 * side, bottom, bottom + side)
        draw_mask(board, series.mask, header.classes, right)
