"""The course of a model's trainings: their mean after each training epoch, and a thin line for each."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ictconvention.evaluation.learning_curves import SPREAD, STAGES
from ictconvention.evaluation.looks import Look, fitted, new_panel

Rows = Mapping[tuple[str, int], Mapping[str, str | float]]  # of a MetricsTable
PANELS = {  # by panel, the ends of metric names: what they are called, and the line
    "loss": {"val/loss_balanced": ("validation, balanced", "-"), "train/loss": ("training", ":")},
    "validation scores": {"val/balanced_accuracy": ("balanced accuracy", "-"), "val/f1_macro": ("macro F1", ":")},
    SPREAD: {"val/collapse/spread": ("per dimension", "-")},
}


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_mean_learning_curves(
    tables: Sequence[Rows], name: str, look: Look, survey: str, healthy: float | None = None
) -> Figure | None:
    """Draw what the metrics of a model's trainings hold, the stages side by side.

    Parameters
    ----------
    tables : sequence of mappings of (stage, training epoch) to metrics by name
        One for each training.
    name, look : str, Look
        Of the model.
    survey : str
        Names the survey, and says whether it is simulated.
    healthy : float, optional
        Spread of projections that cover the whole sphere.

    Returns
    -------
    Figure or None
        None where no stage has a row.
    """
    stages = [stage for stage in STAGES if any(key[0] == stage for rows in tables for key in rows)]
    courses = {
        (panel, stage): {end: _courses(tables, stage, end) for end in lines}
        for panel, lines in PANELS.items()
        for stage in stages
    }
    panels = [panel for panel in PANELS if any(any(courses[panel, stage].values()) for stage in stages)]
    if not panels:
        return None
    figure = new_panel(survey, 0.65 + 1.45 * len(panels))
    grid = figure.subplots(len(panels), len(stages), squeeze=False, sharex="col", sharey="row")
    for column, stage in enumerate(stages):
        for row, panel in enumerate(panels):
            axes: Axes = grid[row][column]
            for end, (said, line) in PANELS[panel].items():
                _draw(axes, courses[panel, stage][end], look.colour, said, line)
            if panel == SPREAD and healthy is not None:
                axes.axhline(healthy, color="0.7", lw=1, ls="--", label="a whole sphere")
                axes.set_ylim(0, 1.15 * healthy)
            if panel == "validation scores":
                axes.set_ylim(0, 1)
            if column == 0:
                axes.set_ylabel(panel.replace("spread of the", "spread of\nthe"), fontsize=8)
            if column == len(stages) - 1 and axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=6.5, frameon=False, labelspacing=0.2)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
        last = max(epoch for rows in tables for s, epoch in rows if s == stage)
        grid[0][column].set_xlim(0.5, last + 0.5)
        grid[0][column].set_title({"pretrain": "pre-training", "finetune": "fine-tuning"}[stage], fontsize=8)
        grid[-1][column].set_xlabel("training epoch", fontsize=8)
    figure.suptitle(fitted(name, 50), x=0.01, ha="left", fontsize=8, color=look.colour, weight="bold")
    return figure


def _courses(tables: Sequence[Rows], stage: str, end: str) -> list[dict[int, float]]:
    """Return one metric of every training that logged it, by training epoch."""
    metric = f"{stage}/{end}"
    found = [
        {epoch: float(row[metric]) for (s, epoch), row in sorted(rows.items()) if s == stage and metric in row}
        for rows in tables
    ]
    return [course for course in found if course]


def _draw(axes: Axes, courses: Sequence[dict[int, float]], colour: str, said: str, line: str) -> None:
    if not courses:
        return
    if len(courses) > 1:
        for course in courses:
            axes.plot(list(course), list(course.values()), color=colour, lw=0.5, ls=line, alpha=0.45)
    epochs = sorted({epoch for course in courses for epoch in course})
    mean = [np.mean([course[epoch] for course in courses if epoch in course]) for epoch in epochs]
    marker = "o" if len(epochs) == 1 else None
    axes.plot(epochs, mean, color=colour, lw=1.6, ls=line, marker=marker, ms=3, label=said)
