"""Figures of what models estimate of masks: confusion of pixels, and shares against those of the known pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ictconvention.drawing.masks.colours import class_colours
from ictconvention.drawing.panels import plain_frame, put_title
from ictconvention.drawing.style import EQUAL, WIDTH, Style, fold_name, new_panel

CELL, BESIDE = 0.47, 1.6  # [inch] of a class of a matrix, and of its names
LETTER = 0.055  # of such a name [inch]
USUAL, LINES = 11, 2  # letters of a name that have room in any case, and its lines


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_pixel_confusion(
    count: NDArray[np.floating], classes: Sequence[str], name: str, look: Style, survey: str
) -> Figure:
    """Draw of each known class which share of its pixels is estimated as each class [per cent].

    Beside the name of a class stands its share of all known pixels; a class without any has an empty row.

    Parameters
    ----------
    count : array (classes, classes)
        Pixels, rows known and columns estimated.
    classes : sequence of str
        Their names.
    name, look : str, Style
        Name and look of the model.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    total = count.sum(1, keepdims=True)
    share = np.where(total > 0, count / np.maximum(total, 1), np.nan)
    named = [fold_name(label, 16, LINES) for label in classes]
    longest = max(len(line) for label in named for line in label.splitlines())
    side = BESIDE + CELL * max(len(classes), 3) + LETTER * max(longest - USUAL, 0)
    figure = new_panel(survey, side, side + 0.2)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(share):
        if np.isfinite(number):
            colour = "white" if number > 0.55 else "0.15"
            text = f"{100 * number:.0f}" if number >= 0.005 else ("<1" if number else "0")
            axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
    of_all = total[:, 0] / max(total.sum(), 1)
    axes.set_xticks(range(len(classes)), named, rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
    axes.set_yticks(
        range(len(classes)), [f"{label} ({x:.1%})" for label, x in zip(named, of_all, strict=True)], fontsize=7
    )
    axes.set_xlabel("estimated", fontsize=8)
    axes.set_ylabel("known (share of all known pixels)", fontsize=8)
    put_title(axes, name, look)
    return figure


@rc_context({"text.parse_math": False})
def draw_shares(
    known: NDArray[np.floating],
    estimated: NDArray[np.floating],
    classes: Sequence[str],
    name: str,
    look: Style,
    survey: str,
) -> Figure:
    """Draw the estimated share of each class against that of the known pixels, a point for each chip and seed.

    Both axes are as roots, so that the many small shares do not lie upon each other. A class is said by its colour, and
    in the legend with its mean share, known and estimated.

    Parameters
    ----------
    known : array (n, classes)
        Shares, NaN of a chip without a known pixel.
    estimated : array (seeds, n, classes)
        Shares that a model predicts.
    classes, name, look, survey
        As of `draw_pixel_confusion`.
    """
    there = np.isfinite(known).all(1)
    true, guess = known[there], estimated[:, there]
    figure = new_panel(survey, WIDTH, 1.42 * WIDTH)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], **EQUAL)
    size = 4.0 if guess[..., 0].size <= 200 else 2.4
    lines = []
    for number, (label, colour) in enumerate(zip(classes, class_colours(classes), strict=True)):
        x = np.broadcast_to(true[:, number], guess.shape[:2]).ravel()
        how: dict[str, Any] = {"marker": "o", "ls": "", "ms": size, "mfc": colour, "mec": "0.35", "mew": 0.25}
        axes.plot(np.sqrt(x), np.sqrt(guess[:, :, number].ravel()), alpha=0.8, **how)
        means = f"{true[:, number].mean():.3f}, {guess[:, :, number].mean():.3f}" if len(true) else "-"
        lines.append(Line2D([], [], label=f"{fold_name(label, 16, 1)}  {means}", **(how | {"ms": 5})))
    ticks = np.array([0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.sqrt(ticks), [f"{tick:g}" for tick in ticks])
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("known share", fontsize=8)
    axes.set_ylabel("estimated share", fontsize=8)
    put_title(axes, name, look)
    plain_frame(axes)
    axes.tick_params(labelsize=6.5)
    figure.legend(
        handles=lines,
        title="mean share:\nknown, estimated",
        loc="outside right center",
        fontsize=6.5,
        title_fontsize=6.5,
        frameon=False,
        handletextpad=0.2,
    )
    return figure
