"""The published definitions on a fixed table, and what the PDFs are worth."""

import numpy as np
import pytest

from ictconvention.evaluation.redshift.scores import bin_of, errors, point_scores, redshift_scores

EDGES = np.linspace(0, 1, 11)


def test_point_scores_on_a_fixed_table() -> None:
    z = np.array([0.0, 1.0, 0.25, 0.0, 3.0])
    dz = errors(np.array([0.01, 1.0, 0.3, -0.02, 3.8]), z)
    np.testing.assert_allclose(dz, [0.01, 0.0, 0.04, -0.02, 0.2])
    found = {name: x[0] for name, x in point_scores(dz, np.ones((1, 5))).items()}
    assert found["bias"] == pytest.approx(0.046)
    assert found["sigma_mad"] == pytest.approx(1.4826 * 0.03)  # the median is .01, the deviations 0 .01 .03 .03 .19
    assert found["outliers_05"] == pytest.approx(0.2)
    assert found["outliers_15"] == pytest.approx(0.2)
    assert found["rmse"] == pytest.approx(np.sqrt((0.01**2 + 0.04**2 + 0.02**2 + 0.2**2) / 5))


def test_an_edge_belongs_to_the_bin_above_it_and_the_last_to_the_last() -> None:
    np.testing.assert_array_equal(bin_of(np.array([0.0, 0.5, 0.55, 1.0]), np.array([0, 0.5, 1.0])), [0, 1, 1, 1])


def test_objects_without_a_redshift_count_nowhere() -> None:
    rng = np.random.default_rng(0)
    pdf, z = rng.dirichlet(np.ones(10), 40), rng.random(40)
    more = redshift_scores(np.concatenate([pdf, pdf]), EDGES, np.concatenate([z, np.full(40, np.nan)]), 0.5)
    assert more == redshift_scores(pdf, EDGES, z, 0.5)


def test_bias_beyond_the_trainings_redshifts_is_of_those_objects_alone() -> None:
    z = np.array([0.15, 0.35, 0.75, 0.85])
    pdf = np.eye(10)[[1, 3, 5, 6]]  # the far ones are pulled in by .2
    found = redshift_scores(pdf, EDGES, z, 0.5)
    assert found["objects_beyond_95"] == 2
    assert found["bias_beyond_95"] == pytest.approx(np.mean([-0.2 / 1.75, -0.2 / 1.85]))
    assert redshift_scores(pdf, EDGES, z, 0.9)["bias_beyond_95"] is None


def test_n_of_z_of_the_summed_pdfs_is_compared_with_the_true_one() -> None:
    z = np.array([0.05, 0.25, 0.45, 0.65])
    right = redshift_scores(np.eye(10)[[0, 2, 4, 6]], EDGES, z)
    shuffled = redshift_scores(np.eye(10)[[6, 4, 2, 0]], EDGES, z)
    shifted = redshift_scores(np.eye(10)[[1, 3, 5, 7]], EDGES, z)
    assert right["nz_wasserstein"] == pytest.approx(0, abs=1e-12)
    assert shuffled["nz_wasserstein"] == pytest.approx(0, abs=1e-12)  # the sum says nothing of single objects
    assert shifted["nz_wasserstein"] == pytest.approx(0.1)


def test_pdfs_that_are_too_narrow_cover_too_little_and_have_no_uniform_pit() -> None:
    rng = np.random.default_rng(1)
    centre, sd = rng.uniform(0.3, 0.7, 3000), 0.12
    z = np.clip(rng.normal(centre, sd), 0, 1)
    edges = np.linspace(0, 1, 201)
    middle = (edges[1:] + edges[:-1]) / 2

    def said(width: float) -> dict[str, float | None]:
        pdf = np.exp(-((middle - centre[:, None]) ** 2) / (2 * width**2))
        return redshift_scores(pdf / pdf.sum(1, keepdims=True), edges, z)

    true, narrow = said(sd), said(sd / 3)
    assert true["coverage_68"] == pytest.approx(0.6827, abs=0.03)
    assert true["coverage_95"] == pytest.approx(0.9545, abs=0.02)
    assert (narrow["coverage_68"] or 0) < 0.35
    for name in ("pit_ks", "pit_cvm", "crps", "log_loss"):
        assert (true[name] or 0) < (narrow[name] or 0), name
