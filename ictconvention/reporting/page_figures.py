"""The pictures of a page that serve every task, each with words for those who do not see it."""

from collections.abc import Mapping, Sequence

import numpy as np

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.drawing.embedded_figure import Picture, embed_drawing, embed_photograph
from ictconvention.drawing.figures import draw_points
from ictconvention.drawing.learning_curves import draw_learning_curves
from ictconvention.drawing.picture_page import draw_object
from ictconvention.drawing.style import Style
from ictconvention.evaluation.measures import Measure, Measures
from ictconvention.evaluation.predictions import ModelPredictions
from ictconvention.networks.heads import PROJECTED
from ictconvention.runs.collection import Collection
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import describe_kept, find_kept
from ictconvention.survey.survey import Survey


def points(
    entries: Sequence[ModelPredictions], looks: Mapping[str, Style], measures: Measures, survey: str
) -> dict[str, list[Picture]]:
    """Return the chief scores of every fold and seed by heading, a picture for each score.

    Parameters
    ----------
    entries : sequence of ModelPredictions
        The models.
    looks : mapping of str to Style
        By the name of the model.
    measures : Measures
        The scores of their task.
    survey : str
        Names the survey, and says whether it is simulated; of all functions here.
    """
    found = {
        entry.name: {key: measures.score(one.rows, one.label) for key, one in sorted(entry.predictions.items())}
        for entry in entries
    }
    pictures: dict[str, list[Picture]] = {}
    for heading, scores in measures.by_training.items():
        for measure in scores:
            values = {name: {key: _number(one, measure) for key, one in of.items()} for name, of in found.items()}
            told = "; ".join(
                f"{name} {_said(float(np.mean(list(of.values()))), measure)} "
                f"({_said(min(of.values()), measure)} to {_said(max(of.values()), measure)})"
                for name, of in values.items()
            )
            title = measure.titled + (f", {heading[0].lower()}{heading[1:]}" if heading else "")
            figure = draw_points(values, [looks[name] for name in values], title, survey)
            says = f"{measure.titled} of each fold and seed, mean and range: {told}"
            pictures.setdefault(heading, []).append(embed_drawing(figure, says))
    return pictures


def _number(scores: Mapping[str, float | None], measure: Measure) -> float:
    """Return a score as it is read."""
    value = scores[measure.name]
    return float("nan") if value is None else measure.scale * value


def _said(number: float, measure: Measure) -> str:
    return f"{number:.{measure.digits}f}"


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


def kept_epochs(collection: Collection) -> list[str]:
    """Return in a line for each model which training epochs its runs have kept; metrics that are lost say nothing."""
    lines = []
    for name, runs in collection.runs.items():
        said: dict[str, None] = {}
        for (fold, seed), run in runs.items():
            try:
                kept = find_kept(RunFolder(run.folder).open_metrics(), run.options, run.task.monitor)
            except UsageError:  # the learning curves name it
                continue
            if kept:
                said.setdefault(f"fold {fold}, seed {seed} {describe_kept(kept)}")
        lines += [f"{name}: {' · '.join(said)}"] if said else []
    return lines


def film_strips(opened: Survey, ids: Sequence[str]) -> Mapping[str, Picture]:
    """Return the film strip of each object, by id."""
    return {
        id_: embed_photograph(draw_object(opened[id_], opened.header), f"what object {id_} looks like") for id_ in ids
    }
