"""Pictures of what models predict of the same objects; those of a run are the same with one model. Knows no network.

Each is a panel for a page, which has the names of the models beside it, or for `add_title`, which gives it a title.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from astropy.stats import binom_conf_interval
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from ictconvention.drawing.panels import (
    Compared,
    class_size,
    name_absent,
    name_classes,
    panel_lines,
    plain_frame,
    put_title,
)
from ictconvention.drawing.style import (
    HEADROOM,
    WIDTH,
    Style,
    fold_name,
    line_width,
    marks,
    new_panel,
    set_apart,
)
from ictconvention.evaluation.confusion import confusion_counts
from ictconvention.evaluation.predictions import Key, Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.scores import CONFIDENCE_BINS, calibration_error

FALSE_POSITIVE = np.linspace(0, 1, 401)  # rates at which the curves of the seeds are averaged
MOST_BARS = 4  # models in a panel with error bars
CLASS_LINES, USUAL_NAME = 3, 8  # of the name of a class beside a matrix, and letters that have room in any case
LETTER, BOLD = 0.055, 0.07  # of such a name, and of a title [inch]
MOST_BINS, LEAST_OBJECTS = 6, 8  # bins of a class against a quantity, and objects of a bin


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_points(values: Mapping[str, Mapping[Key, float]], looks: Sequence[Style], score: str, survey: str) -> Figure:
    """Draw a score of every training: a row for each model, in it a line of points for each fold, and their mean.

    Parameters
    ----------
    values : mapping of str to mapping of (fold, seed) to float
        By the name of the model.
    looks : sequence of Style
        Looks of the models.
    score : str
        What it is called.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    figure = new_panel(survey, 0.95 + 0.3 * len(values))
    axes = figure.subplots()
    for row, (found, look) in enumerate(zip(values.values(), looks, strict=True)):
        folds = sorted({fold for fold, _ in found})
        place = np.array([row + (folds.index(fold) + 0.5) / len(folds) * 0.6 - 0.3 for fold, _ in found])
        axes.plot(list(found.values()), place, look.marker, color=look.colour, ms=4, alpha=0.75, mew=0)
        mean = float(np.mean(list(found.values())))
        axes.plot([mean, mean], [row - 0.38, row + 0.38], color=look.colour, lw=2)
    axes.set_yticks(range(len(values)), [fold_name(name) for name in values], fontsize=8)
    axes.set_ylim(len(values) - 0.45, -0.55)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="x", color="0.92")
    figure.suptitle(score, x=0.01, ha="left", fontsize=9)
    plain_frame(axes)
    return figure


def mean_confusion(pooled: Pooled, shares: Prior) -> NDArray[np.float64]:
    """Return the confusion matrix (classes, classes), rows true and columns predicted, as a mean over the seeds.

    Parameters
    ----------
    pooled : Pooled
        Pooled predictions of a model.
    shares : Prior
        Which of the probabilities decide.
    """
    probabilities = pooled.at(shares)
    classes = probabilities.shape[2]
    found = [confusion_counts(pooled.label, guess, classes) for guess in probabilities.argmax(2)]
    return np.asarray(np.mean(found, axis=0), dtype=np.float64)


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_confusion(count: NDArray[np.float64], classes: Sequence[str], name: str, look: Style, survey: str) -> Figure:
    """Draw a confusion matrix: of each true class, the share and the number predicted as each.

    Parameters
    ----------
    count : array (classes, classes)
        As of `mean_confusion`.
    classes : sequence of str
        Their names.
    name, look : str, Look
        Name and look of the model.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    named = [fold_name(label, 16, CLASS_LINES) for label in classes]
    longest = max(len(line) for label in named for line in label.splitlines())
    side = 1.35 + 0.5 * max(len(classes), 3)
    beside = LETTER * max(longest - USUAL_NAME, 0)  # of names that take more room [inch]
    figure = new_panel(survey, side + 0.5 * beside, side + 0.35 + beside)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(count):
        text = f"{share[row, column]:.0%}\n" + (f"{number:.4g}" if number < 1000 else f"{number:.0f}")
        colour = "white" if share[row, column] > 0.55 else "0.15"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(classes)), named, rotation=30, ha="right", fontsize=7)
    counted = [f"{label} ({number:.0f})" for label, number in zip(named, count.sum(1), strict=True)]
    axes.set_yticks(range(len(classes)), counted, fontsize=7)
    axes.set_xlabel("predicted", fontsize=8)
    axes.set_ylabel("label (objects)", fontsize=8)
    put_title(axes, name, look, longest=int(max(len(classes), 3) * 0.5 / BOLD))
    return figure


def areas(pooled: Pooled, class_number: int) -> list[float]:
    """Return the area under the ROC of one class against the rest, of each seed in each fold that can be ranked."""
    return [float(roc_auc_score(truth, likely)) for truth, likely in _rankings(pooled, class_number)]


def _rankings(pooled: Pooled, class_number: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield what is of a class, and its probability, of each seed in each cell: folds are calibrated apart."""
    for cell in np.unique(pooled.cell):
        here = pooled.cell == cell
        truth = pooled.label[here] == class_number
        if truth.any() and not truth.all():
            for likely in pooled.at(Prior.SURVEY):
                yield truth, likely[here, class_number]


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_roc(models: Sequence[Compared], classes: Mapping[int, str], survey: str) -> Figure:
    """Draw the ROC of classes against the rest: the mean recall of a model's seeds and folds.

    A class that cannot be ranked in any fold has no line; of several, the legend says so. Lines that coincide show
    beside each other, and each has its markers at places of its own.

    Parameters
    ----------
    models : sequence of Compared
        Each has a line. Of several models there can be but one class.
    classes : mapping of int to str
        The classes to draw, by position: of several, each has its own look, and the legend its area under the curve.
    survey : str
        Names the survey, and says whether it is simulated.
    """
    figure = new_panel(survey, WIDTH)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8", lw=1, ls="--")
    count = len(models) * len(classes)
    for place, (model, c, look) in enumerate(panel_lines(models, classes)):
        curves = [roc_curve(truth, likely)[:2] for truth, likely in _rankings(model.pooled, c)]
        if not curves:
            name_absent(axes, classes[c], unranked(model.pooled, c))
        else:
            recall = np.mean([np.interp(FALSE_POSITIVE, false, true) for false, true in curves], axis=0)
            area, number = np.mean(areas(model.pooled, c)), class_size(model, c)
            said = f"{fold_name(classes[c])}: {area:.3f} ({number} objects)"
            how: dict[str, Any] = {"marker": look.marker, "ms": 3.5, "markevery": marks(place, count, len(recall))}
            axes.plot([0, *FALSE_POSITIVE], [0, *recall], lw=line_width(place, count), label=said, **how, **look.drawn)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("false positive rate", fontsize=8)
    axes.set_ylabel("recall", fontsize=8)
    name_classes(axes, classes, [class_size(models[0], c) for c in classes], "area under the curve")
    plain_frame(axes)
    return figure


def unranked(pooled: Pooled, class_number: int) -> str:
    """Say why a class cannot be ranked against the others in any fold."""
    if (pooled.label == class_number).any():
        return "in no fold is there an object of it and one of another class"
    return "no test object"


def calibration_errors(pooled: Pooled) -> list[float]:
    """Return the expected calibration error at the survey's class shares, of each seed."""
    return [calibration_error(found.max(1), found.argmax(1) == pooled.label) for found in pooled.at(Prior.SURVEY)]


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_reliability(model: Compared, survey: str) -> Figure:
    """Draw accuracy against confidence over all seeds of a model, with the mean number of objects below.

    Bins as in `calibration_error`; error bars are 68 % Wilson intervals of one seed, the mean over the seeds.
    """
    likely = model.pooled.at(Prior.SURVEY)
    confidence, right = likely.max(2), likely.argmax(2) == model.pooled.label
    place = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    figure = new_panel(survey, WIDTH)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="0.8", lw=1, ls="--")
    for b in np.unique(place):
        here = place == b
        some = here.any(1)
        low, high = binom_conf_interval((right & here).sum(1)[some], here.sum(1)[some]).mean(1)
        mean, accuracy = confidence[here].mean(), right[here].mean()
        upper.plot([mean, mean], [low, high], color=model.look.colour, lw=1.2)
        upper.plot(mean, accuracy, model.look.marker, color=model.look.colour, ms=4.5)
    edges, weights = np.linspace(0, 1, CONFIDENCE_BINS + 1), np.full(confidence.size, 1 / len(likely))
    lower.hist(confidence.ravel(), edges, weights=weights, color=model.look.colour)
    upper.set_ylim(-0.02, HEADROOM)
    upper.set_ylabel("accuracy", fontsize=8)
    lower.set_ylabel("objects", fontsize=8)
    lower.set_xlim(0, 1)
    lower.set_xlabel("confidence (probability of the predicted class)", fontsize=8)
    put_title(upper, model.name, model.look)
    for axes in (upper, lower):
        plain_frame(axes)
    return figure


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_recall(
    models: Sequence[Compared], classes: Mapping[int, str], quantities: Mapping[str, NDArray[np.float64]], survey: str
) -> Figure | None:
    """Draw the recall of classes at equal class shares, a panel for each quantity: the mean of a model's seeds.

    Parameters
    ----------
    models : sequence of Compared
        Each has a line. Of several models there can be but one class.
    classes : mapping of int to str
        The classes to draw, by position: of several, each has its own look, and the legend its objects.
    quantities : mapping of str to arrays (n,)
        By name and unit, as on the axis; NaN where unknown.
    survey : str
        Names the survey, and says whether it is simulated.

    Returns
    -------
    Figure or None
        Of the quantities that are known of `LEAST_OBJECTS` objects of these classes; None where there is none. Points
        stand at the mean of a bin of about equal numbers, those of all lines beside each other; up to `MOST_BARS`
        models have bars, mean 68 % intervals. A class without a known object is named in the legend.
    """
    label = models[0].pooled.label
    drawn = np.isin(label, list(classes))
    known = {name: x for name, x in quantities.items() if (drawn & np.isfinite(x)).sum() >= LEAST_OBJECTS}
    if not known:
        return None
    figure = new_panel(survey, width=WIDTH * len(known))
    panels = figure.subplots(1, len(known), squeeze=False)[0]
    for axes, (quantity, x) in zip(panels, known.items(), strict=True):
        shown = {c: (label == c) & np.isfinite(x) for c in classes}
        count = len(models) * len(classes)
        for place, (model, c, look) in enumerate(panel_lines(models, classes)):
            if not (here := shown[c]).any():
                name_absent(axes, classes[c], "no object")
                continue
            guesses = model.pooled.at(Prior.UNIFORM)[:, here].argmax(2)
            means, recalls, below, above = np.mean([recall_by(x[here], guess == c) for guess in guesses], axis=0).T
            said = f"{fold_name(classes[c])} ({here.sum()})"
            how: dict[str, Any] = {"transform": set_apart(axes, place, count)}
            width = line_width(place, count)
            axes.plot(means, recalls, marker=look.marker, ms=3.5, lw=width, label=said, **how, **look.drawn)
            if len(models) <= MOST_BARS:
                axes.vlines(means, below, above, color=look.colour, lw=0.8, alpha=0.6, **how)
                axes.update_datalim(np.column_stack([means, above]))
                axes.update_datalim(np.column_stack([means, below]))
            axes.update_datalim(np.column_stack([means, recalls]))  # matplotlib's own takes no line that is set apart
        axes.autoscale_view()
        axes.set_ylim(min(max(axes.get_ylim()[0], -0.03), 0.6), HEADROOM)
        axes.set_xlabel(fold_name(quantity, 44), fontsize=8)
        axes.set_ylabel("recall", fontsize=8)
        axes.grid(axis="y", color="0.92")
        name_classes(axes, classes, [int(here.sum()) for here in shown.values()], "objects shown")
        plain_frame(axes)
    return figure


def recall_by(x: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return, for bins of about equal numbers of one class: mean of x, recall, and its 68 % Wilson interval, (bins, 4).

    Parameters
    ----------
    x, right : arrays (n,)
        The quantity, finite, and whether the object was recognised.
    """
    bins = np.array_split(np.argsort(x, kind="stable"), np.clip(len(x) // LEAST_OBJECTS, 1, MOST_BINS))
    count, found = np.array([len(rows) for rows in bins]), np.array([right[rows].sum() for rows in bins])
    return np.column_stack([[x[rows].mean() for rows in bins], found / count, *binom_conf_interval(found, count)])
