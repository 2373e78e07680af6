"""Intersection over union and accuracy, by numbers that are known."""

import numpy as np
import pytest

from ictconvention.evaluation.masks.pixels import accuracy, iou, mean_iou, pixel_scores


@pytest.mark.parametrize(
    ("both", "only_known", "only_predicted", "expected"),
    [(0, 4, 4, 0.0), (1, 3, 3, 1 / 7), (4, 0, 0, 1.0)],  # no overlap; a square of 4 moved by one each way; the same
)
def test_iou_of_squares(both: int, only_known: int, only_predicted: int, expected: float) -> None:
    confusion = np.array([[100, only_predicted], [only_known, both]])
    assert iou(confusion)[1] == pytest.approx(expected)


def test_mean_iou_is_over_the_classes_that_have_known_pixels() -> None:
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert np.isnan(iou(confusion)[2])
    assert mean_iou(confusion) == pytest.approx((3 / 4 + 4 / 5) / 2)
    confusion[0, 2] = 1  # predicted, and never there: no class of its own in the mean
    assert mean_iou(confusion) == pytest.approx((3 / 5 + 4 / 5) / 2)


def test_accuracy_counts_known_pixels() -> None:
    assert accuracy(np.array([[3, 1], [2, 4]])) == pytest.approx(0.7)


def test_scores_without_a_pixel_are_none() -> None:
    assert pixel_scores(np.zeros((2, 2)), ("a", "b")) == {"miou": None, "accuracy": None, "iou": {"a": None, "b": None}}
