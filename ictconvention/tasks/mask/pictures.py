"""Pictures of what is predicted of masks: the confusion of pixels, and shares against known ones, of runs and pages."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.embedded_figure import Picture, embed_drawing
from ictconvention.drawing.masks.figures import draw_pixel_confusion, draw_shares
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import add_title, style_of
from ictconvention.evaluation.masks.kl import mean_divergence
from ictconvention.evaluation.masks.pixels import accuracy, mean_iou
from ictconvention.evaluation.predictions import Predictions
from ictconvention.survey.survey import Survey
from ictconvention.tasks.mask.measures import CONFUSION

CONFUSED = (
    "Of the known pixels of each class, how many in a hundred are estimated as each class: over all folds, the mean "
    "over the seeds. Beside a class stands its share of the known pixels."
)
AGAINST = (
    "The predicted share of each class against that of the known pixels, a point for each picture and seed, on the "
    "dashed line where they are equal. The axes are as square roots. In the legend, the mean shares."
)


def draw_run(part: str, found: Predictions, names: Sequence[str], survey: Survey, run: str) -> dict[str, Figure]:
    """Return the figures of a run's predictions of a part, by name; `run` goes into their titles."""
    name = survey.header.full_name
    known = np.asarray(found.label, dtype=np.float64)
    kl = mean_divergence(known, found.at("row"))
    said = f"KL {kl:.4f}" if kl is not None else "no known share"
    model = Compared(said, style_of(0), found.pooled)
    figures = {"shares": draw_shares(known, model.pooled.at("row"), names, said, model.look, name)}
    if CONFUSION in found.rows:
        count = found.at(CONFUSION).sum(0)
        figures["pixel_confusion"] = draw_pixel_confusion(count, names, _of_pixels(count), model.look, name)
    end = part.removeprefix("test").removesuffix("_test")
    end, title = f"_{end}" if end else "", f"{name}, {part.replace('_', ' ')} part"
    return {f"{key}{end}": add_title(figure, title, run) for key, figure in figures.items()}


def confusion_pictures(models: Sequence[Compared], names: Sequence[str], survey: str) -> list[Picture]:
    """Return the confusion of pixels of each model that gives masks."""
    pictures = []
    for model in models:
        if CONFUSION not in model.pooled.rows:
            continue
        count = model.pooled.at(CONFUSION).sum(1).mean(0)
        share = count / np.maximum(count.sum(1, keepdims=True), 1)
        right = ", ".join(f"{name} {share[c, c]:.0%}" for c, name in enumerate(names) if count[c].sum())
        says = f"confusion of the pixels of {model.name}; right of each class: {right}"
        figure = draw_pixel_confusion(count, names, model.name, model.look, survey)
        pictures.append(embed_drawing(figure, says, _of_pixels(count)))
    return pictures


def share_pictures(models: Sequence[Compared], names: Sequence[str], survey: str) -> list[Picture]:
    """Return the shares of each model against the known ones."""
    pictures = []
    for model in models:
        known, shares = np.asarray(model.pooled.label, dtype=np.float64), model.pooled.at("row")
        each = [kl for one in shares if (kl := mean_divergence(known, one)) is not None]
        said = f"KL {np.mean(each):.4f}" if each else ""
        figure = draw_shares(known, shares, names, model.name, model.look, survey)
        pictures.append(embed_drawing(figure, f"predicted against known shares of {model.name}; {said}", said))
    return pictures


def _of_pixels(count: NDArray[np.floating]) -> str:
    return f"mean IoU {_written(mean_iou(count[None])[0])}, pixel accuracy {_written(accuracy(count[None])[0])}"


def _written(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
