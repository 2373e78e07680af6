"""The scores of redshifts that are compared: a bootstrap counts objects as if they stood more often."""

import numpy as np
import pytest

from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.redshift.weighted import weighted_median
from ictconvention.evaluation.significance import differences, intervals, own_sentence
from ictconvention.tasks.redshift.measures import RedshiftMeasures

EDGES = np.linspace(0, 1, 21)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
MEASURES = RedshiftMeasures(EDGES, {"z_95": 0.6})


def test_replicates_count_objects_as_often_as_their_weight() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, (450, 30)).astype(float)  # more replicates than are taken at once
    pdf, z = rng.dirichlet(np.ones(20), 30), rng.random(30)
    found = MEASURES.weigh({"row": pdf}, z, weight)
    for number in (0, 199, 200, 449):
        times = weight[number].astype(int)
        alone = MEASURES.score({"row": np.repeat(pdf, times, axis=0)}, np.repeat(z, times))
        for name, values in found.items():
            assert values[number] == pytest.approx(np.nan if alone[name] is None else alone[name], nan_ok=True), name
    values = rng.random((1, 7))
    assert weighted_median(values, np.ones((1, 7))) == pytest.approx(np.median(values))


def test_objects_without_a_redshift_are_left_out() -> None:
    rng = np.random.default_rng(1)
    pdf, z = rng.dirichlet(np.ones(20), 30), rng.random(30)
    z[:10] = np.nan
    some = MEASURES.weigh({"row": pdf[10:]}, z[10:], np.ones((1, 20)))
    for name, values in MEASURES.weigh({"row": pdf}, z, np.ones((1, 30))).items():
        assert values == pytest.approx(some[name]), name


def test_the_table_has_every_score_and_the_bias_beyond_training() -> None:
    rng = np.random.default_rng(2)
    pdf, z = rng.dirichlet(np.ones(20), 60), np.linspace(0, 1, 60)
    found = MEASURES.score({"row": pdf}, z)
    assert {one.name for one in (*MEASURES.columns, *MEASURES.compared)} <= found.keys()
    far = z > 0.6
    dz = (pdf @ CENTRES - z) / (1 + z)
    assert found["bias_beyond_95"] == pytest.approx(dz[far].mean())
    assert RedshiftMeasures(EDGES, {}).score({"row": pdf}, z)["bias_beyond_95"] is None


def test_intervals_of_distances_may_leave_out_the_value_and_the_page_says_so() -> None:
    n = 200
    z = (np.arange(n) + 0.5) / n  # with a flat PDF the PIT is as uniform as it can be, and the n(z) is that of all
    flat = Pooled(np.arange(n).astype(str), z, np.zeros(n, dtype=np.int64), {"row": np.full((1, n, 20), 0.05)})
    found = intervals(flat, np.arange(n), MEASURES, 100, scores=MEASURES.columns)
    for name in ("pit_ks", "nz_wasserstein"):
        value, low, _ = found[name]
        assert value < low
    assert "may leave out the value" in MEASURES.said


def test_a_sharper_model_is_ahead_with_its_interval() -> None:
    rng = np.random.default_rng(3)
    z, n = rng.random(200), 200

    def drawn(noise: float) -> Pooled:
        centre = z + rng.normal(0, noise, (3, n))
        pdf = np.exp(-(((centre[..., None] - CENTRES) / 0.1) ** 2))
        pdf /= pdf.sum(-1, keepdims=True)
        return Pooled(np.arange(n).astype(str), z, np.zeros(n, dtype=np.int64), {"row": pdf})

    found = {one.measure.name: one for one in differences(drawn(0.02), drawn(0.2), np.arange(n), MEASURES, 100)}
    for name in ("sigma_mad", "outliers_05", "crps"):
        assert found[name].low < found[name].value < found[name].high < 0, name


def test_the_bias_beyond_training_has_an_interval_of_those_objects_alone() -> None:
    """Two of eight objects lie beyond; a replicate draws one of them alone, both, or none and then does not count."""
    z = np.array([0.1] * 6 + [0.75, 0.85])
    place = [1] * 6 + [13, 11]
    whole = Pooled(np.arange(8).astype(str), z, np.zeros(8, dtype=np.int64), {"row": np.eye(20)[place][None]})
    found = intervals(whole, np.arange(8), MEASURES, 2000, scores=MEASURES.columns)["bias_beyond_95"]
    ends = (CENTRES[13] - 0.75) / 1.75, (CENTRES[11] - 0.85) / 1.85
    assert found == pytest.approx((np.mean(ends), min(ends), max(ends)))


def test_a_score_of_no_object_is_in_no_comparison() -> None:
    z = np.linspace(0, 0.5, 20)
    whole = Pooled(np.arange(20).astype(str), z, np.zeros(20, dtype=np.int64), {"row": np.eye(20)[None, ::-1]})
    found = differences(whole, whole, np.arange(20), MEASURES, 50)
    assert {one.measure.name for one in found} == {one.name for one in MEASURES.compared} - {"abs_bias_beyond_95"}
    assert "beyond" not in own_sentence(
        "mine", intervals(whole, np.arange(20), MEASURES, 50, 0, MEASURES.columns), MEASURES.columns
    )
