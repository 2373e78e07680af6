"""The distance to what a network knows: Mahalanobis, counted against objects that are like it."""

from pathlib import Path

import numpy as np
import pytest

from ictconvention.core.errors import UsageError
from ictconvention.evaluation.novelty import NoveltyReference
from tests.refusals import refused

SPREAD = np.array([[2.0, 0.6], [0.6, 0.5]])
CENTRES = np.array([[0.0, 0.0], [10.0, 0.0]])


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    return CENTRES[label] + rng.multivariate_normal(np.zeros(2), SPREAD, count), label


@pytest.fixture
def reference() -> NoveltyReference:
    return NoveltyReference.fit(*drawn(20_000, 0), drawn(4_000, 1)[0])


def test_it_is_the_mahalanobis_distance_to_the_nearest_class(reference: NoveltyReference) -> None:
    points = np.array([[1.0, 1.0], [8.0, -1.0], [5.0, 3.0]])
    exact = [min(float((p - c) @ np.linalg.inv(SPREAD) @ (p - c)) for c in CENTRES) ** 0.5 for p in points]
    np.testing.assert_allclose(reference.distance(points), exact, rtol=0.03)


def test_one_in_twenty_like_objects_is_above_095(reference: NoveltyReference) -> None:
    like = reference.novelty(reference.distance(drawn(10_000, 2)[0]))
    assert abs((like > 0.95).mean() - 0.05) < 0.01
    far = reference.novelty(reference.distance(np.array([[5.0, 9.0], [-20.0, 0.0]])))
    assert far.tolist() == [1.0, 1.0]


def test_it_does_not_depend_on_the_scale_of_the_features(reference: NoveltyReference) -> None:
    features, label = drawn(20_000, 0)
    grown = NoveltyReference.fit(7 * features, label, 7 * drawn(4_000, 1)[0])
    points = drawn(50, 3)[0]
    np.testing.assert_allclose(grown.distance(7 * points), reference.distance(points), rtol=1e-6)


def test_it_survives_the_disk_and_damage_is_told(reference: NoveltyReference, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    reference.save(path)
    points = drawn(50, 3)[0]
    np.testing.assert_array_equal(NoveltyReference.load(path).distance(points), reference.distance(points))
    path.write_bytes(path.read_bytes()[:-200])
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path / "reference.npz"):
        NoveltyReference.load(path)
    np.savez(path, means=np.full((2, 2), np.nan), precision=np.eye(2), validation=np.zeros(3))
    with refused(UsageError, "E-RUN-DAMAGED", "NaN", where=tmp_path / "reference.npz"):
        NoveltyReference.load(path)
    np.savez(path, means=np.array([print], dtype=object), precision=np.eye(2), validation=np.zeros(3))
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path / "reference.npz"):
        NoveltyReference.load(path)
