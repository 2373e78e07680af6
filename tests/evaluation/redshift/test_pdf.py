"""PDFs over bins: points at bin centres, intervals, PIT and the CRPS against its definition."""

import numpy as np
import pytest
import torch

from ictconvention.evaluation.redshift.pdf import (
    Floats,
    centres_of,
    crps,
    cumulative,
    interval,
    odds,
    point_estimates,
    quantiles,
)

EDGES = np.array([0, 0.1, 0.2, 0.4, 0.8])


def drawn(pdf: Floats, number: int, rng: np.random.Generator) -> Floats:
    """Return redshifts drawn from one PDF."""
    own = rng.choice(len(pdf), number, p=pdf)
    return np.asarray(rng.uniform(EDGES[own], EDGES[own + 1]))


def test_points_stand_at_the_centres_of_bins_not_at_their_left_edges() -> None:
    certain = np.eye(4)
    for name, values in point_estimates(certain, EDGES).items():
        np.testing.assert_allclose(values, centres_of(EDGES), err_msg=name)


def test_mean_median_and_mode_differ_in_a_lopsided_pdf() -> None:
    found = point_estimates(np.array([[0.4, 0.15, 0.05, 0.4]]), EDGES)
    assert found["mean"] == pytest.approx(0.4 * 0.05 + 0.15 * 0.15 + 0.05 * 0.3 + 0.4 * 0.6)
    assert found["median"] == pytest.approx(0.15)
    assert found["mode"] == pytest.approx(0.05)


def test_the_crps_is_the_mean_distance_from_the_truth_less_half_that_of_two_draws() -> None:
    rng = np.random.default_rng(0)
    for z in (0.05, 0.15, 0.33, 0.79):
        pdf = rng.dirichlet(np.ones(4))
        first, second = drawn(pdf, 400_000, rng), drawn(pdf, 400_000, rng)
        expected = np.abs(first - z).mean() - np.abs(first - second).mean() / 2
        assert crps(pdf[None], np.array([z]), EDGES)[0] == pytest.approx(expected, abs=1e-3)


def test_the_crps_of_one_bin_has_a_closed_form() -> None:
    one = np.array([[0.0, 0.0, 1.0, 0.0]])
    u = 0.25  # of the way through a bin of width .2
    assert crps(one, np.array([0.25]), EDGES)[0] == pytest.approx(0.2 * (u**3 + (1 - u) ** 3) / 3)
    assert crps(one, np.array([0.1]), EDGES)[0] == pytest.approx(0.1 + 0.2 / 3)


def test_a_redshift_outside_the_bins_adds_its_distance_to_the_crps() -> None:
    pdf = np.array([[0.1, 0.2, 0.3, 0.4]])
    at_the_end, beyond = (crps(pdf, np.array([z]), EDGES)[0] for z in (0.8, 1.3))
    assert beyond == pytest.approx(at_the_end + 0.5)


def test_the_crps_of_a_fine_gaussian_is_that_of_the_gaussian() -> None:
    edges = np.linspace(-6, 6, 2401)
    density = np.exp(-(centres_of(edges) ** 2) / 2)
    pdf = (density / density.sum())[None]
    expected = (np.sqrt(2) - 1) / np.sqrt(np.pi)  # of a standard Gaussian at its mean
    assert crps(pdf, np.zeros(1), edges)[0] == pytest.approx(expected, abs=1e-5)


def test_the_crps_of_tensors_is_that_of_arrays() -> None:
    rng = np.random.default_rng(1)
    pdf, z = rng.dirichlet(np.ones(4), 7), rng.uniform(-0.1, 0.9, 7)
    found = crps(*map(torch.from_numpy, (pdf, z, EDGES)))
    np.testing.assert_allclose(found.numpy(), crps(pdf, z, EDGES), atol=1e-12)


def test_the_pit_of_true_pdfs_is_uniform_and_their_intervals_cover() -> None:
    rng = np.random.default_rng(2)
    pdf = rng.dirichlet(np.ones(4), 6000)
    z = np.concatenate([drawn(own, 1, rng) for own in pdf])
    pit = cumulative(pdf, EDGES, z)
    np.testing.assert_allclose(np.histogram(pit, 10, (0, 1))[0] / len(z), 0.1, atol=0.02)
    low, high = interval(pdf, EDGES, 0.6827)
    assert ((z >= low) & (z <= high)).mean() == pytest.approx(0.6827, abs=0.02)


def test_quantiles_are_where_the_cumulative_is_their_share() -> None:
    pdf = np.random.default_rng(3).dirichlet(np.ones(4), 5)
    places = quantiles(pdf, EDGES, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(cumulative(pdf, EDGES, places), [[0.1, 0.5, 0.9]] * 5, atol=1e-12)


def test_odds_are_the_probability_near_the_mean() -> None:
    wide, narrow = np.full((1, 4), 0.25), np.array([[0.0, 1.0, 0.0, 0.0]])
    assert odds(narrow, EDGES)[0] == pytest.approx(1)
    mean = point_estimates(wide, EDGES)["mean"][0]
    reach = 0.06 * (1 + mean)
    ends = cumulative(wide, EDGES, np.array([[mean - reach, mean + reach]]))[0]
    assert odds(wide, EDGES)[0] == pytest.approx(ends[1] - ends[0])
