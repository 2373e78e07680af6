"""Predictions of several folds and seeds come together object by object."""

import numpy as np
import pytest

from ictconvention.evaluation.predictions import ModelPredictions, Predictions, ensemble, mean_of_logarithms, pool
from ictconvention.evaluation.prior import Prior, at_equal_shares
from tests.evaluation.made_up_predictions import predicted


def test_under_the_rotating_protocol_each_object_has_the_predictions_of_its_own_fold() -> None:
    entry = ModelPredictions(
        "a", {(f, s): predicted([f"o{f}{i}" for i in range(4)], seed=10 * f + s) for f in (0, 1) for s in (3, 5)}
    )
    whole = pool(entry)
    assert whole.ids.tolist() == sorted(f"o{f}{i}" for f in (0, 1) for i in range(4))
    assert whole.at(Prior.SURVEY).shape == (2, 8, 3)
    assert len(set(whole.cell[:4])) == len(set(whole.cell[4:])) == 1
    assert whole.cell[0] != whole.cell[4]
    for s, seed in enumerate((3, 5)):
        np.testing.assert_array_equal(whole.at(Prior.SURVEY)[s, 4:], entry.predictions[1, seed].at(Prior.SURVEY))
        np.testing.assert_array_equal(whole.at(Prior.UNIFORM)[s, :4], entry.predictions[0, seed].at(Prior.UNIFORM))
    np.testing.assert_array_equal(whole.label[4:], entry.predictions[1, 3].label)


def test_under_the_fixed_protocol_probabilities_are_averaged_per_object_first() -> None:
    ids = ["b", "a", "c"]
    entry = ModelPredictions("a", {(f, 0): predicted(ids, seed=f) for f in range(5)})
    whole = pool(entry)
    assert whole.ids.tolist() == ["a", "b", "c"]
    assert set(whole.cell) == {0}
    mean = np.mean([entry.predictions[f, 0].at(Prior.SURVEY) for f in range(5)], axis=0)
    np.testing.assert_allclose(whole.at(Prior.SURVEY)[0], mean[[1, 0, 2]])


def test_rows_and_labels_of_any_shape_are_pooled_and_averaged() -> None:
    """A scene has shares as its label, and a confusion of pixels as a row."""
    rng = np.random.default_rng(0)
    ids, shares = np.array(["b", "a"]), rng.dirichlet(np.ones(3), 2)
    found = {(f, 0): Predictions(ids, shares, {"confusion": rng.random((2, 3, 3))}) for f in (0, 1)}
    whole = pool(ModelPredictions("scenes", found))
    np.testing.assert_array_equal(whole.label, shares[::-1])
    mean = (found[0, 0].at("confusion") + found[1, 0].at("confusion"))[::-1] / 2
    np.testing.assert_allclose(whole.at("confusion")[0], mean)


def test_what_is_not_known_of_an_object_is_the_same_twice() -> None:
    one = Predictions(np.array(["a", "b"]), np.array([0.3, np.nan]), {"row": np.ones((2, 1))}).pooled
    assert one.is_of_objects_of(one)


def test_an_ensemble_is_the_mean_of_its_members_and_costs_their_sum() -> None:
    predictions = {(0, s): predicted(["a", "b"], seed=s) for s in range(6)}
    entry = ModelPredictions("m", predictions, parameters=10, seconds={(0, s): 1.0 + s for s in range(6)})
    both = ensemble(entry, 3)
    assert both.seeds == (0, 1)
    np.testing.assert_allclose(
        both.predictions[0, 1].at(Prior.SURVEY),
        np.mean([predictions[0, s].at(Prior.SURVEY) for s in (3, 4, 5)], axis=0),
    )
    assert both.parameters == 30
    assert both.seconds == {(0, 0): 6.0, (0, 1): 15.0}
    first, second = entry.predictions[0, 0].rows
    assert ensemble(entry, 3, [first]).predictions[0, 0].rows.keys() == {second}
    assert ensemble(entry, 1, [first]).predictions[0, 0].rows.keys() == {first, second}
    with pytest.raises(ValueError, match="6 seeds do not make ensembles of 4"):
        ensemble(entry, 4)


def test_the_mean_of_logarithms_is_a_geometric_mean_at_every_prior() -> None:
    shares = np.array([0.6, 0.3, 0.1])
    at_shares = {(0, s): predicted(["a", "b"], seed=s) for s in range(3)}
    made = {
        key: Predictions(
            of.ids, of.label, {Prior.SURVEY: of.at("likely"), Prior.UNIFORM: at_equal_shares(of.at("likely"), shares)}
        )
        for key, of in at_shares.items()
    }
    network = ModelPredictions("network", {(0, s): made[0, s] for s in (0, 1)}, core_seconds={(0, 0): 5.0, (0, 1): 7.0})
    forest = ModelPredictions("forest", {(0, 0): made[0, 2]}, core_seconds={(0, 0): 1.0})
    mean = mean_of_logarithms("both", [network, forest])
    assert mean.core_seconds == {(0, 0): 6.0, (0, 1): 8.0}
    for seed in (0, 1):  # the forest joins every seed
        product = np.sqrt(made[0, seed].at(Prior.SURVEY) * made[0, 2].at(Prior.SURVEY))
        found = mean.predictions[0, seed]
        np.testing.assert_allclose(found.at(Prior.SURVEY), product / product.sum(1, keepdims=True))
        np.testing.assert_allclose(found.at(Prior.UNIFORM), at_equal_shares(found.at(Prior.SURVEY), shares))
    alone = mean_of_logarithms("alone", [network])
    np.testing.assert_allclose(alone.predictions[0, 1].at(Prior.SURVEY), made[0, 1].at(Prior.SURVEY))


def test_a_mean_of_what_does_not_fit_together_is_refused() -> None:
    network = ModelPredictions("network", {(f, s): predicted(["a", "b"], seed=s) for f in (0, 1) for s in (0, 1)})
    for other in ({(0, 0): predicted(["a", "b"], 0)}, {(f, 0): predicted(["b", "c"], 0) for f in (0, 1)}):
        with pytest.raises(ValueError, match="fold"):
            mean_of_logarithms("both", [network, ModelPredictions("forest", other)])


def test_predictions_are_plain_arrays() -> None:
    found = predicted(["a"], seed=0)
    assert isinstance(found, Predictions)
    np.testing.assert_allclose(found.at(Prior.SURVEY).sum(1), 1)
