"""How models look in every figure that compares them: a colour, a line and a marker each, and a name that fits."""

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

COLOURS = ("#2f5d9b", "#c8501e", "#2e8b57", "#8c2d8c", "#b8860b", "#17a0b4", "#c2185b", "#6d4c41", "#7a7a7a")
LINES = {"-": "", "--": "6 3", ":": "2 2"}  # of matplotlib, and as the dashes of an SVG
MARKERS = ("o", "s", "^")
WIDTH = 3.7  # of a panel [inch]
LONGEST = 30  # letters of a name in a figure
HEADROOM = 1.03  # of an axis from 0 to 1
LETTER = 0.056  # of a title [inch]
FINENESS = 180  # of a panel that is saved as pixels [pixels per inch]


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
    def drawn(self) -> dict[str, Any]:
        """Return the arguments of a line in matplotlib."""
        return {"color": self.colour, "ls": self.line}


def style_of(number: int) -> Style:
    """Return the look of a model by its place in the comparison: after nine colours they come again, in dashes."""
    again = number // len(COLOURS) % len(LINES)
    return Style(COLOURS[number % len(COLOURS)], list(LINES)[again], MARKERS[again])


def shorten_middle(name: str, longest: int = LONGEST) -> str:
    """Shorten a name in its middle, for what tells models apart stands at the end; no letter of it moves the paper."""
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    tail = longest * 3 // 5
    return name if len(name) <= longest else f"{name[: longest - tail - 1]}…{name[-tail:]}"


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


def add_title(figure: Figure, title: str) -> Figure:
    """Return a panel as a figure that stands alone: its title above it, wide enough for that."""
    width = max(figure.get_figwidth(), LETTER * max(map(len, title.split("\n"))))
    figure.set_size_inches(width, figure.get_figheight() + 0.35)
    figure.suptitle(title, fontsize=7.5)
    return figure
