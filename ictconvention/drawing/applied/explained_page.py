"""Draw where a network looked: stamps, its map over them, the probabilities and the true class. Says 'simulated'."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.picture_page import choose_colours
from ictconvention.drawing.style import COLOURS, fold_name

SIDE, LEFT, RIGHT, TOP, GAP = 1.5, 1.9, 2.8, 0.8, 0.3  # [inch]
WORDS, MOST_LINES = 26, 3  # letters in a line beside the stamps, and lines of one thing that is said
BRIGHTEST, DARKEST = 99.7, 1.0  # of a stamp's pixels [per cent]


@dataclass(frozen=True, eq=False)
class Panel:
    """Stamps that share one map.

    Parameters
    ----------
    frames : array (m, H, W)
        The stamps [flux_unit].
    bands : sequence of str
        The band of each.
    map : array (H, W)
        Where the network looked, from 0.
    day : float
        Of the first stamp, since the first of the object [days].
    """

    frames: NDArray[np.floating]
    bands: Sequence[str]
    map: NDArray[np.floating]
    day: float = 0.0


@dataclass(frozen=True, eq=False)
class ExplainedObject:
    """One object, as a network sees it.

    Parameters
    ----------
    id : str
        Its id.
    label : str, optional
        Its true class, if it is known.
    classes : sequence of str
        The classes that the network knows.
    probability : array (classes,)
        Their calibrated probabilities.
    of_class : str
        The class that the maps are of.
    panels : sequence of Panel
        One of a picture, some of a sequence.
    part : str
        Part of the run's split that it is in, if any.
    """

    id: str
    label: str | None
    classes: Sequence[str]
    probability: NDArray[np.floating]
    of_class: str
    panels: Sequence[Panel]
    part: str = ""


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_explained(objects: Sequence[ExplainedObject], survey: str, model: str) -> Figure:
    """Draw a row for each object: its stamps, the map over them, and the probabilities.

    Parameters
    ----------
    objects : sequence of ExplainedObject
        What is drawn.
    survey, model : str
        Names for the title; that of the survey says whether it is simulated.
    """
    most = max(len(one.panels) for one in objects)
    columns = 2 * most
    width, height = LEFT + columns * (SIDE + 0.1) + RIGHT, TOP + len(objects) * (SIDE + GAP)
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    figure.text(0.12 / width, 1 - 0.25 / height, f"{survey}: where {model} looked", fontsize=11, weight="bold")
    said = (
        "Grad-CAM over the stamps: yellow is most, of the class that is named; not whether it was right to look there"
    )
    figure.text(0.12 / width, 1 - 0.48 / height, said, fontsize=7, color="0.35")
    for row, one in enumerate(objects):
        bottom = height - TOP - (row + 1) * (SIDE + GAP) + GAP
        predicted = one.classes[int(np.argmax(one.probability))]
        right = "" if one.label is None else (" (right)" if predicted == one.label else " (wrong)")
        answer = [f"true: {one.label or 'unknown'}", f"predicted: {predicted}{right}", f"map of: {one.of_class}"]
        texts = [one.id, *([f"part: {one.part}"] if one.part else []), *answer]
        top = bottom + SIDE
        for line, text in enumerate(texts):
            folded = fold_name(text, WORDS, MOST_LINES)
            place = (0.12 / width, top / height)
            figure.text(*place, folded, fontsize=8, weight="bold" if line == 0 else "normal", va="top", linespacing=1.1)
            top -= 0.06 + 0.125 * len(folded.splitlines())
        largest = max(float(panel.map.max()) for panel in one.panels) or 1.0
        for column, panel in enumerate(one.panels):
            left = LEFT + 2 * column * (SIDE + 0.1)
            picture = stretch(panel)
            grey = picture.mean(-1) if picture.ndim == 3 else picture
            plain, over = (_axes(figure, left + n * (SIDE + 0.05), bottom, SIDE, width, height) for n in range(2))
            plain.imshow(picture if len(one.panels) == 1 else grey, origin="lower", cmap="gray", vmin=0, vmax=1)
            over.imshow(grey, origin="lower", cmap="gray", vmin=0, vmax=1)
            over.imshow(panel.map / largest, origin="lower", cmap="inferno", alpha=0.6, vmin=0, vmax=1)
            if not panel.map.any():
                over.set_title("nothing in it speaks for it", fontsize=7, pad=2)
            bands = "".join(panel.bands) if all(len(name) == 1 for name in panel.bands) else ", ".join(panel.bands)
            when = f", day {panel.day:.0f}" if len(one.panels) > 1 else ""
            plain.set_title(f"{bands}{when}", fontsize=7, pad=2)
        _draw_probabilities(figure, one, LEFT + columns * (SIDE + 0.1) + 0.9, bottom, width, height)
    return figure


def stretch(panel: Panel) -> NDArray[np.floating]:
    """Return the stamps of a panel as a picture from 0 to 1: (H, W, 3) of three bands and more, else their mean (H, W).

    Which of the bands are shown as red, green and blue says `choose_colours`.
    """
    frames = np.where(np.isfinite(panel.frames), panel.frames, 0).astype(np.float64)
    three = choose_colours(panel.bands)
    picture = frames.mean(0) if three is None else np.moveaxis(frames[list(three)], 0, -1)
    low, high = np.percentile(picture, [DARKEST, BRIGHTEST])
    scaled: NDArray[np.floating] = np.clip((picture - low) / max(high - low, 1e-12), 0, 1)
    return scaled


def _draw_probabilities(
    figure: Figure, one: ExplainedObject, left: float, bottom: float, width: float, height: float
) -> None:
    axes = figure.add_axes((left / width, (bottom + 0.15) / height, 1.4 / width, (SIDE - 0.3) / height))
    place = np.arange(len(one.classes))[::-1]
    colours = [COLOURS[0] if name == one.label else "0.7" for name in one.classes]
    axes.barh(place, one.probability, color=colours, height=0.7)
    for where, value in zip(place, one.probability, strict=True):
        axes.text(float(value) + 0.02, where, f"{value:.2f}", va="center", fontsize=7)
    axes.set_yticks(place, [fold_name(name, 16) for name in one.classes], fontsize=7)
    axes.set(xlim=(0, 1.2), xticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _axes(figure: Figure, left: float, bottom: float, side: float, width: float, height: float) -> Axes:
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    axes.axis("off")
    return axes
