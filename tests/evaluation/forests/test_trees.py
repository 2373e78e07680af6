"""Trees that are kept as arrays vote as scikit-learn's do, and a damaged file of them is refused."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from ictconvention.core.errors import UsageError
from ictconvention.evaluation import forest
from ictconvention.evaluation.forest import fit_forest
from ictconvention.evaluation.forests.trees import Trees
from tests.refusals import refused

CLASSES = ("SN Ia", "AGN", "Variable", "SN Other")  # of another order than the alphabet's; the last trains nothing


def numbers(objects: int, seed: int) -> NDArray[np.float64]:
    """Return numbers of which some are unknown, one of them for most objects and one for none."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(objects, 6))
    x[:, :5][rng.random((objects, 5)) < [0.7, 0.2, 0.1, 0.1, 0.0]] = np.nan
    return x


@pytest.fixture(scope="module")
def model() -> RandomForestClassifier:
    x = numbers(400, 0)
    labels = [CLASSES[int(row[1] > 0) + int(row[2] > 0.5) if np.isfinite(row[0]) else 0] for row in x]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 40)
        return fit_forest(x, labels, jobs=1)


@pytest.fixture(scope="module")
def trees(model: RandomForestClassifier) -> Trees:
    return Trees.of(model, CLASSES)


def test_they_vote_as_those_of_scikit_learn(model: RandomForestClassifier, trees: Trees) -> None:
    for x in (numbers(3000, 1), numbers(1, 2), np.full((2, 6), np.nan)):
        found, expected = trees.predict(x), model.predict_proba(x)
        at = [CLASSES.index(name) for name in model.classes_]
        np.testing.assert_allclose(found[:, at], expected, rtol=0, atol=1e-12)
        assert not found[:, CLASSES.index("SN Other")].any()
        np.testing.assert_array_equal(found[:, at], expected)  # summed in the same order
    assert np.ptp(trees.predict(numbers(3000, 1)), axis=0).max() > 0.9


def test_a_number_that_no_float32_holds_is_unknown(trees: Trees) -> None:
    x = numbers(50, 3)
    unknown = x.copy()
    x[:, 2], unknown[:, 2] = np.where(np.arange(50) % 2, 1e300, -np.inf), np.nan
    np.testing.assert_array_equal(trees.predict(x), trees.predict(unknown))


def test_what_was_saved_is_read(trees: Trees, tmp_path: Path) -> None:
    trees.save(tmp_path / "trees.npz")
    read = Trees.load(tmp_path / "trees.npz", 6, len(CLASSES), "fix")
    for one in fields(Trees):
        np.testing.assert_array_equal(getattr(read, one.name), getattr(trees, one.name))
    with refused(UsageError, "E-RUN-DAMAGED", "5", where="trees.npz"):  # numbers
        Trees.load(tmp_path / "trees.npz", 5, len(CLASSES), "fix")
    with refused(UsageError, "E-RUN-DAMAGED", where="trees.npz"):
        Trees.load(tmp_path / "trees.npz", 6, 3, "fix")


def changed(array: NDArray[Any], place: int, value: object) -> NDArray[Any]:
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("left", 3, 0),  # it would go in a circle
        ("right", 0, 10**6),
        ("root", 1, -1),
        ("root", 1, 10**6),
        ("feature", 0, 6),
        ("feature", 0, -1),
        ("threshold", 0, np.nan),
        ("votes", -1, np.nan),
        ("votes", -1, 0.9),  # the last node is a leaf
        ("votes", -1, [2, -1, 0, 0]),
    ],
)
def test_arrays_that_are_no_trees_are_refused(
    name: str, place: int, value: object, trees: Trees, tmp_path: Path
) -> None:
    replace(trees, **{name: changed(getattr(trees, name), place, value)}).save(tmp_path / "trees.npz")
    with refused(UsageError, "E-RUN-DAMAGED", where="trees.npz"):
        Trees.load(tmp_path / "trees.npz", 6, len(CLASSES), "fix")


@pytest.mark.parametrize("damage", ["lost", "short", "pickled", "type", "text", "cut"])
def test_a_file_that_holds_other_arrays_is_refused_and_nothing_is_unpickled(
    damage: str, trees: Trees, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = {one.name: getattr(trees, one.name) for one in fields(Trees)}
    match damage:
        case "lost":
            del arrays["votes"]
        case "short":
            arrays["threshold"] = arrays["threshold"][:-1]
        case "pickled":
            arrays["votes"] = np.array([print], dtype=object)
        case "type":
            arrays["left"] = arrays["left"].astype(np.float64)
    path = tmp_path / "trees.npz"
    np.savez(path, **arrays)
    if damage == "text":
        path.write_text("no arrays")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-2000])
    with refused(UsageError, "E-RUN-DAMAGED", where=path):
        Trees.load(path, 6, len(CLASSES), "fix")
