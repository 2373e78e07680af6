"""Pictures of predictions: confusion matrix, ROC, reliability. From probabilities and labels; knows no model."""

from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from ictconvention.evaluation.scores import CONFIDENCE_BINS, calibration_error

COLOURS = ("#2f5d9b", "#c8501e", "#2e8b57", "#8c2d8c", "#b8860b", "#0d7a9c", "#a05195", "#6b6b6b", "#d45087")


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_confusion(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str], title: str
) -> Figure:
    """Draw the confusion matrix: of each true class, the share and the number predicted as each.

    Parameters
    ----------
    probabilities, labels : arrays (n, classes), (n,)
        Of the predictions, and the true classes.
    classes : sequence of str
        Their names.
    title : str
        Names the survey, and says whether it is simulated.
    """
    count = confusion_matrix(labels, probabilities.argmax(1), labels=np.arange(len(classes)))
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    size = 1.9 + 0.85 * len(classes)
    figure = Figure(figsize=(size + 0.6, size), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(count):
        text = f"{share[row, column]:.0%}\n{number}"
        colour = "white" if share[row, column] > 0.55 else "0.15"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    names = [f"{name} ({number})" for name, number in zip(classes, count.sum(1), strict=True)]
    axes.set_xticks(np.arange(len(classes)), classes, rotation=30, ha="right")
    axes.set_yticks(np.arange(len(classes)), names)
    axes.set(xlabel="predicted", ylabel="label (objects)")
    axes.set_title(title, fontsize=9)
    return figure


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_roc(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str], title: str
) -> Figure:
    """Draw each class's one-vs-rest ROC, with its area; arguments as of `draw_confusion`."""
    figure = Figure(figsize=(5.4, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.75", lw=1, ls="--")
    for c, name in enumerate(classes):
        truth = labels == c
        if truth.all() or not truth.any():
            continue  # a ranking needs objects on both sides
        false, true, _ = roc_curve(truth, probabilities[:, c])
        area = roc_auc_score(truth, probabilities[:, c])
        axes.plot(false, true, color=COLOURS[c % len(COLOURS)], label=f"{name}: {area:.3f} ({truth.sum()} objects)")
    axes.set(xlabel="false positive rate", ylabel="recall", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.legend(title="area under the curve", fontsize=8, title_fontsize=8, loc="lower right")
    axes.set_title(title, fontsize=9)
    return figure


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64], title: str) -> Figure:
    """Draw accuracy against confidence, with the number of objects below; other arguments as of `draw_confusion`.

    Bins as in `calibration_error`; error bars are 68 % intervals of `recall_interval`.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    edges = np.linspace(0, 1, CONFIDENCE_BINS + 1)
    figure = Figure(figsize=(5.4, 5.6), dpi=120, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="0.75", lw=1, ls="--")
    for b in np.unique(place):
        here = place == b
        low, high = recall_interval(int(right[here].sum()), int(here.sum()))
        mean, accuracy = confidence[here].mean(), right[here].mean()
        upper.plot([mean, mean], [low, high], color=COLOURS[0], lw=1.2)
        upper.plot(mean, accuracy, "o", color=COLOURS[0], ms=5)
    lower.hist(confidence, edges, color=COLOURS[0])
    lower.set(xlabel="confidence (probability of the predicted class)", ylabel="objects", xlim=(0, 1))
    error = calibration_error(confidence, right)
    upper.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    upper.text(0.03, 0.93, f"expected calibration error {error:.3f}", fontsize=9)
    upper.set_title(title, fontsize=9)
    return figure


def recall_interval(right: int, objects: int, deviations: float = 1.0) -> tuple[float, float]:
    """Return the Wilson interval of a share: 68 % for one standard deviation.

    Parameters
    ----------
    right, objects : int
        How many of how many; at least one object.
    deviations : float
        Standard deviations.
    """
    share, square = right / objects, deviations**2
    centre = (share + square / (2 * objects)) / (1 + square / objects)
    half = deviations / (1 + square / objects) * np.sqrt(share * (1 - share) / objects + square / (4 * objects**2))
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))
