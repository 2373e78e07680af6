"""The trees of a random forest as arrays, which are kept and read without any object being made from a file."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.files.reading import npz_arrays

AT_ONCE = 1024  # objects that go down the trees together
SUM = 1e-6  # by which the shares of a leaf may miss a sum of 1
TYPES = ("<i8", "<i4", "<i4", "<i4", "<f8", "|b1", "<f8")  # of the arrays, in their order


@dataclass(frozen=True, eq=False)
class Trees:
    """All nodes of all trees, one after the other; a leaf leads to itself.

    Parameters
    ----------
    root : array (trees,)
        Where each tree begins.
    left, right : arrays (nodes,)
        The nodes below; always farther on.
    feature : array (nodes,)
        Which number decides; 0 of a leaf.
    threshold : array (nodes,)
        An object goes to the left where that number is no larger; infinite where it only has to be known.
    missing_left : boolean array (nodes,)
        Where an object goes whose number is unknown.
    votes : array (nodes, classes)
        Shares of the classes in a leaf; 0 elsewhere.
    """

    root: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    votes: NDArray[np.float64]

    @classmethod
    def of(cls, model: Any, classes: tuple[str, ...]) -> "Trees":
        """Return the trees of a fitted `RandomForestClassifier` whose labels are some of the classes, in their order.

        A class that it does not know has no vote.
        """
        trees = [one.tree_ for one in model.estimators_]
        root = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])[:-1]]).astype(np.int64)
        place = np.arange(sum(tree.node_count for tree in trees))
        own = np.repeat(root, [tree.node_count for tree in trees])
        leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        below = (np.concatenate([getattr(tree, f"children_{side}") for tree in trees]) for side in ("left", "right"))
        left, right = (np.where(leaf, place, own + there).astype(np.int32) for there in below)
        feature, threshold, missing = (
            np.where(leaf, 0, np.concatenate([getattr(tree, name) for tree in trees]))
            for name in ("feature", "threshold", "missing_go_to_left")
        )
        shares = np.concatenate([tree.value[:, 0, :] for tree in trees])
        votes = np.zeros((len(place), len(classes)))
        votes[:, [classes.index(name) for name in model.classes_]] = np.where(leaf[:, None], shares, 0)
        return cls(root, left, right, feature.astype(np.int32), threshold, missing.astype(bool), votes)

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the mean of the trees' votes (n, classes) for features (n, f), as scikit-learn does: in float32."""
        x = as_seen(features)
        found = np.zeros((len(x), self.votes.shape[1]))
        for first in range(0, len(x), AT_ONCE):
            some = x[first : first + AT_ONCE]
            for leaf in self._leaves(some).T:
                found[first : first + AT_ONCE] += self.votes[leaf]
        return found / len(self.root)

    def _leaves(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the leaf of each tree that objects end in, (n, trees)."""
        node = np.tile(self.root, (len(x), 1))
        objects = np.arange(len(x))[:, None]
        while True:
            value = x[objects, self.feature[node]]
            goes_left = np.where(np.isnan(value), self.missing_left[node], value <= self.threshold[node])
            below = np.where(goes_left, self.left[node], self.right[node])
            if np.array_equal(below, node):
                return node
            node = below

    def save(self, path: Path) -> None:
        """Write them to an .npz file."""
        arrays = {one.name: getattr(self, one.name).astype(kind) for one, kind in zip(fields(self), TYPES, strict=True)}
        with whole_file(path, "saving the forest", record=True) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path, features: int, classes: int, fix: str) -> "Trees":
        """Read them; nothing is unpickled.

        Parameters
        ----------
        path : Path
            The file.
        features, classes : int
            How many numbers they see, and how many classes they tell apart.
        fix : str
            What a refusal says to do.

        Raises
        ------
        UsageError
            The file is damaged.
        """
        names = [one.name for one in fields(cls)]
        try:
            found = cls(**npz_arrays(path, lambda there: names))
            found.check(features, classes)
        except Exception as error:  # rubbish may break the reader anywhere
            raise UsageError(f"this forest is damaged: {error}", path, fix, "E-RUN-DAMAGED") from error
        return found

    def check(self, features: int, classes: int) -> None:
        """Raise a `ValueError` where the arrays make no trees: one that is passed leads each object to a leaf."""
        if any(array.dtype != np.dtype(kind) for array, kind in zip(_arrays(self), TYPES, strict=True)):
            raise ValueError("its arrays have other types")
        nodes = len(self.left)
        if any(array.shape != (nodes,) for array in _arrays(self)[1:-1]) or self.votes.shape != (nodes, classes):
            raise ValueError("its arrays do not fit together")
        place = np.arange(nodes)
        inner = (self.left > place) & (self.right > place)
        leaf = (self.left == place) & (self.right == place)
        ends = max(self.left.max(initial=-1), self.right.max(initial=-1), self.root.max(initial=-1))
        if (
            self.root.ndim != 1
            or not len(self.root)
            or self.root.min() < 0
            or ends >= nodes
            or not (inner | leaf).all()
        ):
            raise ValueError("its nodes do not make trees")
        if self.feature.min() < 0 or self.feature.max() >= features:
            raise ValueError(f"it does not see {features} numbers")
        sound = np.isfinite(self.votes).all() and (self.votes >= 0).all() and not np.isnan(self.threshold).any()
        if not sound or not (np.abs(self.votes[leaf].sum(1) - 1) < SUM).all():
            raise ValueError("a number in it is not what it can be")


def _arrays(trees: Trees) -> tuple[NDArray[Any], ...]:
    return tuple(getattr(trees, one.name) for one in fields(trees))


def as_seen(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return features as trees see them: in float32, NaN where they are unknown, or larger than that can hold."""
    with np.errstate(over="ignore"):
        x = np.asarray(features).astype(np.float32)
    x[~np.isfinite(x)] = np.nan
    return x
