"""What objects of validation and test look like to a network, and how they were observed: kept with a run.

With it another survey is compared without that of the run. No weight was fitted to them, but those of validation may
have chosen the training epoch.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.shift.two_samples import MOST
from ictconvention.files.reading import npz_arrays
from ictconvention.measuring.conditions import ObservingConditions

PARTS = ("validation", "test", "extra_test")  # in whose order `part` counts
OWN = "validation and test"  # the objects of its own kind
PLACE = ("ra", "dec")
POPULATIONS = {OWN: (0, 1), "extra test": (2,)}  # that a survey is compared with: the parts of each


@dataclass(frozen=True, eq=False)
class KnownSample:
    """Objects of the validation and test parts of a run, `MOST` of each at most.

    Parameters
    ----------
    ids : array (n,)
        Their ids.
    part : array (n,)
        The part of each, a place in `PARTS`.
    features : array (n, f)
        What the network's last layer sees of them, float32.
    conditions : ObservingConditions
        How they were observed, in the bands of the network.
    ra, dec : arrays (n,)
        Where they are [deg]; NaN where it is not known, as of all of a version before.
    """

    ids: NDArray[np.str_]
    part: NDArray[np.int64]
    features: NDArray[np.float32]
    conditions: ObservingConditions
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]

    @classmethod
    def join(cls, parts: dict[str, Self]) -> "KnownSample":
        """Return the samples of some parts, by their names, as one."""
        number = [np.full(len(one.ids), PARTS.index(name)) for name, one in parts.items()]
        each = list(parts.values())
        ids, features, ra, dec = (
            np.concatenate([getattr(one, name) for one in each]) for name in ("ids", "features", *PLACE)
        )
        conditions = ObservingConditions.join([one.conditions for one in each])
        return cls(ids, np.concatenate(number), features, conditions, ra, dec)

    def population(self, name: str) -> "KnownSample | None":
        """Return the objects of one of `POPULATIONS`; None where there is none."""
        rows = np.isin(self.part, POPULATIONS[name])
        if not rows.any():
            return None
        return KnownSample(*(getattr(self, one.name)[rows] for one in fields(self)))

    def save(self, path: Path) -> None:
        """Write it to an .npz file."""
        own = {one.name: getattr(self.conditions, one.name) for one in fields(ObservingConditions)}
        with whole_file(path, "saving the sample", record=True) as partial, partial.open("wb") as file:
            own |= {name: getattr(self, name) for name in PLACE}
            np.savez_compressed(file, ids=self.ids, part=self.part, features=self.features, **own)

    @classmethod
    def load(cls, path: Path) -> "KnownSample":
        """Read it; nothing is unpickled.

        Raises
        ------
        UsageError
            It is damaged.
        """
        names = [one.name for one in fields(ObservingConditions)]
        try:
            arrays = npz_arrays(path, lambda there: ("ids", "part", "features", *names, *(set(PLACE) & set(there))))
            own: dict[str, NDArray[Any]] = {name: np.asarray(arrays[name], dtype=np.float64) for name in names}
            ids, part, features = arrays["ids"], arrays["part"].astype(np.int64), arrays["features"].astype(np.float32)
            n, bands = own["frames"].shape
            shapes = {name: (n, bands) if name in ("frames", "seeing", "depth") else (n,) for name in names}
            if any(own[name].shape != shape for name, shape in shapes.items()) or ids.shape != (n,):
                raise ValueError("its arrays do not fit together")
            places = [np.asarray(arrays.get(name, np.full(n, np.nan)), dtype=np.float64) for name in PLACE]
            if ids.dtype.kind != "U" or part.shape != (n,) or features.ndim != 2 or len(features) != n or not n:
                raise ValueError("its arrays do not fit together")
            if any(values.shape != (n,) for values in places):
                raise ValueError("its arrays do not fit together")
            if not np.isin(part, range(len(PARTS))).all() or not np.isin(part, POPULATIONS[OWN]).any():
                raise ValueError("its parts are none of a run")
            if not np.isfinite(features).all():
                raise ValueError("a number in it is NaN or infinite")
        except Exception as error:  # rubbish may break the reader anywhere
            fix = "remove it; `ictconvention test RUN` makes it again"
            raise UsageError(f"this sample is damaged: {error}", path, fix, "E-RUN-DAMAGED") from error
        return cls(ids, part, features, ObservingConditions(**own), *places)


def draw_rows(count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return which of so many objects are looked at, (n,) in ascending order: all, or `MOST` of them."""
    rows = np.random.default_rng(seed).permutation(count)[:MOST]
    return np.sort(rows)
