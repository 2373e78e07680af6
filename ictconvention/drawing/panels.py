"""What panels that compare models have in common: their lines, the names of classes, the plain frame."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy

from ictconvention.drawing.style import Style, fold_name, style_of
from ictconvention.evaluation.predictions import Pooled

TITLE_LINES = 3  # of the name of a model
BELOW = 30  # from an axis with numbers and a name to what explains its lines [points]


@dataclass(frozen=True)
class Compared:
    """One model in a comparison, as it is drawn.

    Parameters
    ----------
    name : str
    look : Style
    pooled : Pooled
        Its predictions; the objects of all models are the same.
    """

    name: str
    look: Style
    pooled: Pooled


def panel_lines(models: Sequence[Compared], classes: Mapping[int, str]) -> Iterator[tuple[Compared, int, Style]]:
    """Yield the lines of a panel, with their looks: those of the models, or of the classes where there are several."""
    for model in models:
        for c in classes:
            yield model, c, model.look if len(classes) == 1 else style_of(c)


def name_classes(axes: Axes, classes: Mapping[int, str], numbers: Sequence[int], title: str) -> None:
    """Name the one class above a panel, or several in its legend."""
    if len(classes) == 1:
        (name,), (number,) = classes.values(), numbers
        axes.set_title(f"{fold_name(name)} ({number} objects)", fontsize=9, loc="left")
    elif axes.get_legend_handles_labels()[0]:
        axes.legend(title=title, fontsize=7, title_fontsize=7, framealpha=0.7, edgecolor="none")


def name_absent(axes: Axes, name: str, why: str) -> None:
    """Name what a panel does not show, in its legend."""
    axes.plot([], [], " ", label=f"{fold_name(name)}: {why}")


def class_size(model: Compared, class_number: int) -> int:
    """Return how many test objects a class has."""
    return int((model.pooled.label == class_number).sum())


def put_title(axes: Axes, name: str, look: Style, longest: int = 42) -> None:
    """Put the name of a model above its panel, in its colour, with so many letters in a line."""
    axes.set_title(fold_name(name, longest, TITLE_LINES), fontsize=8, loc="left", color=look.colour, weight="bold")
    axes.tick_params(labelsize=7)


def explain_below(axes: Axes, lines: Sequence[Artist]) -> None:
    """Say below a panel what its lines mean that are not models, each by its label; there they hide no point."""
    place = offset_copy(axes.transAxes, axes.get_figure(root=True), y=-BELOW, units="points")
    how: dict[str, Any] = {
        "loc": "upper left",
        "bbox_to_anchor": (0, 0),
        "bbox_transform": place,
        "borderaxespad": 0,
        "columnspacing": 1.2,
        "handlelength": 1.8,
    }
    axes.legend(handles=[*lines], ncols=2, fontsize=6.5, frameon=False, **how)


def plain_frame(axes: Axes) -> None:
    """Take away what frames a panel and says nothing."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
