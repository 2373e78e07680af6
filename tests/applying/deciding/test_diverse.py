"""Objects to follow up are in doubt and unlike each other."""

import numpy as np

from ictconvention.applying.deciding.diverse import choose_diverse


def test_of_clusters_in_equal_doubt_each_gives_one_before_any_gives_two() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(5), 40)
    features = rng.normal(0, 0.01, (200, 3)) + 10 * rng.normal(size=(5, 3))[cluster]
    chosen = choose_diverse(1 + rng.normal(0, 0.01, 200), features, 5)
    assert len(set(cluster[chosen])) == 5


def test_the_first_is_the_most_doubtful_and_doubt_weighs_the_others() -> None:
    doubt = np.array([0.2, 0.9, 0.8, 0.1])
    features = np.array([[0.0], [0.0], [1.0], [-1.1]])  # the last is a little further from the first, and sure
    assert choose_diverse(doubt, features, 2).tolist() == [1, 2]


def test_distances_are_those_of_the_covariance_that_is_given() -> None:
    """In the first direction known objects scatter much, so that a step there is no news."""
    doubt, features = np.array([1.0, 0.9, 0.9]), np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 2.0]])
    assert choose_diverse(doubt, features, 2, np.diag([1e-4, 1.0])).tolist() == [0, 2]
    assert choose_diverse(doubt, features, 2, np.eye(2)).tolist() == [0, 1]


def test_no_object_is_chosen_twice_and_a_budget_may_be_larger_than_what_there_is() -> None:
    features = np.zeros((4, 2))  # all alike
    assert choose_diverse(np.array([0.1, 0.4, 0.3, 0.2]), features, 3).tolist() == [1, 2, 3]
    assert sorted(choose_diverse(np.zeros(4), features, 9).tolist()) == [0, 1, 2, 3]
    assert choose_diverse(np.zeros(0), features[:0], 3).tolist() == []


def test_what_is_far_away_and_sure_is_no_candidate() -> None:
    doubt = np.concatenate([np.ones(20), [1e-3]])
    features = np.concatenate([np.zeros((20, 1)), [[1e6]]])
    assert 20 not in choose_diverse(doubt, features, 2)
