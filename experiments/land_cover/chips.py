"""The best, the median and the worst chip of the reference, with the masks that all networks estimate."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.land_cover.baselines import STAGE
from experiments.land_cover.jobs import REFERENCE
from ictconvention.configuration.schema import RunOptions
from ictconvention.drawing.figure_file import save_figure
from ictconvention.drawing.masks.chips import choose_chips, draw_chips
from ictconvention.evaluation.masks.kl import divergences
from ictconvention.evaluation.predictions import Predictions
from ictconvention.runs.assembly.run_data import load_or_draw_split, make_data
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.trained_run import read_trained
from ictconvention.training.masks.estimate import estimate_some
from ictconvention.training.masks.figures import show_chips

BELOW = "KL is of means of calibrated probabilities; a mask has the likeliest class of each pixel"


def draw_estimates(
    path: Path, runs: Mapping[str, tuple[Path, RunOptions]], found: Mapping[str, Predictions], names: Sequence[str]
) -> None:
    """Draw the picture, the known mask and the mask of every network, of three chips.

    Parameters
    ----------
    path : Path
        Path of the figure.
    runs : mapping of str to (folder, options)
        Finished runs by row, the reference among them.
    found : mapping of str to Predictions
        What the same rows predict of one part.
    names : sequence of str
        Names of the classes.
    """
    ids = found[REFERENCE].ids
    each = {row: _divergences_of(one, ids) for row, one in found.items()}
    chosen = choose_chips(each[REFERENCE])
    numbers = list(chosen.values())
    shown = ids[numbers].tolist()
    masks = {row: _estimate(folder, options, shown) for row, (folder, options) in runs.items()}
    survey = open_or_simulate(runs[REFERENCE][1])
    kl = {row: each[row][numbers] for row in runs}
    chips = show_chips(survey, survey.positions(shown).tolist(), list(chosen), masks, kl)
    title = f"{survey.header.full_name}: the {', the '.join(chosen)} chip of the {REFERENCE}, seed 0"
    save_figure(draw_chips(chips, survey.header.bands, names, survey.header.full_name, title, BELOW), path)


def _divergences_of(one: Predictions, ids: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the divergence of the predicted shares of chips (n,)."""
    each = dict(zip(one.ids.tolist(), divergences(np.asarray(one.label), one.rows["row"]), strict=True))
    return np.array([each[id_] for id_ in ids.tolist()])


def _estimate(folder: Path, options: RunOptions, ids: Sequence[str]) -> NDArray[np.uint8]:
    """Return the masks (n, H, W) that the network of a finished run estimates of some chips of its survey."""
    survey = open_or_simulate(options)
    data = make_data(options, survey, load_or_draw_split(options, survey), STAGE)
    run = read_trained(folder)
    return estimate_some(run.learner, data, survey.positions(ids).tolist(), run.precision)
