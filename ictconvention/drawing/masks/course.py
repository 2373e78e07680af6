"""The divergence of the shares in validation over the training epochs, of several models in one figure."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from ictconvention.drawing.learning_curves import STAGES, Rows
from ictconvention.drawing.panels import plain_frame
from ictconvention.drawing.style import WIDTH, Style, line_width, marks, new_panel, shorten_middle

METRIC = "val/kl"


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_divergence_course(
    tables: Mapping[str, Sequence[Rows]], looks: Mapping[str, Style], survey: str
) -> Figure | None:
    """Draw the validation KL of each model after each training epoch: the median of its trainings, and each of them.

    The axis is logarithmic. How far the lines jump from a training epoch to the next is the instability of training. A
    page names the models beside the figure.

    Parameters
    ----------
    tables : mapping of str to sequence of mappings
        The metrics of each training of a model, by (stage, training epoch), by the name of the model.
    looks : mapping of str to Style
        By the name of the model.
    survey : str
        Names the survey, and says whether it is simulated.

    Returns
    -------
    Figure or None
        None where no training has logged it.
    """
    courses = {
        stage: {name: found for name, of in tables.items() if (found := _courses(of, stage))} for stage in STAGES
    }
    stages = [stage for stage, found in courses.items() if found]
    if not stages:
        return None
    figure = new_panel(survey, 0.95 * WIDTH, 1.75 * WIDTH)
    panels = figure.subplots(1, len(stages), squeeze=False, sharey=True)[0]
    for axes, stage in zip(panels, stages, strict=True):
        for place, (name, found) in enumerate(courses[stage].items()):
            look, width = looks[name], line_width(place, len(courses[stage]))
            if len(found) > 1:
                for course in found:
                    axes.plot(list(course), list(course.values()), lw=0.5, alpha=0.4, **look.drawn)
            epochs = sorted({epoch for course in found for epoch in course})
            middle = [float(np.median([course[epoch] for course in found if epoch in course])) for epoch in epochs]
            marked = marks(place, len(courses[stage]), len(epochs))
            said = shorten_middle(name)
            axes.plot(epochs, middle, lw=width, label=said, marker=look.marker, ms=3.5, markevery=marked, **look.drawn)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.3, 0.4)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_title(STAGES[stage], fontsize=8)
        axes.set_xlabel("training epoch", fontsize=8)
        axes.grid(axis="y", color="0.92", which="both")
        plain_frame(axes)
        axes.tick_params(which="both", labelsize=7)
    panels[0].set_ylabel("KL of the shares in validation", fontsize=8)
    return figure


def _courses(tables: Sequence[Rows], stage: str) -> list[dict[int, float]]:
    """Return the metric of every training that logged it, by training epoch."""
    metric = f"{stage}/{METRIC}"
    found = [
        {epoch: float(row[metric]) for (own, epoch), row in sorted(rows.items()) if own == stage and metric in row}
        for rows in tables
    ]
    return [course for course in found if course]
