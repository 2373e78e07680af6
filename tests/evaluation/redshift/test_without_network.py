"""Forest, neighbours and constant answer: PDFs that use what the numbers tell, and no more."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ictconvention.evaluation.redshift import without_network
from ictconvention.evaluation.redshift.pdf import Floats
from ictconvention.evaluation.redshift.scores import redshift_scores
from ictconvention.evaluation.redshift.without_network import (
    Known,
    forest_pdfs,
    neighbour_features,
    neighbour_pdfs,
    photometric_features,
    shares_of,
)
from tests.tasks.redshift.galaxies import write_galaxies

EDGES = np.linspace(0, 1, 21)
Pdfs = Callable[[Known, Known, Floats, Floats], Floats]


def drawn(number: int, seed: int, noise: float = 0.05) -> Known:
    """Return objects of which one number follows the redshift, another nothing, and a third is never known."""
    rng = np.random.default_rng(seed)
    z = rng.beta(2, 3, number)
    columns = [z + rng.normal(0, noise, number), rng.normal(0, 50, number), np.full(number, np.nan)]
    return Known(np.column_stack(columns), z)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(without_network, "TREES", 40)


def forest(train: Known, validation: Known, asked: Floats, edges: Floats) -> Floats:
    return forest_pdfs(train, validation, asked, edges, jobs=1)


@pytest.mark.parametrize("pdfs", [forest, neighbour_pdfs])
def test_pdfs_follow_what_the_numbers_tell_and_are_calibrated(pdfs: Pdfs) -> None:
    train, validation, test = drawn(500, 0), drawn(150, 1), drawn(300, 2)
    train.features[::7, 0] = np.nan
    found = pdfs(train, validation, test.features, EDGES)
    np.testing.assert_allclose(found.sum(1), 1)
    scores = redshift_scores(found, EDGES, test.z)
    constant = np.tile(shares_of(train.z, EDGES), (300, 1))
    none = redshift_scores(constant, EDGES, test.z)
    assert (scores["crps"] or 1) < 0.5 * (none["crps"] or 0)
    assert scores["coverage_68"] == pytest.approx(0.6827, abs=0.1)
    assert (none["pit_ks"] or 1) < 0.1


@pytest.mark.parametrize("pdfs", [forest, neighbour_pdfs])
def test_the_prediction_of_an_object_depends_on_no_other(pdfs: Pdfs) -> None:
    train, validation, test = drawn(200, 0), drawn(60, 1), drawn(40, 2)
    whole = pdfs(train, validation, test.features, EDGES)
    np.testing.assert_allclose(pdfs(train, validation, test.features[:5], EDGES), whole[:5])


def test_features_are_of_apertures_with_the_extinction_where_a_survey_has_it(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "plain", 4)
    found = photometric_features(survey)
    near = neighbour_features(found, 3)
    assert near.shape == (4, 3)
    per_band = found[:, :21].reshape(4, 3, 7)
    np.testing.assert_allclose(near[:, :2], per_band[:, :-1, 1] - per_band[:, 1:, 1])
    np.testing.assert_allclose(near[:, 2], per_band[:, 1, 2])
