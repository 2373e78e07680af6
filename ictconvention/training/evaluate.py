"""A trained learner on the test parts of its split: calibrated predictions, their scores, and the table of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ictconvention.evaluation.calibration import Calibration
from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.sets.coverage import record_sets
from ictconvention.evaluation.shift.domains import tell_domains
from ictconvention.evaluation.shift.known_sample import KnownSample, draw_rows
from ictconvention.evaluation.shift.neighbours import Neighbours
from ictconvention.evaluation.shift.propensity import LEAST
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.domain import DomainHead
from ictconvention.learning.learner import Learner
from ictconvention.measuring.conditions import measure_conditions
from ictconvention.runs.machine import Precision
from ictconvention.runs.run_folder import TESTED
from ictconvention.survey.labels.groups import positions_of
from ictconvention.survey.labels.selected import read_selected
from ictconvention.survey.split import UNLABELLED_PART
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.bins import edges_of
from ictconvention.tasks.task import Reduce, Task
from ictconvention.training.infer import Inferred, infer


class Evaluated(NamedTuple):
    """What a test finds.

    Parameters
    ----------
    result : dict
        `temperature` and `prior`, the shares of the labels in the fine-tuning part and in the loss; by part `test`, and
        `extra_test` where the split has one, the scores that the task gives; `sets` of a task that draws them, see
        `record_sets`.
    parts : dict of str to Predictions
        The predictions of each part.
    reference : NoveltyReference
        What the network knows: its training part, beside its validation part.
    sample : KnownSample
        What objects of validation and test look like to it, for a comparison with another survey.
    neighbours : Neighbours, optional
        What predicts in the place of the network's own outputs, where it was asked for.
    validation : Predictions, optional
        Those of the validation part, of a task whose sets they draw.
    """

    result: dict[str, Any]
    parts: dict[str, Predictions]
    reference: NoveltyReference
    sample: KnownSample
    neighbours: Neighbours | None = None
    validation: Predictions | None = None


def evaluate(
    learner: Learner,
    data: SeriesDataModule,
    precision: Precision,
    by_neighbours: bool = False,
    calibration: Calibration | None = None,
) -> Evaluated:
    """Calibrate on the validation part of the last stage, predict the test parts and score the predictions.

    Parameters
    ----------
    learner : Learner
        With its final weights.
    data : SeriesDataModule
        That of the last stage.
    precision : "32-true" or "bf16-mixed"
        As in training.
    by_neighbours : bool
        Whether the redshifts of the training part predict, see `Neighbours`; of the task of redshifts alone.
    calibration : Calibration, optional
        That is kept; without it one is fitted.
    """
    task, labels, survey = learner.task, data.training.labels, data.survey
    truth, ids = task.read_truth(survey), np.array(survey.ids, dtype=str)
    trained = data.positions(data.train_part)
    task.training = task.describe_training(truth[trained])
    survey_prior, training_prior = data.class_shares()

    known = _predicted(learner, data, data.train_part, precision, lambda logits, batch: {})  # its features alone
    held = len(data.positions(data.validation_part))
    validation = _predicted(learner, data, data.validation_part, precision, task.reduce_with(None, held))
    kinds = task.kinds(labels[known.position])
    labelled = kinds != UNLABELLED
    reference = NoveltyReference.fit(known.features[labelled], kinds[labelled], validation.features)
    if calibration is None:
        calibration = task.calibrate(validation.outputs, labels[validation.position], survey_prior, training_prior)
    neighbours = _fit_neighbours(task, truth, known, validation) if by_neighbours else None
    result: dict[str, Any] = calibration.record
    parts: dict[str, Predictions] = {}
    places = [np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table())]
    samples = {"validation": _sample(validation, survey, ids, places)}
    for part in TESTED:
        if data.split.parts[part]:
            reduce = task.reduce_with(calibration, len(data.positions(part)))
            found = _predicted(learner, data, part, precision, reduce)
            samples[part] = _sample(found, survey, ids, places)
            if neighbours is None:
                rows = task.decide(found.outputs, labels[found.position], calibration)
            else:
                rows = task.rows_of(neighbours.predict(found.features))
            parts[part] = Predictions(ids[found.position], truth[found.position], rows)
            result |= task.score(part, parts[part])
    held_out = None
    if task.draws_sets:
        at = validation.position
        held_out = Predictions(ids[at], truth[at], task.decide(validation.outputs, labels[at], calibration))
        result["sets"] = record_sets(held_out, parts, task.names)
    return Evaluated(result, parts, reference, KnownSample.join(samples), neighbours, held_out)


def measure_domains(learner: Learner, data: SeriesDataModule, head: DomainHead, precision: Precision) -> dict[str, Any]:
    """Return how well features tell the objects that are selected from the others.

    Returns
    -------
    dict
        `head_auc` of the head against which the network was trained, and `auc` of a logistic regression that has seen
        the features alone (see `tell_domains`): what a head is blind to, that finds. `apart` is the number of objects
        that are not selected, of the part `part`: the additional test objects, or where these are few the unlabelled
        ones, which have trained. The others are those of validation and test.
    """
    selected = read_selected(data.survey.object_table())
    assert selected is not None  # check_shift has seen it
    there = (data.validation_part, "test", "extra_test", UNLABELLED_PART)
    of = {part: data.positions(part) for part in there}
    part = "extra_test" if (~selected[of["extra_test"]]).sum() >= LEAST else UNLABELLED_PART
    known = [_predicted(learner, data, one, precision) for one in dict.fromkeys((data.validation_part, "test", part))]
    features = np.concatenate([one.features for one in known])
    apart = ~selected[np.concatenate([one.position for one in known])]
    with torch.no_grad():
        logits = head(torch.from_numpy(features)).double().numpy()
    found = {"head_auc": float(roc_auc_score(apart, logits)), "auc": tell_domains(features[~apart], features[apart])}
    return {**found, "apart": int(apart.sum()), "part": part}


def _sample(
    found: Inferred, survey: Survey, ids: NDArray[np.str_], places: Sequence[NDArray[np.float64]]
) -> KnownSample:
    """Return what some of the objects of a part look like, how they were observed, and where they are."""
    rows = draw_rows(len(found.position))
    here = found.position[rows]
    conditions = measure_conditions(survey, here)
    ra, dec = (place[here] for place in places)
    return KnownSample(ids[here], np.zeros(len(here), dtype=np.int64), found.features[rows], conditions, ra, dec)


def _fit_neighbours(task: Task, truth: NDArray[np.floating], known: Inferred, validation: Inferred) -> Neighbours:
    """Return what the redshifts of the training part predict, chosen by those of the validation part."""
    z, held = truth[known.position], truth[validation.position]
    there, sure = np.isfinite(z), np.isfinite(held)
    features, apart = known.features[there], validation.features[sure]
    return Neighbours.fit(features, z[there], apart, held[sure], edges_of(task.names))


def prediction_columns(task: Task, found: Predictions, fold: int) -> dict[str, Any]:
    """Return the columns of the table of predictions: id, fold, and those of the task."""
    return {"id": found.ids.tolist(), "fold": np.full(len(found.ids), fold), **task.format.columns(found)}


def _predicted(
    learner: Learner, data: SeriesDataModule, part: str, precision: Precision, reduce: Reduce | None = None
) -> Inferred:
    """Let the learner predict all objects of a part, in one process."""
    data.trainer = None  # the parts are not shared out
    return infer(learner, data.evaluation_loader(part), precision, reduce=reduce)
