"""The course of trainings: loss, scores and spread of the projections after each training epoch of each stage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ictconvention.drawing.style import MARKS, WIDTH, Style, line_width, new_panel, shorten_middle, style_of

Rows = Mapping[tuple[str, int], Mapping[str, str | float]]  # of a MetricsTable
SPREAD, SCORES, RECALLS = "spread of the projections", "validation scores", "recall in validation"
PANELS: dict[str, dict[str, tuple[str, str]]] = {  # by panel and end of the metric: what it is called, and its line
    "loss": {
        "val/loss_balanced": ("validation, balanced", "-"),
        "train/loss": ("training", ":"),
        "val/loss_ce": ("validation, cross-entropy", ""),
        "val/loss": ("validation", "-"),
    },
    SCORES: {
        "val/balanced_accuracy": ("balanced accuracy", "-"),
        "val/f1_macro": ("macro F1", ":"),
        "val/accuracy": ("accuracy", ""),
        "val/sigma_mad": ("sigma_MAD", "-"),
        "val/outliers_05": ("outliers .05", ":"),
        "val/miou": ("mean IoU", "-"),
    },
    "KL of the shares": {"val/kl": ("validation", "-")},
    RECALLS: {},  # those of the classes
    SPREAD: {"val/collapse/spread": ("per dimension", "-")},
}
STAGES = {"pretrain": "pre-training", "finetune": "fine-tuning"}


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_learning_curves(
    tables: Sequence[Rows], name: str, look: Style | None, survey: str, healthy: float | None = None
) -> Figure | None:
    """Draw what the metrics of a model's trainings hold, the stages side by side: their mean, and a thin line for each.

    Parameters
    ----------
    tables : sequence of mappings of (stage, training epoch) to metrics by name
        One for each training.
    name : str
        Name of the model.
    look : Style, optional
        Look of the model, in which its chief metrics are drawn. None: every metric, each in its own look.
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
        panel: {
            stage: [(said, drawn, _courses(tables, f"{stage}/{end}")) for end, (said, drawn) in lines.items()]
            for stage in stages
        }
        for panel, lines in _looks(tables, look).items()
    }
    panels = [panel for panel, of in courses.items() if any(found for lines in of.values() for *_, found in lines)]
    if not panels:
        return None
    size = 1.0 if look is not None else 1.5
    figure = new_panel(survey, size * (0.65 + 1.45 * len(panels)), size * WIDTH)
    grid = figure.subplots(len(panels), len(stages), squeeze=False, sharex="col", sharey="row")
    for column, stage in enumerate(stages):
        for row, panel in enumerate(panels):
            axes: Axes = grid[row][column]
            lines = [line for line in courses[panel][stage] if line[2]]
            for place, (said, drawn, found) in enumerate(lines):
                _draw(axes, found, drawn, said, line_width(place, len(lines)))
            if panel == SPREAD and healthy is not None:
                axes.axhline(healthy, color="0.7", lw=1, ls="--", label="a whole sphere")
                axes.set_ylim(0, 1.15 * healthy)
            if panel in (SCORES, RECALLS):
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
        grid[0][column].set_title(STAGES[stage], fontsize=8)
        grid[-1][column].set_xlabel("training epoch", fontsize=8)
    if look is not None:
        figure.suptitle(shorten_middle(name, 50), x=0.01, ha="left", fontsize=8, color=look.colour, weight="bold")
    return figure


def _looks(tables: Sequence[Rows], look: Style | None) -> dict[str, dict[str, tuple[str, Style]]]:
    """Return by panel and end of the metric what it is called, and how it is drawn."""
    if look is not None:
        return {
            panel: {end: (said, replace(look, line=line)) for end, (said, line) in lines.items() if line}
            for panel, lines in PANELS.items()
        }
    ends = dict.fromkeys(name.partition("/")[2] for rows in tables for row in rows.values() for name in row)
    recalls = {end: (end.removeprefix("val/recall/"), "") for end in ends if end.startswith("val/recall/")}
    return {
        panel: {end: (said, style_of(number)) for number, (end, (said, _)) in enumerate(lines.items())}
        for panel, lines in (PANELS | {RECALLS: recalls}).items()
    }


def _courses(tables: Sequence[Rows], metric: str) -> list[dict[int, float]]:
    """Return one metric of every training that logged it, by training epoch."""
    found = [
        {epoch: float(row[metric]) for (_, epoch), row in sorted(rows.items()) if metric in row} for rows in tables
    ]
    return [course for course in found if course]


def _draw(axes: Axes, courses: Sequence[dict[int, float]], look: Style, said: str, width: float) -> None:
    if len(courses) > 1:
        for course in courses:
            axes.plot(list(course), list(course.values()), lw=0.5, alpha=0.45, **look.drawn)
    epochs = sorted({epoch for course in courses for epoch in course})
    mean = [np.mean([course[epoch] for course in courses if epoch in course]) for epoch in epochs]
    # Dots upon a line of their own colour are seen by their rings.
    rings: dict[str, Any] = {"mfc": "white", "markevery": max(len(epochs) // MARKS, 1)} if look.line == ":" else {}
    marker = "o" if rings or len(epochs) == 1 else None
    axes.plot(epochs, mean, lw=width, marker=marker, ms=3, label=said, **rings, **look.drawn)
