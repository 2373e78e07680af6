"""A trained learner on the test parts of its split: calibrated predictions, their scores, and the table of them."""

from typing import Any

import numpy as np

from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision
from ictconvention.runs.run_folder import TESTED
from ictconvention.tasks.task import Task
from ictconvention.training.infer import Inferred, infer


def evaluate(
    learner: Learner, data: SeriesDataModule, precision: Precision
) -> tuple[dict[str, Any], dict[str, Predictions], NoveltyReference]:
    """Calibrate on the validation part of the last stage, predict the test parts and score the predictions.

    Returns
    -------
    result : dict
        `temperature` and `prior`, the shares of the labels in the fine-tuning part and in the loss; by part `test`, and
        `extra_test` where the split has one, the scores that the task gives.
    parts : dict of str to Predictions
        The predictions of each part.
    reference : NoveltyReference
        What the network knows: its training part, beside its validation part.
    """
    task, labels, survey = learner.task, data.training.labels, data.survey
    truth, ids = task.read_truth(survey), np.array(survey.ids, dtype=str)
    trained = data.positions(f"{data.stage}_train")
    task.training = task.describe_training(truth[trained])
    survey_prior, training_prior = data.class_shares()

    known = _predicted(learner, data, f"{data.stage}_train", precision)
    validation = _predicted(learner, data, f"{data.stage}_validation", precision)
    kinds = task.kinds(labels[known.position])
    labelled = kinds != UNLABELLED
    reference = NoveltyReference.fit(known.features[labelled], kinds[labelled], validation.features)
    calibration = task.calibrate(validation.logits, labels[validation.position], survey_prior, training_prior)
    result: dict[str, Any] = calibration.record
    parts: dict[str, Predictions] = {}
    for part in TESTED:
        if data.split.parts[part]:
            found = _predicted(learner, data, part, precision)
            rows = task.decide(found.logits, labels[found.position], calibration)
            parts[part] = Predictions(ids[found.position], truth[found.position], rows)
            result |= task.score(part, parts[part])
    return result, parts, reference


def prediction_columns(task: Task, found: Predictions, fold: int) -> dict[str, Any]:
    """Return the columns of the table of predictions: id, fold, and those of the task."""
    return {"id": found.ids.tolist(), "fold": np.full(len(found.ids), fold), **task.format.columns(found)}


def _predicted(learner: Learner, data: SeriesDataModule, part: str, precision: Precision) -> Inferred:
    """Let the learner predict all objects of a part, in one process."""
    data.trainer = None  # the parts are not shared out
    return infer(learner, data.evaluation_loader(part), precision)
