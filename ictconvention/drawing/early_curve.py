"""How soon a network knows, as a picture: scores against the days."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ictconvention.drawing.style import ALONE, line_width, new_panel, style_of
from ictconvention.evaluation.early_curve import EarlyPoint
from ictconvention.evaluation.measures import Measure


def draw_early_curve(points: Sequence[EarlyPoint], measures: Mapping[str, Measure], title: str, survey: str) -> Figure:
    """Draw scores against the days, on a logarithmic axis: a panel for all shares, and one for each other unit.

    Shares are drawn from 0 to 1, other scores as tables have them: scaled, with their unit.

    Parameters
    ----------
    points : sequence of EarlyPoint
        In order of days.
    measures : mapping of str to Measure
        The scores, by their names in the points.
    title : str
        Title of the figure.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    units = list(dict.fromkeys(one.unit for one in measures.values()))
    figure = new_panel(survey, height=4.4 * len(units), width=ALONE)
    panels = figure.subplots(len(units), 1, squeeze=False)[:, 0]
    days = [point.days for point in points]
    for unit, axes in zip(units, panels, strict=True):
        drawn = [(name, one) for name, one in measures.items() if one.unit == unit]
        for number, (name, one) in enumerate(drawn):
            look = style_of(number)
            scale, label = (one.scale / 100, one.title) if unit == "%" else (one.scale, one.titled)
            value, low, high = scale * np.array([point.scores[name] for point in points]).T
            axes.fill_between(days, low, high, color=look.colour, alpha=0.18, lw=0)
            axes.plot(
                days,
                value,
                marker=look.marker,
                ms=3.5,
                lw=line_width(number, len(drawn)),
                label=label,
                **look.drawn,
            )
        axes.set_xscale("log")
        axes.set(xlabel="days since the first detection", ylabel="score; band: 95 %")
        if unit == "%":
            axes.set_ylim(0, 1.03)
        axes.xaxis.set_major_formatter(lambda x, position: f"{x:g}")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, borderaxespad=0)
    panels[0].set_title(title, fontsize=9, loc="left")
    return figure
