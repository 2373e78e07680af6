"""Draw what the objects of each class look like: a row for each class, an object beside the other. Says 'simulated'."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.film_strip import STAMP, stamp_board
from ictconvention.drawing.masks.chip_sheet import draw_chip_sheet
from ictconvention.drawing.picture_page import colour_bands, compose_colours, draw_band
from ictconvention.drawing.style import fold_name
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.labels.strata import has_classes
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.split import classes_of
from ictconvention.survey.survey import Survey

MOST_OBJECTS = 10  # of a class, evenly chosen
LEFT, TOP, BELOW = 1.6, 0.75, 0.2  # [inch] about the stamps
SIDE = 1.5 * STAMP  # [inch]
WITH_REDSHIFT, WITHOUT_CLASS = "no class, redshift", "unlabelled"  # rows of objects without a class


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_class_sheet(survey: Survey) -> Figure:
    """Draw one stamp of up to ten objects of each class: the middle one of its frames in its most frequent band.

    Each stamp has greys of its own, asinh of the flux over three times its sky noise. Pictures are drawn in colours,
    where they have three bands, see `picture_page.choose_colours`; and as they are, where their pixels lie from 0 to 1.
    Objects without a class are the last rows: first those with a redshift, in its order. Chips with masks, none of
    them of a class, are drawn by `draw_chip_sheet`.
    """
    if survey.has_masks and not has_classes(survey.object_table()):
        return draw_chip_sheet(survey)
    rows = _sort_objects(survey)
    width, height = LEFT + SIDE * MOST_OBJECTS + 0.2, TOP + SIDE * len(rows) + BELOW
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    board.text(0.12, height - 0.25, survey.header.full_name, fontsize=11, weight="bold", va="center")
    shown = {name: [survey[of_class[i]] for i in _spread(len(of_class))] for name, of_class in rows.items()}
    board.text(0.12, height - 0.5, _legend(survey, shown), fontsize=7, color="0.35", va="center")
    for row, (name, of_class) in enumerate(rows.items()):
        bottom = height - TOP - SIDE * (row + 1)
        board.text(0.12, bottom + 0.6 * SIDE, fold_name(name, 18), fontsize=10, va="center")
        board.text(0.12, bottom + 0.2 * SIDE, f"{len(of_class)} objects", fontsize=7, color="0.35", va="center")
        for column, series in enumerate(shown[name]):
            left, redshift = LEFT + SIDE * column, series.metadata["redshift"]
            _draw_stamp(board, series, survey.header, left, bottom)
            if name == WITH_REDSHIFT and redshift is not None:
                board.text(left + 0.03, bottom + 0.03, f"{redshift:.3f}", fontsize=7, color="white")
    return figure


def _sort_objects(survey: Survey) -> dict[str, list[int]]:
    """Return the objects of each class, in the order of the survey, and those without one, by what a row says."""
    table = survey.object_table()
    label = list(classes_of(table).values())
    redshift: NDArray[np.float64] = np.ma.filled(np.ma.asarray(table["redshift"], dtype=float), np.nan)
    rows = {name: [i for i, own in enumerate(label) if own == name] for name in survey.header.classes}
    others = [i for i, own in enumerate(label) if own is None]
    rows[WITH_REDSHIFT] = sorted((i for i in others if np.isfinite(redshift[i])), key=lambda i: float(redshift[i]))
    rows[WITHOUT_CLASS] = [i for i in others if not np.isfinite(redshift[i])]
    return {name: of_class for name, of_class in rows.items() if of_class}


def _spread(count: int) -> list[int]:
    """Return up to ten places among so many objects, evenly chosen."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST_OBJECTS)).tolist()})


def _legend(survey: Survey, shown: Mapping[str, Sequence[ImageSeries]]) -> str:
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
    of_each = "of each class" if survey.header.classes else "of each kind"
    return f"{of_each} up to {MOST_OBJECTS} objects, {what}; pink: no pixel"


def _draw_stamp(board: Axes, series: ImageSeries, header: SurveyHeader, left: float, bottom: float) -> None:
    side = 0.96 * SIDE  # a seam to the next
    place = (left, left + side, bottom, bottom + side)
    three = colour_bands(series, header) if series.is_picture else None
    if three:
        board.imshow(compose_colours(series, three), origin="lower", extent=place, aspect="auto")
        return
    here = np.flatnonzero(series.band == np.bincount(series.band).argmax())
    draw_band(board, series, int(here[len(here) // 2]), place)
