"""The pictures of a report, section by section, each with words for those who do not see it."""

from collections.abc import Mapping, Sequence

import numpy as np

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.drawing.embedded_figure import Picture, embed_drawing, embed_photograph
from ictconvention.drawing.figures import (
    LEAST_OBJECTS,
    areas,
    calibration_errors,
    draw_confusion,
    draw_points,
    draw_recall,
    draw_reliability,
    draw_roc,
    mean_confusion,
    unranked,
)
from ictconvention.drawing.film_strip import draw_film_strip
from ictconvention.drawing.learning_curves import draw_learning_curves
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import Style
from ictconvention.evaluation.predictions import ModelPredictions
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.quantities import quantities_of
from ictconvention.evaluation.scores import scores
from ictconvention.evaluation.significance import METRICS
from ictconvention.networks.heads import PROJECTED
from ictconvention.runs.collection import Collection
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.survey import Survey

SHARES = {Prior.UNIFORM: "equal", Prior.SURVEY: "the survey's"}  # of the probabilities that decide: which class shares


def points(
    entries: Sequence[ModelPredictions], looks: Mapping[str, Style], classes: Sequence[str], shares: Prior, survey: str
) -> list[Picture]:
    """Return the chief scores of every fold and seed, a picture for each score.

    Parameters
    ----------
    entries : sequence of ModelPredictions
        The models.
    looks : mapping of str to Style
        By the name of the model.
    classes : sequence of str
        Names of the classes.
    shares : str
        One of `SHARES`.
    survey : str
        Names the survey, and says whether it is simulated; of all functions here.
    """
    found = {
        entry.name: {key: scores(one.at(shares), one.label, classes) for key, one in sorted(entry.predictions.items())}
        for entry in entries
    }
    pictures = []
    for score, said in METRICS.items():
        values = {name: {key: 100 * float(one[score]) for key, one in of.items()} for name, of in found.items()}
        told = "; ".join(
            f"{name} {np.mean(list(of.values())):.1f} ({min(of.values()):.1f} to {max(of.values()):.1f})"
            for name, of in values.items()
        )
        title = f"{said} [%], at {SHARES[shares]} class shares"
        figure = draw_points(values, [looks[name] for name in values], title, survey)
        pictures.append(embed_drawing(figure, f"{said} [%] of each fold and seed, mean and range: {told}"))
    return pictures


def confusions(models: Sequence[Compared], classes: Sequence[str], shares: Prior, survey: str) -> list[Picture]:
    """Return the confusion matrix of each model, over all folds; `shares` is one of `SHARES`."""
    pictures = []
    for model in models:
        count = mean_confusion(model.pooled, shares)
        share = count / np.maximum(count.sum(1, keepdims=True), 1)
        told = "; ".join(
            f"of {of:.0f} {name}, " + ", ".join(f"{x:.0%} as {said}" for said, x in zip(classes, row, strict=True))
            for name, of, row in zip(classes, count.sum(1), share, strict=True)
            if of
        )
        figure = draw_confusion(count, classes, model.name, model.look, survey)
        pictures.append(embed_drawing(figure, f"confusion matrix of {model.name}: {told}"))
    return pictures


def rocs(models: Sequence[Compared], classes: Sequence[str], survey: str, missing: list[str]) -> list[Picture]:
    """Return the ROC of each class that can be ranked, with all models; the others are added to `missing`, in words."""
    pictures = []
    for c, name in enumerate(classes):
        if not areas(models[0].pooled, c):
            missing.append(f"No curve of {name}: {unranked(models[0].pooled, c)}.")
        else:
            area = [float(np.mean(areas(model.pooled, c))) for model in models]
            told = ", ".join(f"{model.name} {x:.3f}" for model, x in zip(models, area, strict=True))
            numbers = tuple((number, f"{x:.3f}") for number, x in enumerate(area))
            says = f"ROC of {name} against the rest; area under the curve: {told}"
            pictures.append(embed_drawing(draw_roc(models, {c: name}, survey), says, "area under the curve", numbers))
    return pictures


def reliabilities(models: Sequence[Compared], survey: str) -> list[Picture]:
    """Return the reliability of each model."""
    pictures = []
    for model in models:
        error = f"expected calibration error {np.mean(calibration_errors(model.pooled)):.3f}"
        says = f"accuracy of {model.name} against its confidence; {error}"
        pictures.append(embed_drawing(draw_reliability(model, survey), says, error))
    return pictures


def learning_curves(
    collection: Collection, looks: Mapping[str, Style], survey: str, missing: list[str]
) -> list[Picture]:
    """Return the learning curves of each model; what has none is added to `missing`, in words."""
    pictures = []
    for name, runs in collection.runs.items():
        tables = []
        for run in runs.values():
            try:
                rows = RunFolder(run.folder).open_metrics().rows
            except UsageError as error:
                rows = {}
                missing.append(f"{RunFolder(run.folder).title}: {error.found}")
            tables += [rows] if rows else []
        figure = draw_learning_curves(tables, name, looks[name], survey, PROJECTED**-0.5)
        if figure is None:
            missing.append(f"{name}: it has left no {RunFolder(run.folder).metrics.name}")
        else:
            says = f"learning curves of {name}, the mean of {pluralize(len(tables), 'training')} and each of them"
            pictures.append(embed_drawing(figure, says))
    return pictures


def recalls(
    models: Sequence[Compared], classes: Sequence[str], opened: Survey, survey: str, missing: dict[str, str]
) -> dict[str, list[Picture]]:
    """Return, by quantity, the recall of each class against it, with all models; `missing` names classes without."""
    position = np.array([opened.position(str(id_)) for id_ in models[0].pooled.ids], dtype=np.int64)
    found: dict[str, list[Picture]] = {}
    for quantity, x in quantities_of(opened, position).items():
        few = []
        for c, name in enumerate(classes):
            if (figure := draw_recall(models, {c: name}, {quantity: x}, survey)) is None:
                few.append(f"{name} ({pluralize(int(np.isfinite(x[models[0].pooled.label == c]).sum()), 'object')})")
            else:
                says = f"recall of {name} against {quantity}, a line for each of the models"
                found.setdefault(quantity, []).append(embed_drawing(figure, says))
        if few:
            missing[quantity] = f"No panel, with fewer than {LEAST_OBJECTS} objects of known value: {', '.join(few)}."
    return found


def film_strips(opened: Survey, ids: Sequence[str]) -> Mapping[str, Picture]:
    """Return the film strip of each object, by id."""
    return {
        id_: embed_photograph(draw_film_strip(opened[id_], opened.header), f"stamps and light curve of object {id_}")
        for id_ in ids
    }
