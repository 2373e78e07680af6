"""Draw a survey beside the one that a run knows: what tells them apart, novelty, and how both were observed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.panels import plain_frame
from ictconvention.drawing.style import fold_name, style_of
from ictconvention.evaluation.shift.two_samples import TwoSamples
from ictconvention.measuring.conditions import ObservingConditions

WIDTH, HEIGHT = 10.5, 6.6  # [inch]
BINS = 20
APART = 0.14  # between the two surveys at a band
LOG_TICKS = [step * 10.0**power for power in range(-2, 5) for step in (1, 2, 5)]
VERDICT = 120  # letters in a line


@dataclass(frozen=True, eq=False)
class ComparedSurveys:
    """What is drawn.

    Parameters
    ----------
    run, known_name, here_name : str
        The run, its survey and the other; the names of surveys say whether they are simulated.
    told : TwoSamples, optional
        How well features tell them apart.
    novelty : array (n,)
        Of the survey's objects; NaN where it is not known.
    known, here : ObservingConditions
        How objects of the run and of the survey were observed.
    bands : sequence of str
        Bands of the network.
    verdict : str
        One sentence.
    """

    run: str
    known_name: str
    here_name: str
    told: TwoSamples | None
    novelty: NDArray[np.float64]
    known: ObservingConditions
    here: ObservingConditions
    bands: Sequence[str]
    verdict: str


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_comparison(found: ComparedSurveys) -> Figure:
    """Draw six panels: classifier scores, novelty, depth and seeing by band, frames and the pauses between nights."""
    figure = NotebookFigure(figsize=(WIDTH, HEIGHT), dpi=120, facecolor="white")
    title = f"Will {found.run} work on {found.here_name}?"
    figure.text(0.012, 0.965, fold_name(title, 110, 1), fontsize=11, weight="bold", va="center")
    figure.text(0.012, 0.94, fold_name(found.verdict, VERDICT, 4), fontsize=8, va="top", linespacing=1.3)
    grid = figure.add_gridspec(2, 3, left=0.06, right=0.99, bottom=0.12, top=0.79, wspace=0.25, hspace=0.42)
    panels = [figure.add_subplot(grid[row, column]) for row in range(2) for column in range(3)]
    _draw_scores(panels[0], found)
    _draw_novelty(panels[1], found.novelty)
    _draw_bands(panels[2], found, "depth", "5 sigma depth [AB mag]")
    _draw_bands(panels[3], found, "seeing", "seeing [arcsec]")
    _draw_values(panels[4], found.known.frames.sum(1), found.here.frames.sum(1), "frames of an object", log=False)
    _draw_values(panels[5], found.known.gap, found.here.gap, "from a night to the next, median [days]", log=True)
    for axes in panels:
        axes.tick_params(labelsize=7)
        plain_frame(axes)
    for number, name in enumerate((f"run: {found.known_name}", f"here: {found.here_name}")):
        look = style_of(number)
        label = fold_name(name, 60, 1)
        figure.text(0.06 + 0.45 * number, 0.03, look_sign(number), fontsize=11, color=look.colour, va="center")
        figure.text(0.078 + 0.45 * number, 0.03, label, fontsize=8, va="center")
    return figure


def look_sign(number: int) -> str:
    """Return a sign for the run, or for the survey, in text."""
    return "\N{BLACK CIRCLE}" if number == 0 else "\N{BLACK SQUARE}"


def _draw_scores(axes: Axes, found: ComparedSurveys) -> None:
    axes.set_xlabel("score of a classifier that has not seen the object", fontsize=8)
    axes.set_ylabel("objects", fontsize=8)
    if found.told is None:
        axes.text(0.5, 0.5, "too few objects", ha="center", fontsize=8, transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    _histogram(axes, found.told.scores[0], found.told.scores[1], np.linspace(0, 1, BINS + 1))
    said = f"AUC {found.told.auc:.2f} ({found.told.low:.2f} to {found.told.high:.2f})"
    axes.set_title(f"features: {said}", fontsize=8, loc="left")


def _draw_novelty(axes: Axes, novelty: NDArray[np.float64]) -> None:
    known = novelty[np.isfinite(novelty)]
    look = style_of(1)
    axes.set_title("novelty; the line: of objects like the run's", fontsize=8, loc="left")
    axes.set_xlabel("novelty: share of validation objects that are nearer", fontsize=8)
    axes.set_ylabel("objects", fontsize=8)
    if not len(known):
        axes.text(0.5, 0.5, "not known", ha="center", fontsize=8, transform=axes.transAxes)
        return
    axes.hist(known, BINS, range=(0, 1), color=look.colour, alpha=0.55)
    axes.axhline(len(known) / BINS, color="0.35", lw=1, ls="--")
    axes.set_xlim(0, 1)


def _draw_bands(axes: Axes, found: ComparedSurveys, name: str, label: str) -> None:
    """Draw medians of a quantity by band, and bars from the 16th to the 84th percentile."""
    axes.set_title(label, fontsize=8, loc="left")
    axes.set_xticks(range(len(found.bands)), [fold_name(band, 8, 1) for band in found.bands], fontsize=8)
    axes.set_xlim(-0.6, len(found.bands) - 0.4)
    drawn = False
    for number, conditions in enumerate((found.known, found.here)):
        values: NDArray[np.float64] = getattr(conditions, name)
        look = style_of(number)
        for b in range(len(found.bands)):
            here = values[:, b][np.isfinite(values[:, b])]
            if len(here):
                low, middle, high = np.percentile(here, [16, 50, 84])
                place = b + APART * (2 * number - 1)
                axes.plot([place, place], [low, high], color=look.colour, lw=1.4)
                axes.plot(place, middle, look.marker, color=look.colour, ms=5)
                drawn = True
    if not drawn:
        axes.text(0.5, 0.5, "not known", ha="center", fontsize=8, transform=axes.transAxes)
    if name == "depth" and drawn:
        axes.invert_yaxis()  # as astronomers have it: brighter above


def _draw_values(axes: Axes, known: NDArray[np.float64], here: NDArray[np.float64], label: str, log: bool) -> None:
    axes.set_title(f"{label}: shares", fontsize=8, loc="left")
    both = [one[np.isfinite(one) & ((one > 0) | (not log))] for one in (known, here)]
    if not all(map(len, both)):
        axes.text(0.5, 0.5, "not known", ha="center", fontsize=8, transform=axes.transAxes)
        return
    least, most = min(one.min() for one in both), max(one.max() for one in both)
    edges = np.geomspace(least, most * 1.001, BINS + 1) if log else np.linspace(least - 0.5, most + 0.5, BINS + 1)
    if log:
        axes.set_xscale("log")
        axes.set_xticks([place for place in LOG_TICKS if least <= place <= most])
        axes.xaxis.set_major_formatter(lambda x, place: f"{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    _histogram(axes, both[0], both[1], edges, shares=True)


def _histogram(
    axes: Axes,
    known: NDArray[np.float64],
    here: NDArray[np.float64],
    edges: NDArray[np.float64],
    shares: bool = False,
) -> None:
    """Draw both as steps, that of the survey filled."""
    for number, values in ((1, here), (0, known)):
        weights = np.full(len(values), 1 / len(values) if shares else 1.0)
        look = style_of(number)
        filled: dict[str, Any] = {"histtype": "step", "lw": 1.6}
        if number:
            filled = {"histtype": "stepfilled", "alpha": 0.55}
        axes.hist(values, edges.tolist(), weights=weights, color=look.colour, **filled)
