"""Learn the class of each object: cross-entropy, one temperature, decisions at the sky's shares and at equal ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ictconvention.configuration.options import Stage
from ictconvention.configuration.overrides import command, override
from ictconvention.configuration.registry import register_task
from ictconvention.core.errors import SplitError, UsageError, shorten
from ictconvention.evaluation.calibration import at_prior, fit_temperature, probabilities
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import at_equal_shares
from ictconvention.evaluation.scores import scores
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.dataset import class_labels
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.class_metrics import ClassMetrics
from ictconvention.tasks.task import Calibration, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VAGUE = 100.0  # temperature above which all probabilities are next to the class shares
COLUMNS = ("id", "fold", "label")  # of the predictions, so that no class may have these names
SHARES = {"": "the survey's class shares", "_uniform": "equal class shares"}  # by the end of the name of the scores


@dataclass(frozen=True)
class PartPredictions:
    """The predictions of a part: positions in the survey (n,), classes (n,) and probabilities (n, classes).

    `likely` is at the class shares of the fine-tuning part, `uniform` at equal ones: the decisions that serve every
    class alike, of which balanced accuracy and the worst recall speak.
    """

    position: NDArray[np.int64]
    label: NDArray[np.int64]
    likely: NDArray[np.float64]
    uniform: NDArray[np.float64]

    @property
    def pooled(self) -> Pooled:
        """The same as those of a model of one fold and one seed; the ids are the positions."""
        cell = np.zeros(len(self.label), dtype=np.int64)
        return Pooled(self.position.astype(str), self.label, cell, self.likely[None], self.uniform[None])


@register_task("classes")
class Classes(Task):
    """The classes of a survey; parameters as of `Task`."""

    name: ClassVar[str] = "classes"
    monitor: ClassVar[str] = "loss_balanced"
    headline: ClassVar[Mapping[str, str]] = {"balanced_accuracy": "balanced accuracy", "f1_macro": "macro F1"}

    @classmethod
    def of_survey(cls, survey: Survey) -> Self:
        """Return the task on a survey.

        Raises
        ------
        UsageError
            A class is called as a column of the predictions is.
        """
        if taken := [name for name in survey.header.classes if name in COLUMNS]:
            found = f"a class is called {shorten(taken)}, as a column of the predictions is"
            raise UsageError(found, f"survey {survey.header.name}", "give the class another name", "E-CLASS-NAME")
        return cls(survey.header.classes)

    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the class of every object (n,)."""
        return class_labels(survey)

    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        """Raise a `SplitError` where a class has no object in the training part of the last stage."""
        part = f"{stage}_train"
        if absent := [name for name in self.names if not split.counts()[part].get(name)]:
            found = f"class {shorten(absent)} has no object in {part}"
            left = [name for name in self.names if name not in absent]
            fix = f"label some objects, or leave the class out: {command([override('survey.classes', left)])}"
            raise SplitError(found, f"survey {survey.header.name}", fix, "E-SPLIT-LABELS")

    def loss(self, outputs: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
        """Return eq. 2 of ICT-ConvEntion, the weighed cross-entropy (B,); 0 for objects without a label.

        Parameters
        ----------
        outputs : tensor (B, classes)
            Logits of one view.
        label : integer tensor (B,)
            Classes, or `UNLABELLED`.
        weights : tensor (classes,)
            Weight of each class.
        focal : float
            Gamma of the focal loss; 0 is the cross-entropy.
        """
        known = label.clamp(min=0)
        cross_entropy = F.cross_entropy(outputs, known, reduction="none")
        if focal:
            doubt = (1 - torch.exp(-cross_entropy)).clamp(min=1e-6)  # the slope of a root is infinite at 0
            cross_entropy = doubt.pow(focal) * cross_entropy
        return torch.where(label == UNLABELLED, 0, weights[known] * cross_entropy)

    def make_metrics(self) -> ClassMetrics:
        """Return new metrics for an evaluation in training."""
        return ClassMetrics(self.names)

    def calibrate(
        self, outputs: NDArray[np.floating], label: NDArray[np.integer], survey_prior: Any, training_prior: Any
    ) -> Calibration:
        """Return the temperature that makes the labels likeliest at the survey's shares, and the shares."""
        temperature = fit_temperature(at_prior(outputs, training_prior, survey_prior), label)
        return Calibration(temperature, survey_prior, training_prior)

    def decide(
        self,
        position: NDArray[np.int64],
        label: NDArray[np.int64],
        outputs: NDArray[np.floating],
        calibration: Calibration,
    ) -> PartPredictions:
        """Return the probabilities of logits (n, classes), at the survey's shares of the classes and at equal ones."""
        moved = at_prior(outputs, calibration.training_prior, calibration.survey_prior)
        likely = probabilities(moved, calibration.temperature)
        return PartPredictions(position, label, likely, at_equal_shares(likely, calibration.survey_prior))

    def score(self, part: str, found: PartPredictions) -> dict[str, dict[str, Any]]:
        """Return the scores at the survey's shares, and by a name that ends in `_uniform` those at equal ones."""
        return {
            part: scores(found.likely, found.label, self.names),
            f"{part}_uniform": scores(found.uniform, found.label, self.names),
        }

    def columns(self, found: PartPredictions) -> dict[str, Any]:
        """Return the label, and the probability of each class."""
        names = {name: found.likely[:, c] for c, name in enumerate(self.names)}
        return {"label": [self.names[i] for i in found.label], **names}

    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        """Return the chief scores, a line for each part and shares."""
        lines = []
        if (temperature := result.get("temperature", 1.0)) > VAGUE:
            nothing = "in validation the network knows next to nothing"
            lines.append(f"calibration: {nothing} (temperature {temperature:.0f})")
        for part in [part for part in ("test", "extra_test") if part in result]:
            for end, shares in SHARES.items():
                found = result[part + end]
                lines.append(
                    f"{survey}, {part.replace('_', ' ')} part, {found['objects']} objects, at {shares}: "
                    f"accuracy {found['accuracy']:.3f}, "
                    f"balanced accuracy {found['balanced_accuracy']:.3f}, macro F1 {found['f1_macro']:.3f}, "
                    f"worst recall {found['worst_class_recall']:.3f}"
                )
        return lines

    @classmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        """Return accuracy and macro F1 at the survey's shares, and balanced accuracy at equal ones."""
        likely, uniform = result["test"], result["test_uniform"]
        return (
            f"accuracy {likely['accuracy']:.3f}, macro F1 {likely['f1_macro']:.3f}; "
            f"at equal class shares balanced accuracy {uniform['balanced_accuracy']:.3f}"
        )

    def draw(self, part: str, found: PartPredictions, survey: Survey, run: str) -> "dict[str, Figure]":
        """Return confusion matrices, ROC, reliability and recalls."""
        from ictconvention.tasks.class_figures import draw_class_figures

        return draw_class_figures(part, found.position, found.pooled, survey, run)
