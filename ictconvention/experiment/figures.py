"""The pictures that a run leaves in `figures/`; each says where its survey is simulated."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ictconvention.data.datamodule import SeriesDataModule
from ictconvention.data.dataset import Draw
from ictconvention.data.view_strip import draw_views
from ictconvention.evaluation.figures import draw_confusion, draw_reliability, draw_roc
from ictconvention.evaluation.learning_curves import draw_learning_curves
from ictconvention.evaluation.recall_figure import draw_recall
from ictconvention.experiment.quantities import quantities_of
from ictconvention.experiment.status import MetricsTable
from ictconvention.experiment.testing import Tested
from ictconvention.figure_file import save_figure
from ictconvention.models.heads import PROJECTED


def draw_figures(
    folder: Path, parts: Mapping[str, Tested], data: SeriesDataModule, metrics: MetricsTable
) -> dict[str, Path]:
    """Draw and save the figures of a run.

    Parameters
    ----------
    folder : Path
        Of the run; they go into its folder `figures`.
    parts : mapping of str to Tested
        The predictions of each part.
    data : SeriesDataModule
        Of the last stage.
    metrics : MetricsTable
        Of the run.

    Returns
    -------
    dict of str to Path
        The files, by name.
    """
    (folder / "figures").mkdir(exist_ok=True)
    survey, header = data.survey, data.survey.header
    name = header.name + (" (simulated)" if header.simulated else "")
    run = f"{folder.parent.name} {folder.name}"
    figures: dict[str, Figure | None] = {}
    for part, found in parts.items():
        end = part.removeprefix("test").removesuffix("_test")
        end = f"_{end}" if end else ""
        title, uniform = (
            f"{name}, {part.replace('_', ' ')} part\n{run}, at {shares} class shares"
            for shares in ("the survey's", "equal")
        )
        figures[f"confusion{end}"] = draw_confusion(found.likely, found.label, header.classes, title)
        figures[f"confusion{end}_uniform"] = draw_confusion(found.uniform, found.label, header.classes, uniform)
        figures[f"roc{end}"] = draw_roc(found.likely, found.label, header.classes, title)
        figures[f"reliability{end}"] = draw_reliability(found.likely, found.label, title)
        quantities = quantities_of(survey, found.position)
        figures[f"recall{end}_uniform"] = draw_recall(found.uniform, found.label, header.classes, quantities, uniform)
    figures["learning_curves"] = draw_learning_curves(metrics.rows, f"{name}\n{run}", PROJECTED**-0.5)
    for number, position in enumerate(_examples(data) if data.contents != "photometry" else []):
        series = survey[position]
        views = [seen.view for seen in data.training.views_of(Draw(position))]
        end = _plain(header.classes[data.training.labels[position]])
        end = end if f"views_{end}" not in figures else f"{end}_{number}"
        figures[f"views_{end}"] = draw_views(series, views, header)
    saved = {}
    for name, figure in figures.items():
        if figure is not None:
            saved[name] = folder / "figures" / f"{name}.png"
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
