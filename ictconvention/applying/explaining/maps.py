"""What in its pictures or frames made a network decide as it did: Grad-CAM (Selvaraju et al. 2017), by captum.

A map is the sum of the channels of the network's last map, each times its mean gradient of the class's logit, and zero
where that is below zero. It says where the network looked, and not whether it was right to.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.applying.seen_objects import name_parts
from ictconvention.core.errors import UsageError, did_you_mean
from ictconvention.drawing.applied.explained_page import ExplainedObject, Panel
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.networks.network import Network
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.split import classes_of
from ictconvention.survey.survey import Survey

MOST_MAPS = 4  # of an object that are shown: those with the largest sums
OF_CLASS = 2  # objects of a class, where none is named
PARTS = ("test", "extra test", "", "validation", "seen", "training")  # in the order in which they are chosen from


def check_explain(run: TrainedRun) -> Network:
    """Return the network of a run that has a map.

    Raises
    ------
    UsageError
        It has none, what was learned are no classes, or captum is not installed.
    """
    trunk = next(iter(run.learner.trunks.values()))
    if trunk.map_layer is None:
        found = f"model.kind {run.options.model.kind} has no map of places, so that nothing can be drawn"
        fix = "take a run of a network that sees stamps through convolutions; or give yours a map_layer"
        raise UsageError(found, run.folder, fix, "E-EXPLAIN-NETWORK")
    if run.options.task.kind != "classes":
        found = f"this run has learned {run.options.task.kind}, and a map is that of a class"
        raise UsageError(found, run.folder, "take a run with task=classes", "E-RUN-TASK")
    if find_spec("captum") is None:
        fix = "install the extra: pip install -c constraints.txt '.[explain]'"
        raise UsageError("the package captum is not installed", "explain", fix, "E-PACKAGE-MISSING")
    return trunk


def explain_objects(
    run: TrainedRun, survey: Survey, ids: Sequence[str] = (), of_class: str | None = None
) -> list[ExplainedObject]:
    """Return the maps of some objects.

    Parameters
    ----------
    run : TrainedRun
        A finished run, of any network with a map.
    survey : Survey
        Where the objects are.
    ids : sequence of str
        Which; without any, the first two of each class: of the test part, where it has some, then of what the run has
        not seen, and only then of what it has trained on.
    of_class : str, optional
        The class whose logit is explained; by default the one that is predicted of each.

    Raises
    ------
    UsageError
        The network has no map, the survey does not fit it, or it does not know the class.
    SurveyError
        An object is not in the survey, or has a frame without a finite pixel.
    """
    trunk, names = check_explain(run), list(run.spec.classes)
    check_survey_fits(run, survey)
    if of_class is not None and of_class not in names:
        found = f"the network knows no class {of_class!r}{did_you_mean(of_class, names)}"
        raise UsageError(found, "--class", f"take one of {', '.join(names)}", "E-CLASS-UNKNOWN")
    label = list(classes_of(survey.object_table()).values())
    parts = name_parts(run, survey)
    positions = [survey.position(id_) for id_ in ids] if ids else choose_objects(label, parts)
    read = (run.options.sequence, run.spec.contents, places_of_bands(run, survey))
    stream = SurveyDataset(survey, *read, reddening=run.spec.reddening)
    explained = []
    for position in positions:
        (batch,) = stream[[position]]
        maps, logits, number = explain_batch(run, trunk, batch, None if of_class is None else names.index(of_class))
        probability = run.row(logits.numpy())[0]
        panels = _panels(batch, maps, map_of_each(batch, trunk.frames_per_map), run.spec.bands)
        id_ = str(survey.ids[position])
        about = (id_, label[position], names, probability, names[number], panels, parts[position])
        explained.append(ExplainedObject(*about))
    return explained


def explain_batch(
    run: TrainedRun, trunk: Network, batch: SeriesBatch, of_class: int | None = None
) -> tuple[Tensor, Tensor, int]:
    """Return the maps (n, H, W) of a batch of one object, its logits (1, classes), and the class they are of.

    Without `of_class` that is the one that the run predicts.
    """
    arguments = run.learner.inputs(batch)
    predictor = run.learner.predictor.eval()
    with torch.no_grad():
        logits = predictor(*arguments).float()
    number = int(run.row(logits.numpy())[0].argmax()) if of_class is None else of_class
    layer = trunk.map_layer
    assert layer is not None  # for the types: see check_explain
    coarse = grad_cam(predictor, layer, arguments, number)
    if coarse[0].numel() == 1:
        kind, size = run.options.model.kind, run.spec.stamp_size
        found = (
            f"the last map of model.kind {kind} has a single cell for {size} x {size} pixels, and tells no places apart"
        )
        fix = "take a run on larger pictures, or of cnn1 or cnn2"
        raise UsageError(found, run.folder, fix, "E-EXPLAIN-NETWORK")
    return spread_map(coarse, run.spec.stamp_size, trunk.map_grid), logits, number


def grad_cam(network: nn.Module, layer: nn.Module, arguments: Sequence[Tensor], of_class: int) -> Tensor:
    """Return the maps (n, h, w) of a class, at the places of a layer's output (n, channels, h, w)."""
    from captum.attr import LayerGradCam

    first, *others = arguments
    first = first.detach().requires_grad_()
    found: Tensor = LayerGradCam(network, layer).attribute(
        first, target=of_class, additional_forward_args=tuple(others) or None, relu_attributions=True
    )
    return found.detach().squeeze(1)


def spread_map(coarse: Tensor, size: int, grid: tuple[float, float] | None) -> Tensor:
    """Return maps (n, h, w) over the pixels of stamps (n, size, size), bilinear between the centres of their cells.

    Where no cell lies, half a cell beyond the outer ones, a map is zero; a margin narrower than a cell is theirs.

    Parameters
    ----------
    coarse : tensor (n, h, w)
        The maps of a layer.
    size : int
        Pixels along a side of a stamp.
    grid : pair of float, optional
        The pixel that the centre of the first cell lies on, and the pixels from one cell to the next; None: the cells
        share out the stamp.
    """
    cells = coarse.shape[1]
    first, step = grid if grid is not None else ((size / cells - 1) / 2, size / cells)
    cell = (torch.arange(size) - first) / step
    place = 2 * cell / max(cells - 1, 1) - 1
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    places = torch.stack([columns, rows], dim=-1).expand(len(coarse), -1, -1, -1)
    spread = F.grid_sample(coarse[:, None], places, padding_mode="border", align_corners=True).squeeze(1)
    low, high = (-0.5 if cell[0] <= -1 else cell[0]), (cells - 0.5 if cell[-1] >= cells else cell[-1])
    within = (cell >= low) & (cell <= high)
    return spread * (within[:, None] & within)


def map_of_each(batch: SeriesBatch, frames_per_map: int | Literal["night"] | None) -> NDArray[np.int64]:
    """Return which map each frame of a batch of one object has part in, (F,)."""
    if frames_per_map is None:
        return np.zeros(len(batch.band), dtype=np.int64)
    return batch.night.numpy() if frames_per_map == "night" else np.arange(len(batch.band)) // frames_per_map


def _panels(batch: SeriesBatch, maps: Tensor, own: NDArray[np.int64], bands: tuple[str, ...]) -> list[Panel]:
    """Return the stamps of each map, side by side: all of an object, or those of the maps with the largest sums."""
    assert batch.frames is not None  # for the types: a network with a map reads stamps
    frames, band = batch.frames.numpy(), batch.band.numpy()
    chosen = maps[: own[-1] + 1].sum((1, 2)).argsort(descending=True)[:MOST_MAPS].sort().values.tolist()
    shown = [
        (n, here[np.argsort(band[here], kind="stable")] if own[-1] == 0 else here)
        for n in chosen
        for here in (np.flatnonzero(own == n),)
    ]
    return [
        Panel(frames[here], [bands[b] for b in band[here]], maps[number].numpy(), float(batch.time[here[0]]))
        for number, here in shown
    ]


def choose_objects(label: Sequence[str | None], parts: Sequence[str], most: int = OF_CLASS) -> list[int]:
    """Return the first objects of each class, those of a part that comes first in `PARTS` before others."""
    of_each = {
        name: sorted((i for i, own in enumerate(label) if own == name), key=lambda i: PARTS.index(parts[i]))[:most]
        for name in dict.fromkeys(label)
    }
    return sorted(i for chosen in of_each.values() for i in chosen)
