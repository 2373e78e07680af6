"""Recall of each class against a quantity of its objects, such as magnitude or redshift."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.evaluation.figures import COLOURS, recall_interval

MOST_BINS, LEAST_OBJECTS = 6, 8  # bins of a class, and objects of a bin


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_recall(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    quantities: dict[str, NDArray[np.float64]],
    title: str,
) -> Figure | None:
    """Draw the recall of each class, a panel for each quantity.

    Parameters
    ----------
    probabilities, labels : arrays (n, classes), (n,)
        Of the predictions, and the true classes.
    classes : sequence of str
        Their names.
    quantities : dict of arrays (n,)
        By name and unit, as on the axis; NaN where unknown. Of those that are unknown everywhere nothing is drawn.
    title : str
        Names the survey, and says whether it is simulated.

    Returns
    -------
    Figure or None
        None where no quantity is known of enough objects. Points stand at the mean of a bin of about equal numbers;
        bars are 68 % intervals.
    """
    guess = probabilities.argmax(1)
    known = {name: x for name, x in quantities.items() if np.isfinite(x).sum() >= LEAST_OBJECTS}
    if not known:
        return None
    figure = Figure(figsize=(5.4 * len(known), 4.4), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(known), squeeze=False)[0]
    for axes, (name, x) in zip(panels, known.items(), strict=True):
        for c, class_name in enumerate(classes):
            here = (labels == c) & np.isfinite(x)
            if not here.any():
                continue
            colour = COLOURS[c % len(COLOURS)]
            means, recalls, below, above = np.array(recall_by(x[here], guess[here] == c)).T
            axes.plot(means, recalls, "o-", color=colour, ms=4, lw=1, label=f"{class_name} ({here.sum()})")
            axes.vlines(means, below, above, color=colour, lw=1)
        axes.set(xlabel=name, ylabel="recall", ylim=(-0.03, 1.03))
    panels[0].legend(title="objects shown", fontsize=8, title_fontsize=8, loc="best")
    figure.suptitle(title, fontsize=9)
    return figure


def recall_by(x: NDArray[np.float64], right: NDArray[np.bool_]) -> list[tuple[float, float, float, float]]:
    """Return, for bins of about equal numbers of one class: mean of x, recall, and its 68 % interval.

    Parameters
    ----------
    x, right : arrays (n,)
        The quantity, finite, and whether the object was recognised.
    """
    bins = int(np.clip(len(x) // LEAST_OBJECTS, 1, MOST_BINS))
    return [
        (float(x[rows].mean()), float(right[rows].mean()), *recall_interval(int(right[rows].sum()), len(rows)))
        for rows in np.array_split(np.argsort(x, kind="stable"), bins)
    ]
