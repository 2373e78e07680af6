"""What a task must offer: all that learners, training, `predict`, export and reports know of what is learned.

A task is in four parts, each small: `Task`, what is learned and how it is decided; its `Measures`, the scores by which
models are compared; its `PredictionFormat`, columns and outputs of files; its `TaskFigures`, what runs and pages show.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.configuration.key_by_key import largest_difference
from ictconvention.configuration.options import Stage, TaskOptions
from ictconvention.evaluation.calibration import Calibration, probabilities
from ictconvention.evaluation.measures import Measures
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.survey.labels.groups import find_groups
from ictconvention.survey.split import Split, reach_of
from ictconvention.survey.survey import Survey
from ictconvention.tasks.prediction_format import PredictionFormat

if TYPE_CHECKING:
    from ictconvention.tasks.task_figures import TaskFigures

Reduce = Callable[[Tensor, SeriesBatch], Mapping[str, Tensor]]  # logits of a batch to what is kept of them, (B, ...)
SAME = 1e-6  # largest difference between the scores of a result and those of the predictions beside it


class Metrics(Protocol):
    """What is counted over an evaluation, in all processes; a torch module, so that it follows the learner."""

    def update(self, outputs: Tensor, label: Tensor) -> None:
        """Add the outputs of a batch and its labels, or the truth where the task learns from it."""

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name, the one that chooses the best training epoch among them."""

    def reset(self) -> None:
        """Forget what was added."""


class Task(ABC):
    """What is learned of each object, always as one of a few outputs to which a network gives a logit each.

    Labels are whole numbers from 0, and `UNLABELLED`, so that sampling and weights by label, calibration by a
    temperature and a shift serve every task. A head gives (B, outputs), or (B, outputs, H, W) for a mask, which is
    reduced batch by batch (`reduce_with`): the logits of every pixel of a survey are never in memory together.
    What is predicted of an object is a row of a number for each output that sums to 1. Rows are averaged over seeds,
    folds and runs; all else follows from them. So the tasks fill the shape:

    ============== ======================= ============================= ==========================================
    part           classes                 redshift                      mask
    ============== ======================= ============================= ==========================================
    `names`        classes of the survey   bins, by their edges          classes of a pixel
    `read_labels`  its class               the bin of its redshift       the rarest class of the chip, for sampling
    `count_pixels` no                      no                            the known pixels of each class (n, outputs)
    `read_truth`   its class               the redshift, NaN if unknown  the shares of the chip (n, outputs)
    `kinds`        its class               a bin of its quarter          the rarest class of the chip
    `learns_truth` no                      yes                           no: `learns_masks` (B, H, W)
    `split_table`  its classes             deciles of redshift           the rarest class of the chip
    `loss`         cross-entropy           cross-entropy, soft or CRPS   mean of the cross-entropy of known pixels
    `row`          probabilities           the PDF                       shares: means of calibrated probabilities
    `decide`       rows at both priors     the PDF                       shares of each estimate, and the confusion of
                                                                         the chip's pixels (n, outputs, outputs)
    `compared`     macro F1, recalls       scatter, outliers, abs(bias)   KL of the shares, IoU of summed confusions
    `strata`       classes                 one                           one
    `groups_of`    sky groups              sky groups                    the chip, or the scene that it was cut from
    `estimates`    a probability a class   the mean of the PDF           the share of each class
    further        predicted, entropy      median, mode, 68 % interval,  none; masks go into a folder of their own
                                           odds, the PDF as a list
    `outputs`      probability, logits     pdf, redshift, logits         share (B, outputs), logits of every pixel
    `takes_prior`  yes                     no                            no
    `figures`      confusion, ROC, recall  z against z, PIT, n(z)        known and estimated masks, confusion
    ============== ======================= ============================= ==========================================

    Parameters
    ----------
    names : sequence of str
        Names of the outputs, in their order: all that a run must remember of the survey to decide.
    """

    name: ClassVar[str]  # what `task=` calls it
    monitor: ClassVar[str]  # the metric whose least value chooses the best training epoch
    headline: ClassVar[Mapping[str, str]]  # metrics of validation that a line about a training epoch has, in words
    truth: ClassVar[str] = "label"  # what a survey says of an object and the task predicts, in a word
    learns_truth: ClassVar[bool] = False  # whether `loss` and metrics get the truth (B,), a number, for the label
    learns_masks: ClassVar[bool] = False  # whether they get the masks (B, H, W) for it, uint8, 255 where unknown
    draws_sets: ClassVar[bool] = False  # whether `decide` gives probabilities of classes, by which sets can be drawn
    training: Mapping[str, Any] = MappingProxyType({})  # of the training part, what scores need; `result.json` keeps it

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    @property
    @abstractmethod
    def measures(self) -> Measures:
        """The scores by which models are compared."""

    @property
    @abstractmethod
    def format(self) -> PredictionFormat:
        """How predictions stand in files."""

    @property
    def figures(self) -> "TaskFigures":
        """What a run and a page show; by default nothing of the task's own."""
        from ictconvention.tasks.task_figures import TaskFigures

        return TaskFigures(self.names)

    @classmethod
    def restore(cls, names: Sequence[str], options: TaskOptions, training: Mapping[str, Any] | None = None) -> Self:
        """Return the task that a run has learned, by the names of its outputs and its options; see `training`."""
        task = cls(names)
        task.training = dict(training or {})
        return task

    # What is learned

    @classmethod
    @abstractmethod
    def of_survey(cls, survey: Survey) -> Self:
        """Return the task on a survey."""

    @classmethod
    def begin(cls, survey: Survey, options: TaskOptions) -> Self:
        """Return the task on a survey for a run of these options; by default they change nothing."""
        return cls.of_survey(survey)

    @property
    def outputs(self) -> int:
        """How many numbers a network gives of an object; by default a logit for each name."""
        return len(self.names)

    def logits(self, outputs: Tensor) -> Tensor:
        """Return logits (B, names) of what a network gives (B, outputs); by default the same."""
        return outputs

    @abstractmethod
    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the label of every object (n,)."""

    def count_pixels(self, survey: Survey) -> NDArray[np.int64] | None:
        """Return the known pixels of each class in every object (n, names), of a task that learns masks."""
        return None

    def read_truth(self, survey: Survey) -> NDArray[Any]:
        """Return what predictions of every object are scored against (n, ...); by default the labels."""
        return self.read_labels(survey)

    def split_table(self, survey: Survey) -> Table:
        """Return the objects as a split is drawn of them: each `class` goes into all parts; one without, into none."""
        return survey.object_table()

    def describe_training(self, truth: NDArray[Any]) -> dict[str, Any]:
        """Return what scores must know of the truth (n, ...) of the last stage's training part; by default nothing."""
        return {}

    def kinds(self, label: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return the output (n,) that labels are sorted by, or `UNLABELLED`; by default the labels themselves."""
        return label

    def groups_of(self, survey: Survey, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the group (n,) of each of these objects, which a bootstrap draws whole; by default that of a split."""
        table = survey.object_table()
        group = find_groups(table, reach_of(table))
        return group[survey.positions(ids)]

    @abstractmethod
    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        """Raise a `SplitError` where the training part of the last stage cannot teach the task."""

    def find_misfit(self, survey: Survey) -> tuple[str, str] | None:
        """Return what a run of the task cannot know of another survey, and the fix; None where it can predict it."""
        return None

    @abstractmethod
    def loss(self, outputs: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
        """Return the loss of each object (B,); 0 for objects without a label.

        Parameters
        ----------
        outputs : tensor (B, outputs)
            From the network.
        label : integer tensor (B,)
            Labels, or `UNLABELLED`; of a task that learns the truth, that, and NaN where it is not known.
        weights : tensor (outputs,)
            Weight of each label.
        focal : float
            Gamma of the focal loss.
        """

    @abstractmethod
    def make_metrics(self) -> Metrics:
        """Return new metrics for an evaluation in training."""

    def name_shares(self, survey_prior: NDArray[np.floating], training_prior: NDArray[np.floating]) -> str:
        """Return at which class shares outputs are scored in training, in words; empty where there are no such shares.

        Parameters
        ----------
        survey_prior, training_prior : arrays (outputs,)
            Shares of the labels in the training part, and in the loss.
        """
        return ""

    # How it is decided

    def reduce_with(self, calibration: Calibration | None, objects: int) -> Reduce | None:
        """Return what makes of the logits of a batch all that is kept of them; None where they are kept as they are.

        A task whose logits are too many to keep, those of every pixel, reduces them batch by batch. What it keeps is
        the `outputs` of what follows.

        Parameters
        ----------
        calibration : Calibration, optional
            With which predictions are made; without one, what is kept is to calibrate.
        objects : int
            How many there will be.
        """
        return None

    @abstractmethod
    def calibrate(
        self, outputs: Any, label: NDArray[np.integer], survey_prior: Any, training_prior: Any
    ) -> Calibration:
        """Return the calibration that outputs (n, outputs) of validation and their labels ask for."""

    def row(self, outputs: Any, calibration: Calibration) -> NDArray[np.float64]:
        """Return what is predicted of each object (n, outputs), rows that sum to 1, at the survey's shares."""
        return probabilities(outputs, calibration.temperature, calibration.shift)

    def decide(
        self, outputs: Any, label: NDArray[np.integer], calibration: Calibration
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return all that is scored of outputs (n, outputs) by name, (n, ...): the rows of `Predictions`."""
        return self.rows_of(self.row(outputs, calibration))

    def exported(
        self, logits: Tensor, temperature: float, shift: Tensor, there: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the outputs of an exported model by name, of logits (B, names, ...): operations of torch.

        `there` (B, H, W) are the pixels with data, where the inputs say so.
        """
        shift = shift.reshape(-1, *[1] * (logits.ndim - 2))
        return self.format.outputs(logits / temperature + shift)

    def rows_of(self, row: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        """Return the same where all that is known of an object is its row, at whatever shares."""
        return {"row": row}

    @abstractmethod
    def score(self, part: str, found: Predictions) -> dict[str, dict[str, Any]]:
        """Return the scores of the predictions of a part, as `result.json` has them, by name."""

    def detail(self, found: Predictions, survey: Survey) -> dict[str, Any]:
        """Return what `result.json` says of the predictions of a part beside their scores; by default nothing."""
        return {}

    def is_of_result(self, found: Predictions, result: Mapping[str, Any]) -> bool:
        """Return whether predictions of the test part are those that a result scores."""
        scored = self.score("test", found)
        return largest_difference(scored, {name: result.get(name) for name in scored}) <= SAME

    @abstractmethod
    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        """Return the chief scores of a result, a line each; `survey` is the full name of the survey."""

    @classmethod
    @abstractmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        """Return the scores that a reader of a sweep's course looks for, in a few words."""
