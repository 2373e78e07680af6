"""A trained learner on the test parts of its split: calibrated predictions, their scores, and the table of them."""

from typing import Any

import numpy as np

from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.sampler import class_shares
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision
from ictconvention.runs.run_folder import TESTED
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task
from ictconvention.training.infer import Inferred, infer


def evaluate(
    learner: Learner, data: SeriesDataModule, precision: Precision
) -> tuple[dict[str, Any], dict[str, Any], NoveltyReference]:
    """Calibrate on the validation part of the last stage, predict the test parts and score the predictions.

    Returns
    -------
    result : dict
        `temperature` and `prior`, the shares of the labels in the fine-tuning part and in the loss; by part `test`, and
        `extra_test` where the split has one, the scores that the task gives.
    parts : dict
        The predictions of each part, as the task makes them.
    reference : NoveltyReference
        What the network knows: its training part, beside its validation part.
    """
    task, labels = learner.task, data.training.labels
    train = labels[data.positions(f"{data.stage}_train")]
    survey_prior, training_prior = class_shares(train, len(task.names), data.imbalance)

    known = _predicted(learner, data, f"{data.stage}_train", precision)
    validation = _predicted(learner, data, f"{data.stage}_validation", precision)
    reference = NoveltyReference.fit(known.features, labels[known.position], validation.features)
    calibration = task.calibrate(validation.logits, labels[validation.position], survey_prior, training_prior)
    result: dict[str, Any] = calibration.record
    parts = {}
    for part in TESTED:
        if data.split.parts[part]:
            found = _predicted(learner, data, part, precision)
            parts[part] = task.decide(found.position, labels[found.position], found.logits, calibration)
            result |= task.score(part, parts[part])
    return result, parts, reference


def prediction_columns(survey: Survey, task: Task, found: Any, fold: int) -> dict[str, Any]:
    """Return the columns of the table of predictions: id, fold, and those of the task."""
    ids = [survey.ids[i] for i in found.position]
    return {"id": ids, "fold": np.full(len(ids), fold), **task.columns(found)}


def _predicted(learner: Learner, data: SeriesDataModule, part: str, precision: Precision) -> Inferred:
    """Let the learner predict all objects of a part, in one process."""
    data.trainer = None  # the parts are not shared out
    return infer(learner, data.evaluation_loader(part), precision)
