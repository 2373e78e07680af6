"""One picture for each regime, from the results alone."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.ict.arms import ARMS, ONE_VIEW
from experiments.ict.jobs import Job
from experiments.ict.pairs import Comparison, Pair, compare, of_arms
from experiments.ict.regimes import REGIMES, SATURATED
from experiments.ict.results import Result
from ictconvention.drawing.figure_file import save_figure

SHOWN = {
    "balanced_accuracy": "balanced accuracy",
    "auroc_pairs": "pairwise AUROC",
    "worst_class_recall": "worst recall",
}


def draw_results(folder: Path, results: Mapping[Job, Result]) -> None:
    """Draw the picture of each regime and survey that has one view and another form."""
    for regime, survey in product(REGIMES, sorted({job.survey for job in results})):
        arms = of_arms(results, regime, survey)
        if (figure := draw_regime(regime, arms)) is not None:
            save_figure(figure, folder / f"{REGIMES[regime].file}-survey{survey}.png")


def draw_regime(regime: str, arms: Mapping[str, Mapping[Pair, Result]]) -> Figure | None:
    """Return how far each form is from one view, with two standard errors; of the saturated regime the courses too."""
    reference = arms.get(ONE_VIEW, {})
    compared = {name: compare(arms[name], reference) for name in ARMS if name in arms and name != ONE_VIEW}
    rows = {name: found for name, found in compared.items() if found is not None}
    if not rows:
        return None
    order = sorted(rows, key=lambda name: rows[name].difference["auroc_pairs"])
    courses = regime == SATURATED
    figure = Figure(figsize=(11, 1.6 + 0.28 * len(order) + 3.2 * courses), layout="constrained")
    grid = figure.add_gridspec(1 + courses, len(SHOWN), height_ratios=[2, 1][: 1 + courses])
    for column, (score, title) in enumerate(SHOWN.items()):
        axes = figure.add_subplot(grid[0, column])
        _differences(axes, {name: rows[name] for name in order}, score)
        axes.set_xlabel(f"{title}, points")
        if column:
            axes.set_yticklabels([])
    one = next(iter(reference.values()))
    said = f"{regime}: form minus one view at equal cost; {one.record['title']}, {len(one.ids)} objects"
    bars = "bars: two standard errors; of one pair those of the objects alone, and only of balanced accuracy"
    figure.suptitle(f"{said}\n{bars}", fontsize=10)
    if courses:
        _courses(figure.add_subplot(grid[1, :]), arms)
    return figure


def _differences(axes: Axes, rows: Mapping[str, Comparison], score: str) -> None:
    values = np.array([found.difference[score] for found in rows.values()])
    errors = np.nan_to_num([2 * found.error[score] for found in rows.values()])
    place = np.arange(len(rows))
    axes.errorbar(values, place, xerr=errors, fmt="o", color="#0072b2", markersize=4, capsize=2)
    axes.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    labels = [name + (" (given up)" if found.is_given_up else "") for name, found in rows.items()]
    axes.set_yticks(place, labels, fontsize=8)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _courses(axes: Axes, arms: Mapping[str, Mapping[Pair, Result]]) -> None:
    """Draw the validation loss of each form over the training epochs of both stages, as a mean over pairs."""
    for number, (name, of) in enumerate((name, arms[name]) for name in ARMS if name in arms):
        curves = [
            [y for key, values in r.record["course"].items() if "loss" in key for y in values] for r in of.values()
        ]
        length = min(map(len, curves))
        if length:
            mean = np.mean([curve[:length] for curve in curves], axis=0)
            axes.plot(np.linspace(0, 1, length), mean, color=f"C{number % 10}", label=name, linewidth=1.2)
    axes.set(xlabel="share of the training epochs of both stages", ylabel="validation loss, balanced [nat]")
    axes.legend(fontsize=7, ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
