"""The figures that follow from the results alone: KL over the training epochs, and confusion of pixels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from experiments.land_cover.jobs import ROWS, Job
from experiments.land_cover.results import CONFUSION, Result
from experiments.land_cover.tables import Rows
from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.panels import plain_frame
from ictconvention.drawing.style import add_title, new_panel, style_of

KINDS = {"argmax": "validation: KL of counts", "mean": "validation: KL of means"}
BELOW = {
    "course": "thin: each seed; thick: their median. Lines that jump are what the published text calls unstable",
    "confusion": "rows true, columns estimated: per cent of the known pixels of each class, over all seeds",
}
WIDTH, ACROSS, PANEL = 9.5, 5, 2.3  # of a figure of lines, panels in a line, and the side of each [inch]


def draw_results(folder: Path, results: Mapping[Job, Result]) -> None:
    """Draw the figures that follow from the results alone, into their folder."""
    if (rows := Rows.of(results)) is None:
        return
    for name, figure in figures_of(rows).items():
        said = f"{rows.title}: validation part" if name == "course" else rows.said
        save_figure(add_title(figure, said, BELOW[name]), folder / f"{name}.png")


def figures_of(rows: Rows) -> dict[str, Figure]:
    """Return the figures of the results by name."""
    found = {}
    if any(rows.courses.values()):
        found["course"] = _draw_courses(rows)
    if with_masks := [row for row in rows.entries if CONFUSION in rows.pooled(row).rows]:
        found["confusion"] = _draw_confusions(rows, with_masks)
    return found


def _draw_courses(rows: Rows) -> Figure:
    """Draw the KL of the validation part after each training epoch, of counts and of means: seeds, and their median.

    The axis is the share of all training epochs: with few masks, or two views, they are more or fewer.
    """
    figure = new_panel(rows.title, 3.8, WIDTH)
    panels = figure.subplots(1, 2)
    for axes, (kind, said) in zip(panels, KINDS.items(), strict=True):
        for row, courses in rows.courses.items():
            style = style_of(ROWS.index(row))
            if not (several := [of_seed[kind] for of_seed in courses.values() if kind in of_seed]):
                continue
            share = 100 * np.arange(1, len(several[0]) + 1) / len(several[0])
            for course in several:
                axes.plot(share, course, lw=0.5, alpha=0.4, **style.drawn)
            axes.plot(share, np.median(several, axis=0), lw=1.3, marker=".", ms=4, **style.drawn)
        axes.set(yscale="log", xlabel="training epochs that are done [%]", ylabel=said)
        axes.grid(axis="y", which="both", color="0.93")
        plain_frame(axes)
    styles = {row: style_of(ROWS.index(row)) for row, courses in rows.courses.items() if courses}
    lines = [Line2D([], [], color=style.colour, ls=style.line, label=row) for row, style in styles.items()]
    figure.legend(handles=lines, loc="outside right center", fontsize=7, frameon=False)
    return figure


def _draw_confusions(rows: Rows, shown: Sequence[str]) -> Figure:
    """Draw, of each row, the share of the pixels of each true class that is given each class; the mean of its seeds."""
    names = rows.measures.names
    down = -(-len(shown) // ACROSS)
    figure = new_panel(rows.title, PANEL * down + 0.8, PANEL * ACROSS)
    panels = np.ravel(figure.subplots(down, ACROSS, squeeze=False, sharex=True, sharey=True))
    for axes, row in zip(panels, shown, strict=False):
        _draw_confusion(axes, rows.pooled(row).at(CONFUSION).sum((0, 1)), row)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axes.set_yticks(range(len(names)), names, fontsize=6)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(shown) - ACROSS) : len(shown)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    figure.supylabel("true", fontsize=8)
    return figure


def _draw_confusion(axes: Axes, counts: NDArray[np.float64], row: str) -> None:
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for true, guess in np.argwhere(share >= 1):
        value = share[true, guess]
        colour = "white" if value > 55 else "0.25"
        axes.text(guess, true, f"{value:.0f}", ha="center", va="center", fontsize=5.5, color=colour)
    axes.set_title(row, fontsize=7.5)
