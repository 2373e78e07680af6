"""A trained learner on the test parts of its split: calibrated probabilities, their scores, and the table of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.calibration import at_prior, fit_temperature, probabilities
from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import at_equal_shares
from ictconvention.evaluation.scores import scores
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.sampler import class_shares
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision
from ictconvention.runs.run_folder import TESTED
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import Inferred, infer

VAGUE = 100.0  # temperature above which all probabilities are next to the class shares


@dataclass(frozen=True)
class PartPredictions:
    """The predictions of a part: positions in the survey (n,), classes (n,) and probabilities (n, classes).

    `likely` is at the class shares of the fine-tuning part, `uniform` at equal ones.
    """

    position: NDArray[np.int64]
    label: NDArray[np.int64]
    likely: NDArray[np.float64]
    uniform: NDArray[np.float64]

    @property
    def pooled(self) -> Pooled:
        """The same as those of a model of one fold and one seed; the ids are the positions."""
        cell = np.zeros(len(self.label), dtype=np.int64)
        return Pooled(self.position.astype(str), self.label, cell, self.likely[None], self.uniform[None])


def evaluate(
    learner: Learner, data: SeriesDataModule, precision: Precision
) -> tuple[dict[str, Any], dict[str, PartPredictions], NoveltyReference]:
    """Calibrate on the validation part of the last stage, predict the test parts and score the predictions.

    Returns
    -------
    result : dict
        `temperature`; `prior`, the shares of the classes in the fine-tuning part (`survey`) and in the loss
        (`training`), with which every decision can be made again; by part `test`, the scores at the class shares of the
        fine-tuning part, the sky's as far as the survey knows them, and `test_uniform`, those at equal shares: the
        decisions that serve every class alike, of which balanced accuracy and the worst recall speak. The same for
        `extra_test` where the split has one.
    parts : dict
        The predictions of each part.
    reference : NoveltyReference
        What the network knows: its training part, beside its validation part.
    """
    labels = data.training.labels
    train = labels[data.positions(f"{data.stage}_train")]
    survey_prior, training_prior = class_shares(train, len(learner.spec.classes), data.imbalance)

    known = _predicted(learner, data, f"{data.stage}_train", precision)
    validation = _predicted(learner, data, f"{data.stage}_validation", precision)
    reference = NoveltyReference.fit(known.features, labels[known.position], validation.features)
    temperature = fit_temperature(
        at_prior(validation.logits, training_prior, survey_prior), labels[validation.position]
    )
    prior = {"survey": survey_prior.tolist(), "training": training_prior.tolist()}
    result: dict[str, Any] = {"temperature": temperature, "prior": prior}
    parts = {}
    for part in TESTED:
        if data.split.parts[part]:
            found = _predicted(learner, data, part, precision)
            label = labels[found.position]
            likely = probabilities(at_prior(found.logits, training_prior, survey_prior), temperature)
            parts[part] = PartPredictions(found.position, label, likely, at_equal_shares(likely, survey_prior))
            result[part] = scores(likely, label, learner.spec.classes)
            result[f"{part}_uniform"] = scores(parts[part].uniform, label, learner.spec.classes)
    return result, parts, reference


def prediction_columns(survey: Survey, found: PartPredictions, fold: int) -> dict[str, Any]:
    """Return the columns of the table of predictions: id, fold, label, and the probability of each class."""
    classes = survey.header.classes
    return {
        "id": [survey.ids[i] for i in found.position],
        "fold": np.full(len(found.position), fold),
        "label": [classes[i] for i in found.label],
        **{name: found.likely[:, c] for c, name in enumerate(classes)},
    }


def in_words(result: Mapping[str, Any], survey: Survey) -> list[str]:
    """Return the chief scores of a result, a line for each part and shares."""
    lines = []
    if (temperature := result.get("temperature", 1.0)) > VAGUE:
        lines.append(f"calibration: in validation the network knows next to nothing (temperature {temperature:.0f})")
    for part in [part for part in ("test", "extra_test") if part in result]:
        for name, shares in ((part, "the survey's class shares"), (f"{part}_uniform", "equal class shares")):
            found = result[name]
            lines.append(
                f"{survey.header.full_name}, {part.replace('_', ' ')} part, {found['objects']} objects, at {shares}: "
                f"accuracy {found['accuracy']:.3f}, "
                f"balanced accuracy {found['balanced_accuracy']:.3f}, macro F1 {found['f1_macro']:.3f}, "
                f"worst recall {found['worst_class_recall']:.3f}"
            )
    return lines


def _predicted(learner: Learner, data: SeriesDataModule, part: str, precision: Precision) -> Inferred:
    """Let the learner predict all objects of a part, in one process."""
    data.trainer = None  # the parts are not shared out
    return infer(learner, data.evaluation_loader(part), precision)
