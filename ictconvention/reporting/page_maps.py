"""Where the networks of a page looked: maps over stamps of test objects that each got right and wrong."""

from collections.abc import Sequence

import numpy as np

from ictconvention.applying.explaining.maps import check_explain, explain_objects
from ictconvention.core.errors import IctConventionError
from ictconvention.drawing.applied.explained_page import draw_explained
from ictconvention.drawing.embedded_figure import Picture, embed_photograph
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior
from ictconvention.runs.collection import Collection
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey

OF_EACH = 2  # objects of a class that are right, and that are wrong
MOST = 12  # objects of a model


def network_maps(collection: Collection, opened: Survey, survey: str) -> tuple[list[Picture], list[str]]:
    """Return the maps of the first training of each model whose network has one, and in words what is missing.

    Parameters
    ----------
    collection : Collection
        The finished runs by model.
    opened : Survey
        Their survey.
    survey : str
        Names it, and says whether it is simulated.
    """
    pictures, missing = [], []
    for name, runs in collection.runs.items():
        run = next(iter(runs.values()))
        try:
            trained = read_trained(run.folder)
            check_explain(trained)
            explained = explain_objects(trained, opened, _right_and_wrong(run.predictions))
        except IctConventionError as error:
            missing += [] if error.code == "E-EXPLAIN-NETWORK" else [f"{name}: {error.found}"]
            continue
        says = f"where {name} looked, over the stamps of objects {', '.join(one.id for one in explained)}"
        pictures.append(embed_photograph(draw_explained(explained, survey, name), says))
    return pictures, missing


def _right_and_wrong(predictions: Predictions) -> Sequence[str]:
    """Return ids of test objects of each class, the first that are right and the first that are wrong."""
    predicted = predictions.at(Prior.SURVEY).argmax(1)
    chosen: list[int] = []
    for number in np.unique(predictions.label):
        for right in (True, False):
            here = (predictions.label == number) & ((predicted == number) == right)
            chosen += np.flatnonzero(here)[:OF_EACH].tolist()
    return [str(predictions.ids[i]) for i in chosen[:MOST]]
