"""How predictions stand in files: those of a run's test part, those of a survey, and the outputs of a model file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.evaluation.predictions import Predictions

Row = NDArray[np.float64]


class PredictionFormat(ABC):
    """The columns and outputs of a task.

    A row of a prediction is one number for each output, and sums to 1: probabilities of classes, of bins, or the shares
    of a scene. Rows are what runs of several folds and seeds are averaged in.

    Parameters
    ----------
    names : sequence of str
        Names of the outputs.
    """

    takes_prior: ClassVar[bool] = False  # whether a row can be moved to other shares of the outputs, by `--prior`
    without_frames: ClassVar[str] = "their predictions are the mean of training"  # what an object without a frame gets
    metadata: Mapping[str, str] = MappingProxyType({})  # of a table of predictions, what its columns need
    meanings: ClassVar[Mapping[str, str]] = {}  # what each of `outputs` holds, for whoever has an exported model alone

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    # predictions.parquet of a run

    @abstractmethod
    def columns(self, found: Predictions) -> dict[str, Any]:
        """Return the columns of a run's predictions, but for id and fold: arrays (n,) or (n, m), or lists.

        They hold all that `read` needs, of the full precision.
        """

    @abstractmethod
    def read(
        self, columns: Mapping[str, NDArray[Any]], survey_prior: NDArray[np.float64]
    ) -> tuple[NDArray[Any], Mapping[str, Row]]:
        """Return the labels and the rows of `Predictions` from these columns.

        Raises
        ------
        KeyError, TypeError, ValueError
            The table is damaged.
        """

    def write_label(self, label: NDArray[Any]) -> Any:
        """Return labels of `Predictions` as a column."""
        return label

    def read_label(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of such a column; a `ValueError` says that it holds another one."""
        return np.asarray(column)

    # The table of `ictconvention predict`

    @abstractmethod
    def estimates(self, row: Row) -> dict[str, NDArray[np.float64]]:
        """Return the numbers (n,) that rows (n, outputs) come to, by column; of several runs each has a spread."""

    def further_columns(self, row: Row) -> dict[str, NDArray[Any]]:
        """Return columns that have no spread: arrays (n,), or (n, m), which .csv cannot hold."""
        return {}

    @property
    def letters(self) -> tuple[str, ...]:
        """The texts that the table may hold, which an ASCII format must be able to write."""
        return ()

    def describe_prior(self, shares: NDArray[np.float64]) -> str:
        """Return at which shares of the outputs (outputs,) the rows are, where these are those of training."""
        return "label shares of training"

    def describe(self, row: Row) -> str:
        """Return in a few words what was predicted of a survey."""
        return ""

    # An exported model

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        """Return the outputs of an exported model by name, of calibrated logits (B, outputs): operations of torch."""
        return {"probability": logits.softmax(1), "logits": logits}

    def facts(self) -> dict[str, Any]:
        """Return what must be known of the outputs, in plain values: keys of an exported model's record."""
        return {"names": list(self.names)}

    @property
    def gives(self) -> str:
        """What an exported model gives, in words."""
        return f"the probability of each of {len(self.names)} outputs"
