"""The colours of the classes of a mask, the same in figures and files, and their legend."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ictconvention.drawing.style import COLOURS, fold_name
from ictconvention.survey.masks.mask_file import IGNORED

LAND_COVER = {  # as maps of land cover show them
    "artificial": "#d7301f",
    "cultivated": "#f2d25c",
    "broadleaf": "#6fbf4b",
    "coniferous": "#1b6b3a",
    "herbaceous": "#c6e48b",
    "natural": "#b08d6e",
    "snow": "#dff3fb",
    "water": "#2f7fc1",
}
NOTHING = "#9a9a9a"  # of a pixel of which nothing is known


def class_colours(classes: Sequence[str]) -> list[str]:
    """Return a colour of each class, as hexadecimal: those of land cover by name, of others in turn."""
    others = [colour for colour in COLOURS if colour not in LAND_COVER.values()]
    unknown = [name for name in classes if name.lower() not in LAND_COVER]
    return [
        LAND_COVER[name.lower()] if name.lower() in LAND_COVER else others[unknown.index(name) % len(others)]
        for name in classes
    ]


def colour_mask(mask: NDArray[np.uint8], classes: Sequence[str]) -> NDArray[np.float64]:
    """Return a mask (H, W) as a picture (H, W, 3), 0 to 1; grey where it says nothing."""
    table = np.tile(to_rgb(NOTHING), (256, 1))
    table[: len(classes)] = [to_rgb(colour) for colour in class_colours(classes)]
    return np.asarray(table[mask])


def class_patches(classes: Sequence[str], masks: Sequence[NDArray[np.uint8]]) -> list[Patch]:
    """Return what explains the colours of some masks in a legend: the classes that are in them."""
    there = {int(value) for mask in masks for value in np.unique(mask)}
    named = [
        Patch(facecolor=colour, edgecolor="0.5", lw=0.4, label=fold_name(name))
        for number, (name, colour) in enumerate(zip(classes, class_colours(classes), strict=True))
        if number in there
    ]
    unknown = [Patch(facecolor=NOTHING, edgecolor="0.5", lw=0.4, label="not known")] if IGNORED in there else []
    return named + unknown


def without_ticks(axes: Axes) -> None:
    """Take the ticks off a picture, and leave a thin frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="0.6", lw=0.5)
