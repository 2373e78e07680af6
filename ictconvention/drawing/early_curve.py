"""How soon a classifier knows, as a picture: macro F1 and the worst recall against the days."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ictconvention.drawing.style import ALONE, line_width, new_panel, style_of
from ictconvention.evaluation.early_curve import EarlyPoint


def draw_early_curve(points: Sequence[EarlyPoint], title: str, survey: str) -> Figure:
    """Draw both scores against the days, on a logarithmic axis.

    Parameters
    ----------
    points : sequence of EarlyPoint
        In order of days.
    title : str
        Title of the figure.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    figure = new_panel(survey, height=4.4, width=ALONE)
    axes = figure.add_subplot()
    days = [point.days for point in points]
    curves = {"macro F1": [p.f1_macro for p in points], "worst recall of a class": [p.worst_recall for p in points]}
    for number, (name, values) in enumerate(curves.items()):
        look = style_of(number)
        value, low, high = np.array(values).T
        axes.fill_between(days, low, high, color=look.colour, alpha=0.18, lw=0)
        axes.plot(days, value, marker=look.marker, ms=3.5, lw=line_width(number, len(curves)), label=name, **look.drawn)
    axes.set_xscale("log")
    axes.set(ylim=(0, 1.03), xlabel="days since the first detection", ylabel="score; band: 95 %")
    axes.xaxis.set_major_formatter(lambda x, position: f"{x:g}")
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, borderaxespad=0)
    return figure
