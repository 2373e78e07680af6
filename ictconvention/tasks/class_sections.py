"""What a page that compares runs shows of predicted classes, each picture with words for those who do not see it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ictconvention.core.errors import pluralize
from ictconvention.drawing.class_reliability import draw_class_reliability, mean_class_errors
from ictconvention.drawing.embedded_figure import Picture, embed_drawing
from ictconvention.drawing.figures import (
    LEAST_OBJECTS,
    MOST_BARS,
    areas,
    calibration_errors,
    draw_confusion,
    draw_recall,
    draw_reliability,
    draw_roc,
    mean_confusion,
    unranked,
)
from ictconvention.drawing.panels import Compared
from ictconvention.evaluation.predictions import Pooled, Predictions
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.quantities import quantities_of
from ictconvention.survey.survey import Survey
from ictconvention.tasks.class_figures import draw_class_figures
from ictconvention.tasks.class_measures import HEADINGS
from ictconvention.tasks.task_figures import Said, Section, ShownObject, TaskFigures, WorstObjects
from ictconvention.tasks.worst_objects import worst_objects

CONFUSION = (
    "Over all folds, the mean over the seeds. A row is a label: of its objects, the share and the number that are "
    "predicted as each class."
)
ROC = (
    "Each class against the rest, the mean over folds and seeds (folds are calibrated apart); at the survey's class "
    "shares. Where curves coincide, the wider one shows at the sides of the next, and each has its marks at places of "
    "its own."
)
RELIABILITY = (
    "How often a model is right when it says how sure it is; on the dashed line it is right as often as it says. At "
    "the survey's class shares, over all folds and seeds. Bars are 68\u00a0% intervals of one seed."
)
CLASS_RELIABILITY = (
    "How often an object is of a class that gets so much probability, whatever is predicted: on the dashed line as "
    "often as the model says. A rare class that is not honest shows here, and not above. At the survey's class shares, "
    "over all folds and seeds. Bars are 68\u00a0% intervals of one seed."
)
RECALL = (
    "At equal class shares, over all folds, the mean over the seeds. A point is a bin of about equal numbers of "
    "objects, those of the models side by side"
)
WORST = (
    "The test objects whose label all models together believe least: the least probability of the label at equal class "
    "shares, the mean over models and seeds; the worst of each class first. What is wrong here may be the label."
)


class ClassFigures(TaskFigures):
    """What classes show."""

    against = "recall against magnitude, redshift or host separation"

    def draw(self, part: str, found: Predictions, survey: Survey, run: str) -> dict[str, Figure]:
        """Return confusion matrices, ROC, reliability and recalls."""
        return draw_class_figures(part, found, survey, run)

    def of_models(self, models: Sequence[Compared], survey: str) -> list[Section]:
        """Return confusion matrices, ROC and reliability."""
        confusion = {said: _confusions(models, self.names, shares, survey) for shares, said in HEADINGS.items()}
        none = "No class can be ranked against another."
        rocs, unranked_classes = _rocs(models, self.names, survey)
        return [
            Section("confusion", "Confusion matrices", CONFUSION, confusion),
            Section("roc", "ROC", ROC, {"": rocs}, legend=True, empty=none, remarks=unranked_classes),
            Section("reliability", "Reliability", RELIABILITY, {"": _reliabilities(models, survey)}),
            Section(
                "class-reliability",
                "Reliability of each class",
                CLASS_RELIABILITY,
                {"": _class_reliabilities(models, self.names, survey)},
            ),
        ]

    def of_objects(self, models: Sequence[Compared], opened: Survey, survey: str) -> list[Section]:
        """Return the recalls against quantities of the objects, where the survey has any."""
        recalls, few = _recalls(models, self.names, opened, survey)
        text = RECALL + ("; bars are 68\u00a0% intervals." if len(models) <= MOST_BARS else ".")
        title = "Recall by brightness, redshift and host"
        return [Section("recall", title, text, recalls, legend=True, remarks=few)] if recalls else []

    def worst(self, models: Sequence[Pooled]) -> WorstObjects:
        """Return the objects whose class the models believe least."""
        shown = []
        for one in worst_objects(models):
            guess = one.said.argmax(1)
            said = tuple(
                Said(f"{self.names[c]} {row[c]:.2f}", float(row[c]), int(c) == one.label)
                for c, row in zip(guess, one.said, strict=True)
            )
            shown.append(ShownObject(one.id, self.names[one.label], one.believed, said))
        note = "what each model says, with its probability (green: the label)"
        return WorstObjects(WORST, note, "probability of the label", tuple(shown))


def _confusions(models: Sequence[Compared], classes: Sequence[str], shares: Prior, survey: str) -> list[Picture]:
    """Return the confusion matrix of each model, over all folds."""
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


def _rocs(models: Sequence[Compared], classes: Sequence[str], survey: str) -> tuple[list[Picture], list[str]]:
    """Return the ROC of each class that can be ranked, with all models, and a line for each other class."""
    pictures, missing = [], []
    for c, name in enumerate(classes):
        if not areas(models[0].pooled, c):
            missing.append(f"No curve of {name}: {unranked(models[0].pooled, c)}.")
            continue
        area = [float(np.mean(areas(model.pooled, c))) for model in models]
        told = ", ".join(f"{model.name} {x:.3f}" for model, x in zip(models, area, strict=True))
        numbers = tuple((number, f"{x:.3f}") for number, x in enumerate(area))
        says = f"ROC of {name} against the rest; area under the curve: {told}"
        pictures.append(embed_drawing(draw_roc(models, {c: name}, survey), says, "area under the curve", numbers))
    return pictures, missing


def _reliabilities(models: Sequence[Compared], survey: str) -> list[Picture]:
    """Return the reliability of each model."""
    pictures = []
    for model in models:
        error = f"expected calibration error {np.mean(calibration_errors(model.pooled)):.3f}"
        says = f"accuracy of {model.name} against its confidence; {error}"
        pictures.append(embed_drawing(draw_reliability(model, survey), says, error))
    return pictures


def _class_reliabilities(models: Sequence[Compared], classes: Sequence[str], survey: str) -> list[Picture]:
    """Return the reliability of each model in each class."""
    pictures = []
    for model in models:
        each = zip(classes, mean_class_errors(model.pooled), strict=True)
        errors = ", ".join(f"{name} {error:.3f}" for name, error in each)
        figure = draw_class_reliability(model, dict(enumerate(classes)), survey)
        pictures.append(embed_drawing(figure, f"reliability of {model.name} by class; calibration errors: {errors}"))
    return pictures


def _recalls(
    models: Sequence[Compared], classes: Sequence[str], opened: Survey, survey: str
) -> tuple[Mapping[str, list[Picture]], list[str]]:
    """Return, by quantity, the recall of each class against it, with all models, and lines about classes without."""
    first = models[0].pooled
    position = opened.positions(first.ids.tolist())
    found: dict[str, list[Picture]] = {}
    missing = []
    for quantity, x in quantities_of(opened, position).items():
        few = []
        for c, name in enumerate(classes):
            if (figure := draw_recall(models, {c: name}, {quantity: x}, survey)) is not None:
                says = f"recall of {name} against {quantity}, a line for each of the models"
                found.setdefault(quantity, []).append(embed_drawing(figure, says))
            else:
                few.append(f"{name} ({pluralize(int(np.isfinite(x[first.label == c]).sum()), 'object')})")
        if few:
            least = f"fewer than {LEAST_OBJECTS} objects of known value"
            missing.append(f"No panel against {quantity}, with {least}: {', '.join(few)}.")
    return found, missing
