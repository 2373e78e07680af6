"""One picture of the results: balanced accuracy against the days since the first detection, a panel for each row."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from experiments.frame_transformer.study_tables import EqualShares
from experiments.photometry.jobs import ARMS, Job
from experiments.photometry.results import DAYS, Result
from experiments.photometry.tables import FRAMES, ROWS, arms_of, named, pooled
from ictconvention.drawing.style import style_of
from ictconvention.evaluation.significance import intervals

SCORE = "balanced_accuracy"
APART = 0.07  # of arms along the axis, in steps of it


def draw_results(results: Mapping[Job, Result]) -> Figure:
    """Return the picture of all rows that have frames alone and another arm; bars are 95 % intervals."""
    first = next(iter(results.values()))
    measures = EqualShares(first.record["classes"])
    (measure,) = [one for one in measures.compared if one.name.startswith(SCORE)]
    rows = {row: arms for row in ROWS if len(arms := arms_of(results, row)) > 1}
    figure = Figure(figsize=(3.4 * len(rows) + 0.4, 3.6), layout="constrained")
    panels = figure.subplots(1, max(len(rows), 1), sharey=True, squeeze=False)[0][: len(rows)]
    for axes, (row, arms) in zip(panels, rows.items(), strict=True):
        for place, arm in enumerate(arms):
            group = arms[FRAMES][0].group
            found = [intervals(pooled(arms[arm], days), group, measures)[measure.name] for days in DAYS]
            value, low, high = measure.scale * np.array(found).T
            style = style_of(list(ARMS).index(arm))
            days = np.arange(len(DAYS)) + APART * (place - (len(arms) - 1) / 2)
            bars = {"yerr": [value - low, high - value], "capsize": 2, "markersize": 4, "lw": 1.3}
            axes.errorbar(days, value, **bars, **style.drawn, marker=style.marker, label=ARMS[arm].title)
        axes.set_xticks(range(len(DAYS)), DAYS)
        axes.set_xlabel("days since the first detection")
        axes.set_title(named(row, arms), fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="upper left")  # of its own: rows may lack an arm
    if len(panels):
        panels[0].set_ylabel(f"{measure.title} [%]")
    figure.suptitle(f"{first.record['title']}, {len(first.ids)} extra test objects; bars: 95 % intervals", fontsize=10)
    return figure
