"""Learn the class of each pixel: the loss of known pixels, shares of the classes, and how both are scored."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from astropy.table import Table
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.configuration.options import Stage, TaskOptions
from ictconvention.configuration.registry import register_task
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import SplitError, SurveyError, UsageError, did_you_mean, shorten
from ictconvention.evaluation.calibration import Calibration
from ictconvention.evaluation.masks.calibration import fit_share_calibration
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.pixel_counts import known_shares
from ictconvention.survey.masks.strata import rarest_classes, split_table
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.mask.chips import count_known
from ictconvention.tasks.mask.fitting import check_masks
from ictconvention.tasks.mask.format import MaskFormat
from ictconvention.tasks.mask.losses import known_pixels_loss, mean_pixels, mean_shares, pixel_loss
from ictconvention.tasks.mask.measures import CONFUSION, SHARES, MaskMeasures, scores_of
from ictconvention.tasks.mask.metrics import MaskMetrics
from ictconvention.tasks.mask.options import MaskOptions
from ictconvention.tasks.mask.reduction import keep_shares, keep_to_calibrate
from ictconvention.tasks.task import Reduce, Task

if TYPE_CHECKING:
    from ictconvention.tasks.mask.sections import MaskFigures

logger = logging.getLogger(__name__)

USUAL = MaskOptions(kind="mask")
MAKES = "`ictconvention ingest chips IMAGES MASKS SURVEY` writes one with masks; survey=scenes simulates one"


@register_task("mask", MaskOptions)
class Masks(Task):
    """The class of each pixel of a picture, and so the shares of the classes.

    Parameters
    ----------
    names : sequence of str
        Names of the classes.
    options : MaskOptions
        What trains, and which shares are predicted.
    """

    name: ClassVar[str] = "mask"
    monitor: ClassVar[str] = "loss"
    headline: ClassVar[Mapping[str, str]] = {"kl": "KL", "miou": "mean IoU", "accuracy": "pixel accuracy"}
    truth: ClassVar[str] = "mask"
    learns_masks: ClassVar[bool] = True

    def __init__(self, names: Sequence[str], options: MaskOptions = USUAL) -> None:
        super().__init__(names)
        self.options = options

    @classmethod
    def restore(cls, names: Sequence[str], options: TaskOptions, training: Mapping[str, Any] | None = None) -> Self:
        """Return the task of a run."""
        task = cls(names, _own(options))
        task.training = dict(training or {})
        return task

    @classmethod
    def check_options(cls, options: RunOptions) -> None:
        """Refuse what does not fit masks; errors as of `check_masks`."""
        check_masks(options, _own(options.task))

    @classmethod
    def of_survey(cls, survey: Survey) -> Self:
        """Return the task on a survey, with the usual options; errors as of `begin`."""
        return cls.begin(survey, USUAL)

    @classmethod
    def begin(cls, survey: Survey, options: TaskOptions) -> Self:
        """Return the task on a survey.

        Raises
        ------
        SurveyError
            The survey has no masks.
        UsageError
            Two columns of the predictions would have one name.
        """
        if not survey.has_masks:
            raise SurveyError("this survey has no masks to learn", survey.path, MAKES, "E-SURVEY-MASKS")
        names = survey.header.classes
        columns = [f"{before}{name}" for before in ("", *(f"{one}_" for one in SHARES)) for name in names]
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            found = f"two columns of the predictions would be called share_{twice[0]}"
            raise UsageError(found, f"survey {survey.header.name}", "give the class another name", "E-CLASS-NAME")
        return cls(names, _own(options))

    @property
    def pixels(self) -> bool:
        """Whether the network gives masks, and not the shares alone."""
        return self.options.shares != "direct"

    @property
    def measures(self) -> MaskMeasures:
        """Divergence of the shares, IoU and accuracy."""
        return MaskMeasures(self.names, self.pixels)

    @cached_property
    def format(self) -> MaskFormat:
        """A column for the share of each class."""
        return MaskFormat(self.names)

    @property
    def figures(self) -> "MaskFigures":
        """Tables of overlaps, and the pictures whose shares are most wrong."""
        from ictconvention.tasks.mask.sections import MaskFigures

        return MaskFigures(self.names)

    # What a survey says

    def count_pixels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the known pixels of each class in every object (n, classes)."""
        return count_known(survey, self.names)

    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the rarest class that each picture has any pixel of (n,), or `UNLABELLED`: sampling is by these."""
        return rarest_classes(self.count_pixels(survey))  # whose NONE is UNLABELLED

    def read_truth(self, survey: Survey) -> NDArray[np.float64]:
        """Return the shares of the classes among the known pixels of each picture (n, classes); NaN without any."""
        return known_shares(self.count_pixels(survey))

    def split_table(self, survey: Survey) -> Table:
        """Return the objects with the rarest class of each for a class; chips of one scene stay together."""
        return split_table(survey, by_mask=True)

    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        """Raise a `SplitError` where the last stage's training part has fewer than two classes; warn of one less."""
        part = f"{stage}_train"
        pixels = self.count_pixels(survey)[survey.positions(split.parts[part])].sum(0)
        where = f"survey {survey.header.name}"
        if (pixels > 0).sum() < 2:
            known = shorten([name for name, number in zip(self.names, pixels, strict=True) if number]) or "no class"
            found = f"the masks of {part} have pixels of {known} alone"
            raise SplitError(found, where, "put pictures with other classes into it", "E-SPLIT-LABELS")
        if absent := [name for name, number in zip(self.names, pixels, strict=True) if not number]:
            logger.warning(f"masks: no pixel in {part} is of class {shorten(absent)}, which will not be predicted")

    def find_misfit(self, survey: Survey) -> tuple[str, str] | None:
        """Say where a survey's masks have a class that the network does not know."""
        if not survey.has_masks:
            return None
        if not (other := [name for name in survey.header.classes if name not in self.names]):
            return None
        near = did_you_mean(other[0], self.names)
        found = f"the masks of this survey have the class {shorten(other)}{near}, the network knows "
        return found + ", ".join(self.names), "write the survey without masks, or with these classes"

    # What is learned

    def loss(self, outputs: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
        """Return the loss of each picture (B,), whose mean is that over known pixels, or over pictures that have any.

        Parameters
        ----------
        outputs : tensor (B, classes, H, W), or (B, classes) of shares alone
            Logits.
        label : integer tensor (B, H, W)
            Masks, 255 where a class is not known.
        weights : tensor (classes,)
            Weight of a pixel of each class.
        focal : float
            Gamma of the focal loss of pixels.
        """
        match self.options.shares:
            case "direct":
                return known_pixels_loss(outputs, label)
            case "mask":
                return pixel_loss(outputs, label, weights, focal)
        both = self.options.share_weight * known_pixels_loss(outputs, label)
        return pixel_loss(outputs, label, weights, focal) + both

    def make_metrics(self) -> MaskMetrics:
        """Return the loss, the divergence of the shares, mean IoU and accuracy."""
        weight = {"direct": 1.0, "mask": 0.0, "both": self.options.share_weight}[self.options.shares]
        return MaskMetrics(self.names, self.pixels, weight)

    # How it is decided

    def reduce_with(self, calibration: Calibration | None, objects: int) -> Reduce:
        """Return what keeps the shares of each picture and its confusion; without a calibration, what one needs."""
        return keep_to_calibrate(objects) if calibration is None else keep_shares(calibration)

    def calibrate(
        self,
        outputs: Mapping[str, NDArray[Any]],
        label: NDArray[np.integer],
        survey_prior: Any,
        training_prior: Any,
    ) -> Calibration:
        """Return the temperature, and as its shift the bias of each class, of the least divergence of the shares."""
        temperature, bias = fit_share_calibration(outputs["logits"], outputs["known"])
        return Calibration(temperature, survey_prior, training_prior, bias)

    def row(self, outputs: Mapping[str, NDArray[np.float64]], calibration: Calibration) -> NDArray[np.float64]:
        """Return the shares that `task.estimate` says (n, classes), of what `reduce_with` has kept."""
        return outputs[self.options.estimate]

    def decide(
        self, outputs: Mapping[str, NDArray[np.float64]], label: NDArray[np.integer], calibration: Calibration
    ) -> dict[str, NDArray[np.float64]]:
        """Return the shares that are predicted as `row`, all others, and the confusion of the pixels, by name."""
        kept = {name: outputs[name] for name in (*SHARES, CONFUSION) if name in outputs}
        return {"row": self.row(outputs, calibration), **kept}

    def exported(
        self, logits: Tensor, temperature: float, shift: Tensor, there: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the shares that are predicted, of the pixels with data, and calibrated logits."""
        found = super().exported(logits, temperature, shift)
        match self.options.estimate:
            case "calibrated":
                found["share"] = mean_shares(found["logits"], there)
            case "mean":
                found["share"] = mean_shares(logits, there)
            case "argmax":
                guess = logits.argmax(1)[:, None] == torch.arange(len(self.names))[:, None, None]
                found["share"] = mean_pixels(guess.to(logits.dtype), there)
        return found

    def score(self, part: str, found: Predictions) -> dict[str, dict[str, Any]]:
        """Return the scores of a part, see `scores_of`."""
        return {part: scores_of(found.rows, np.asarray(found.label, dtype=np.float64), self.names)}

    def detail(self, found: Predictions, survey: Survey) -> dict[str, Any]:
        """Return the interval of each score, by a bootstrap of scenes or pictures."""
        from ictconvention.tasks.mask.details import detail

        return detail(found.pooled, self.measures, self.groups_of(survey, found.ids.tolist()))

    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        """Return the chief scores, a line for each part."""
        lines = []
        for part in [part for part in ("test", "extra_test") if part in result]:
            said = f"{survey}, {part.replace('_', ' ')} part, {result[part]['objects']} objects: "
            lines.append(said + _in_words(result[part]))
        return lines

    @classmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        """Return divergence, mean IoU and accuracy."""
        return _in_words(result["test"])


def _in_words(found: Mapping[str, Any]) -> str:
    """Return the scores of a part in words."""

    def written(value: float | None, form: str = ".4f") -> str:
        return "-" if value is None else f"{value:{form}}"

    shares = found["share_scores"]
    words = f"KL of the shares {written(shares['kl'])}"
    if (pixels := found.get("pixel_scores")) is None:
        return words
    each = f"of counts {written(shares['kl_argmax'])}, of means {written(shares['kl_mean'])}"
    words += f" ({each}, calibrated {written(shares['kl_calibrated'])})"
    return f"{words}, mean IoU {written(pixels['miou'], '.3f')}, pixel accuracy {written(pixels['accuracy'], '.3f')}"


def _own(options: TaskOptions) -> MaskOptions:
    """Return options of masks; of a plain group, the usual ones."""
    return options if isinstance(options, MaskOptions) else USUAL
