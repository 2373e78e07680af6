"""How soon a classifier knows: macro F1 and the worst recall against the days since the first detection."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores
from ictconvention.evaluation.looks import look_of, new_panel
from ictconvention.evaluation.significance import interval, object_weights

DRAWS = 500  # of the bootstrap


@dataclass(frozen=True)
class EarlyPoint:
    """Scores after so many days, each with its 95 % interval (a bootstrap of sky groups).

    Parameters
    ----------
    days : float
        Since the first detection.
    frames : float
        Mean number of frames used.
    f1_macro, worst_recall : tuples of float
        Value, lower and upper end.
    """

    days: float
    frames: float
    f1_macro: tuple[float, float, float]
    worst_recall: tuple[float, float, float]


def early_point(
    days: float,
    frames: NDArray[np.integer],
    guess: NDArray[np.integer],
    label: NDArray[np.integer],
    group: NDArray[np.integer],
) -> EarlyPoint:
    """Score the predictions (n,) of objects (n,) of sky groups (n,) after so many days; absent classes are left out."""
    classes = int(max(guess.max(), label.max())) + 1
    weight = object_weights(label, group, DRAWS, np.random.default_rng(0))
    value = confusion_scores(confusion_counts(label, guess, classes))
    drawn = confusion_scores(confusion_counts(label, guess, classes, weight))
    f1, worst = ((float(value[name]), *interval(drawn[name])) for name in ("f1_macro", "worst_class_recall"))
    return EarlyPoint(days, float(frames.mean()), f1, worst)


def draw_early_curve(points: Sequence[EarlyPoint], title: str, survey: str) -> Figure:
    """Draw both scores against the days, on a logarithmic axis.

    Parameters
    ----------
    points : sequence of EarlyPoint
        In order of days.
    title : str
        Of the figure.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    figure = new_panel(survey, height=3.6, width=5.2)
    axes = figure.add_subplot()
    days = [point.days for point in points]
    curves = {"macro F1": [p.f1_macro for p in points], "worst recall of a class": [p.worst_recall for p in points]}
    for number, (name, values) in enumerate(curves.items()):
        look = look_of(number)
        value, low, high = np.array(values).T
        axes.fill_between(days, low, high, color=look.colour, alpha=0.18, lw=0)
        axes.plot(days, value, marker=look.marker, ms=3.5, lw=1.2, label=name, **look.drawn)
    axes.set_xscale("log")
    axes.set(ylim=(0, 1.03), xlabel="days since the first detection", ylabel="score; band: 95 %")
    axes.xaxis.set_major_formatter(lambda x, position: f"{x:g}")
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, borderaxespad=0)
    return figure
