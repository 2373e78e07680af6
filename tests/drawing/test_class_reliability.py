"""How honest the probabilities of each class are, bin by bin, by hand."""

import numpy as np
import pytest

from ictconvention.drawing.class_reliability import class_bins, draw_class_reliability, mean_class_errors
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import style_of
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior


def test_a_bin_stands_at_the_mean_probability_and_the_share_of_the_class() -> None:
    likely = np.array([[0.10, 0.11, 0.90, 0.92], [0.12, 0.11, 0.90, 0.93]])
    found = class_bins(likely, np.array([True, False, True, True]))
    np.testing.assert_allclose(found[:, :2], [[0.11, 0.5], [0.9125, 1.0]])
    assert (found[:, 2] <= found[:, 1]).all()
    assert (found[:, 1] <= found[:, 3]).all()


def test_the_legend_has_the_error_of_each_class_and_names_those_without_an_object() -> None:
    rows = np.array([[[0.8, 0.2, 0.0], [0.8, 0.2, 0.0], [0.2, 0.8, 0.0], [0.8, 0.2, 0.0]]])
    ids, label = np.array(list("abcd")), np.array([0, 0, 1, 1])
    pooled = Pooled(ids, label, np.zeros(4, dtype=np.int64), {Prior.SURVEY: rows, Prior.UNIFORM: rows})
    errors = mean_class_errors(pooled)
    by_hand = (3 * abs(0.8 - 2 / 3) + abs(0.2 - 0)) / 4  # of both classes: three objects in a bin, and one
    np.testing.assert_allclose(errors, [by_hand, by_hand, 0], atol=1e-12)
    classes = {0: "AGN", 1: "SN Ia", 2: "Variable"}
    figure = draw_class_reliability(Compared("one", style_of(0), pooled), classes, "sky (simulated)")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said[0] == f"AGN: {by_hand:.3f} (2 objects)"
    assert said[2] == "Variable: no test object"
    (first,) = [line for line in figure.axes[0].lines if line.get_color() == style_of(0).colour]
    assert pytest.approx([0.2, 0.8]) == np.asarray(first.get_xdata()).tolist()
