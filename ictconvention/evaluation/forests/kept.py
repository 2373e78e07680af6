"""What is said of a forest beside its trees, so that it is read as what it is, and beside no other run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from ictconvention import __version__
from ictconvention.core.errors import UsageError, readable_os_errors, short_hash, shorten
from ictconvention.core.plain_file import read_plain
from ictconvention.evaluation.forests.calibrated import CalibratedForest
from ictconvention.evaluation.forests.trees import Trees
from ictconvention.reading.json_file import JsonRecord, Shape

AGAIN = "train it again: `ictconvention forest RUN`"
SUM = 1e-9  # by which class shares may miss those of the run


class ForestShape(Shape):
    """The types of what `forest.json` says."""

    run: str
    survey: str
    split: str
    classes: list[str]
    shares: list[PositiveFloat]
    temperature: PositiveFloat
    features: dict[str, Any]
    numbers: PositiveInt
    trees: str
    scikit_learn: str
    version: str
    scores: dict[str, dict[str, dict[str, Any]]]


FOREST = JsonRecord(ForestShape, UsageError, "E-RUN-DAMAGED", AGAIN, "a forest of a run")


@dataclass(frozen=True, eq=False)
class KeptForest:
    """A forest that is kept.

    Parameters
    ----------
    forest : CalibratedForest
    features : mapping
        How the numbers are made that it sees, see `FeatureRecipe.as_dict`.
    numbers : int
        How many these are.
    scores : mapping
        Of the forest, the network and their mean, by the name of each: the scores of the run's parts, as in a result.
    """

    forest: CalibratedForest
    features: Mapping[str, Any]
    numbers: int
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def all_frames(self) -> bool:
        """Whether its light curves have all frames of an object, not those alone that the network is tested on."""
        return self.features.get("frames") == "all"

    def describe(self, identity: Mapping[str, Any], trees: Path) -> dict[str, Any]:
        """Return what is said beside the file of its trees, of a run of this identity (run, survey, split, classes)."""
        return {
            **identity,
            "shares": self.forest.shares.tolist(),
            "temperature": self.forest.temperature,
            "features": dict(self.features),
            "numbers": self.numbers,
            "trees": _checksum(trees),
            "scikit_learn": version("scikit-learn"),
            "version": __version__,
            "scores": self.scores,
        }

    @classmethod
    def load(cls, trees: Path, record: Path, identity: Mapping[str, Any], shares: np.ndarray) -> "KeptForest":
        """Read it from the file of its trees and what is said of them; nothing is unpickled.

        Parameters
        ----------
        trees, record : Path
            The files.
        identity, shares : mapping, array (classes,)
            Of the run beside which it is: as of `describe`, and its class shares.

        Raises
        ------
        UsageError
            A file is damaged, the two do not fit together, or they are of another run.
        """
        known = FOREST.read(record)
        if other := [name for name, value in identity.items() if known[name] != value]:
            said = shorten(f"{name} ({_short(known[name])} and not {_short(identity[name])})" for name in other)
            raise UsageError(f"this forest is of another {said}", record, AGAIN, "E-RUN-EDITED")
        own = np.array(known["shares"])
        if own.shape != shares.shape or not np.allclose(own, shares, rtol=0, atol=SUM):
            raise UsageError("this forest is of other class shares", record, AGAIN, "E-RUN-EDITED")
        with readable_os_errors("reading the forest", trees):
            same = _checksum(trees) == known["trees"]
        if not same:
            raise UsageError(f"these are not the trees of {record.name}", trees, AGAIN, "E-RUN-EDITED")
        read = Trees.load(trees, known["numbers"], len(own), AGAIN)
        forest = CalibratedForest(read, own, known["temperature"])
        return cls(forest, known["features"], known["numbers"], known["scores"])


def _checksum(path: Path) -> str:
    return hashlib.sha256(read_plain(path)).hexdigest()


def _short(value: Any) -> str:
    """Return a hash or names, as a message has them."""
    return shorten(map(str, value)) if isinstance(value, list | tuple) else short_hash(value)
