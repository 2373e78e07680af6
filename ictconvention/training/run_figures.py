"""The pictures that a run leaves in `figures/`; each says where its survey is simulated."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.figures import (
    Compared,
    calibration_errors,
    draw_confusion,
    draw_recall,
    draw_reliability,
    draw_roc,
    mean_confusion,
)
from ictconvention.drawing.learning_curves import draw_learning_curves
from ictconvention.drawing.style import add_title, style_of
from ictconvention.drawing.view_strip import draw_views
from ictconvention.evaluation.quantities import quantities_of
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.networks.heads import PROJECTED
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import MetricsTable
from ictconvention.training.evaluate import PartPredictions


def draw_figures(
    folder: RunFolder, parts: Mapping[str, PartPredictions], data: SeriesDataModule, metrics: MetricsTable
) -> dict[str, Path]:
    """Draw and save the figures of a run.

    Parameters
    ----------
    folder : RunFolder
        Folder of the run.
    parts : mapping of str to PartPredictions
        The predictions of each part.
    data : SeriesDataModule
        Data of the last stage.
    metrics : MetricsTable
        Metrics of the run.

    Returns
    -------
    dict of str to Path
        The files, by name.
    """
    folder.figures.mkdir(exist_ok=True)
    survey, header = data.survey, data.survey.header
    name, run = header.full_name, f"{folder.path.parent.name} {folder.path.name}"
    classes = dict(enumerate(header.classes))
    figures: dict[str, Figure] = {}
    for part, found in parts.items():
        end = part.removeprefix("test").removesuffix("_test")
        end = f"_{end}" if end else ""
        likely, uniform = (
            f"{name}, {part.replace('_', ' ')} part\n{run}, at {shares} class shares"
            for shares in ("the survey's", "equal")
        )
        pooled = found.pooled
        for shares, title in {"likely": likely, "uniform": uniform}.items():
            figure = draw_confusion(mean_confusion(pooled, shares), header.classes, "", style_of(0), name)
            figures[f"confusion{end}" + ("_uniform" if shares == "uniform" else "")] = add_title(figure, title)
        (error,) = calibration_errors(pooled)
        model = Compared(f"expected calibration error {error:.3f}", style_of(0), pooled)
        figures[f"roc{end}"] = add_title(draw_roc([model], classes, name), likely)
        figures[f"reliability{end}"] = add_title(draw_reliability(model, name), likely)
        if (recall := draw_recall([model], classes, quantities_of(survey, found.position), name)) is not None:
            figures[f"recall{end}_uniform"] = add_title(recall, uniform)
    if (curves := draw_learning_curves([metrics.rows], "", None, name, PROJECTED**-0.5)) is not None:
        figures["learning_curves"] = add_title(curves, f"{name}\n{run}")
    for number, position in enumerate(_examples(data) if data.contents != "photometry" else []):
        series = survey[position]
        views = [seen.view for seen in data.training.views_of(SampleKey(position))]
        end = _plain(header.classes[data.training.labels[position]])
        end = end if f"views_{end}" not in figures else f"{end}_{number}"
        figures[f"views_{end}"] = draw_views(series, views, header)
    saved = {}
    for name, figure in figures.items():
        saved[name] = folder.figure(name)
        save_figure(figure, saved[name], record=True)
    return saved


def _examples(data: SeriesDataModule) -> list[int]:
    """Return a training object of each class that is about as long as a sequence may be."""
    positions = data.positions(f"{data.stage}_train")
    labels, lengths = data.training.labels[positions], data.survey.lengths[positions]
    return [
        int(positions[here[np.abs(lengths[here] - data.sequence.max_frames).argmin()]])
        for here in (np.flatnonzero(labels == c) for c in range(len(data.survey.header.classes)))
        if len(here)
    ]


def _plain(name: str) -> str:
    """Return a class's name as a file may carry it."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "class"
