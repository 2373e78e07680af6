"""Redshifts of the nearest objects are a calibrated PDF, also where the objects are shifted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from ictconvention.core.errors import UsageError
from ictconvention.evaluation.redshift.pdf import Floats, crps, cumulative
from ictconvention.evaluation.shift.neighbours import Neighbours
from tests.refusals import refused

EDGES = np.linspace(0, 1, 81)
NOISE = 0.03


def toy(n: int, shift: float = 0.0, seed: int = 0) -> tuple[Floats, Floats]:
    """Return features (n, 3), of which the first says the redshift (n,) but for noise, in any units."""
    rng = np.random.default_rng(seed)
    features = rng.normal([shift, 0, 0], 1, (n, 3))
    return features * [5, 0.1, 0.001], 0.5 + 0.1 * features[:, 0] + rng.normal(0, NOISE, n)


@pytest.fixture(scope="module")
def fitted() -> Neighbours:
    return Neighbours.fit(*toy(2000), *toy(500, seed=1), EDGES)


@pytest.mark.parametrize(("shift", "distance"), [(0.0, 0.06), (0.5, 0.08), (1.0, 0.12)])  # few are near at the edge
def test_the_pit_of_a_toy_is_uniform_and_the_pdf_is_sharp(fitted: Neighbours, shift: float, distance: float) -> None:
    features, z = toy(1000, shift, seed=2)
    pdf = fitted.predict(features)
    np.testing.assert_allclose(pdf.sum(1), 1)
    assert kstest(cumulative(pdf, EDGES, z), "uniform").statistic < distance
    best = NOISE / np.sqrt(np.pi)  # CRPS of the true Gaussian
    assert best < crps(pdf, z, EDGES).mean() < 1.3 * best


def test_the_whole_distribution_is_not_taken_for_a_sharp_one_though_its_pit_is_uniform(fitted: Neighbours) -> None:
    assert fitted.count < 160
    assert fitted.width > 0.002  # the noise is wider than any


def test_features_that_say_nothing_give_the_distribution_of_all() -> None:
    rng = np.random.default_rng(3)
    features, z = rng.normal(0, 1, (1200, 2)), rng.normal(0.5, 0.1, 1200)
    found = Neighbours.fit(features[:900], z[:900], features[900:], z[900:], EDGES)
    assert found.count >= 40


def test_few_objects_are_enough(tmp_path: Path) -> None:
    features, z = toy(12)
    features[:, 2] = 1.0  # which scatters not at all
    found = Neighbours.fit(features[:8], z[:8], features[8:], z[8:], EDGES)
    assert 1 <= found.count <= 2
    assert np.isfinite(found.predict(features)).all()


def test_it_is_read_as_it_was_kept_and_refused_where_it_is_damaged(fitted: Neighbours, tmp_path: Path) -> None:
    path, (features, _) = tmp_path / "neighbours.npz", toy(20, seed=4)
    fitted.save(path)
    np.testing.assert_array_equal(Neighbours.load(path, EDGES).predict(features), fitted.predict(features))
    whole = path.read_bytes()
    arrays = {"features": fitted.features, "redshift": fitted.redshift, "chosen": np.array([20, 0.01])}
    wrong: tuple[dict[str, Any], ...] = (
        {"redshift": fitted.redshift[:-1]},
        {"chosen": np.array([0, 0.01])},
        {"chosen": np.array([20, 0.3])},
        {"redshift": np.full(2000, np.nan)},
        {"features": np.array([None, {}], dtype=object)},
    )
    for changed in wrong:
        given: dict[str, Any] = {**arrays, **changed}
        np.savez(path, **given)
        with refused(UsageError, "E-RUN-DAMAGED", where=path):
            Neighbours.load(path, EDGES)
    for content in (whole[:1000], b""):
        path.write_bytes(content)
        with refused(UsageError, "E-RUN-DAMAGED", where=path):
            Neighbours.load(path, EDGES)
