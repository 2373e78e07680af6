"""The numbers of a result are those of scikit-learn, and each says what its name says."""

import json

import numpy as np
import pytest
from sklearn import metrics

from ictconvention.evaluation.scores import calibration_error, scores

CLASSES = ("AGN", "SN Ia", "Variable", "SN Other")


def drawn(n: int = 500, seed: int = 0, skill: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and labels that follow them, sharpened by `skill`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 4)) + np.log([0.2, 0.1, 0.67, 0.03])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(4, p=row) for row in p])
    shown = p**skill
    return shown / shown.sum(1, keepdims=True), labels


def test_they_are_those_of_scikit_learn() -> None:
    p, labels = drawn()
    found, guess = scores(p, labels, CLASSES), p.argmax(1)
    assert found["accuracy"] == metrics.accuracy_score(labels, guess)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, guess))
    assert found["f1_macro"] == pytest.approx(metrics.f1_score(labels, guess, average="macro"))
    assert found["auroc_macro"] == pytest.approx(metrics.roc_auc_score(labels, p, multi_class="ovr"))
    assert found["auroc_pairs"] == pytest.approx(metrics.roc_auc_score(labels, p, multi_class="ovo"))
    assert found["average_precision_macro"] == pytest.approx(metrics.average_precision_score(np.eye(4)[labels], p))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(labels, p))
    assert found["confusion"] == metrics.confusion_matrix(labels, guess).tolist()
    recalls = metrics.recall_score(labels, guess, average=None)
    assert [found["classes"][name]["recall"] for name in CLASSES] == pytest.approx(recalls.tolist())
    assert found["worst_class_recall"] == recalls.min()
    assert found["recall_spread"] == recalls.max() - recalls.min()
    assert found["objects"] == sum(found["classes"][name]["objects"] for name in CLASSES) == 500
    assert found["brier"] == pytest.approx(
        np.mean([((row - np.eye(4)[y]) ** 2).sum() for row, y in zip(p, labels, strict=True)])
    )


def test_the_constant_answer_of_the_papers_test_part() -> None:
    """182/99/645/17 and always "Variable": 68.40 % accuracy and 20.3 % macro F1."""
    labels = np.repeat(np.arange(4), [182, 99, 645, 17])
    found = scores(np.tile([0.0, 0.0, 1.0, 0.0], (943, 1)), labels, CLASSES)
    assert round(100 * found["accuracy"], 2) == 68.40
    assert round(100 * found["f1_macro"], 1) == 20.3
    assert found["balanced_accuracy"] == 0.25
    assert (found["worst_class_recall"], found["recall_spread"]) == (0, 1)


def test_honest_probabilities_are_calibrated_and_sharpened_ones_are_not() -> None:
    honest, labels = drawn(20_000)
    sharp, _ = drawn(20_000, skill=3.0)
    assert scores(honest, labels, CLASSES)["calibration_error"] < 0.01
    assert scores(sharp, labels, CLASSES)["calibration_error"] > 0.1
    assert scores(honest, labels, CLASSES)["brier"] < scores(sharp, labels, CLASSES)["brier"]


def test_calibration_error_by_hand() -> None:
    confidence, right = np.array([0.95, 0.95, 0.95, 0.45, 1.0]), np.array([True, True, False, True, True])
    assert calibration_error(confidence, right, bins=10) == pytest.approx((abs(3.85 - 3) + abs(0.45 - 1)) / 5)
    twice = np.array([1.0, 1.0, 1.0, 1.0, 2.0])
    assert calibration_error(confidence, right, 10, twice) == pytest.approx(
        calibration_error(np.append(confidence, confidence[-1]), np.append(right, right[-1]), 10)
    )


def test_an_absent_class_is_left_out_and_said() -> None:
    p, labels = drawn(200)
    some = labels != 3
    found = scores(p[some], labels[some], CLASSES)
    assert found["classes"]["SN Other"] == {
        "objects": 0,
        "recall": None,
        "precision": None,
        "f1": None,
        "auroc": None,
        "calibration_error": None,
        "average_precision": None,
    }
    recalls = metrics.recall_score(labels[some], p[some].argmax(1), labels=[0, 1, 2], average=None)
    assert found["balanced_accuracy"] == pytest.approx(recalls.mean())
    alone = scores(p[labels == 2], labels[labels == 2], CLASSES)
    assert alone["auroc_macro"] is alone["classes"]["Variable"]["auroc"] is None
    assert json.loads(json.dumps(alone, allow_nan=False)) == alone


def test_what_are_no_predictions_is_refused() -> None:
    p, labels = drawn(20)
    for wrong, given in ((p[:5], labels), (p * 2, labels), (p * np.nan, labels), (p[:, :3], labels), (p, labels + 9)):
        with pytest.raises(ValueError, match="probabilities"):
            scores(wrong, given, CLASSES)
    with pytest.raises(ValueError, match="for 0 labels"):
        scores(p[:0], labels[:0], CLASSES)


def test_a_rare_class_that_is_not_honest_shows_in_its_own_error_alone() -> None:
    """Ninety of a hundred are honest; the rare class is given a tenth of what it is."""
    labels = np.repeat([0, 1], [90, 10])
    likely = np.tile([0.99, 0.01], (100, 1))
    found = scores(likely, labels, ("common", "rare"))
    assert found["classes"]["rare"]["calibration_error"] == pytest.approx(0.09)
    assert found["classwise_calibration_error"] == pytest.approx(0.09)
    absent = scores(np.array([[0.7, 0.2, 0.1]]), np.array([0]), ("a", "b", "c"))
    assert absent["classes"]["c"]["calibration_error"] is None
