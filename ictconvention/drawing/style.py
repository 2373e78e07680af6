"""How models look in every figure that compares them: a colour, a line and a marker each, and a name that fits."""

import re
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Transform, offset_copy

COLOURS = (  # the least of their distances to each other is large in the eyes of the colour-blind too; a test looks
    *("#1f5fa8", "#d1520f", "#889966", "#9944ff", "#662200", "#bb7799", "#220088", "#553355", "#101010"),
)
LINES = {"-": "", "--": "6 3", ":": "2 2"}  # of matplotlib, and as the dashes of an SVG
MARKERS = {  # of each colour its own: in matplotlib, and as a path in a box from -4 to 4
    "o": "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "s": "M-3.5 -3.5H3.5V3.5H-3.5Z",
    "^": "M0 -4L4 3.5H-4Z",
    "D": "M0 -4.5L4.5 0L0 4.5L-4.5 0Z",
    "v": "M0 4L4 -3.5H-4Z",
    "P": "M-1.5 -4H1.5V-1.5H4V1.5H1.5V4H-1.5V1.5H-4V-1.5H-1.5Z",
    "X": "M-4 -2L-2 -4L0 -2L2 -4L4 -2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0Z",
    "<": "M-4 0L3.5 -4V4Z",
    ">": "M4 0L-3.5 -4V4Z",
}
WIDTH = 3.7  # of a panel [inch]
LONGEST = 30  # letters of a name in a figure
HEADROOM = 1.03  # of an axis from 0 to 1
FINENESS = 120  # of a figure that is saved as pixels [pixels per inch], as of the film strip of an object
ALONE = 7.0  # least width of a figure that stands alone [inch]
TALLEST, TALL = 5.6, 1.2  # of such a figure [inch], unless it is so many times as tall as wide, in rows of panels
LETTER, HEADING = 0.098, 0.68  # of a title, and height of the lines above a figure that stands alone [inch]
THIN, STEP, THICK = 1.1, 1.0, 3.1  # of lines in one panel: the last, a step to the one before, the most [points]
MARKS = 8  # on a line
EQUAL: dict[str, Any] = {"color": "0.6", "lw": 1, "ls": "--"}  # the line on which what is predicted is what is known
APART = 4.0, 20.0  # between points of two lines that stand at one place, and of all lines together [points]


@dataclass(frozen=True)
class Style:
    """How one model is drawn.

    Parameters
    ----------
    colour : str
        As hexadecimal.
    line : str
        One of `LINES`.
    marker : str
        One of `MARKERS`.
    """

    colour: str
    line: str
    marker: str

    @property
    def dashes(self) -> str:
        """Return the dashes of its line in an SVG."""
        return LINES[self.line]

    @property
    def outline(self) -> str:
        """Return its marker as the path of an SVG, in a box from -4 to 4."""
        return MARKERS[self.marker]

    @property
    def drawn(self) -> dict[str, Any]:
        """Return the arguments of a line in matplotlib."""
        return {"color": self.colour, "ls": self.line}


def style_of(number: int) -> Style:
    """Return the look of a model by its place in the comparison: after nine colours they come again, in dashes.

    Each of the nine has a marker of its own, so that no two models are told apart by colour alone.
    """
    again, place = number // len(COLOURS) % len(LINES), number % len(COLOURS)
    return Style(COLOURS[place], list(LINES)[again], list(MARKERS)[place])


def shorten_middle(name: str, longest: int = LONGEST) -> str:
    """Shorten a name in its middle, for what tells models apart stands at the end; no letter of it moves the paper."""
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    tail = longest * 3 // 5
    return name if len(name) <= longest else f"{name[: longest - tail - 1]}…{name[-tail:]}"


def fold_name(name: str, longest: int = LONGEST, lines: int = 2) -> str:
    """Break a name into so many lines at most, where a word ends; what is longer still is shortened in its middle."""
    words = re.findall(r"[^\s_,;/-]*[\s_,;/-]*", shorten_middle(name, longest * lines))
    folded = [""]
    for word in words:
        if len(folded[-1] + word.rstrip()) <= longest:
            folded[-1] += word
        else:
            folded.append(word)
    if len(folded) > lines or max(len(line.rstrip()) for line in folded) > longest:  # words too long for their lines
        name = shorten_middle(name, longest * lines)
        folded = [name[start : start + longest] for start in range(0, len(name), longest)]
    return "\n".join(line.strip() for line in folded if line.strip())


def title_width(title: str) -> float:
    """Return how wide a figure must be for its bold title [inch]."""
    return LETTER * len(title) + 0.3


def new_panel(survey: str, height: float = 3.2, width: float = WIDTH) -> Figure:
    """Return an empty figure, with the survey's name in its corner.

    Parameters
    ----------
    survey : str
        Names the survey, and says whether it is simulated.
    height, width : float
        Height and width of the figure [inch].
    """
    figure = Figure(figsize=(width, height), dpi=FINENESS, layout="constrained", facecolor="white")
    figure.supxlabel(shorten_middle(survey, 60), x=0.995, ha="right", fontsize=6, color="0.45")
    return figure


def line_width(number: int, count: int) -> float:
    """Return the width of a line, of so many in one panel [points]: each is wider than the next, which lies upon it.

    Where lines coincide, each shows at the sides of the next.
    """
    most = min(THIN + STEP * (count - 1), THICK)
    return most if count == 1 else most - (most - THIN) * number / (count - 1)


def marks(number: int, count: int, points: int) -> tuple[int, int]:
    """Return which points of a line have its marker, as matplotlib's `markevery`: of each line others."""
    every = max(points // MARKS, 1)
    return number * every // count, every


def set_apart(axes: Axes, number: int, count: int) -> Transform:
    """Return a transform that puts the points of a line, of so many with the same places, beside those of the others.

    The data stay what they are: the picture moves along the axis of places, by a few points of the paper.
    """
    step = min(APART[0], APART[1] / count)
    shift = step * (number - (count - 1) / 2)
    return offset_copy(axes.transData, axes.get_figure(root=True), x=shift, units="points")


def add_title(figure: Figure, title: str, below: str = "") -> Figure:
    """Return a panel as a figure that stands alone, as large as the film strip of an object and titled like it.

    Parameters
    ----------
    figure : Figure
        Of `new_panel`.
    title : str
        In bold at the upper left.
    below : str
        A line below it.
    """
    width, height = figure.get_size_inches()
    scale = max(ALONE / width, 1.0)
    wide = max(scale * width, title_width(title), 0.75 * LETTER * len(below) + 0.3)
    tall = (min(scale * height, TALLEST) if scale * height / wide < TALL else scale * height) + HEADING
    figure.set_size_inches(wide, tall)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - HEADING / tall))
    left = 0.12 / wide
    figure.text(left, 1 - 0.28 / tall, title, fontsize=11, weight="bold", va="center", in_layout=False)
    figure.text(left, 1 - 0.51 / tall, below, fontsize=8, va="center", in_layout=False)
    return figure
