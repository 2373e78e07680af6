"""How predicted redshifts stand in files: points, the 68 % interval, the odds, and the PDF as a list."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.redshift.pdf import centres_of, interval, odds, point_estimates
from ictconvention.tasks.prediction_format import PredictionFormat, Row
from ictconvention.tasks.redshift.bins import edges_of

LEVEL = 0.6827  # of the interval


class RedshiftFormat(PredictionFormat):
    """The columns and outputs of redshifts; a row is the PDF, and the bins are those of the names."""

    without_frames = "their PDF is the n(z) of training"
    meanings: ClassVar[Mapping[str, str]] = {
        "pdf": "probability that the redshift lies in each bin, calibrated; `edges` has one number more than there are "
        "bins: bin i reaches from edges[i] to edges[i + 1]",
        "redshift": "mean of the PDF over the centres of the bins",
        "logits": "calibrated logits of the bins, whose softmax is the PDF",
    }

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.edges = edges_of(names)
        low, high = (float(edge) for edge in self.edges[[0, -1]])
        self.metadata = {"BINS": f"pdf: {len(names)} equal bins, z {low} to {high}"}

    def columns(self, found: Predictions) -> dict[str, Any]:
        """Return the true redshift `z` and the columns of `predict`."""
        row = found.at("row")
        return {"z": found.label, **self.estimates(row), **self.further_columns(row)}

    def read(
        self, columns: Mapping[str, NDArray[Any]], survey_prior: NDArray[np.float64]
    ) -> tuple[NDArray[Any], Mapping[str, Row]]:
        """Return redshifts and PDFs."""
        pdf = np.asarray(columns["pdf"], dtype=np.float64)
        if pdf.shape != (len(columns["z"]), len(self.names)):
            raise ValueError(f"the PDFs have the shape {pdf.shape}, of {len(self.names)} bins")
        return np.asarray(columns["z"], dtype=np.float64), {"row": pdf}

    def estimates(self, row: Row) -> dict[str, NDArray[np.float64]]:
        """Return `z_mean`, `z_median` and `z_mode` of the PDF."""
        return {f"z_{name}": values for name, values in point_estimates(row, self.edges).items()}

    def further_columns(self, row: Row) -> dict[str, NDArray[Any]]:
        """Return the ends of the 68 % interval, `odds` (the probability within .06 (1 + z_mean)) and `pdf`."""
        low, high = interval(row, self.edges, LEVEL)
        return {"z_low": low, "z_high": high, "odds": odds(row, self.edges), "pdf": row}

    def describe_prior(self, shares: NDArray[np.float64]) -> str:
        """Return at which n(z) the PDFs are."""
        return f"n(z) of training, mean {shares @ centres_of(self.edges):.3f}"

    def describe(self, row: Row) -> str:
        """Return the median redshift and its usual interval."""
        z, (low, high) = point_estimates(row, self.edges)["mean"], interval(row, self.edges, LEVEL)
        return f"median redshift {np.median(z):.3f}, 68 % intervals {np.median(high - low):.3f} wide"

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        """Return the PDF, its mean and the logits."""
        pdf = logits.softmax(1)
        centres = torch.tensor(centres_of(self.edges), dtype=torch.float32)
        return {"pdf": pdf, "redshift": pdf @ centres, "logits": logits}

    def facts(self) -> dict[str, Any]:
        """Return the edges of the bins."""
        return {"task": "redshift", "edges": self.edges.tolist()}

    @property
    def gives(self) -> str:
        """The PDF of the redshift."""
        return f"the PDF of the redshift over {len(self.names)} bins, {self.edges[0]:g} to {self.edges[-1]:g}"
