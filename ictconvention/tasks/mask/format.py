"""How shares of classes stand in files: a column for each class, and beside them what the scores are counted from."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.evaluation.predictions import Predictions
from ictconvention.tasks.mask.losses import mean_shares
from ictconvention.tasks.mask.measures import CONFUSION, SHARES
from ictconvention.tasks.prediction_format import PredictionFormat, Row

SHARE, KNOWN = "share_", "known_"  # before the names of classes


class MaskFormat(PredictionFormat):
    """The columns and outputs of shares; a row is the share of each class."""

    without_frames: ClassVar[str] = "their shares are those of training"
    meanings: ClassVar[Mapping[str, str]] = {
        "share": "share of each class among the pixels with data, in the order of the classes; they sum to 1",
        "logits": "calibrated logits of the classes, of each pixel where the network gives masks",
    }

    def columns(self, found: Predictions) -> dict[str, Any]:
        """Return the shares that are predicted, all others, and those that are known; and the confusion of the pixels.

        `share_<class>`, `share_argmax_<class>`, `share_mean_<class>`, `share_calibrated_<class>` and `known_<class>`;
        `confusion` is a list of classes times classes numbers of pixels, true class by true class.
        """
        rows = {SHARE: found.at("row")}
        rows |= {f"{SHARE}{name}_": found.at(name) for name in SHARES if name in found.rows}
        rows[KNOWN] = np.asarray(found.label, dtype=np.float64)
        columns: dict[str, Any] = {
            f"{before}{name}": values[:, c] for before, values in rows.items() for c, name in enumerate(self.names)
        }
        if CONFUSION in found.rows:
            columns[CONFUSION] = found.at(CONFUSION).reshape(len(found.ids), -1)
        return columns

    def read(
        self, columns: Mapping[str, NDArray[Any]], survey_prior: NDArray[np.float64]
    ) -> tuple[NDArray[Any], Mapping[str, Row]]:
        """Return the known shares, and all rows that the columns hold."""
        rows = {"row": self._stacked(columns, SHARE)}
        for name in SHARES:
            if f"{SHARE}{name}_{self.names[0]}" in columns:
                rows[name] = self._stacked(columns, f"{SHARE}{name}_")
        if CONFUSION in columns:
            counts = np.asarray(columns[CONFUSION], dtype=np.float64)
            rows[CONFUSION] = counts.reshape(len(rows["row"]), len(self.names), len(self.names))
        return self._stacked(columns, KNOWN), rows

    def _stacked(self, columns: Mapping[str, NDArray[Any]], before: str) -> Row:
        return np.column_stack([np.asarray(columns[f"{before}{name}"], dtype=np.float64) for name in self.names])

    def read_label(self, column: NDArray[Any]) -> NDArray[np.float64]:
        """Return known shares (n, classes) of a column of lists."""
        shares = np.asarray(column, dtype=np.float64)
        if shares.shape[1:] != (len(self.names),):
            raise ValueError(f"the shares have the shape {shares.shape}, of {len(self.names)} classes")
        return shares

    def estimates(self, row: Row) -> dict[str, NDArray[np.float64]]:
        """Return the share of each class, by `share_` and its name."""
        return {f"{SHARE}{name}": row[:, c] for c, name in enumerate(self.names)}

    @property
    def letters(self) -> tuple[str, ...]:
        """The names of the classes, which name columns."""
        return self.names

    def describe_prior(self, shares: NDArray[np.float64]) -> str:
        """Return the share of each class."""
        return f"class shares of training: {_in_words(shares, self.names)}"

    def describe(self, row: Row) -> str:
        """Return the mean share of each class."""
        return f"mean shares: {_in_words(row.mean(0), self.names)}"

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        """Return the shares (B, classes), means of the probabilities, and the logits (B, classes, H, W)."""
        return {"share": mean_shares(logits), "logits": logits}

    def facts(self) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"task": "mask", "classes": list(self.names)}

    @property
    def gives(self) -> str:
        """The share of each class."""
        return f"the shares of {', '.join(self.names)}"


def _in_words(shares: NDArray[np.float64], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {share:.3f}" for name, share in zip(names, shares, strict=True))
