"""How predicted classes stand in files: a column, and an output, for the probability of each."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.tasks.prediction_format import PredictionFormat, Row


class ClassFormat(PredictionFormat):
    """The columns and outputs of classes."""

    takes_prior: ClassVar[bool] = True
    without_frames: ClassVar[str] = "their probabilities are the class shares"

    def columns(self, found: Predictions) -> dict[str, Any]:
        """Return the label, and the probability of each class at the survey's shares."""
        names = {name: found.at(Prior.SURVEY)[:, c] for c, name in enumerate(self.names)}
        return {"label": self.write_label(found.label), **names}

    def read(
        self, columns: Mapping[str, NDArray[Any]], survey_prior: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], Mapping[str, Row]]:
        """Return classes and probabilities, those at equal shares from the shares that the others are at."""
        likely = np.column_stack([np.asarray(columns[name], dtype=np.float64) for name in self.names])
        rows: dict[str, Row] = {Prior.SURVEY: likely, Prior.UNIFORM: at_equal_shares(likely, survey_prior)}
        return self.read_label(columns["label"]), rows

    def write_label(self, label: NDArray[Any]) -> list[str]:
        """Return the names of classes."""
        return [self.names[i] for i in label]

    def read_label(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """Return the positions of classes of these names."""
        return np.array([self.names.index(name) for name in column], dtype=np.int64)

    def estimates(self, row: Row) -> dict[str, NDArray[np.float64]]:
        """Return the probability of each class, by its name."""
        return {name: row[:, c] for c, name in enumerate(self.names)}

    def further_columns(self, row: Row) -> dict[str, NDArray[Any]]:
        """Return the most probable class, and the entropy of the probabilities [nat]: 0 is certain."""
        entropy = -np.sum(np.where(row > 0, row * np.log(np.maximum(row, 1e-300)), 0), axis=1)
        return {"predicted": np.array(self.names)[row.argmax(1)], "entropy": np.asarray(entropy)}

    @property
    def letters(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.names

    def describe_prior(self, shares: NDArray[np.float64]) -> str:
        """Return the share of each class."""
        return f"class shares of training: {shares_in_words(shares, self.names)}"

    def describe(self, row: Row) -> str:
        """Return how many objects are predicted as each class."""
        counts = np.bincount(row.argmax(1), minlength=len(self.names))
        return ", ".join(f"{name} {count}" for name, count in zip(self.names, counts, strict=True))

    def facts(self) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"classes": list(self.names)}

    @property
    def gives(self) -> str:
        """The probability of each class."""
        return f"the probability of {', '.join(self.names)}"


def shares_in_words(shares: NDArray[np.float64], names: tuple[str, ...]) -> str:
    """Return the share of each class, after its name."""
    return ", ".join(f"{name} {share:.3f}" for name, share in zip(names, shares, strict=True))
