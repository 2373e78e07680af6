"""Draw one object: its film strip, a row per band in time order, and its light curve. A figure says 'simulated'."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.stats import mad_std
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, pluralize
from ictconvention.drawing.figure_file import NotebookFigure, save_figure
from ictconvention.drawing.style import title_width
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.labels.selected import SELECTED
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.photometry.points import SIGMAS, Points
from ictconvention.survey.series import ImageSeries, night_index

POINTS = 2.35  # [inch] of the light curve without pixels, with what is written below it
MOST_NIGHTS = 30  # drawn side by side; of more, evenly spaced ones are drawn
SOFTENING = 3.0  # [sky sigma]; fluxes are linear below it and logarithmic above
STAMP, LEFT = 0.48, 0.85  # [inch] of a stamp, and left of the first
LEGEND = "grey: asinh of the flux, one scale per band;  x: not observed;  pink: no pixel;  error bars: "
COLOURS = {"u": "#5b3fb5", "g": "#1f8a4c", "r": "#c8401e", "i": "#8c2d5d", "z": "#4a4a4a", "y": "#8a6d00"}
COLOURS |= {"R": "#c8401e", "G": "#1f8a4c", "B": "#2f5d9b", "grey": "#4a4a4a"}  # of pictures
OTHER_COLOURS = ("#0d7a9c", "#b8860b", "#a05195", "#6b8e23", "#2f4b7c", "#d45087")  # for bands of other names
NO_PIXEL, REMOVED = "#f3b8b0", "#e8eef4"
MARKERS = "osD^v<>ph"


@rc_context({"text.parse_math": False})  # an id may hold a dollar
def draw_film_strip(series: ImageSeries, header: SurveyHeader, points: Points | None = None) -> Figure:
    """Draw an object's stamps, one row per band and one column per night, above its light curve.

    Points without pixels have a light curve of their own below it: they are of science minus reference.

    Each band has one grey scale, asinh of the flux over `SOFTENING` times its sky noise, from its faintest to its
    brightest pixels. A night with several frames of a band shows the first; a grey cross marks a band that is missing.
    """
    night = night_index(series.mjd)
    count, shown = int(night[-1]) + 1, shown_nights(night)
    day = series.mjd - series.mjd[0]
    strip = STAMP * len(header.bands)
    width = max(STAMP * len(shown) + 1.1, 7.0, title_width(title(series, header)))
    below = POINTS if points is not None and len(points) else 0.0
    height = strip + 3.9 + below
    figure = NotebookFigure(figsize=(width, height), dpi=120, facecolor="white")
    left, top = LEFT / width, 1 - 1.07 / height
    margin = 0.12 / width
    figure.text(margin, 1 - 0.28 / height, title(series, header), fontsize=11, weight="bold", va="center")
    figure.text(margin, 1 - 0.51 / height, _subtitle(series, header, len(shown), count), fontsize=8, va="center")
    figure.text(margin, 1 - 0.71 / height, LEGEND + _error_bars(series), fontsize=7, color="0.35", va="center")
    figure.text(0.6 * left, top + 0.09 / height, "day", fontsize=6, color="0.35", va="center")
    for column, n in enumerate(shown):
        x = left + STAMP * (column + 0.48) / width
        number = f"{day[night == n][0]:.0f}"
        figure.text(x, top + 0.09 / height, number, fontsize=6, color="0.35", ha="center", va="center")
    draw_stamps(stamp_board(figure), series, header, series.frames, np.arange(len(series)), height - 1.07)
    curve = figure.add_axes((left, (0.5 + below) / height, 1 - left - 0.2 / width, 2.0 / height))
    draw_light_curve(curve, series, header)
    if points is not None and below:
        lower = figure.add_axes((left, 0.5 / height, 1 - left - 0.2 / width, (below - 0.75) / height))
        _draw_points(lower, points, header, float(series.mjd[0]))
        ends = [*(curve.get_xlim() if curve.axison else ()), *lower.get_xlim()]
        for axes in (curve, lower):
            axes.set_xlim(min(ends), max(ends))
    return figure


def stamp_board(figure: Figure) -> Axes:
    """Return axes over a whole figure, in inches from its lower left corner: an axes per stamp would take seconds."""
    board = figure.add_axes((0, 0, 1, 1))
    board.axis("off")
    board.set(xlim=(0, figure.get_figwidth()), ylim=(0, figure.get_figheight()), autoscale_on=False)
    return board


def shown_nights(night: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of an object's nights are drawn: all, or `MOST_NIGHTS` evenly spaced ones."""
    count = int(night[-1]) + 1
    return np.unique(np.linspace(0, count - 1, min(count, MOST_NIGHTS)).round().astype(int))


def draw_stamps(
    board: Axes,
    series: ImageSeries,
    header: SurveyHeader,
    stamps: NDArray[np.floating],
    kept: NDArray[np.integer],
    top: float,
    shown: NDArray[np.integer] | None = None,
) -> None:
    """Draw stamps of one object on a board, a row per band and a column per night.

    Parameters
    ----------
    board : Axes
        As of `stamp_board`.
    series, header : ImageSeries, SurveyHeader
        The object, whose frames set the greys, and the header of its survey.
    stamps : array (n, D, D)
        A stamp for each frame of the object.
    kept : array (k,)
        Which frames are drawn; the places of the others are blue.
    top : float
        Upper edge [inch].
    shown : array (k,), optional
        Which nights; by default those of `shown_nights`.
    """
    night = night_index(series.mjd)
    shown = shown_nights(night) if shown is None else shown
    greys = colormaps["gray"].with_extremes(bad=NO_PIXEL)
    for b, band in enumerate(header.bands):
        softening, low, high = grey_scale(series, np.flatnonzero(series.band == b))
        bottom, side = top - STAMP * (b + 1), 0.96 * STAMP  # a seam to the next
        colour = band_colour(header, b)
        board.text(0.6 * LEFT, bottom + 0.5 * STAMP, band, fontsize=11, color=colour, weight="bold", va="center")
        for column, n in enumerate(shown):
            left = LEFT + STAMP * column
            frames = np.flatnonzero((night == n) & (series.band == b))
            if (drawn := np.intersect1d(frames, kept)).size:
                stamp = np.arcsinh(stamps[drawn[0]].astype(np.float64) / softening)
                place = (left, left + side, bottom, bottom + side)
                board.imshow(stamp, origin="lower", extent=place, aspect="auto", cmap=greys, vmin=low, vmax=high)
            elif frames.size:
                board.add_patch(Rectangle((left, bottom), side, side, facecolor=REMOVED, linewidth=0))
            else:
                board.plot(left + side / 2, bottom + side / 2, "x", color="0.8")


def save_film_strip(series: ImageSeries, header: SurveyHeader, path: Path) -> None:
    """Save the film strip; errors as of `save_figure`."""
    save_figure(draw_film_strip(series, header), path)


def band_colour(header: SurveyHeader, band: int) -> str:
    """Return a band's colour: that of its name where it is a usual one, so that g is green in every survey."""
    others = [name for name in header.bands if name not in COLOURS]
    name = header.bands[band]
    return COLOURS[name] if name in COLOURS else OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def title(series: ImageSeries, header: SurveyHeader) -> str:
    """Return the survey, the object, its class and where that is from; without one its redshift or mask."""
    label, redshift = series.metadata["class"], series.metadata["redshift"]
    if label is None and redshift is not None:
        return f"{header.full_name} {series.id}: redshift {redshift:.3f}"
    if label is None and series.mask is not None and (series.mask != IGNORED).any():
        return f"{header.full_name} {series.id}: chip with mask"
    source = series.metadata["label_source"]
    return f"{header.full_name} {series.id}: {label or 'unlabelled'}{f' ({source})' if source else ''}"


def name_redshift(series: ImageSeries) -> list[str]:
    """Return the redshift in words, where it is known and not in the title, and whether the object is selected."""
    label, redshift = series.metadata["class"], series.metadata["redshift"]
    words = [] if redshift is None or label is None else [f"redshift {redshift:.3f}"]
    selected = series.metadata.get(SELECTED)
    return words + ([("" if selected else "not ") + "selected"] if isinstance(selected, bool) else [])


def _subtitle(series: ImageSeries, header: SurveyHeader, shown: int, count: int) -> str:
    parts = name_redshift(series)
    frames, nights = pluralize(len(series), "frame"), pluralize(count, "night")
    parts += [f"{frames} on {nights} in {series.mjd[-1] - series.mjd[0]:.0f} d"]
    parts += [f"{shown} nights shown"] if shown < count else []
    side = header.stamp_size * header.pixel_scale
    return ", ".join([*parts, f"stamps {side:.1f} arcsec wide"])


def _error_bars(series: ImageSeries) -> str:
    """Return what the error bars hold."""
    known = np.isfinite(series.gain)
    if known.all():
        return "noise of the sky and of the object"
    return "sky noise only" if not known.any() else "sky noise only where the gain is unknown"


def _sky_noise(series: ImageSeries, here: NDArray[np.intp]) -> float:
    """Return the median sky noise of some frames, or the scatter of their faint pixels where it is unknown."""
    known = series.sky_sigma[here]
    known = known[np.isfinite(known)]
    if known.size:
        return float(np.median(known))
    pixels = series.frames[here]
    pixels = pixels[np.isfinite(pixels)].astype(np.float64)
    return float(mad_std(pixels)) or 1.0 if pixels.size else 1.0


def grey_scale(series: ImageSeries, here: NDArray[np.intp]) -> tuple[float, float, float]:
    """Return what the flux of one band's frames is divided by before its asinh, and the range of the greys then."""
    if not here.size:
        return 1.0, 0.0, 1.0
    softening = SOFTENING * _sky_noise(series, here)
    scaled = np.arcsinh(series.frames[here].astype(np.float64) / softening)
    low, high = np.nanpercentile(np.where(np.isfinite(scaled), scaled, np.nan), [5, 99.7])
    return softening, float(low), float(max(high, low + 1e-6))


def _draw_points(axes: Axes, points: Points, header: SurveyHeader, start: float) -> None:
    """Draw fluxes without pixels with their errors, and limits as arrowheads, against days since the first frame."""
    day = points.mjd - start
    for b, band in enumerate(header.bands):
        here, colour = points.band == b, band_colour(header, b)
        measured, limit = here & ~points.is_limit, here & points.is_limit & np.isfinite(points.error)
        style: dict[str, Any] = {"fmt": MARKERS[b % len(MARKERS)], "ms": 3.5, "lw": 0.8, "mfc": "white"}
        style |= {"color": colour, "label": band}
        if measured.any():
            axes.errorbar(day[measured], points.flux[measured], points.error[measured], **style)
        axes.plot(day[limit], SIGMAS * points.error[limit], "v", color=colour, ms=4, alpha=0.5)
    axes.axhline(0, color="0.6", lw=0.6, zorder=0)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, ncols=len(header.bands), frameon=False, loc="lower left", bbox_to_anchor=(0, 0.95))
    limits, drawn = (int(points[which].is_limit.sum()) for which in (slice(None), np.isfinite(points.error)))
    said = f"{pluralize(len(points) - limits, 'measurement')} without pixels"
    said += f", {pluralize(drawn, 'limit')} of {SIGMAS} sigma (triangles)" if drawn else ""
    said += f", {pluralize(limits - drawn, 'limit')} of unknown depth (not drawn)" if limits > drawn else ""
    axes.set_xlabel(f"days since MJD {start:.3f}; {said}", fontsize=8)
    axes.set_ylabel("science minus reference\n[nanomaggy]", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def draw_light_curve(axes: Axes, series: ImageSeries, header: SurveyHeader) -> None:
    """Draw the flux of each frame against time, in the colour of its band; where none is measured, say why."""
    try:
        recipe = photometry_recipe(header.pixel_scale, header.stamp_size, header.name)
    except SurveyError as error:
        axes.text(0.5, 0.5, f"no light curve: {error.found}", fontsize=8, ha="center", transform=axes.transAxes)
        axes.axis("off")
        return
    flux, error_bar = measure_photometry(series, recipe).T
    day = series.mjd - series.mjd[0]
    for b, band in enumerate(header.bands):
        here = (series.band == b) & np.isfinite(flux)
        if not here.any():
            continue
        style = f"{MARKERS[b % len(MARKERS)]}-"
        colour = band_colour(header, b)
        axes.errorbar(day[here], flux[here], error_bar[here], fmt=style, label=band, color=colour, ms=3.5, lw=0.8)
    if axes.get_ylim()[0] < 0:
        axes.axhline(0, color="0.6", lw=0.6, zorder=0)
    lost = int(np.count_nonzero(~np.isfinite(flux)))
    why = "pixels are missing near the object, or the seeing is too bad"
    note = f"; {pluralize(lost, 'frame')} without a flux: {why}" if lost else ""
    axes.set_xlabel(f"days since MJD {series.mjd[0]:.3f}{note}", fontsize=8)
    axes.set_ylabel(f"{recipe.flux_name(series.psf_fwhm)}\n[{header.flux_words}]", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.has_data():
        axes.legend(fontsize=8, ncols=len(header.bands), frameon=False, loc="lower left", bbox_to_anchor=(0, 0.97))
