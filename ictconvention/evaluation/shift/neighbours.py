"""Redshifts of the objects nearest in a network's features, as a PDF: what is like an object says its redshift.

After CLAP (Lin et al. 2024), in short. Where the shift is one of the features alone, what is near an object has its
redshifts, however rare the like of it was in training. Knows no network.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest
from sklearn.neighbors import NearestNeighbors

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.redshift.pdf import Floats, crps, cumulative, mean_of_nearest, widen
from ictconvention.files.reading import npz_arrays

COUNTS = (5, 10, 20, 40, 80, 160)  # of neighbours that are tried, never more than a quarter of all
WIDTHS = (0.002, 0.005, 0.01, 0.02, 0.04)  # times 1 + z, by which each redshift is widened
UNIFORM = 1.36  # over sqrt(n): the KS distance that a uniform PIT of n objects exceeds once in twenty
ARRAYS = ("features", "redshift", "chosen")
AGAIN = "restore it from a copy, or train the run again"


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Objects whose redshift is known, where a network sees them.

    Parameters
    ----------
    features : array (n, f)
        What the last layer sees of each.
    redshift : array (n,)
        Their redshifts.
    count : int
        How many of them, the nearest, make the PDF of an object.
    width : float
        Standard deviation by which the redshift of each is widened, times 1 + z.
    edges : array (bins + 1,)
        Of the bins of the PDF.
    """

    features: NDArray[np.float32]
    redshift: Floats
    count: int
    width: float
    edges: Floats

    @classmethod
    def fit(
        cls,
        features: NDArray[np.floating],
        redshift: Floats,
        validation: NDArray[np.floating],
        z: Floats,
        edges: Floats,
    ) -> "Neighbours":
        """Choose how many neighbours, and how widened, by objects that no weight was fitted to.

        Of those whose PIT is as uniform as chance allows the sharpest are taken, by the CRPS: a few neighbours and the
        whole n(z) may both have a uniform PIT. Where none is, the nearest to it.

        Parameters
        ----------
        features, redshift : arrays (n, f), (n,)
            Of objects whose redshift is known.
        validation, z : arrays (m, f), (m,)
            The same of objects that no weight was fitted to.
        edges : array (bins + 1,)
            Of the bins.
        """
        counts = [count for count in COUNTS if count <= len(redshift) // 4] or [1]
        empty = cls(np.asarray(features, dtype=np.float32), np.asarray(redshift, dtype=np.float64), 1, 0.0, edges)
        nearest = empty.find(validation, counts[-1])
        tried = []
        for width in WIDTHS:
            kernels = widen(redshift, width, edges)
            for count in counts:
                pdf = mean_of_nearest(kernels, nearest[:, :count])
                distance = kstest(np.clip(cumulative(pdf, edges, z), 0, 1), "uniform").statistic
                uniform = distance <= UNIFORM / np.sqrt(len(z))
                tried.append((not uniform, crps(pdf, z, edges).mean() if uniform else distance, count, width))
        *_, count, width = min(tried)
        return cls(empty.features, empty.redshift, count, width, edges)

    @cached_property
    def _scale(self) -> Floats:
        """Return the scatter (f,) of each feature, in which distances are measured."""
        scatter = self.features.std(0, dtype=np.float64)
        return np.where(scatter > 0, scatter, 1)

    @cached_property
    def _tree(self) -> Any:
        return NearestNeighbors(algorithm="brute").fit(self.features / self._scale)

    @cached_property
    def _kernel(self) -> Floats:
        return widen(self.redshift, self.width, self.edges)

    def find(self, features: NDArray[np.floating], count: int) -> NDArray[np.int64]:
        """Return which are nearest (m, count) to features (m, f), the nearest first."""
        found = self._tree.kneighbors(features / self._scale, count, return_distance=False)
        return np.asarray(found, dtype=np.int64)

    def predict(self, features: NDArray[np.floating]) -> Floats:
        """Return the PDF (m, bins) of features (m, f)."""
        return mean_of_nearest(self._kernel, self.find(features, self.count))

    @property
    def record(self) -> dict[str, Any]:
        """What a result says of it."""
        return {"neighbours": self.count, "width": self.width, "objects": len(self.redshift)}

    @property
    def said(self) -> str:
        """The same in words."""
        return (
            f"shift: PDFs of the {self.count} nearest of {len(self.redshift)} objects, each {self.width:g} (1 + z) wide"
        )

    def save(self, path: Path) -> None:
        """Write it to an .npz file."""
        chosen = np.array([self.count, self.width])
        with whole_file(path, "saving the neighbours", record=True) as partial, partial.open("wb") as file:
            np.savez(file, features=self.features, redshift=self.redshift, chosen=chosen)

    @classmethod
    def load(cls, path: Path, edges: Floats) -> "Neighbours":
        """Read it; nothing is unpickled.

        Raises
        ------
        UsageError
            It is damaged.
        """
        try:
            features, redshift, chosen = npz_arrays(path, lambda names: ARRAYS).values()
            found = cls(features, redshift, int(chosen[0]), float(chosen[1]), edges)
            if features.ndim != 2 or redshift.shape != features.shape[:1] or not 1 <= found.count <= len(redshift):
                raise ValueError("its arrays do not fit together")
            if features.dtype != np.float32 or redshift.dtype != np.float64 or found.width not in WIDTHS:
                raise ValueError("its numbers are of another type, or were never chosen")
            if not np.isfinite(features).all() or not np.isfinite(redshift).all():
                raise ValueError("a number in it is NaN or infinite")
        except Exception as error:  # rubbish may break the reader anywhere
            raise UsageError(f"these neighbours are damaged: {error}", path, AGAIN, "E-RUN-DAMAGED") from error
        return found
