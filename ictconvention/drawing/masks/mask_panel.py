"""Draw the mask of a chip on the page of its picture: each class in its colour, and a legend with their shares."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ictconvention.drawing.masks.colours import NOTHING, class_colours, colour_mask
from ictconvention.drawing.style import shorten_middle
from ictconvention.survey.masks.mask_file import IGNORED

LINE, SQUARE, LETTERS = 0.19, 0.12, 24  # [inch] of a line of the legend and of its square; letters of a name
WIDTH = 2.2  # [inch] of the legend


def draw_mask(
    board: Axes, mask: NDArray[np.uint8], classes: Sequence[str], place: tuple[float, float, float, float]
) -> None:
    """Draw a mask (H, W) at a place of a board, rows going up as those of its frames.

    Parameters
    ----------
    board : Axes
        As of `film_strip.stamp_board`.
    mask : array (H, W)
        Positions among the classes, or 255.
    classes : sequence of str
        Those of the survey.
    place : tuple of float
        Left, right, bottom and top [inch].
    """
    board.imshow(colour_mask(mask, classes), origin="lower", extent=place, aspect="auto", interpolation="nearest")


def explain_mask(mask: NDArray[np.uint8], classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the colours of a mask and what they stand for: the classes in it by their share, then what is unknown."""
    counts = np.bincount(mask.ravel(), minlength=IGNORED + 1)
    colours, known = class_colours(classes), int(counts[: len(classes)].sum())
    lines = []
    for number in sorted(range(len(classes)), key=lambda number: -counts[number]):
        if counts[number]:
            share = counts[number] / known
            lines.append((colours[number], f"{shorten_middle(classes[number], LETTERS)} {share:.1%}"))
    if unknown := int(mask.size) - known:
        lines.append((NOTHING, f"no known class: {unknown / mask.size:.1%} of the chip"))
    return lines


def draw_legend(board: Axes, lines: Sequence[tuple[str, str]], left: float, top: float) -> None:
    """Draw the lines of `explain_mask` below each other, from a corner of a board [inch]."""
    for number, (colour, text) in enumerate(lines):
        middle = top - LINE * (number + 0.5)
        corner = (left, middle - SQUARE / 2)
        board.add_patch(Rectangle(corner, SQUARE, SQUARE, facecolor=colour, edgecolor="0.5", linewidth=0.4))
        board.text(left + SQUARE + 0.07, middle, text, fontsize=8, va="center")
