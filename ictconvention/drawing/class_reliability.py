"""Draw how honest the probabilities of a class are: how often an object is of it that gets so much of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.stats import binom_conf_interval
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.panels import Compared, name_absent, panel_lines, plain_frame, put_title
from ictconvention.drawing.style import HEADROOM, WIDTH, fold_name, line_width, new_panel
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.scores import CONFIDENCE_BINS, class_calibration_errors


def mean_class_errors(pooled: Pooled) -> NDArray[np.float64]:
    """Return the calibration error of each class (classes,) at the survey's class shares, as a mean over the seeds."""
    errors = [class_calibration_errors(found, pooled.label) for found in pooled.at(Prior.SURVEY)]
    return np.asarray(np.mean(errors, axis=0))


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_class_reliability(model: Compared, classes: Mapping[int, str], survey: str) -> Figure:
    """Draw, over all seeds of a model, the share of objects that are of a class against the probability it gets.

    Parameters
    ----------
    model : Compared
        The model.
    classes : mapping of int to str
        The classes to draw, by position: each has its own look, and the legend its calibration error.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    likely, label, errors = model.pooled.at(Prior.SURVEY), model.pooled.label, mean_class_errors(model.pooled)
    figure = new_panel(survey, WIDTH)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8", lw=1, ls="--")
    for number, (_, c, look) in enumerate(panel_lines([model], classes)):
        if not (label == c).any():
            name_absent(axes, classes[c], "no test object")
            continue
        places, shares, below, above = class_bins(likely[:, :, c], label == c).T
        said = f"{fold_name(classes[c])}: {errors[c]:.3f} ({(label == c).sum()} objects)"
        how: dict[str, Any] = {"marker": look.marker, "ms": 3.5, "lw": line_width(number, len(classes)), **look.drawn}
        axes.plot(places, shares, label=said, **how)
        axes.vlines(places, below, above, color=look.colour, lw=0.8, alpha=0.6)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, HEADROOM))
    axes.set_xlabel("probability of the class", fontsize=8)
    axes.set_ylabel("share of objects that are of it", fontsize=8)
    axes.legend(title="calibration error", fontsize=7, title_fontsize=7, framealpha=0.7, edgecolor="none")
    put_title(axes, model.name, model.look)
    plain_frame(axes)
    return figure


def class_bins(likely: NDArray[np.float64], of_it: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return, for bins of a class's probability: its mean, the share of objects that are of it, and its interval.

    Parameters
    ----------
    likely : array (seeds, n)
        Probabilities of the class.
    of_it : boolean array (n,)
        Which objects are of it.

    Returns
    -------
    array (bins, 4)
        Of the bins that hold an object; the 68 % Wilson intervals are those of one seed, the mean over the seeds.
    """
    place = np.minimum((likely * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    rows = []
    for b in np.unique(place):
        here = place == b
        some = here.any(1)
        low, high = binom_conf_interval((of_it & here).sum(1)[some], here.sum(1)[some]).mean(1)
        share = np.broadcast_to(of_it, here.shape)[here].mean()
        rows.append([likely[here].mean(), share, low, high])
    return np.array(rows)
