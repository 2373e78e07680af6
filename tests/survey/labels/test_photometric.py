"""What photometric labels of known noise say: of each class, and of the shares of the classes."""

import numpy as np
import pytest

from ictconvention.configuration.options import Imbalance
from ictconvention.feeding.sampler import class_shares
from ictconvention.survey.labels.photometric import label_ratio, true_of_labels

LABELS = np.array([0] * 40 + [1] * 60 + [-1] * 5)
WEAK = np.arange(105) % 2 == 1  # half of each label
NOISE = np.array([[0.9, 0.1], [0.3, 0.7]])
NEVER_WRONG = np.eye(2)


def test_shares_of_true_classes_are_those_of_the_objects_behind_the_labels() -> None:
    """Of 60 labels of class 1, 30 are photometric, and 9 of these are class 0; of 40 of class 0, 2 are class 1."""
    survey, training = class_shares(LABELS, 2, Imbalance(), true_of_labels(LABELS, WEAK, NOISE))
    assert survey == pytest.approx([0.47, 0.53])
    assert training == pytest.approx([0.47, 0.53])
    plain, _ = class_shares(LABELS, 2, Imbalance(), true_of_labels(LABELS, WEAK, NEVER_WRONG))
    assert plain == pytest.approx([0.4, 0.6])


def test_adjusted_logits_are_trained_at_even_shares_of_true_classes() -> None:
    mixed = true_of_labels(LABELS, WEAK, NOISE)
    assert class_shares(LABELS, 2, Imbalance(adjustment=1.0), mixed)[1] == pytest.approx([0.5, 0.5])
    half = class_shares(LABELS, 2, Imbalance(adjustment=0.5), mixed)[1]
    assert half[0] / half[1] == pytest.approx((0.47 / 0.53) ** 0.5)


def test_a_label_that_never_errs_says_its_class_alone() -> None:
    shares = np.array([0.4, 0.6])
    true = shares @ true_of_labels(LABELS, WEAK, NEVER_WRONG)
    assert label_ratio(shares, true, NEVER_WRONG) == pytest.approx(np.eye(2))


def test_what_labels_say_of_a_class_sums_to_one_where_all_are_photometric() -> None:
    """R_ly = P(l | y): the probability of each label for an object of class y."""
    shares = np.array([0.4, 0.6])
    true = shares @ true_of_labels(LABELS, LABELS >= 0, NOISE)
    assert label_ratio(shares, true, NOISE).sum(0) == pytest.approx([1, 1])
