"""Scores after some days: macro F1 and the worst recall, with intervals that hold them."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from ictconvention.drawing.early_curve import draw_early_curve
from ictconvention.evaluation.early_curve import EarlyPoint, early_point
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.prior import Prior
from ictconvention.tasks.class_measures import ClassMeasures

MEASURES = ClassMeasures(("AGN", "SN Ia", "Variable", "SN Other"))


def point_of(days: float, frames: np.ndarray, guess: np.ndarray, label: np.ndarray, group: np.ndarray) -> EarlyPoint:
    return early_point(days, frames, dict.fromkeys(Prior, np.eye(4)[guess]), label, group, MEASURES)


def guesses(right: float, count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, count)
    return np.where(rng.random(count) < right, label, rng.integers(0, 4, count)), label


def test_the_scores_are_those_of_scikit_learn() -> None:
    guess, label = guesses(0.6)
    point = point_of(10.0, np.full(400, 7), guess, label, np.arange(400))
    assert point.frames == 7
    f1 = f1_score(label, guess, labels=[0, 1, 2], average="macro")
    worst = recall_score(label, guess, labels=[0, 1, 2], average=None).min()
    np.testing.assert_allclose([point.scores["f1_macro"][0], point.scores["worst_recall"][0]], [f1, worst])
    for value, low, high in (point.scores["f1_macro"], point.scores["worst_recall"]):
        assert low < value < high


def test_the_interval_shrinks_with_the_number_of_objects() -> None:
    few, many = (point_of(1.0, np.ones(n, dtype=int), *guesses(0.6, n), np.arange(n)) for n in (200, 3200))
    width = [point.scores["f1_macro"][2] - point.scores["f1_macro"][1] for point in (few, many)]
    assert 3 < width[0] / width[1] < 5.5  # four times, the root of sixteen


def test_neighbours_that_share_their_fate_widen_the_interval() -> None:
    guess, label = (np.repeat(x, 6) for x in guesses(0.6, 100))
    alone, together = (
        point_of(1.0, np.ones(600, dtype=int), guess, label, group) for group in (np.arange(600), np.arange(600) // 6)
    )
    assert alone.scores["f1_macro"][0] == together.scores["f1_macro"][0]
    width = [point.scores["f1_macro"][2] - point.scores["f1_macro"][1] for point in (alone, together)]
    assert 2 < width[1] / width[0] < 3  # the root of six


def test_the_figure_shows_both_curves_and_names_the_survey() -> None:
    points = [
        point_of(days, np.ones(400, dtype=int), *guesses(right), np.arange(400))
        for days, right in ((1.0, 0.3), (10.0, 0.6), (99.0, 0.9))
    ]
    figure = draw_early_curve(points, MEASURES.early, "400 objects, ict_sdss", "SDSS-II-like (simulated)")
    (axes,) = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(np.asarray(drawn["macro F1"]), [point.scores["f1_macro"][0] for point in points])
    np.testing.assert_allclose(
        np.asarray(drawn["worst recall of a class"]), [point.scores["worst_recall"][0] for point in points]
    )
    assert "(simulated)" in figure.get_supxlabel()


def test_the_figure_has_the_numbers_and_units_of_the_tables() -> None:
    """A score in days that is kept in seconds, beside shares: one kept as such, one in percent."""
    delay = Measure("delay", "delay", rising=False, scale=1 / 86400, unit="d")
    measures = {one.name: one for one in (delay, Measure("f1", "F1"), Measure("recall", "recall", scale=1.0))}
    scores = {"delay": (172800.0, 86400.0, 259200.0), "f1": (0.5, 0.4, 0.6), "recall": (50.0, 40.0, 60.0)}
    points = [EarlyPoint(days, 3.0, scores) for days in (1.0, 10.0)]
    in_days, shares = draw_early_curve(points, measures, "x", "survey").axes
    drawn = {
        line.get_label(): np.asarray(line.get_ydata()).tolist() for axes in (in_days, shares) for line in axes.lines
    }
    assert drawn == {"delay [d]": pytest.approx([2, 2]), "F1": [0.5, 0.5], "recall": [0.5, 0.5]}
    (band,) = in_days.collections
    edges = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert (edges.min(), edges.max()) == pytest.approx((1, 3))
