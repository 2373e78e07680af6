"""The classes as a task: eq. 2 object by object, labels by name, and decisions that a result can be redone from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.configuration.registry import find_task, register_task
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.evaluation.calibration import Calibration, probabilities
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.classes import SHARES, Classes
from tests.conftest import image_series, write_survey
from tests.refusals import refused

TASK = Classes(("AGN", "SN Ia", "Variable", "SN Other"))


def test_validation_is_scored_at_the_class_shares_of_the_loss_which_are_named() -> None:
    survey, equal = np.array([0.7, 0.2, 0.05, 0.05]), np.full(4, 0.25)
    named = [TASK.name_shares(survey, loss) for loss in (survey, equal, (survey + equal) / 2)]
    assert [SHARES[""], SHARES["_uniform"]] == named[:2]  # as those of the test
    assert len(set(named)) == 3


def test_the_loss_is_eq_2_weighed_by_class() -> None:
    logits, label, weights = torch.randn(5, 4), torch.tensor([0, 3, 3, 1, 2]), torch.tensor([1.0, 2.0, 0.5, 4.0])
    expected = -logits.log_softmax(1)[torch.arange(5), label] * weights[label]
    assert torch.allclose(TASK.loss(logits, label, weights, 0.0), expected)
    probability = logits.softmax(1)[torch.arange(5), label]
    assert torch.allclose(TASK.loss(logits, label, weights, 2.0), (1 - probability) ** 2 * expected, atol=1e-6)


def test_an_object_without_a_label_costs_nothing_and_moves_nothing() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    loss = TASK.loss(logits, torch.tensor([1, -1, 2]), torch.ones(4), 0.0)
    assert loss[1] == 0
    torch.autograd.backward(loss.sum())
    assert logits.grad is not None
    assert (logits.grad.abs().sum(1) > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("focal", [0.5, 1.0, 2.0])
def test_a_sure_answer_has_a_gradient_under_any_focus(focal: float) -> None:
    logits = torch.tensor([[40.0, 0.0], [40.0, 0.0]], requires_grad=True)
    torch.autograd.backward(TASK.loss(logits, torch.tensor([0, -1]), torch.ones(2), focal).sum())
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_class_that_is_called_as_a_column_is_refused(tmp_path: Path) -> None:
    header = SurveyHeader(name="odd", bands=("g",), classes=("AGN", "fold"), pixel_scale=0.4)
    objects = [image_series(number, 3, header) for number in range(4)]
    with refused(UsageError, "E-CLASS-NAME", "fold", where="survey odd"):
        Classes.of_survey(write_survey(tmp_path / "odd", objects, header))


def test_labels_are_places_among_the_names(survey: Survey) -> None:
    task = Classes.of_survey(survey)
    assert task.names == survey.header.classes
    names = survey.object_table()["class"]
    expected = [UNLABELLED if np.ma.is_masked(name) else task.names.index(name) for name in names]
    assert task.read_labels(survey).tolist() == expected


def test_a_class_without_a_training_object_is_refused(tmp_path: Path) -> None:
    objects = [image_series(number, 4) | {"label_source": None} for number in range(80)]
    survey = write_survey(tmp_path / "mine", objects)
    split = make_split(survey.object_table())
    task = Classes.of_survey(survey)
    task.check_split(survey, split, "finetune")
    with refused(SplitError, "E-SPLIT-LABELS", "Kilonova", "finetune_train", where="survey tiny"):
        Classes((*task.names, "Kilonova")).check_split(survey, split, "finetune")


def predicted(outputs: Any, label: Any, calibration: Calibration) -> Predictions:
    ids = np.array([f"o{number}" for number in range(len(label))])
    return Predictions(ids, label, TASK.decide(outputs, label, calibration))


def test_decisions_follow_from_outputs_and_the_record_of_the_calibration() -> None:
    """What result.json keeps is enough: temperature, shift and both shares."""
    rng = np.random.default_rng(0)
    outputs, label = rng.normal(0, 2, (200, 4)), rng.integers(0, 4, 200)
    shares, even = np.array([0.5, 0.3, 0.15, 0.05]), np.full(4, 0.25)
    calibration = TASK.calibrate(outputs, label, shares, even)
    found = predicted(outputs, label, calibration)
    kept = calibration.record
    again = Calibration.restore(kept, *(np.array(kept["prior"][name]) for name in ("survey", "training")))
    np.testing.assert_array_equal(TASK.row(outputs, again), found.at(Prior.SURVEY))
    np.testing.assert_allclose(
        found.at(Prior.SURVEY), probabilities(outputs / kept["temperature"] + np.log(shares / even))
    )
    ratio = found.at(Prior.SURVEY) / found.at(Prior.UNIFORM)
    np.testing.assert_allclose(ratio / ratio[:, :1], np.tile(shares / shares[0], (200, 1)))
    scores = TASK.score("test", found)
    assert scores.keys() == {"test", "test_uniform"}
    assert scores["test"]["accuracy"] == (found.at(Prior.SURVEY).argmax(1) == label).mean()
    assert TASK.format.columns(found).keys() == {"label", *TASK.names}


def test_a_record_of_before_goes_on_to_predict_what_it_did() -> None:
    """It says no shift: its temperature divided the logits after they had been moved."""
    outputs = np.random.default_rng(0).normal(0, 2, (200, 4))
    shares, even = np.array([0.5, 0.3, 0.15, 0.05]), np.full(4, 0.25)
    before = Calibration.restore({"temperature": 2.5}, shares, even)
    np.testing.assert_allclose(TASK.row(outputs, before), probabilities((outputs + np.log(shares / even)) / 2.5))


def test_soft_outputs_of_balanced_training_find_rare_objects_at_the_surveys_shares() -> None:
    """At a temperature far from 1 too: the shift to the shares is Bayes' rule on probabilities, never divided."""
    rng = np.random.default_rng(0)
    shares, even = np.array([0.7, 0.2, 0.08, 0.02]), np.full(4, 0.25)
    label = rng.choice(4, 20_000, p=shares)
    feature = 3 * np.eye(4)[label] + rng.normal(size=(20_000, 4))
    known = -((feature[:, None] - 3 * np.eye(4)) ** 2).sum(2) / 2  # log-likelihoods
    calibration = TASK.calibrate(known * 0.1, label, shares, even)
    assert calibration.temperature == pytest.approx(0.1, rel=0.03)
    np.testing.assert_allclose(TASK.row(known * 0.1, calibration), probabilities(known + np.log(shares)), atol=0.03)


def test_a_calibration_that_found_nothing_is_said() -> None:
    assert TASK.describe({"temperature": 1e3}, "mine")[0].endswith("next to nothing (temperature 1000)")
    assert TASK.describe({"temperature": 1.2}, "mine") == []


def test_metrics_of_training_hold_the_one_that_chooses_and_those_that_are_said() -> None:
    metrics = TASK.make_metrics()
    metrics.update(torch.randn(9, 4), torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, UNLABELLED]))
    assert {TASK.monitor, *TASK.headline} <= metrics.compute().keys()


def test_a_task_has_a_name_once() -> None:
    assert find_task("classes") is Classes
    with refused(UsageError, "E-MODULE-UNKNOWN", "did you mean classes?", where="task.kind"):
        find_task("clases")
    with refused(UsageError, "E-MODULE-DUPLICATE", "'classes'", where=__name__):
        register_task("classes")(type("Other", (), {}))
