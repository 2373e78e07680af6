"""Chips beside their masks: the picture in colours, the known mask, and what each model estimates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.masks.colours import class_patches, colour_mask, without_ticks
from ictconvention.drawing.picture_page import choose_colours
from ictconvention.drawing.style import HEADING, fold_name, new_panel, shorten_middle, title_width

SIDE, WORDS, HEAD, LEGEND = 1.75, 1.1, 0.3, 0.2  # [inch]: a picture, the words beside it, above it, a row of a legend
DARKEST, BRIGHTEST = 1.0, 99.0  # of the pixels of all chips that are shown [per cent]
LIFT = 0.6  # power of the brightness between: the many dark pixels of fields and woods show
NO_PIXEL = 0.5  # brightness of a missing pixel
IN_A_ROW = 5  # entries of the legend


@dataclass(frozen=True, eq=False)
class ShownChip:
    """A chip with its masks.

    Parameters
    ----------
    id : str
    why : str
        Why it is shown, such as "best".
    frames : array (bands, H, W)
        Its pixels, rows up.
    known : array (H, W)
        The class of each pixel, 255 where it is not known.
    estimated : mapping of str to arrays (H, W)
        By the name of the model.
    divergences : mapping of str to float
        Of the shares that each model predicts; of a model that is absent nothing is said.
    """

    id: str
    why: str
    frames: NDArray[np.floating]
    known: NDArray[np.uint8]
    estimated: Mapping[str, NDArray[np.uint8]]
    divergences: Mapping[str, float]


def choose_chips(divergence: NDArray[np.floating]) -> dict[str, int]:
    """Return which chips are the best, the median and the worst by their divergences (n,), NaN of those that count not.

    Fewer than three chips are shown each once.
    """
    order = np.argsort(divergence, kind="stable")[: int(np.isfinite(divergence).sum())]
    if not len(order):
        return {}
    places = {"best": 0, "median": (len(order) - 1) // 2, "worst": len(order) - 1}
    chosen: dict[str, int] = {}
    for why, place in places.items():
        if int(order[place]) not in chosen.values():
            chosen[why] = int(order[place])
    return chosen


@rc_context({"text.parse_math": False})  # an id may hold a dollar
def draw_chips(
    chips: Sequence[ShownChip],
    bands: Sequence[str],
    classes: Sequence[str],
    survey: str,
    title: str = "",
    below_title: str = "",
) -> Figure:
    """Draw chips in rows: picture, known mask, estimated masks; below, the colours of the classes.

    The bands R, G and B, or what stands for them, are shown alike in all chips; a picture of fewer bands is grey.

    Parameters
    ----------
    chips : sequence of ShownChip
        At least one, all with the same models.
    bands, classes : sequence of str
        Their names.
    survey : str
        Names the survey, and says whether it is simulated.
    title, below_title : str
        Of a figure that stands alone: in bold at the upper left, and a line below it.
    """
    models = list(chips[0].estimated)
    columns = 2 + len(models)
    patches = class_patches(classes, [mask for chip in chips for mask in (chip.known, *chip.estimated.values())])
    below = LEGEND * -(-len(patches) // min(IN_A_ROW, columns + 1)) + 0.3
    head = HEAD + (HEADING if title else 0)
    width, height = WORDS + columns * SIDE + 0.1, head + len(chips) * SIDE + below
    if title:
        width = max(width, title_width(title))
    figure = new_panel(survey, height, width)
    figure.set_layout_engine("none")
    if title:
        left = 0.12 / width
        figure.text(left, 1 - 0.28 / height, title, fontsize=11, weight="bold", va="center")
        figure.text(left, 1 - 0.51 / height, below_title, fontsize=8, va="center")
    pictures = show_alike([chip.frames for chip in chips], bands)
    for row, (chip, picture) in enumerate(zip(chips, pictures, strict=True)):
        bottom = (below + (len(chips) - 1 - row) * SIDE) / height
        said = [chip.why, shorten_middle(chip.id, 20)]
        if len(models) == 1 and models[0] in chip.divergences:
            said.append(f"KL {chip.divergences[models[0]]:.3f}")
        figure.text(0.08 / width, bottom + 0.5 * SIDE / height, "\n".join(said), fontsize=7.5, va="center")
        shown = [picture, colour_mask(chip.known, classes), *(colour_mask(m, classes) for m in chip.estimated.values())]
        for column, image in enumerate(shown):
            left = (WORDS + column * SIDE) / width
            axes = figure.add_axes((left, bottom, (SIDE - 0.06) / width, (SIDE - 0.06) / height))
            axes.imshow(image, origin="lower", interpolation="nearest")
            without_ticks(axes)
            if column > 1 and len(models) > 1 and models[column - 2] in chip.divergences:
                _write_inside(axes, f"KL {chip.divergences[models[column - 2]]:.3f}")
            if row == 0:
                title = (_colours_in_words(bands), "known", *(models if len(models) > 1 else ["estimated"]))[column]
                axes.set_title(fold_name(title, 24), fontsize=8, pad=4)
    figure.legend(
        handles=patches,
        ncols=min(IN_A_ROW, columns + 1),
        loc="lower left",
        bbox_to_anchor=(0.04 / width, 0.14 / height),
        fontsize=7,
        frameon=False,
        columnspacing=1.2,
        handlelength=1.2,
    )
    return figure


def show_alike(frames: Sequence[NDArray[np.floating]], bands: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return chips (bands, H, W) as pictures (H, W, 3), 0 to 1: equal pixels of a band are equally bright in all."""
    chosen = choose_colours(bands) or (0, 0, 0)
    shown = [np.zeros((*chip.shape[1:], 3)) for chip in frames]
    for channel, band in enumerate(chosen):
        pixels = np.concatenate([chip[band].ravel() for chip in frames]).astype(np.float64)
        finite = pixels[np.isfinite(pixels)]
        low, high = np.percentile(finite, [DARKEST, BRIGHTEST]) if finite.size else (0.0, 1.0)
        for picture, chip in zip(shown, frames, strict=True):
            bright = np.clip((chip[band].astype(np.float64) - low) / max(high - low, 1e-12), 0, 1) ** LIFT
            picture[:, :, channel] = np.where(np.isfinite(chip[band]), bright, NO_PIXEL)
    return shown


def _colours_in_words(bands: Sequence[str]) -> str:
    chosen = choose_colours(bands)
    return f"band {bands[0]}" if chosen is None else ", ".join(bands[band] for band in chosen)


def _write_inside(axes: Axes, text: str) -> None:
    """Write in the lower left corner of a picture, on white."""
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.2}
    axes.text(0.02, 0.03, text, fontsize=6.5, transform=axes.transAxes, bbox=box)
