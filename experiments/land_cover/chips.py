"""The best, the median and the worst chip of the reference, with the masks that all networks estimate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.land_cover.baselines import STAGE
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.masks.kl import divergences, normalised
from ictconvention.evaluation.predictions import Predictions

RED, GREEN, BLUE = "R", "G", "B"  # bands that are shown


@dataclass(frozen=True, eq=False)
class Shown:
    """A chip.

    Parameters
    ----------
    said : str
        Why it is shown.
    picture : array (3, H, W)
        Its red, green and blue.
    known : array (H, W)
        The mask of the survey.
    estimated : mapping of str to array (H, W)
        Masks by row.
    divergence : mapping of str to float
        KL of the predicted shares, by row.
    """

    said: str
    picture: NDArray[np.float32]
    known: NDArray[np.uint8]
    estimated: Mapping[str, NDArray[np.uint8]]
    divergence: Mapping[str, float]


def choose_chips(found: Predictions) -> dict[str, str]:
    """Return the ids of the chips of least, median and largest KL, by what they are called."""
    each = divergences(np.asarray(found.label), found.rows["row"])
    known = np.flatnonzero(np.isfinite(normalised(np.asarray(found.label))).all(1))
    order = known[np.argsort(each[known], kind="stable")]
    places = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    return {said: str(found.ids[place]) for said, place in places.items()}


def show_chips(
    runs: Mapping[str, tuple[Path, RunOptions]], found: Mapping[str, Predictions], chosen: Mapping[str, str]
) -> list[Shown]:
    """Return chips with the masks that the networks of finished runs estimate.

    Parameters
    ----------
    runs : mapping of str to (folder, options)
        By row.
    found : mapping of str to Predictions
        What the same rows predict, of these chips among others.
    chosen : mapping of str to str
        As of `choose_chips`.
    """
    from ictconvention.runs.assembly import open_or_simulate

    masks = {row: estimate_of_run(folder, options, [*chosen.values()]) for row, (folder, options) in runs.items()}
    survey = open_or_simulate(next(iter(runs.values()))[1])
    bands = [_place(survey.header.bands, band, number) for number, band in enumerate((BLUE, GREEN, RED))][::-1]
    shown = []
    for number, (said, id_) in enumerate(chosen.items()):
        series = survey[id_]
        place = {int(band): frame for band, frame in zip(series.band, series.frames, strict=True)}
        empty = np.full(series.frames.shape[1:], np.nan, dtype=np.float32)
        picture = np.stack([np.asarray(place.get(band, empty), dtype=np.float32) for band in bands])
        assert series.mask is not None
        estimated = {row: of_row[number] for row, of_row in masks.items()}
        shown.append(Shown(said, picture, np.asarray(series.mask), estimated, _divergences(found, id_)))
    return shown


def _place(bands: Sequence[str], band: str, number: int) -> int:
    return list(bands).index(band) if band in bands else min(number, len(bands) - 1)


def _divergences(found: Mapping[str, Predictions], id_: str) -> dict[str, float]:
    of_chip = {}
    for row, one in found.items():
        here = one.ids == id_
        of_chip[row] = float(divergences(np.asarray(one.label)[here], one.rows["row"][here])[0])
    return of_chip


def estimate_of_run(folder: Path, options: RunOptions, ids: Sequence[str]) -> NDArray[np.uint8]:
    """Return the masks (n, H, W) that the network of a finished run estimates of some chips of its survey."""
    from ictconvention.runs.assembly import load_or_draw_split, make_data, open_or_simulate
    from ictconvention.runs.trained_run import read_trained
    from ictconvention.training.masks.estimate import estimate_some

    survey = open_or_simulate(options)
    data = make_data(options, survey, load_or_draw_split(options, survey), STAGE)
    run = read_trained(folder)
    return estimate_some(run.learner, data, survey.positions(ids).tolist(), run.precision)
