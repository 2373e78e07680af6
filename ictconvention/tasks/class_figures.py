"""The figures of predicted classes that a run leaves; each says where its survey is simulated."""

from matplotlib.figure import Figure

from ictconvention.drawing.class_reliability import draw_class_reliability
from ictconvention.drawing.figures import (
    calibration_errors,
    draw_confusion,
    draw_recall,
    draw_reliability,
    draw_roc,
    mean_confusion,
)
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import add_title, style_of
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.quantities import quantities_of
from ictconvention.survey.survey import Survey


def draw_class_figures(part: str, found: Predictions, survey: Survey, run: str) -> dict[str, Figure]:
    """Return the figures of a part by name: confusion matrices, ROC, reliability (also of each class) and recalls.

    Parameters
    ----------
    part : str
        Part of the split, such as "test".
    found : Predictions
        Predictions of its objects.
    survey : Survey
        Their survey.
    run : str
        Names the run in the titles.
    """
    header, name, pooled = survey.header, survey.header.full_name, found.pooled
    position = survey.positions(found.ids.tolist())
    classes, figures = dict(enumerate(header.classes)), {}
    end = part.removeprefix("test").removesuffix("_test")
    end = f"_{end}" if end else ""
    title = f"{name}, {part.replace('_', ' ')} part"
    likely, uniform = f"{run}, at the survey's class shares", f"{run}, at equal class shares"
    for shares, below in {Prior.SURVEY: likely, Prior.UNIFORM: uniform}.items():
        figure = draw_confusion(mean_confusion(pooled, shares), header.classes, "", style_of(0), name)
        figures[f"confusion{end}" + ("_uniform" if shares == Prior.UNIFORM else "")] = add_title(figure, title, below)
    (error,) = calibration_errors(pooled)
    model = Compared(f"expected calibration error {error:.3f}", style_of(0), pooled)
    figures[f"roc{end}"] = add_title(draw_roc([model], classes, name), title, likely)
    figures[f"reliability{end}"] = add_title(draw_reliability(model, name), title, likely)
    of_classes = draw_class_reliability(Compared("", style_of(0), pooled), classes, name)
    figures[f"reliability_classes{end}"] = add_title(of_classes, title, likely)
    if (recall := draw_recall([model], classes, quantities_of(survey, position), name)) is not None:
        figures[f"recall{end}_uniform"] = add_title(recall, title, uniform)
    return figures
