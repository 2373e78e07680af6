"""The loop of follow-up: every way begins with the same labels, and asks for as many."""

import numpy as np

from experiments.follow_up import loop as study


def test_every_way_begins_alike_and_knows_more_in_the_end() -> None:
    rng = np.random.default_rng(0)
    label, truth = rng.choice(3, 300, p=[0.8, 0.15, 0.05]), rng.integers(0, 3, 200)
    centres = 2.5 * rng.normal(size=(3, 4))
    pool, test = centres[label] + rng.normal(size=(300, 4)), centres[truth] + rng.normal(size=(200, 4))
    scores = {way: study.loop(pool, label, test, truth, way, seed=1) for way in study.WAYS}
    assert {len(one) for one in scores.values()} == {study.ROUNDS + 1}
    assert len({one[0] for one in scores.values()}) == 1
    assert all(one[-1] > one[0] for one in scores.values())
    assert scores["random"] == study.loop(pool, label, test, truth, "random", seed=1)


def test_an_interval_is_that_of_a_mean() -> None:
    values = np.array([0.5, 0.6, 0.7])
    assert study._interval(values) == "60.0 ± 24.8"  # t of two degrees, 4.303, times .1 / sqrt(3)
    assert study._interval(values - 0.5, signed=True).startswith("+10.0")
