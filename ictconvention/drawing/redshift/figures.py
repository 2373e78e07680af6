"""Predicted redshifts against true ones, their bias, PIT and n(z); each figure says where its survey is simulated."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ictconvention.drawing.panels import Compared, explain_below, plain_frame, put_title
from ictconvention.drawing.style import EQUAL, WIDTH, line_width, marks, new_panel, set_apart, shorten_middle
from ictconvention.evaluation.redshift.pdf import centres_of, cumulative, point_estimates
from ictconvention.evaluation.redshift.scores import FAR, errors

Floats = NDArray[np.float64]
MOST_BINS, LEAST = 8, 5  # bins of redshift, and objects in each
PIT_BINS = 10
DENSE = 2000  # objects above which points become a density
MOST_BARS = 4  # models whose points have bars
OFF: dict[str, Any] = {"color": "0.6", "lw": 0.9, "ls": ":"}
END: dict[str, Any] = {"color": "0.6", "lw": 0.8, "ls": "-."}  # of the training's redshifts
KNOWN: dict[str, Any] = {"color": "0.87"}


def points_of(model: Compared, edges: Floats) -> Floats:
    """Return the means of a model's PDFs, (seeds, n)."""
    return np.stack([point_estimates(pdf, edges)["mean"] for pdf in model.pooled.at("row")])


def known_redshifts(model: Compared) -> Floats:
    """Return the true redshifts (n,), NaN where they are not known."""
    return np.asarray(model.pooled.label, dtype=np.float64)


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_points_against(model: Compared, edges: Floats, survey: str, beyond: float | None = None) -> Figure:
    """Draw predicted against true redshifts, of all seeds of a model; its lines are named below.

    Parameters
    ----------
    model : Compared
        The model.
    edges : array (bins + 1,)
        Edges of the bins.
    survey : str
        Names the survey, and says whether it is simulated.
    beyond : float, optional
        The training's 95th percentile, where a line stands.
    """
    figure = new_panel(survey, 1.08 * WIDTH)
    plot_points_against(axes := figure.subplots(), model, edges, beyond)
    explain_below(axes, lines_against(beyond))
    return figure


def lines_against(beyond: float | None) -> list[Line2D]:
    """Return what explains the lines of `plot_points_against` in a legend."""
    said = f"error of {FAR['outliers_05']:g} (1 + z)".replace("0.", ".")
    lines = [Line2D([], [], label="equal", **EQUAL), Line2D([], [], label=said, **OFF)]
    return lines + _end_of_training(beyond)


def plot_points_against(axes: Axes, model: Compared, edges: Floats, beyond: float | None = None) -> None:
    """Put the predicted against the true redshifts of a model into a panel; parameters as of `draw_points_against`."""
    z = known_redshifts(model)
    known = np.isfinite(z)
    z_p = points_of(model, edges)[:, known]
    true = np.broadcast_to(z[known], z_p.shape)
    top = float(max(z_p.max(initial=0), true.max(initial=0))) * 1.05 or 1.0
    line = np.array([0, top])
    axes.plot(line, line, **EQUAL)
    for sign in (-1, 1):
        axes.plot(line, line + sign * FAR["outliers_05"] * (1 + line), **OFF)
    if true.size > DENSE:
        axes.hexbin(true.ravel(), z_p.ravel(), gridsize=60, bins="log", mincnt=1, cmap="Blues", extent=(0, top, 0, top))
    else:
        size = 2.5 if true.size > LEAST * 40 else 4
        axes.plot(true.ravel(), z_p.ravel(), model.look.marker, ms=size, alpha=0.5, mew=0, color=model.look.colour)
    _mark(axes, beyond)
    axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    axes.set_xlabel("true redshift z", fontsize=8)
    axes.set_ylabel("predicted redshift z_p (mean of the PDF)", fontsize=8)
    put_title(axes, model.name, model.look)
    plain_frame(axes)


@rc_context({"text.parse_math": False})
def draw_bias(
    models: Sequence[Compared],
    edges: Floats,
    survey: str,
    trained: Floats | None = None,
    beyond: float | None = None,
) -> Figure | None:
    """Draw the bias against the true redshift, in bins of about equal numbers; the n(z) of training below.

    Parameters
    ----------
    models : sequence of Compared
        Each has a line: the mean of its seeds; up to `MOST_BARS` have bars, the error of the mean.
    edges, survey, beyond
        As of `draw_points_against`.
    trained : array (bins,), optional
        Shares of the bins in the training part.

    Returns
    -------
    Figure or None
        None where fewer than five objects have a redshift.
    """
    z = known_redshifts(models[0])
    known = np.isfinite(z)
    if known.sum() < LEAST:
        return None
    order = np.argsort(z[known], kind="stable")
    bins = np.array_split(order, np.clip(known.sum() // LEAST, 1, MOST_BINS))
    places = np.array([z[known][rows].mean() for rows in bins])
    figure = new_panel(survey, 1.28 * WIDTH)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.axhline(0, color="0.8", lw=1)
    for place, model in enumerate(models):
        dz = errors(points_of(model, edges)[:, known], z[known])
        bias = np.array([dz[:, rows].mean() for rows in bins])
        spread = np.array([dz[:, rows].std(axis=1).mean() / np.sqrt(len(rows)) for rows in bins])
        how: dict[str, Any] = {"transform": set_apart(upper, place, len(models))}
        said = shorten_middle(model.name)
        width = line_width(place, len(models))
        upper.plot(places, bias, marker=model.look.marker, ms=3.5, lw=width, label=said, **how, **model.look.drawn)
        ends = np.stack([bias - spread, bias + spread])
        if len(models) <= MOST_BARS:
            upper.vlines(places, *ends, color=model.look.colour, lw=0.8, alpha=0.6, **how)
        for values in (bias, *(ends if len(models) <= MOST_BARS else ())):
            upper.update_datalim(np.column_stack([places, values]))
    upper.autoscale_view()
    lower.hist(z[known], edges, density=True, histtype="step", color="0.45")
    lines: list[Artist] = [Line2D([], [], color="0.45", lw=1, label="n(z) of these objects")]
    if trained is not None:
        lower.stairs(trained / np.diff(edges), edges, fill=True, **KNOWN)
        lines.append(Patch(label="n(z) of training", **KNOWN))
    lines += _end_of_training(beyond)
    if len(models) <= MOST_BARS:
        colour = models[0].look.colour if len(models) == 1 else "0.45"
        lines.append(Line2D([], [], marker="|", ms=6, ls="", color=colour, label="error of the mean"))
    for axes in (upper, lower):
        _mark(axes, beyond)
        plain_frame(axes)
    explain_below(lower, lines)
    lower.set_xlim(edges[0], max(float(z[known].max()), float(edges[0]) + 1e-6) * 1.05)
    upper.set_ylabel("bias: mean of (z_p - z) / (1 + z)", fontsize=8)
    lower.set_ylabel("n(z)", fontsize=8)
    lower.set_xlabel("true redshift z", fontsize=8)
    return figure


@rc_context({"text.parse_math": False})
def draw_pit(models: Sequence[Compared], edges: Floats, survey: str) -> Figure:
    """Draw the PIT, the share of each PDF below the true redshift: flat where the PDFs are what they say."""
    z = known_redshifts(models[0])
    known = np.isfinite(z)
    figure = new_panel(survey, WIDTH)
    axes = figure.subplots()
    axes.axhline(1, **EQUAL)
    explain_below(axes, [Line2D([], [], label="flat: PDFs are what they say", **EQUAL)])
    grid = np.linspace(0, 1, PIT_BINS + 1)
    for place, model in enumerate(models):
        pits = [np.clip(cumulative(pdf[known], edges, z[known]), 0, 1) for pdf in model.pooled.at("row")]
        density, _ = np.histogram(np.concatenate(pits), grid, density=True)
        width = line_width(place, len(models))
        axes.stairs(density, grid, baseline=None, lw=width, label=shorten_middle(model.name), **model.look.drawn)
    axes.set(xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("PIT: probability below the true redshift", fontsize=8)
    axes.set_ylabel("density of objects", fontsize=8)
    plain_frame(axes)
    return figure


@rc_context({"text.parse_math": False})
def draw_distribution(models: Sequence[Compared], edges: Floats, survey: str) -> Figure:
    """Draw n(z): the summed PDFs of each model, the mean of its seeds, and the true redshifts in grey."""
    z = known_redshifts(models[0])
    known = np.isfinite(z)
    figure = new_panel(survey, WIDTH)
    axes = figure.subplots()
    count, _ = np.histogram(z[known], edges)
    axes.stairs(count / np.diff(edges), edges, fill=True, **KNOWN)
    for place, model in enumerate(models):
        summed = model.pooled.at("row")[:, known].sum(1).mean(0) / np.diff(edges)
        how: dict[str, Any] = {
            "marker": model.look.marker,
            "ms": 3.5,
            "markevery": marks(place, len(models), len(summed)),
        }
        width = line_width(place, len(models))
        axes.plot(centres_of(edges), summed, lw=width, label=shorten_middle(model.name), **how, **model.look.drawn)
    axes.set_ylim(bottom=0)
    axes.set_xlim(edges[0], edges[-1])
    lines: list[Artist] = [Patch(label="true redshifts", **KNOWN)]
    if len(models) == 1:  # several are named beside the figure
        look = models[0].look
        lines.append(Line2D([], [], marker=look.marker, ms=3.5, lw=1.1, label="summed PDFs", **look.drawn))
    explain_below(axes, lines)
    axes.set_xlabel("redshift", fontsize=8)
    axes.set_ylabel("n(z): objects in a unit of redshift", fontsize=8)
    plain_frame(axes)
    return figure


def _mark(axes: Axes, beyond: float | None) -> None:
    """Draw a line where the training's redshifts all but end."""
    if beyond is not None:
        axes.axvline(beyond, **END)


def _end_of_training(beyond: float | None) -> list[Line2D]:
    """Return what explains that line in a legend, where it is drawn."""
    return [] if beyond is None else [Line2D([], [], label="training's 95th percentile", **END)]
