"""Scores counted from a confusion matrix are those of scikit-learn, for one matrix and for a stack of them."""

import numpy as np
from sklearn import metrics

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores

CHIEF = ("accuracy", "balanced_accuracy", "f1_macro", "worst_class_recall", "recall_spread")


def test_they_are_those_of_scikit_learn_where_classes_are_absent_or_never_predicted() -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 5, 12):
        label, guess = rng.integers(0, classes - 1, 80), rng.integers(1, classes, 80)
        found = confusion_scores(confusion_counts(label, guess, classes))
        present = np.unique(label)
        expected = metrics.precision_recall_fscore_support(label, guess, labels=np.arange(classes), zero_division=0)
        for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
            np.testing.assert_allclose(found[name][present], values[present])
            assert np.isnan(np.delete(found[name], present)).all()
        recall = expected[1][present]
        chief = (np.mean(label == guess), recall.mean(), expected[2][present].mean(), recall.min(), np.ptp(recall))
        np.testing.assert_allclose([found[name] for name in CHIEF], chief)


def test_weights_repeat_objects_and_stack_matrices() -> None:
    rng = np.random.default_rng(1)
    label, guess = rng.integers(0, 4, (2, 60))
    weight = rng.integers(0, 3, (5, 60))
    counts = confusion_counts(label, guess, 4, weight.astype(np.float32))
    for one, times in zip(counts, weight, strict=True):
        repeated = np.repeat([label, guess], times, axis=1)
        np.testing.assert_array_equal(one, metrics.confusion_matrix(*repeated, labels=range(4)))
    each = [confusion_scores(one)["f1_macro"] for one in counts]
    np.testing.assert_array_equal(confusion_scores(counts)["f1_macro"], each)
