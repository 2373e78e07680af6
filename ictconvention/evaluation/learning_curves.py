"""The course of training: loss, scores and spread of the projections after each training epoch of each stage."""

from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ictconvention.evaluation.figures import COLOURS

SPREAD = "spread of the projections"
PANELS = {  # by panel, the ends of metric names and what they are called
    "loss": {
        "train/loss": "training",
        "val/loss_ce": "validation, cross-entropy",
        "val/loss_balanced": "validation, balanced",
    },
    "validation scores": {
        "val/balanced_accuracy": "balanced accuracy",
        "val/f1_macro": "macro F1",
        "val/accuracy": "accuracy",
    },
    "recall in validation": {},  # those of the classes
    SPREAD: {"val/collapse/spread": "per dimension"},
}
STAGES = ("pretrain", "finetune")


@rc_context({"text.parse_math": False})  # a name may hold a dollar
def draw_learning_curves(
    rows: Mapping[tuple[str, int], Mapping[str, str | float]], title: str, healthy: float | None = None
) -> Figure | None:
    """Draw what `metrics.csv` holds, the stages side by side.

    Parameters
    ----------
    rows : mapping
        Of (stage, training epoch) to metrics by name.
    title : str
        Names the survey, and says whether it is simulated.
    healthy : float, optional
        Spread of projections that cover the whole sphere.

    Returns
    -------
    Figure or None
        None where no stage has a row.
    """
    stages = [stage for stage in STAGES if any(key[0] == stage for key in rows)]
    if not stages:
        return None
    names = dict.fromkeys(name.removeprefix(f"{stage}/") for (stage, _), row in rows.items() for name in row)
    recalls = {name: name.removeprefix("val/recall/") for name in names if name.startswith("val/recall/")}
    panels = {panel: lines or recalls for panel, lines in PANELS.items() if names.keys() & (lines or recalls).keys()}
    figure = Figure(figsize=(4.6 * len(stages), 2.3 * len(panels)), dpi=120, layout="constrained")
    grid = figure.subplots(len(panels), len(stages), squeeze=False, sharex="col", sharey="row")
    for column, stage in enumerate(stages):
        for row, (panel, lines) in enumerate(panels.items()):
            axes: Axes = grid[row][column]
            for number, (end, said) in enumerate(lines.items()):
                metric = f"{stage}/{end}"
                points = [
                    (epoch, float(values[metric]))
                    for (s, epoch), values in sorted(rows.items())
                    if s == stage and metric in values
                ]
                if points:
                    axes.plot(
                        *zip(*points, strict=True), "o-", ms=3, lw=1, color=COLOURS[number % len(COLOURS)], label=said
                    )
            if column == 0:
                axes.set_ylabel(panel, fontsize=8)
            if panel == SPREAD and healthy is not None:
                axes.axhline(healthy, color="0.75", lw=1, ls="--", label="a whole sphere")
                axes.set_ylim(0, 1.15 * healthy)
            if axes.lines and column == len(stages) - 1:
                axes.legend(fontsize=7)
            axes.set_xlim(0.5, max(epoch for s, epoch in rows if s == stage) + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.tick_params(labelsize=7)
        grid[0][column].set_title({"pretrain": "pre-training", "finetune": "fine-tuning"}[stage], fontsize=9)
        grid[-1][column].set_xlabel("training epoch", fontsize=8)
    figure.suptitle(title, fontsize=9)
    return figure
