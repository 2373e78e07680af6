"""What a page shows of runs that learned masks: the KL over training epochs, and chips beside their masks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.fitting_survey import places_of_bands
from ictconvention.core.errors import IctConventionError, UsageError
from ictconvention.drawing.embedded_figure import embed_drawing, embed_photograph
from ictconvention.drawing.masks.chips import choose_chips, draw_chips
from ictconvention.drawing.masks.course import draw_divergence_course
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import Style
from ictconvention.evaluation.masks.kl import divergences
from ictconvention.evaluation.predictions import Key
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.collection import Collection
from ictconvention.runs.finished_run import FinishedRun
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task_figures import Section
from ictconvention.training.masks.estimate import estimate_masks
from ictconvention.training.masks.figures import gives_masks, show_chips

COURSE = (
    "The divergence of the shares in validation after each training epoch, the median of the trainings of a model and "
    "each of them. How far a line jumps from one training epoch to the next says how unstable training is."
)
CHIPS = (
    "The test pictures whose shares all models together miss least, as most, and most, beside the known mask and that "
    "of each model, by its first training that tests the picture, with the divergence of the mean over its seeds. The "
    "networks ran for this page."
)
MOST = 5  # models beside each other


def mask_sections(
    collection: Collection, models: Sequence[Compared], looks: Mapping[str, Style], opened: Survey | None, survey: str
) -> list[Section]:
    """Return the sections of runs that learned masks; none of others.

    Parameters
    ----------
    collection : Collection
        The finished runs by model.
    models : sequence of Compared
        What they predict of the test part.
    looks : mapping of str to Style
        By the name of the model.
    opened : Survey, optional
        Their survey, where it can be read: without it there are no chips.
    survey : str
        Names it, and says whether it is simulated.
    """
    if not collection.first.task.learns_masks:
        return []
    tables = {
        name: [rows for run in runs.values() if (rows := _rows(run.folder))] for name, runs in collection.runs.items()
    }
    course = draw_divergence_course(tables, looks, survey)
    says = "divergence of the shares in validation over the training epochs, a line for each model"
    pictures = {"": [] if course is None else [embed_drawing(course, says)]}
    empty = "No run has left its metrics."
    sections = [Section("course", "KL over training epochs", COURSE, pictures, legend=True, empty=empty)]
    return sections if opened is None else [*sections, *_chips(collection, models, opened, survey)]


def _rows(folder: Path) -> Mapping[tuple[str, int], Mapping[str, str | float]]:
    """Return the metrics of a run; empty where they are lost."""
    try:
        return RunFolder(folder).open_metrics().rows
    except UsageError:
        return {}


def _chips(collection: Collection, models: Sequence[Compared], opened: Survey, survey: str) -> list[Section]:
    """Return the section of chips beside their masks, by the networks of the first models that give masks."""
    pooled = {model.name: model.pooled for model in models if model.name in collection.runs}
    first = next(iter(pooled.values()))
    known = np.asarray(first.label, dtype=np.float64)
    each = {name: divergences(known, of.at("row").mean(0)) for name, of in pooled.items()}
    chosen = choose_chips(np.mean(list(each.values()), axis=0))
    if not chosen:
        return []
    numbers = list(chosen.values())
    places = opened.positions(first.ids[numbers].tolist()).tolist()
    masks: dict[str, NDArray[np.uint8]] = {}
    missing = []
    for name, runs in collection.runs.items():
        if len(masks) == MOST:
            missing.append(f"{name} is left out for want of room.")
            continue
        try:
            found = _estimates(runs, opened, first.ids[numbers].tolist())
        except IctConventionError as error:
            missing.append(f"{name}: {error.found}")
            continue
        if found is None:
            missing.append(f"{name} gives shares alone, and no mask.")
        else:
            masks[name] = found
    if not masks:
        return []
    kl = {name: each[name][numbers] for name in masks}
    chips = show_chips(opened, places, list(chosen), masks, kl)
    figure = draw_chips(chips, opened.header.bands, collection.first.task.names, survey)
    said = "; ".join(f"{chip.why} {chip.id}" for chip in chips)
    picture = embed_photograph(figure, f"pictures, known and estimated masks: {said}")
    return [Section("chips", "Pictures and masks", CHIPS, {"": [picture]}, remarks=missing)]


def _estimates(runs: Mapping[Key, FinishedRun], opened: Survey, ids: Sequence[str]) -> NDArray[np.uint8] | None:
    """Return the masks (n, H, W) of test pictures, each by the first run that tests it; None of a model without masks.

    Other runs may have trained on a picture.
    """
    testers = [next(key for key, run in runs.items() if id_ in run.predictions.ids) for id_ in ids]
    trained = {key: read_trained(runs[key].folder) for key in dict.fromkeys(testers)}
    masks = []
    for key, place in zip(testers, opened.positions(ids).tolist(), strict=True):
        run = trained[key]
        if not gives_masks(run.learner):
            return None
        stream = SurveyDataset(opened, run.options.sequence, run.spec.contents, places_of_bands(run, opened))
        masks.append(estimate_masks(run.learner, [stream[[place]]], run.precision))
    return np.concatenate(masks)
