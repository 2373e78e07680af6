"""The teachers' mean of log-probabilities of the objects that train, computed once when a run begins.

It is neither in a checkpoint nor in the folder of the run: a pass of each teacher over the training objects costs a
small part of training, and what is computed anew, of clean views by the teachers' own weights, is the same again.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.prior import at_shares
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.feeding.reddening import read_reddening
from ictconvention.learning.teacher import Teacher
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import infer

BATCH, AT_ONCE = 64, 4096  # objects of a batch; and whose features are in memory
LEAST = 1e-30  # probability, so that none is without a logarithm


def ask_teachers(folders: Sequence[Path], survey: Survey, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probabilities of objects at equal shares of the classes by the mean of some runs (n, classes).

    The mean is of log-probabilities, each at equal shares. Rows of objects that were not asked for are NaN.

    Parameters
    ----------
    folders : sequence of Path
        Runs of the classes of this survey, see `find_teachers`.
    survey : Survey
        Survey of n objects.
    positions : array (m,)
        Objects to ask for.

    Raises
    ------
    UsageError
        A run cannot be read, or gives what is no number.
    """
    positions = np.unique(positions)
    shape = (len(positions), len(survey.header.classes))
    equal, logs = np.full(shape[1], 1 / shape[1]), np.zeros(shape)
    for folder in folders:
        with torch.random.fork_rng(devices=[]):  # new weights are drawn, before those of the run take their place
            run = read_trained(folder)
        reddening = read_reddening(survey) if run.spec.reddening else None
        clean = SeriesDataset(survey, run.options.sequence, contents=run.spec.contents, reddening=reddening)
        rows = []
        for chunk in np.array_split(positions, -(-len(positions) // AT_ONCE)):
            made = infer(run.learner, _batches(clean, chunk), run.precision, _device())
            rows.append(run.row(made.outputs))
        logs += np.log(np.maximum(at_shares(np.concatenate(rows), run.calibration.survey_prior, equal), LEAST))
    mean = np.exp((logs - logs.max(1, keepdims=True)) / len(folders))
    found = np.full((len(survey), shape[1]), np.nan)
    found[positions] = mean / mean.sum(1, keepdims=True)
    return found


def make_teacher(options: RunOptions, asked: NDArray[np.float64], data: SeriesDataModule) -> Teacher:
    """Return the teacher of a stage, at the shares of the classes that its loss sees.

    Parameters
    ----------
    options : RunOptions
        Options of the run that is taught.
    asked : array (n, classes)
        As of `ask_teachers`.
    data : SeriesDataModule
        Data of the stage.
    """
    shares, weights = data.loss_shares()
    probabilities = at_shares(asked, np.ones(len(shares)), shares)
    return Teacher(probabilities, weights, options.learner.teacher_weight, options.learner.teacher_temperature)


def _batches(clean: SeriesDataset, positions: NDArray[np.int64]) -> Iterator[tuple[SeriesBatch, ...]]:
    """Yield the clean views of objects; what is measured of them is kept, as for training."""
    for first in range(0, len(positions), BATCH):
        yield clean[[SampleKey(position) for position in positions[first : first + BATCH].tolist()]]


def _device() -> str:
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
