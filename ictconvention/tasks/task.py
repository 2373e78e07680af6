"""What a task must offer: all that learners, training, sweeps and the files of a run know of what is learned."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.configuration.options import Stage
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Metrics(Protocol):
    """What is counted over an evaluation, in all processes; a torch module, so that it follows the learner."""

    def update(self, outputs: Tensor, label: Tensor) -> None:
        """Add the outputs of a batch and its labels."""

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name, the one that chooses the best training epoch among them."""

    def reset(self) -> None:
        """Forget what was added."""


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of a network's outputs; `result.json` keeps it.

    Parameters
    ----------
    temperature : float
        That divides the outputs.
    survey_prior, training_prior : arrays (outputs,)
        Shares of the labels in the last stage's training part, and in the loss; both sum to 1.
    """

    temperature: float
    survey_prior: NDArray[np.float64]
    training_prior: NDArray[np.float64]

    @property
    def record(self) -> dict[str, Any]:
        """The same in plain values."""
        prior = {"survey": self.survey_prior.tolist(), "training": self.training_prior.tolist()}
        return {"temperature": self.temperature, "prior": prior}


class Task(ABC):
    """What is learned of each object, always as one of a few outputs to which a network gives a logit each.

    ========== ====================== ========================= ==========================================
    task       outputs                label of an object        loss, scores
    ========== ====================== ========================= ==========================================
    classes    classes of the survey  its class                 cross-entropy; accuracy, recalls, macro F1
    redshift   bins of redshift       the bin of its redshift   cross-entropy; bias, scatter, outliers
    mask       classes of a pixel     one for each pixel        mean over pixels; IoU, shares of the scene
    ========== ====================== ========================= ==========================================

    Labels are whole numbers from 0, and `UNLABELLED`, so that sampling and weights by label, calibration by a
    temperature and a shift of the prior serve every task. A head gives (B, outputs), or (B, outputs, H, W) for a mask.

    Parameters
    ----------
    names : sequence of str
        Names of the outputs, in their order: all that a run must remember of the survey to decide.
    """

    name: ClassVar[str]  # what `task=` calls it
    monitor: ClassVar[str]  # the metric whose least value chooses the best training epoch
    headline: ClassVar[Mapping[str, str]]  # metrics of validation that a line about a training epoch has, in words

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    @classmethod
    @abstractmethod
    def of_survey(cls, survey: Survey) -> Self:
        """Return the task on a survey."""

    @abstractmethod
    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the label of every object (n,)."""

    @abstractmethod
    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        """Raise a `SplitError` where the training part of the last stage cannot teach the task."""

    @abstractmethod
    def loss(self, outputs: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
        """Return the loss of each object (B,); 0 for objects without a label.

        Parameters
        ----------
        outputs : tensor (B, outputs)
            From the network.
        label : integer tensor (B,)
            Labels, or `UNLABELLED`.
        weights : tensor (outputs,)
            Weight of each label.
        focal : float
            Gamma of the focal loss.
        """

    @abstractmethod
    def make_metrics(self) -> Metrics:
        """Return new metrics for an evaluation in training."""

    @abstractmethod
    def calibrate(
        self, outputs: NDArray[np.floating], label: NDArray[np.integer], survey_prior: Any, training_prior: Any
    ) -> Calibration:
        """Return the calibration that outputs (n, outputs) of validation and their labels ask for."""

    @abstractmethod
    def decide(
        self,
        position: NDArray[np.int64],
        label: NDArray[np.int64],
        outputs: NDArray[np.floating],
        calibration: Calibration,
    ) -> Any:
        """Return the predictions of a part of a survey, which the following methods take."""

    @abstractmethod
    def score(self, part: str, found: Any) -> dict[str, dict[str, Any]]:
        """Return the scores of the predictions of a part, as `result.json` has them, by name."""

    @abstractmethod
    def columns(self, found: Any) -> dict[str, Any]:
        """Return the columns of the table of predictions, but for id and fold."""

    @abstractmethod
    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        """Return the chief scores of a result, a line each; `survey` is the full name of the survey."""

    @classmethod
    @abstractmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        """Return the scores that a reader of a sweep's course looks for, in a few words."""

    @abstractmethod
    def draw(self, part: str, found: Any, survey: Survey, run: str) -> "dict[str, Figure]":
        """Return the figures of the predictions of a part, by name; `run` goes into their titles."""
