"""Draw what the objects of each class look like: a row for each class, an object beside the other. Says 'simulated'."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.film_strip import STAMP, stamp_board
from ictconvention.drawing.picture_page import colour_bands, compose_colours, draw_band
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.split import classes_of
from ictconvention.survey.survey import Survey

MOST_OBJECTS = 10  # of a class, evenly chosen
LEFT, TOP, BELOW = 1.6, 0.75, 0.2  # [inch] about the stamps
SIDE = 1.5 * STAMP  # [inch]


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_class_sheet(survey: Survey) -> Figure:
    """Draw one stamp of up to ten objects of each class: the middle one of its frames in its most frequent band.

    Each stamp has greys of its own, asinh of the flux over three times its sky noise. Pictures are drawn in colours,
    where they have three bands, see `picture_page.colour_bands`; and as they are, where their pixels lie from 0 to 1.
    Objects without a class are the last row.
    """
    label = list(classes_of(survey.object_table()).values())
    rows = {name: [i for i, own in enumerate(label) if own == name] for name in (*survey.header.classes, None)}
    rows = {name: of_class for name, of_class in rows.items() if of_class}
    width, height = LEFT + SIDE * MOST_OBJECTS + 0.2, TOP + SIDE * len(rows) + BELOW
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    board.text(0.12, height - 0.25, survey.header.full_name, fontsize=11, weight="bold", va="center")
    shown = {name: [survey[of_class[i]] for i in _spread(len(of_class))] for name, of_class in rows.items()}
    board.text(0.12, height - 0.5, _legend(survey, shown), fontsize=7, color="0.35", va="center")
    for row, (name, of_class) in enumerate(rows.items()):
        bottom = height - TOP - SIDE * (row + 1)
        board.text(0.12, bottom + 0.6 * SIDE, name or "unlabelled", fontsize=10, va="center")
        board.text(0.12, bottom + 0.3 * SIDE, f"{len(of_class)} objects", fontsize=7, color="0.35", va="center")
        for column, series in enumerate(shown[name]):
            _draw_stamp(board, series, survey.header, LEFT + SIDE * column, bottom)
    return figure


def _spread(count: int) -> list[int]:
    """Return up to ten places among so many objects, evenly chosen."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST_OBJECTS)).tolist()})


def _legend(survey: Survey, shown: Mapping[str | None, Sequence[ImageSeries]]) -> str:
    """Return what is shown of each object."""
    drawn = [series for of_class in shown.values() for series in of_class]
    what = "the middle frame of the most frequent band"
    if all(series.is_picture for series in drawn):
        colours = [colour_bands(series, survey.header) for series in drawn]
        named = Counter(
            ", ".join(survey.header.bands[series.band[n]] for n in three)
            for series, three in zip(drawn, colours, strict=True)
            if three
        )
        what = f"{named.most_common(1)[0][0]} as red, green, blue" if named else "its first band"
    return f"of each class up to {MOST_OBJECTS} objects, {what}; pink: no pixel"


def _draw_stamp(board: Axes, series: ImageSeries, header: SurveyHeader, left: float, bottom: float) -> None:
    side = 0.96 * SIDE  # a seam to the next
    place = (left, left + side, bottom, bottom + side)
    three = colour_bands(series, header) if series.is_picture else None
    if three:
        board.imshow(compose_colours(series, three), origin="lower", extent=place, aspect="auto")
        return
    here = np.flatnonzero(series.band == np.bincount(series.band).argmax())
    draw_band(board, series, int(here[len(here) // 2]), place)
