"""The pictures that a run leaves in `figures/`; each says where its survey is simulated."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.learning_curves import draw_learning_curves
from ictconvention.drawing.style import add_title
from ictconvention.drawing.view_strip import draw_views
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.networks.heads import PROJECTED
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import MetricsTable
from ictconvention.tasks.task import Task


def draw_figures(
    folder: RunFolder, task: Task, parts: Mapping[str, Predictions], data: SeriesDataModule, metrics: MetricsTable
) -> dict[str, Path]:
    """Draw and save the figures of a run.

    Parameters
    ----------
    folder : RunFolder
        Folder of the run.
    task : Task
        What was learned.
    parts : mapping
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
    figures: dict[str, Figure] = {}
    for part, found in parts.items():
        figures |= task.figures.draw(part, found, survey, run)
    if (curves := draw_learning_curves([metrics.rows], "", None, name, PROJECTED**-0.5)) is not None:
        figures["learning_curves"] = add_title(curves, name, run)
    for number, position in enumerate(_examples(data, task) if "direct" in data.contents else []):
        series = survey[position]
        seen = data.training.views_of(SampleKey(position))
        end = _plain(task.names[task.kinds(data.training.labels[[position]])[0]])
        end = end if f"views_{end}" not in figures else f"{end}_{number}"
        figures[f"views_{end}"] = draw_views(series, [one.view for one in seen], header, [one.frames for one in seen])
    saved = {}
    for name, figure in figures.items():
        saved[name] = folder.figure(name)
        save_figure(figure, saved[name], record=True)
    return saved


def _examples(data: SeriesDataModule, task: Task) -> list[int]:
    """Return a training object of each kind that is about as long as a sequence may be."""
    positions = data.positions(data.train_part)
    kinds, lengths = task.kinds(data.training.labels[positions]), data.survey.lengths[positions]
    return [
        int(positions[here[np.abs(lengths[here] - data.sequence.max_frames).argmin()]])
        for here in (np.flatnonzero(kinds == c) for c in range(len(task.names)))
        if len(here)
    ]


def _plain(name: str) -> str:
    """Return a class's name as a file may carry it."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "class"
