"""The figures of the study: KL over the training epochs, confusion of pixels, and chips with their masks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from experiments.land_cover.chips import Shown
from experiments.land_cover.jobs import REFERENCE, ROWS, Job
from experiments.land_cover.results import CONFUSION, Result
from experiments.land_cover.tables import Rows
from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.masks.colours import class_patches, colour_mask, without_ticks
from ictconvention.drawing.panels import plain_frame
from ictconvention.drawing.style import add_title, fold_name, new_panel, style_of

KINDS = {"argmax": "validation: KL of counts", "mean": "validation: KL of means"}
BELOW = {
    "course": "each seed; lines that jump are what the published text calls unstable",
    "confusion": "rows true, columns estimated: per cent of the known pixels of each class, over all seeds",
}
CHIPS_BELOW = "KL is of means of calibrated probabilities, a mask has the likeliest class of each pixel"
WIDTH, ACROSS, PANEL = 9.5, 5, 2.3  # of a figure of lines, panels in a line, and the side of each [inch]
LETTERS = 14  # of the name of a row above its mask, or of a class
DISPLAY = (2, 98)  # percentiles of a chip that are shown black and white


def draw_results(folder: Path, results: Mapping[Job, Result]) -> None:
    """Draw the figures that follow from the results alone, into their folder."""
    if (rows := Rows.of(results)) is None:
        return
    for name, figure in figures_of(rows).items():
        save_figure(add_title(figure, rows.said, BELOW[name]), folder / f"{name}.png")


def figures_of(rows: Rows) -> dict[str, Figure]:
    """Return the figures of the results by name."""
    found = {}
    if any(rows.courses.values()):
        found["course"] = _draw_courses(rows)
    if with_masks := [row for row in rows.entries if CONFUSION in rows.pooled(row).rows]:
        found["confusion"] = _draw_confusions(rows, with_masks)
    return found


def _draw_courses(rows: Rows) -> Figure:
    """Draw the KL of the validation part after each training epoch, of counts and of means: a line for each seed.

    The axis is the share of all training epochs: with few masks, or two views, they are more or fewer.
    """
    figure = new_panel(rows.title, 3.8, WIDTH)
    panels = figure.subplots(1, 2)
    for axes, (kind, said) in zip(panels, KINDS.items(), strict=True):
        for row, courses in rows.courses.items():
            style = style_of(ROWS.index(row))
            for course in (of_seed[kind] for of_seed in courses.values() if kind in of_seed):
                share = 100 * np.arange(1, len(course) + 1) / len(course)
                axes.plot(share, course, color=style.colour, ls=style.line, marker=".", ms=3, lw=1, alpha=0.85)
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


def draw_chips(path: Path, chips: Sequence[Shown], names: Sequence[str], survey: str) -> None:
    """Draw chips, a line for each: the picture, the known mask, and that of every network.

    Parameters
    ----------
    path : Path
        Path of the file.
    chips : sequence of Shown
        What is drawn of each.
    names : sequence of str
        Names of the classes.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    rows = [*chips[0].estimated]
    side = 1.1
    figure = new_panel(survey, side * len(chips) + 1.2, side * (2 + len(rows)) + 0.6)
    panels = figure.subplots(len(chips), 2 + len(rows), squeeze=False)
    masks = [mask for chip in chips for mask in (chip.known, *chip.estimated.values())]
    for line, chip in zip(panels, chips, strict=True):
        line[0].imshow(as_colours(chip.picture), origin="lower", interpolation="nearest")
        line[0].set_ylabel(f"{chip.said}\nKL {chip.divergence[REFERENCE]:.3f}", fontsize=7)
        line[1].imshow(colour_mask(chip.known, names), origin="lower", interpolation="nearest")
        for axes, row in zip(line[2:], rows, strict=True):
            axes.imshow(colour_mask(chip.estimated[row], names), origin="lower", interpolation="nearest")
            axes.set_xlabel(f"KL {chip.divergence[row]:.3f}", fontsize=6)
        for axes in line:
            without_ticks(axes)
    for axes, said in zip(panels[0], ["image", "known", *rows], strict=True):
        axes.set_title(fold_name(said, LETTERS, 3), fontsize=7)
    patches = class_patches(names, masks)
    figure.legend(handles=patches, loc="outside lower left", ncols=len(patches), fontsize=6, frameon=False)
    title = f"{survey}: the {', the '.join(chip.said for chip in chips)} chip of the {REFERENCE}, seed 0"
    save_figure(add_title(figure, title, CHIPS_BELOW), path)


def as_colours(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a picture (3, H, W) of red, green and blue as (H, W, 3), 0 to 1: the middle 96 % of each band."""
    low, high = np.nanpercentile(picture, DISPLAY, axis=(1, 2))
    scaled = (picture.transpose(1, 2, 0) - low) / np.maximum(high - low, 1e-9)
    return np.asarray(np.clip(np.nan_to_num(scaled), 0, 1))
