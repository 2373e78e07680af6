"""Chips beside their masks: the best, median and worst of a run's test part, and some of validation while it trains."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.masks.chips import ShownChip, choose_chips, draw_chips
from ictconvention.evaluation.masks.kl import divergences
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.survey import Survey
from ictconvention.training.masks.estimate import estimate_in_training, estimate_some

FEW = 3  # chips of validation that are shown while a run trains


def show_chips(
    survey: Survey,
    positions: Sequence[int],
    whys: Sequence[str],
    estimated: Mapping[str, NDArray[np.uint8]],
    divergence: Mapping[str, NDArray[np.floating]],
) -> list[ShownChip]:
    """Return chips of a survey as they are drawn, with the masks (n, H, W) and divergences (n,) of each model."""
    chips = []
    for number, (position, why) in enumerate(zip(positions, whys, strict=True)):
        series = survey[int(position)]
        frames = np.full((len(survey.header.bands), *series.frames.shape[1:]), np.nan, dtype=np.float32)
        frames[series.band] = series.frames
        known = survey.read_masks([int(position)])[0]
        masks = {name: found[number] for name, found in estimated.items()}
        kl = {name: float(found[number]) for name, found in divergence.items()}
        chips.append(ShownChip(series.id, why, frames, known, masks, kl))
    return chips


def draw_tested_chips(
    folder: RunFolder, learner: Learner, parts: dict[str, Predictions], data: SeriesDataModule, precision: Precision
) -> dict[str, Path]:
    """Draw and save the best, median and worst chip of each tested part by the divergence of its shares.

    Returns the files by name; none of a run that gives no masks.
    """
    if not gives_masks(learner):
        return {}
    saved: dict[str, Path] = {}
    survey, run = data.survey, f"{folder.path.parent.name} {folder.path.name}"
    folder.figures.mkdir(exist_ok=True)
    for part, found in parts.items():
        each = divergences(np.asarray(found.label, dtype=np.float64), found.at("row"))
        if not (chosen := choose_chips(each)):
            continue
        places = survey.positions(found.ids[list(chosen.values())].tolist()).tolist()
        masks = {"": estimate_some(learner, data, places, precision)}
        chips = show_chips(survey, places, list(chosen), masks, {"": each[list(chosen.values())]})
        full = survey.header.full_name
        end = part.removeprefix("test").removesuffix("_test")
        name = f"chips_{end}" if end else "chips"
        title = f"{full}, {part.replace('_', ' ')} part: best, median and worst"
        figure = draw_chips(chips, survey.header.bands, learner.task.names, full, title, run)
        saved[name] = folder.figure(name)
        save_figure(figure, saved[name], record=True)
    return saved


def draw_validation_chips(learner: Learner, data: SeriesDataModule, precision: Precision) -> Figure | None:
    """Return some chips of the validation part beside their masks, the same at each call; None where none is known.

    They are those with the most classes.
    """
    if not gives_masks(learner) or data.pixels is None:
        return None
    positions = data.positions(data.validation_part)
    classes = (data.pixels[positions] > 0).sum(1)
    chosen = positions[np.argsort(-classes, kind="stable")[: min(FEW, int((classes > 0).sum()))]].tolist()
    if not chosen:
        return None
    masks = {"": estimate_in_training(learner, data, chosen, precision)}
    chips = show_chips(data.survey, chosen, ["validation"] * len(chosen), masks, {})
    return draw_chips(chips, data.survey.header.bands, learner.task.names, data.survey.header.full_name)


def gives_masks(learner: Learner) -> bool:
    """Return whether a learner gives masks, and not shares alone."""
    return learner.task.learns_masks and getattr(learner.task, "pixels", True)
