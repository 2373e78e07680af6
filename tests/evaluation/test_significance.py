"""Intervals hold the luck of objects, of sky groups and of seeds; differences are those of the pooled predictions."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import (
    Difference,
    describe_seeds,
    differences,
    mcnemar,
    mean_scores,
    sentence,
)
from ictconvention.tasks.class_measures import ClassMeasures

CLASSES = 4
MEASURES = ClassMeasures(("AGN", "SN Ia", "Variable", "SN Other"))
F1, BALANCED, WORST = MEASURES.compared


def drawn(
    rng: np.random.Generator, label: NDArray[np.int64], cell: NDArray[np.int64], seeds: int, scatter: float
) -> Pooled:
    """Return a model that is right with probability 0.7, give or take the scatter of each training."""
    guesses = np.empty((seeds, len(label)), dtype=np.int64)
    for s in range(seeds):
        right = rng.random(len(label)) < 0.7 + rng.normal(0, scatter, cell.max() + 1)[cell]
        guesses[s] = np.where(right, label, (label + rng.integers(1, CLASSES, len(label))) % CLASSES)
    sure = np.eye(CLASSES)[guesses]
    return Pooled(np.arange(len(label)).astype(str), label, cell, {Prior.SURVEY: sure, Prior.UNIFORM: sure})


def objects(rng: np.random.Generator, number: int = 600) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    label = rng.choice(CLASSES, number, p=[0.2, 0.1, 0.6, 0.1])
    return label.astype(np.int64), rng.integers(0, 5, number)


def test_the_difference_is_that_of_the_pooled_predictions() -> None:
    rng = np.random.default_rng(0)
    label, cell = objects(rng)
    first, second = (drawn(rng, label, cell, 2, 0.02) for _ in range(2))
    found = {one.measure: one for one in differences(first, second, np.arange(len(label)), MEASURES, 200)}
    guesses = [model.at(Prior.SURVEY).argmax(2) for model in (first, second)]
    means = [np.mean([f1_score(label, guess, average="macro") for guess in of]) for of in guesses]
    assert found[F1].value == pytest.approx(means[0] - means[1])
    means = [np.mean([balanced_accuracy_score(label, guess) for guess in of]) for of in guesses]
    assert found[BALANCED].value == pytest.approx(means[0] - means[1])
    worst = np.mean([recall_score(label, guess, average=None).min() for guess in guesses[0]])
    assert mean_scores(first, MEASURES)[WORST.name] == pytest.approx(worst)
    for one in found.values():
        assert one.low <= one.value <= one.high


def test_macro_f1_is_decided_at_the_survey_s_class_shares_and_recalls_at_equal_ones() -> None:
    rng = np.random.default_rng(1)
    label, cell = objects(rng)
    model = drawn(rng, label, cell, 1, 0.0)
    model = replace(model, rows={**model.rows, Prior.UNIFORM: np.eye(CLASSES)[label][None]})
    found = mean_scores(model, MEASURES)
    assert found[BALANCED.name] == found[WORST.name] == 1
    assert found[F1.name] < 0.8


def test_a_model_is_level_with_itself() -> None:
    rng = np.random.default_rng(2)
    label, cell = objects(rng)
    model = drawn(rng, label, cell, 1, 0.0)
    for one in differences(model, model, np.arange(len(label)), MEASURES, 100):
        assert one.value == one.low == one.high == 0
        assert not one.established


def test_one_seed_establishes_only_what_is_far_beyond_the_scatter_of_seeds() -> None:
    for low, seeds, cells, established in (
        (0.01, 2, 5, True),
        (0.06, 1, 5, False),
        (0.07, 1, 5, True),
        (-0.01, 2, 5, False),
        (0.01, 2, 1, False),  # two seeds of one fold tell little of their scatter
        (0.01, 5, 1, True),
    ):
        for one in (
            Difference(F1, 0.1, low, 0.2, seeds, cells),
            Difference(F1, -0.1, -0.2, -low, seeds, cells),
        ):
            assert one.established == established
            assert not replace(one, measure=WORST, seeds=1).established
            if low > 0 and not established:
                few = "one seed" if seeds == 1 else "so few trainings"
                assert f"not established by {few}" in sentence("A", "B", [one])
    assert "(about 1.3 points, of a worst recall up to 5.2) is not in them" in describe_seeds(1, 5, MEASURES)
    assert "tell little" in describe_seeds(2, 1, MEASURES)
    assert "1.3" not in describe_seeds(2, 5, MEASURES)


def test_neighbours_that_share_their_fate_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    label, cell = (np.repeat(x, 6) for x in objects(rng, 100))
    models = [drawn(rng, label[::6], cell[::6], 1, 0.0) for _ in range(2)]
    models = [
        Pooled(np.arange(len(label)).astype(str), label, cell, {at: np.repeat(m.at(at), 6, axis=1) for at in Prior})
        for m in models
    ]
    alone, together = (
        differences(models[0], models[1], group, MEASURES, 500)[1]
        for group in (np.arange(len(label)), np.arange(len(label)) // 6)
    )
    assert together.high - together.low == pytest.approx((alone.high - alone.low) * 6**0.5, rel=0.2)


def test_seeds_that_scatter_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    label, cell = objects(rng, 3000)
    widths = []
    for scatter in (0.0, 0.1):
        first, second = (drawn(rng, label, cell, 3, scatter) for _ in range(2))
        found = differences(first, second, np.arange(len(label)), MEASURES, 300)
        widths.append(found[1].high - found[1].low)
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.no_cover
@pytest.mark.slow
def test_intervals_of_equal_models_contain_zero_nearly_always_even_where_seeds_scatter() -> None:
    trials = 80
    covered = {(seeds, scatter): np.zeros(3) for seeds, scatter in ((1, 0.0), (2, 0.06), (1, 0.06))}
    for (seeds, scatter), count in covered.items():
        for trial in range(trials):
            rng = np.random.default_rng([trial, seeds])
            label, cell = objects(rng)
            first, second = (drawn(rng, label, cell, seeds, scatter) for _ in range(2))
            found = differences(first, second, np.arange(len(label)), MEASURES, 200, trial)
            count += [one.low <= 0 <= one.high for one in found]
    assert (covered[1, 0.0] / trials)[:2] == pytest.approx(0.95, abs=0.06)
    assert (covered[2, 0.06] / trials > 0.92).all()
    assert (covered[1, 0.06] / trials)[0] < 0.92  # what one seed does not know


def test_other_objects_are_no_pair() -> None:
    rng = np.random.default_rng(6)
    label, cell = objects(rng)
    model = drawn(rng, label, cell, 1, 0.0)
    with pytest.raises(ValueError, match="different objects"):
        differences(model, replace(model, ids=model.ids[::-1]), np.arange(len(label)), MEASURES, 10)


def test_mcnemar_counts_what_one_alone_has_right() -> None:
    right = np.ones((2, 20), dtype=bool)
    right[0, :2] = False
    right[1, 5:15] = False
    only_first, only_second, chance = mcnemar(*right)
    assert (only_first, only_second) == (10, 2)
    assert chance == pytest.approx(2 * sum(comb(12, k) for k in range(3)) / 2**12)
    assert mcnemar(right[0], right[0]) == (0, 0, 1.0)


@pytest.mark.parametrize(
    ("value", "low", "high", "seeds", "said"),
    [
        (0.021, 0.004, 0.037, 2, "macro F1 ahead by 2.1 points (95 % interval +0.4 to +3.7), established"),
        (-0.021, -0.05, 0.01, 2, "macro F1 behind by 2.1 points (95 % interval -5.0 to +1.0), not established"),
        (
            -0.021,
            -0.05,
            -0.01,
            1,
            "macro F1 behind by 2.1 points (95 % interval -5.0 to -1.0), not established by one seed",
        ),
        (0.0001, -0.01, 0.01, 2, "macro F1 level (95 % interval -1.0 to +1.0): neither is ahead"),
        (0.0, 0.0, 0.0, 2, "macro F1 the same, whichever of these objects are drawn"),
        (-0.0004, -0.0004, 0.0, 2, "macro F1 the same, whichever of these objects are drawn"),
        (0.0, -0.0004, 0.02, 1, "macro F1 level (95 % interval +0.0 to +2.0): neither is ahead"),
        (0.01, -0.0004, 0.02, 2, "macro F1 ahead by 1.0 points (95 % interval +0.0 to +2.0), not established"),
    ],
)
def test_the_sentence_is_plain(value: float, low: float, high: float, seeds: int, said: str) -> None:
    assert sentence("A", "B", [Difference(F1, value, low, high, seeds, 5)]) == f"A against B: {said}."


def test_an_interval_above_zero_is_ahead_of_what_is_better_where_it_is_less_too() -> None:
    scatter = Measure("sigma_mad", "sigma_MAD", rising=False, scale=1.0, unit="", digits=4)
    said = sentence("A", "B", [Difference(scatter, -0.038, -0.0697, -0.016, 2, 5)])
    assert "sigma_MAD ahead by 0.0380 (95 % interval +0.0160 to +0.0697)" in said
