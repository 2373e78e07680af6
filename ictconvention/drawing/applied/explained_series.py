"""Draw which epochs of a series decided: its film strip as of `show`, Grad-CAM below, and what is lost without each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.film_strip import (
    LEFT,
    MARKERS,
    MOST_NIGHTS,
    STAMP,
    band_colour,
    draw_light_curve,
    draw_stamps,
    shown_nights,
    stamp_board,
)
from ictconvention.drawing.style import fold_name
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.series import ImageSeries, night_index

Floats = NDArray[np.float64]
LEAST_WIDTH, HEAD, CURVE, LOST, STAGE, SEAM, GAP = 8.6, 1.18, 1.5, 1.35, 0.16, 0.42, 0.35  # [inch]
FRAMED = 3  # most important frames, whose stamps have a frame
FRAME = "#d4006a"
WORDS = 150  # letters of a line


@dataclass(frozen=True, eq=False)
class ExplainedSeries:
    """One object, and which of its n frames, on some nights, made a network decide as it did.

    Parameters
    ----------
    id : str
        Its id.
    label : str, optional
        Its true class, if it is known.
    classes, probability : sequence of str, array (classes,)
        The classes that the network knows, and their calibrated probabilities.
    of_class : str
        The class that is explained.
    part : str
        Part of the run's split that it is in, if any.
    series : ImageSeries
        The object as its survey has it.
    seen : boolean array (n,)
        Which frames the network takes.
    lost, without : arrays (n,)
        What the log-odds of the class lose without each frame, and its probability then.
    lost_night : array (nights,)
        The same of the log-odds without all frames of a night.
    attention : mapping of str to arrays (n,)
        By stage, how much each frame counts; NaN where it is not seen.
    maps : array (n, H, W), optional
        Grad-CAM, the map that each frame has part in.
    notes : sequence of str
        What of this the network can give, and what not.
    """

    id: str
    label: str | None
    classes: Sequence[str]
    probability: Floats
    of_class: str
    part: str
    series: ImageSeries
    seen: NDArray[np.bool_]
    lost: Floats
    without: Floats
    lost_night: Floats
    attention: Mapping[str, Floats]
    maps: NDArray[np.floating] | None
    notes: Sequence[str]

    @property
    def most_important(self) -> NDArray[np.int64]:
        """The frames without which most is lost, at most `FRAMED`, the first before the others."""
        order = np.argsort(-self.lost, kind="stable")  # NaN last: frames that the network does not see
        return np.asarray(order[self.seen[order]][:FRAMED])

    def describe(self, bands: Sequence[str]) -> list[str]:
        """Return in words what was decided, the most important frames, and what the network cannot give."""
        of = self.classes.index(self.of_class)
        lines = [f"{self.id}: {self.of_class} {self.probability[of]:.3f} (true: {self.label or 'unknown'})"]
        day = self.series.mjd - self.series.mjd[0]
        for frame in self.most_important.tolist():
            which = f"day {day[frame]:.1f} in {bands[self.series.band[frame]]}"
            lines.append(f"  without {which}: {self.without[frame]:.3f}, {self.lost[frame]:+.3f} of the log-odds lost")
        return [*lines, *(f"  {note}" for note in self.notes)]

    def nights(self) -> NDArray[np.int64]:
        """Return which nights are drawn: those of the most important frames, and others evenly spaced."""
        night = night_index(self.series.mjd)
        needed = np.unique(night[self.most_important])
        others, room = np.setdiff1d(shown_nights(night), needed), MOST_NIGHTS - len(needed)
        if len(others) > room:
            others = others[np.linspace(0, len(others) - 1, room).round().astype(int)]
        return np.union1d(needed, others)


@rc_context({"text.parse_math": False})  # an id may hold a dollar
def draw_explained_series(objects: Sequence[ExplainedSeries], header: SurveyHeader, model: str) -> Figure:
    """Draw objects, one below the other.

    Parameters
    ----------
    objects : sequence of ExplainedSeries
        What is drawn.
    header : SurveyHeader
        That of their survey, which says whether it is simulated.
    model : str
        What the network is called.
    """
    heights = [_height(one, header) for one in objects]
    width = max(LEAST_WIDTH, *(LEFT + STAMP * len(one.nights()) + 0.3 for one in objects))
    height = sum(heights)
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    top = height
    for one, own in zip(objects, heights, strict=True):
        _draw_object(figure, board, one, header, model, top)
        top -= own
    return figure


def _height(one: ExplainedSeries, header: SurveyHeader) -> float:
    strips = STAMP * len(header.bands) * (1 if one.maps is None else 2) + (0.25 if one.maps is not None else 0)
    stages = STAGE * len(one.attention) + (0.2 if one.attention else 0)
    return HEAD + strips + SEAM + LOST + stages + SEAM + CURVE + SEAM + GAP


def _draw_object(
    figure: Figure, board: Axes, one: ExplainedSeries, header: SurveyHeader, model: str, top: float
) -> None:
    width, height = figure.get_size_inches()
    series, nights = one.series, one.nights()
    _write_head(board, one, header, model, top)
    edge = top - HEAD
    night = night_index(series.mjd)
    day = series.mjd - series.mjd[0]
    board.text(0.6 * LEFT, edge + 0.08, "day", fontsize=6, color="0.35", va="center")
    for column, number in enumerate(nights):
        x = LEFT + STAMP * (column + 0.48)
        board.text(x, edge + 0.08, f"{day[night == number][0]:.0f}", fontsize=6, color="0.35", ha="center", va="center")
    everything = np.arange(len(series))
    draw_stamps(board, series, header, series.frames, everything, edge, nights)
    _frame_important(board, one, nights, edge)
    edge -= STAMP * len(header.bands)
    if one.maps is not None:
        edge -= 0.25
        draw_stamps(board, series, header, series.frames, np.flatnonzero(one.seen), edge, nights)
        _draw_maps(board, one, nights, edge)
        edge -= STAMP * len(header.bands)
    wide = (width - LEFT - 0.2) / width
    edge -= SEAM
    lost = figure.add_axes((LEFT / width, (edge - LOST) / height, wide, LOST / height))
    _draw_lost(lost, one, header)
    edge -= LOST
    if one.attention:
        tall = STAGE * len(one.attention)
        axes = figure.add_axes((LEFT / width, (edge - tall - 0.2) / height, wide, tall / height), sharex=lost)
        _draw_attention(axes, one)
        edge -= tall + 0.2
    edge -= SEAM
    curve = figure.add_axes((LEFT / width, (edge - CURVE) / height, wide, CURVE / height), sharex=lost)
    draw_light_curve(curve, series, header)


def _write_head(board: Axes, one: ExplainedSeries, header: SurveyHeader, model: str, top: float) -> None:
    predicted = int(np.argmax(one.probability))
    right = "" if one.label is None else (" (right)" if one.classes[predicted] == one.label else " (wrong)")
    of = one.classes.index(one.of_class)
    part = f", {one.part} part" if one.part else ""
    board.text(
        0.12,
        top - 0.25,
        f"{header.full_name} {one.id}: why {model} says {one.of_class}",
        fontsize=11,
        weight="bold",
        va="center",
    )
    each = ", ".join(f"{name} {share:.3f}" for name, share in zip(one.classes, one.probability, strict=True))
    answer = f"true: {one.label or 'unknown'}{part}; predicted: {one.classes[predicted]}{right}; explained: "
    board.text(
        0.12, top - 0.47, f"{answer}{one.of_class} ({one.probability[of]:.3f}).  {each}", fontsize=8, va="center"
    )
    board.text(0.12, top - 0.65, fold_name("; ".join(one.notes), WORDS, 1), fontsize=7, color="0.35", va="center")
    few = int(one.seen.sum())
    taken = "" if one.seen.all() else f";  the network takes {few} of the {len(one.seen)} frames, the others are blue"
    said = f"pink: the {len(one.most_important)} frames without which most is lost;  x: not observed{taken}"
    board.text(0.12, top - 0.82, said, fontsize=7, color="0.35", va="center")


def _places(one: ExplainedSeries, nights: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return frame, column and row of each stamp that is drawn: of several of a band in a night, the first."""
    night, found = night_index(one.series.mjd), []
    for column, number in enumerate(nights.tolist()):
        for b in np.unique(one.series.band[night == number]).tolist():
            frames = np.flatnonzero((night == number) & (one.series.band == b))
            found.append((int(frames[0]), column, b))
    return found


def _frame_important(board: Axes, one: ExplainedSeries, nights: NDArray[np.int64], edge: float) -> None:
    night = night_index(one.series.mjd)
    for rank, frame in enumerate(one.most_important.tolist(), 1):
        if not one.lost[frame] > 0:
            continue
        column, b = int(np.searchsorted(nights, night[frame])), int(one.series.band[frame])
        left, bottom, side = LEFT + STAMP * column, edge - STAMP * (b + 1), 0.96 * STAMP
        board.add_patch(Rectangle((left, bottom), side, side, fill=False, edgecolor=FRAME, linewidth=1.8, zorder=5))
        how: dict[str, Any] = {
            "color": FRAME,
            "weight": "bold",
            "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        }
        board.text(left + 0.05, bottom + side - 0.05, str(rank), fontsize=6, va="top", zorder=6, **how)


def _draw_maps(board: Axes, one: ExplainedSeries, nights: NDArray[np.int64], edge: float) -> None:
    """Lay the maps over stamps; most is the largest of the object."""
    assert one.maps is not None  # for the types
    board.text(0.12, edge + 0.09, f"Grad-CAM of {one.of_class}", fontsize=7, color="0.35", va="center")
    most = float(one.maps.max()) or 1.0
    for frame, column, b in _places(one, nights):
        if one.seen[frame]:
            left, bottom = LEFT + STAMP * column, edge - STAMP * (b + 1)
            extent = (left, left + 0.96 * STAMP, bottom, bottom + 0.96 * STAMP)
            board.imshow(
                one.maps[frame] / most,
                origin="lower",
                extent=extent,
                aspect="auto",
                cmap=colormaps["inferno"],
                alpha=0.6,
                vmin=0,
                vmax=1,
            )


def _draw_lost(axes: Axes, one: ExplainedSeries, header: SurveyHeader) -> None:
    series = one.series
    day, night = series.mjd - series.mjd[0], night_index(series.mjd)
    middle = np.array([day[night == number].mean() for number in range(len(one.lost_night))])
    axes.axhline(0, color="0.6", lw=0.6)
    axes.vlines(middle, 0, one.lost_night, color="0.8", lw=4, zorder=1, label="whole night")
    for b, band in enumerate(header.bands):
        here = (series.band == b) & one.seen
        if here.any():
            how: dict[str, Any] = {"color": band_colour(header, b), "ms": 4, "ls": ""}
            axes.plot(day[here], one.lost[here], MARKERS[b % len(MARKERS)], label=band, zorder=3, **how)
    for rank, frame in enumerate(one.most_important.tolist(), 1):
        if one.lost[frame] > 0:
            place = (day[frame], one.lost[frame])
            axes.annotate(str(rank), place, (4, 2), textcoords="offset points", fontsize=7, color=FRAME, weight="bold")
    axes.set_ylabel("log-odds lost\nwithout it", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.12)  # so that no number of a frame lies on the legend
    axes.legend(fontsize=7, ncols=len(header.bands) + 1, frameon=False, loc="lower left", bbox_to_anchor=(0, 0.96))


def _draw_attention(axes: Axes, one: ExplainedSeries) -> None:
    """Draw a row for each stage: the darker a mark, the more the frame counts there."""
    day = one.series.mjd - one.series.mjd[0]
    for row, values in enumerate(one.attention.values()):
        known = np.isfinite(values)
        most = float(np.nanmax(values)) or 1.0
        shade = colormaps["Blues"](0.12 + 0.88 * values[known] / most)
        order = np.argsort(values[known])
        axes.scatter(day[known][order], np.full(known.sum(), row), c=shade[order], marker="|", s=70, linewidths=2.2)
    axes.set_yticks(range(len(one.attention)), [f"{name}" for name in one.attention], fontsize=7)
    axes.set_ylim(len(one.attention) - 0.4, -0.6)
    axes.tick_params(labelsize=7, length=0, labelbottom=False)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.text(
        1,
        -0.02,
        "attention: dark is most of the row",
        fontsize=6,
        color="0.35",
        ha="right",
        va="top",
        transform=axes.transAxes,
    )
