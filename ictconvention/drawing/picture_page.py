"""Draw a picture, an object of one night: its colours, each band, and how its pixels are distributed."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.drawing.figure_file import NotebookFigure
from ictconvention.drawing.film_strip import (
    NO_PIXEL,
    band_colour,
    draw_film_strip,
    grey_scale,
    name_redshift,
    stamp_board,
    title,
)
from ictconvention.drawing.masks.mask_panel import LINE as MASK_LINE
from ictconvention.drawing.masks.mask_panel import WIDTH as MASK_LEGEND
from ictconvention.drawing.masks.mask_panel import draw_legend, draw_mask, explain_mask
from ictconvention.drawing.style import title_width
from ictconvention.ingestion.found import USUAL_BANDS
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.format import NO_UNIT, SurveyHeader
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.series import ImageSeries

# What is shown as red, green and blue: the first of these that a picture has.
COLOURS = (("R", "G", "B"), ("i", "r", "g"), ("z", "r", "g"))
LETTER, NO_BREAK = 0.055, "\N{NO-BREAK SPACE}"  # of the small print [inch], and where no line of it ends
LARGE, SMALL = 2.6, 1.3  # [inch] of the picture in colours, and of a band
LEFT, TOP, GAP, LINE = 0.12, 0.9, 0.12, 0.16  # [inch]; of a line of the small print more
MOST_IN_A_ROW, BESIDE_MASK = 4, 2  # bands, and those of a chip beside its mask
STRETCH = (1, 99)  # of a chip's pixels [per cent]: what is shown as black and as white
HISTOGRAM, BELOW = 1.7, 0.55  # [inch] of its height, and of what is written below it
BINS = 60


def draw_object(series: ImageSeries, header: SurveyHeader, points: Points | None = None) -> Figure:
    """Draw an object as `show` does: a picture as such; a series, or what has points, as its film strip."""
    if series.is_picture and (points is None or not len(points)):
        return draw_picture(series, header)
    return draw_film_strip(series, header, points)


@rc_context({"text.parse_math": False})  # an id may hold a dollar
def draw_picture(series: ImageSeries, header: SurveyHeader) -> Figure:
    """Draw a picture in colours, where it has three bands, beside its bands in grey, above the histogram of its pixels.

    Pixels from 0 to 1 are shown as they are; others as asinh of the value over three times the sky noise, of each band
    by itself. Rows go up, as in every survey. A chip has its mask beside it, each class in its colour, and a legend
    with the share of each among the known pixels; its bands are stretched from their darkest to their brightest pixels.
    """
    three = colour_bands(series, header)
    most = MOST_IN_A_ROW if series.mask is None else BESIDE_MASK
    columns, rows = min(len(series), most), -(-len(series) // most)
    explained = [] if series.mask is None else explain_mask(series.mask, header.classes)
    strip = max(rows * (SMALL + 0.2), LARGE if three or explained else 0.0, MASK_LINE * len(explained))
    beside = LARGE + GAP if three else 0.0
    large = beside + (LARGE + 2 * GAP + MASK_LEGEND if explained else 0.0)
    width = max(2 * LEFT + large + columns * (SMALL + GAP), 5.5, title_width(title(series, header)))
    legend = wrap(_legend(series, header), int((width - 2 * LEFT) / LETTER))
    above = TOP + LINE * (len(legend) - 1)
    height = above + strip + GAP + HISTOGRAM + BELOW
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    board = stamp_board(figure)
    board.text(LEFT, height - 0.28, title(series, header), fontsize=11, weight="bold", va="center")
    board.text(LEFT, height - 0.51, _subtitle(series, header, three), fontsize=8, va="center")
    for line, text in enumerate(legend):
        said = text.replace(NO_BREAK, " ")
        board.text(LEFT, height - 0.71 - LINE * line, said, fontsize=7, color="0.35", va="center")
    if three:
        place = (LEFT, LEFT + LARGE, height - above - LARGE, height - above)
        board.imshow(compose_colours(series, three), origin="lower", extent=place, aspect="auto")
    if series.mask is not None:
        left, top = LEFT + beside, height - above
        draw_mask(board, series.mask, header.classes, (left, left + LARGE, top - LARGE, top))
        draw_legend(board, explained, left + LARGE + GAP, top)
    for order, number in enumerate(np.argsort(series.band).tolist()):
        row, column = divmod(order, most)
        left, top = LEFT + large + column * (SMALL + GAP), height - above - row * (SMALL + 0.2)
        draw_band(board, series, number, (left, left + SMALL, top - SMALL, top))
        name, colour = header.bands[series.band[number]], band_colour(header, int(series.band[number]))
        board.text(left + 0.5 * SMALL, top - SMALL - 0.1, name, fontsize=9, color=colour, ha="center", va="center")
    lower = figure.add_axes((0.6 / width, BELOW / height, 1 - 0.8 / width, HISTOGRAM / height))
    _draw_histogram(lower, series, header)
    return figure


def colour_bands(series: ImageSeries, header: SurveyHeader) -> tuple[int, int, int] | None:
    """Return which frames of a picture are shown as red, green and blue; None where it has fewer than three."""
    order = np.argsort(series.band, kind="stable").tolist()  # of the header's bands
    chosen = choose_colours([header.bands[series.band[frame]] for frame in order])
    if chosen is None:
        return None
    red, green, blue = (order[place] for place in chosen)
    return red, green, blue


def choose_colours(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Return which of some bands are shown as red, green and blue; None of fewer than three, or where one comes twice.

    These are R, G and B; i, r and g, as of the SDSS, or z, r and g; of others that all have usual names the reddest, a
    middle one and the bluest; or else the first three.
    """
    if len(names) < 3 or len({*names}) < len(names):
        return None
    chosen: Sequence[str] = names[:3]
    if known := [colours for colours in COLOURS if {*colours} <= {*names}]:
        chosen = known[0]
    elif {*names} <= {*USUAL_BANDS}:
        ordered = sorted(names, key=USUAL_BANDS.index)
        chosen = (ordered[-1], ordered[len(ordered) // 2], ordered[0])
    red, green, blue = (names.index(name) for name in chosen)
    return red, green, blue


def compose_colours(
    series: ImageSeries, three: tuple[int, int, int], frames: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Return frames as the red, green and blue of a picture (H, W, 3), 0 to 1; where a pixel is missing, pink.

    Parameters
    ----------
    series : ImageSeries
        The picture, whose pixels set how bright each band is shown.
    three : tuple of int
        Which frames.
    frames : array (n, H, W), optional
        What is shown in place of its own.
    """
    shown = np.dstack([_shown(series, frame, frames) for frame in three])
    missing = ~np.isfinite(shown).all(axis=2)
    shown[missing] = to_rgb(NO_PIXEL)
    return shown


def draw_band(
    board: Axes,
    series: ImageSeries,
    frame: int,
    place: tuple[float, float, float, float],
    frames: NDArray[np.floating] | None = None,
) -> None:
    """Draw a frame in grey at a place of a board: left, right, bottom and top [inch]; `frames` as of colours."""
    greys = colormaps["gray"].with_extremes(bad=NO_PIXEL)
    board.imshow(_shown(series, frame, frames), origin="lower", extent=place, aspect="auto", cmap=greys, vmin=0, vmax=1)


def _shown(series: ImageSeries, frame: int, frames: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
    """Return how bright each pixel of a frame is shown (H, W), 0 to 1; NaN where it is missing."""
    shown = (series.frames if frames is None else frames)[frame]
    pixels = np.where(np.isfinite(shown), shown, np.nan).astype(np.float64)
    if series.mask is not None:  # of the ground: reflectances span a small part of 0 to 1, of any unit
        own = series.frames[frame][np.isfinite(series.frames[frame])].astype(np.float64)
        low, high = np.percentile(own, STRETCH) if own.size else (0.0, 1.0)
        return np.clip((pixels - low) / max(high - low, np.finfo(np.float64).tiny), 0, 1)
    if _is_bounded(series):
        return np.clip(pixels, 0, 1)
    softening, low, high = grey_scale(series, np.array([frame]))
    return np.clip((np.arcsinh(pixels / softening) - low) / (high - low), 0, 1)


def _is_bounded(series: ImageSeries) -> bool:
    """Return whether all pixels lie from 0 to 1, as those of a picture of 8 bits."""
    pixels = series.frames[np.isfinite(series.frames)]
    return bool(pixels.size and pixels.min() >= 0 and pixels.max() <= 1)


def _subtitle(series: ImageSeries, header: SurveyHeader, three: tuple[int, int, int] | None) -> str:
    parts = name_redshift(series)
    parts.append(f"{header.stamp_size} x {header.stamp_size} pixels of {header.scale_words}")
    if three:
        parts.append(f"{', '.join(header.bands[series.band[n]] for n in three)} as red, green, blue")
    return ", ".join(parts)


def _legend(series: ImageSeries, header: SurveyHeader) -> str:
    said = [describe_scale(series)] + ["pink: no pixel"] * (not np.isfinite(series.frames).all())
    return ";  ".join([*said, *_fluxes(series, header)])


def describe_scale(series: ImageSeries) -> str:
    """Return in words how bright the pixels of a picture are shown."""
    if series.mask is not None:
        return f"each band from {STRETCH[0]} % (black) to {STRETCH[1]} % (white) of its pixels"
    return "pixels as they are, 0 black and 1 white" if _is_bounded(series) else "asinh of each band by itself"


def _fluxes(series: ImageSeries, header: SurveyHeader) -> list[str]:
    """Return the flux of the object in each band in words; empty where pixels are no fluxes, or none is measured."""
    if header.flux_unit == NO_UNIT:
        return []
    try:
        recipe = photometry_recipe(header.pixel_scale, header.stamp_size, header.name)
    except SurveyError:
        return []
    measured = sorted(zip(series.band.tolist(), *measure_photometry(series, recipe).T.tolist(), strict=True))
    words = [f"{header.bands[b]} {flux:.3g} +- {error:.2g}" for b, flux, error in measured if np.isfinite(flux)]
    words = [word.replace(" ", NO_BREAK) for word in words]
    return [f"{recipe.flux_name(series.psf_fwhm)} [{header.flux_words}]: {', '.join(words)}"] if words else []


def _draw_histogram(axes: Axes, series: ImageSeries, header: SurveyHeader) -> None:
    finite = series.frames[np.isfinite(series.frames)].astype(np.float64)
    low, high = np.percentile(finite, [0, 100] if _is_bounded(series) else [0.1, 99.9])
    edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)
    for number in np.argsort(series.band).tolist():
        band = int(series.band[number])
        count, _ = np.histogram(series.frames[number][np.isfinite(series.frames[number])], edges)
        axes.stairs(count, edges, color=band_colour(header, band), label=header.bands[band], lw=1.1)
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"pixel [{header.flux_words}]", fontsize=8)
    axes.set_ylabel("pixels", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=min(len(series), MOST_IN_A_ROW))
