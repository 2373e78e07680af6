"""The figures of the study: z_p against z, bias against z with n(z) below, PIT and n(z), all rows in one panel."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.redshift.jobs import ANSWERS, APPROACHES, BASELINES, REFERENCE, SELECTED, Job
from experiments.redshift.results import PARTS, Result
from experiments.redshift.tables import Rows
from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.redshift.figures import (
    draw_bias,
    draw_distribution,
    draw_pit,
    lines_against,
    plot_points_against,
)
from ictconvention.drawing.style import add_title, new_panel, style_of

ORDER = [*APPROACHES, *(f"{REFERENCE}, {answer}" for answer in ANSWERS), *BASELINES]  # a row has one colour
ACROSS, PANEL = 4, 2.6  # panels in a line, and the side of each [inch]


def draw_results(folder: Path, results: Mapping[Job, Result]) -> None:
    """Draw the figures of each survey and part, with all labels, into the folder of the results."""
    for survey in SELECTED:
        for part in PARTS:
            if (rows := Rows.of(results, survey, part)) is not None:
                for name, figure in figures_of(rows).items():
                    save_figure(add_title(figure, rows.said), folder / f"{survey}-{part}-{name}.png")


def figures_of(rows: Rows) -> dict[str, Figure]:
    """Return the figures of one survey and part by name."""
    models = [Compared(row, style_of(ORDER.index(row)), rows.pooled(row)) for row in rows.entries]
    edges, beyond = rows.measures.edges, rows.measures.beyond
    found = {"redshifts": _draw_grid(models, rows)}
    lines = {
        "bias": draw_bias(models, edges, rows.title, rows.trained, beyond),
        "pit": draw_pit(models, edges, rows.title),
        "nz": draw_distribution(models, edges, rows.title),
    }
    for name, figure in lines.items():
        if figure is not None:
            _name_lines(figure, models)
            found[name] = figure
    return found


def _draw_grid(models: Sequence[Compared], rows: Rows) -> Figure:
    """Draw predicted against true redshifts, a panel for each row."""
    down = -(-len(models) // ACROSS)
    figure = new_panel(rows.title, PANEL * down, PANEL * ACROSS)
    panels = np.ravel(figure.subplots(down, ACROSS, squeeze=False))
    for number, (axes, model) in enumerate(zip(panels, models, strict=False)):
        plot_points_against(axes, model, rows.measures.edges, rows.measures.beyond)
        axes.set_ylabel("" if number % ACROSS else "predicted z_p", fontsize=8)
        if number + ACROSS < len(models):
            axes.set_xlabel("")
    for axes in panels[len(models) :]:
        axes.set_axis_off()
    lines = lines_against(rows.measures.beyond)
    figure.legend(handles=lines, loc="outside upper left", ncols=len(lines), fontsize=7, frameon=False)
    return figure


def _name_lines(figure: Figure, models: Sequence[Compared]) -> None:
    """Name the lines of the models at the right."""
    names = {model.name for model in models}  # the others are named below the panel
    axes = figure.axes[0]
    handles, labels = axes.get_legend_handles_labels()
    kept = [(handle, label) for handle, label in zip(handles, labels, strict=True) if label in names]
    figure.legend(*zip(*kept, strict=True), loc="outside right center", fontsize=7, frameon=False)
