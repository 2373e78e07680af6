"""Sets of classes on a toy whose distribution is known: the coverage is exact, of each class, at any class shares."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import binom, norm

from ictconvention.evaluation.calibration import fit_temperature, probabilities
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_shares
from ictconvention.evaluation.sets.conformal import draw_sets, least_objects, merge, p_values, thresholds
from ictconvention.evaluation.sets.coverage import coverage_of, describe_sets, pool_sets, record_sets

CENTRES, NAMES = np.array([0.0, 1.0, 2.5]), ("AGN", "SN Ia", "SN Other")
PRIOR, SHIFTED = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.2, 0.7])


def draw(label: NDArray[np.int64], rng: np.random.Generator, prior: NDArray[np.float64] = PRIOR) -> NDArray[np.float64]:
    """Draw a number about the centre of each object's class, and return probabilities of a model that is too sure."""
    x = rng.normal(CENTRES[label], 1.0)
    likely = norm.pdf(1.4 * (x[:, None] - CENTRES))
    return np.asarray(likely * prior / (likely * prior).sum(1, keepdims=True))


def share_held(
    count: int, coverage: float, shares: NDArray[np.float64] | None, draws: int = 3000
) -> NDArray[np.float64]:
    """Return how often the set of a new object of each class holds it, over draws of validation objects too."""
    rng = np.random.default_rng(count)
    label = np.repeat(np.arange(3), count)
    held = np.zeros(3)
    for _ in range(draws):
        validation, new = draw(label, rng), draw(np.arange(3), rng)
        if shares is not None:
            validation, new = (at_shares(row, PRIOR, shares) for row in (validation, new))
        held += draw_sets(p_values(validation, label, new), coverage)[np.arange(3), np.arange(3)]
    return held / draws


@pytest.mark.parametrize("shares", [None, SHIFTED], ids=["own shares", "shifted"])
@pytest.mark.parametrize(("count", "coverage"), [(14, 0.9), (9, 0.9), (40, 0.75)])
def test_coverage_of_each_class_is_that_of_the_rank(
    count: int, coverage: float, shares: NDArray[np.float64] | None
) -> None:
    """Not only at least what was asked for: without ties it is ceil((n + 1) coverage) / (n + 1), whatever the model."""
    exact = np.ceil((count + 1) * coverage - 1e-9) / (count + 1)
    assert coverage <= exact
    low, high = binom.interval(1 - 1e-5, 3000, exact)
    for share in share_held(count, coverage, shares):
        assert low <= 3000 * share <= high


def test_the_shares_of_the_classes_in_a_survey_do_not_change_the_coverage_of_a_class() -> None:
    """The objects of a class are those of the class; all that a shift changes is how many there are."""
    rng = np.random.default_rng(3)
    label = np.repeat(np.arange(3), 400)
    validation = draw(label, rng)
    for mixed in (PRIOR, SHIFTED):
        truth = rng.choice(3, 20_000, p=mixed)
        found = coverage_of(draw_sets(p_values(validation, label, draw(truth, rng)), 0.9), truth, NAMES)
        for of in found["classes"].values():
            assert abs(of["coverage"] - 0.9) < 5 * np.hypot(np.sqrt(0.09 / of["objects"]), np.sqrt(0.09 / 400))


def test_a_class_with_too_few_objects_is_in_every_set() -> None:
    """The rank (n + 1) coverage is then above n: its quantile is infinite."""
    assert [least_objects(at) for at in (0.5, 0.75, 0.9, 0.95)] == [1, 3, 9, 19]
    assert least_objects(0.9, groups=2) == 19
    rng = np.random.default_rng(0)
    new = draw(rng.integers(0, 3, 500), rng)
    for few, always in ((8, True), (9, False)):
        label = np.array([0] * 50 + [1] * 50 + [2] * few)
        validation = draw(label, rng)
        assert bool(draw_sets(p_values(validation, label, new), 0.9)[:, 2].all()) == always
        assert (thresholds(validation, label, 0.9)[2] is None) == always
    assert draw_sets(p_values(validation[:0], label[:0], new), 0.9).all()


def test_thresholds_decide_as_ranks_do() -> None:
    rng = np.random.default_rng(1)
    label = rng.choice(3, 300, p=PRIOR)
    validation, new = draw(label, rng), draw(rng.integers(0, 3, 2000), rng)
    new[:300] = validation  # ties
    for coverage in (0.5, 0.9, 0.95):
        at = [-np.inf if one is None else one for one in thresholds(validation, label, coverage)]
        np.testing.assert_array_equal(new >= at, draw_sets(p_values(validation, label, new), coverage))


def test_networks_of_several_folds_keep_the_guarantee_whatever_they_have_in_common() -> None:
    """Twice the mean of p-values; of an object that one network alone counts for, its own."""
    rng = np.random.default_rng(5)
    label = np.repeat(np.arange(3), 60)
    truth = rng.choice(3, 3000)
    x = draw(truth, rng)  # the networks agree on the new objects, the worst case
    held = []
    for _ in range(60):
        p = [p_values(draw(label, rng), label, x) for _ in range(3)]
        sets = draw_sets(merge(p, np.ones((3, len(x)), dtype=bool)), 0.9)
        held.append([of["coverage"] for of in coverage_of(sets, truth, NAMES)["classes"].values()])
    assert (np.mean(held, axis=0) > 0.9).all()  # of each class
    alone = np.zeros((3, len(x)), dtype=bool)
    alone[1] = True
    np.testing.assert_array_equal(merge(p, alone), p[1])


def test_a_result_says_the_coverage_of_each_class() -> None:
    rng = np.random.default_rng(2)

    def found(n: int) -> Predictions:
        label = rng.choice(3, n, p=PRIOR)
        return Predictions(np.arange(n).astype(str), label, {Prior.SURVEY: draw(label, rng)})

    record = record_sets(found(60), {"test": (test := found(1000))}, NAMES)
    assert record["validation"]["SN Other"] < record["least"] == 9 < record["validation"]["SN Ia"]
    assert record["test"]["classes"]["SN Other"] == {"objects": int((test.label == 2).sum()), "coverage": 1.0}
    assert 0 <= record["test"]["empty"] < record["test"]["single"] < 1 < record["test"]["mean_size"] < 3
    said = {chose: describe_sets(record, "test", chose) for chose in (True, False)}
    assert all("SN Other 1.000" in line and "in every set" in line for line in said.values())
    assert "chose the training epoch and the temperature:" in said[True]
    assert "chose the temperature:" in said[False]
    assert pool_sets([record], "test") == record
    assert not describe_sets(record, "extra_test", True)
    assert not describe_sets({}, "test", True)


def test_runs_pool_their_sets_over_all_objects_and_say_the_fewest_validation_objects() -> None:
    def record(objects: int, coverage: float | None, size: float, validation: int) -> dict[str, object]:
        classes = {"AGN": {"objects": objects, "coverage": coverage}, "SN Ia": {"objects": 10, "coverage": 1.0}}
        sizes = {"coverage": 0.9, "mean_size": size, "empty": 0.0, "single": 1.0}
        counts = {"AGN": validation, "SN Ia": 20}
        return {"level": 0.9, "least": 9, "validation": counts, "test": sizes | {"classes": classes}}

    found = pool_sets([record(30, 0.9, 1.0, 12), record(10, 0.5, 2.0, 5), {"level": 0.9}], "test")
    assert found["test"]["classes"]["AGN"] == {"objects": 40, "coverage": pytest.approx(0.8)}
    assert found["test"]["mean_size"] == pytest.approx((40 * 1.0 + 20 * 2.0) / 60)
    assert found["validation"] == {"AGN": 5, "SN Ia": 20}
    assert pool_sets([record(0, None, 1.0, 12)], "test")["test"]["classes"]["AGN"]["coverage"] is None
    assert pool_sets([{}], "test") == {}


@pytest.mark.parametrize(
    ("count", "networks", "least", "most"), [(20, 1, 0.89, 0.93), (20, 30, 0.84, 0.89), (100, 30, 0.88, 0.9)]
)
def test_a_temperature_costs_no_coverage_and_the_choice_of_a_network_some(
    count: int, networks: int, least: float, most: float
) -> None:
    """The worst case: equally good networks that have nothing in common, of which validation takes the luckiest."""
    rng, label, truth = np.random.default_rng(4), np.repeat(np.arange(3), count), np.repeat(np.arange(3), 200)
    held = []
    for _ in range(60):
        known, new = (
            norm.logpdf(1.4 * (rng.normal(CENTRES[those], 1.0)[:, None] - CENTRES))
            + 0.5 * rng.normal(size=(networks, len(those), 3))
            for those in (label, truth)
        )
        sure = np.take_along_axis(known - logsumexp(known, axis=2, keepdims=True), label[None, :, None], axis=2)
        best = int(sure.mean((1, 2)).argmax())
        temperature = fit_temperature(known[best], label, np.zeros(3))
        rows = [probabilities(one, temperature) for one in (known[best], new[best])]
        held.append(coverage_of(draw_sets(p_values(rows[0], label, rows[1]), 0.9), truth, NAMES)["coverage"])
    assert least < np.mean(held) < most
