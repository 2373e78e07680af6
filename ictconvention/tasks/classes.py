"""Learn the class of each object: cross-entropy, one temperature, decisions at the sky's shares and at equal ones."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ictconvention.configuration.options import Stage
from ictconvention.configuration.overrides import command, override
from ictconvention.configuration.registry import register_task
from ictconvention.core.errors import SplitError, UsageError, did_you_mean, shorten
from ictconvention.evaluation.calibration import Calibration
from ictconvention.evaluation.confusion import confusion_counts
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.evaluation.scores import scores
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.dataset import class_labels
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.class_format import ClassFormat
from ictconvention.tasks.class_measures import ClassMeasures
from ictconvention.tasks.class_metrics import ClassMetrics
from ictconvention.tasks.task import Task

if TYPE_CHECKING:
    from ictconvention.tasks.class_sections import ClassFigures

VAGUE = 100.0  # temperature above which all probabilities are next to the class shares
COLUMNS = ("id", "fold", "label")  # of the predictions, so that no class may have these names
SAME_SHARES = 0.01  # by which shares may differ: a training epoch draws whole objects
SHARES = {"": "the survey's class shares", "_uniform": "equal class shares"}  # by the end of the name of the scores


@register_task("classes")
class Classes(Task):
    """The classes of a survey; parameters as of `Task`."""

    name: ClassVar[str] = "classes"
    truth: ClassVar[str] = "class"
    draws_sets: ClassVar[bool] = True
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

    @cached_property
    def measures(self) -> ClassMeasures:
        """Accuracy, recalls and macro F1."""
        return ClassMeasures(self.names)

    @cached_property
    def format(self) -> ClassFormat:
        """A column for the probability of each class."""
        return ClassFormat(self.names)

    @cached_property
    def figures(self) -> "ClassFigures":
        """Confusion matrices, ROC, reliability and recalls."""
        from ictconvention.tasks.class_sections import ClassFigures

        return ClassFigures(self.names)

    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the class of every object (n,), of a survey that may have fewer classes, in another order."""
        return class_labels(survey, self.names)

    def find_misfit(self, survey: Survey) -> tuple[str, str] | None:
        """Say where a survey has a class that the network does not know."""
        if not (other := [name for name in survey.header.classes if name not in self.names]):
            return None
        near = did_you_mean(other[0], self.names)
        found = f"this survey has the class {shorten(other)}{near}, the network knows {', '.join(self.names)}"
        return found, "write the survey without these labels"

    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        """Raise a `SplitError` where a class has no object in the training part of the last stage."""
        if len(self.names) < 2:
            found = f"{', '.join(self.names) or 'no class'} is all that there is to tell apart"
            fix = "label objects of another class, or name two and more in survey.classes"
            raise SplitError(found, f"survey {survey.header.name}", fix, "E-SPLIT-LABELS")
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

    def name_shares(self, survey_prior: NDArray[np.floating], training_prior: NDArray[np.floating]) -> str:
        """Return the class shares in words: those in the loss, at which logits decide."""
        if np.allclose(training_prior, 1 / len(self.names), atol=SAME_SHARES):
            return SHARES["_uniform"]
        return SHARES[""] if np.allclose(training_prior, survey_prior, atol=SAME_SHARES) else "the loss's class shares"

    def calibrate(
        self, outputs: NDArray[np.floating], label: NDArray[np.integer], survey_prior: Any, training_prior: Any
    ) -> Calibration:
        """Return the temperature that makes the labels likeliest at the survey's shares, and the shares."""
        return Calibration.fit(outputs, label, survey_prior, training_prior)

    def decide(
        self, outputs: NDArray[np.floating], label: NDArray[np.integer], calibration: Calibration
    ) -> dict[str, NDArray[np.float64]]:
        """Return the probabilities of logits (n, classes) at each `Prior`: the survey's shares, and equal ones."""
        likely = self.row(outputs, calibration)
        return {Prior.SURVEY: likely, Prior.UNIFORM: at_equal_shares(likely, calibration.survey_prior)}

    def rows_of(self, row: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return the probabilities for every decision: they are at the shares that are wanted."""
        return dict.fromkeys(Prior, row)

    def score(self, part: str, found: Predictions) -> dict[str, dict[str, Any]]:
        """Return the scores at the survey's shares, and by a name that ends in `_uniform` those at equal ones."""
        return {
            part: scores(found.at(Prior.SURVEY), found.label, self.names),
            f"{part}_uniform": scores(found.at(Prior.UNIFORM), found.label, self.names),
        }

    def is_of_result(self, found: Predictions, result: Mapping[str, Any]) -> bool:
        """Return whether predictions of the test part have the confusion matrices of a result, of any version."""
        counts = {
            part: confusion_counts(found.label, found.at(at).argmax(1), len(self.names)).tolist()
            for part, at in (("test", Prior.SURVEY), ("test_uniform", Prior.UNIFORM))
        }
        return all(part not in result or count == result[part]["confusion"] for part, count in counts.items())

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
