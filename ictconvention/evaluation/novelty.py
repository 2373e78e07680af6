"""How unlike its training survey an object is: the distance of what the network makes of it to what it knows.

The Mahalanobis distance of Lee et al. 2018: in the last layer before the logits, to the nearest class mean, under one
covariance of all classes (shrunk after Ledoit & Wolf 2004). It sees what the network looks at, and no more.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.files.reading import npz_arrays


@dataclass(frozen=True, eq=False)
class NoveltyReference:
    """What a network makes of the objects that it knows.

    Parameters
    ----------
    means : array (classes, features)
        Means of the classes that training had.
    precision : array (features, features)
        Inverse covariance about them.
    validation : array (n,)
        Distances of the objects of the validation part, which no weight was fitted to, in ascending order.
    """

    means: NDArray[np.float64]
    precision: NDArray[np.float64]
    validation: NDArray[np.float64]

    @classmethod
    def fit(
        cls, features: NDArray[np.floating], labels: NDArray[np.integer], validation: NDArray[np.floating]
    ) -> "NoveltyReference":
        """Return the reference of a network.

        Parameters
        ----------
        features : array (n, features)
            Features of objects that trained.
        labels : array (n,)
            Their classes.
        validation : array (m, features)
            Features of objects that no weight was fitted to.
        """
        features = np.asarray(features, dtype=np.float64)
        present, own = np.unique(labels, return_inverse=True)
        means = np.stack([features[own == c].mean(0) for c in range(len(present))])
        precision = LedoitWolf(assume_centered=True).fit(features - means[own]).precision_
        empty = cls(means, precision, np.zeros(0))
        return cls(means, precision, np.sort(empty.distance(validation)))

    def distance(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the distance (n,) of features (n, features) to the nearest class."""
        features = np.asarray(features, dtype=np.float64)
        squares = np.full(len(features), np.inf)
        for mean in self.means:
            away = features - mean
            squares = np.minimum(squares, ((away @ self.precision) * away).sum(1))
        return np.asarray(np.sqrt(np.maximum(squares, 0)))

    def novelty(self, distance: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the share of the validation objects that are nearer, (n,): above 0.95, one in twenty like objects."""
        return np.asarray(np.searchsorted(self.validation, distance) / max(len(self.validation), 1))

    def save(self, path: Path) -> None:
        """Write it to an .npz file."""
        with whole_file(path, "saving the reference", record=True) as partial, partial.open("wb") as file:
            np.savez(file, means=self.means, precision=self.precision, validation=self.validation)

    @classmethod
    def load(cls, path: Path) -> "NoveltyReference":
        """Read it; nothing is unpickled.

        Raises
        ------
        UsageError
            It is damaged.
        """
        try:
            arrays = npz_arrays(path, lambda names: ("means", "precision", "validation"))
            found = cls(*(np.asarray(array, dtype=np.float64) for array in arrays.values()))
            classes, features = found.means.shape
            if found.precision.shape != (features, features) or found.validation.ndim != 1 or not classes:
                raise ValueError("its arrays do not fit together")
            if not all(np.isfinite(values).all() for values in (found.means, found.precision, found.validation)):
                raise ValueError("a number in it is NaN or infinite")
        except Exception as error:  # rubbish may break the reader anywhere
            fix = "remove it; predictions then come without the column novelty"
            raise UsageError(f"this reference is damaged: {error}", path, fix, "E-RUN-DAMAGED") from error
        return found
