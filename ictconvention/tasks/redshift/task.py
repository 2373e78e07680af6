"""Learn the redshift of each object as a PDF over bins: its loss, its calibration by one temperature, its scores."""

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
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.evaluation.calibration import Calibration
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.redshift.pdf import centres_of
from ictconvention.evaluation.redshift.scores import BEYOND, BEYOND_KEY, bin_of, redshift_scores
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.survey.labels.strata import stratify
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.bins import SHARES_KEY, edges_of, make_edges, names_of, read_redshifts
from ictconvention.tasks.redshift.format import RedshiftFormat
from ictconvention.tasks.redshift.losses import (
    MEAN_AND_SIGMA,
    bins_of,
    crps_loss,
    gaussian_logits,
    hard_loss,
    regression_loss,
    soft_loss,
)
from ictconvention.tasks.redshift.measures import RedshiftMeasures
from ictconvention.tasks.redshift.metrics import RedshiftMetrics
from ictconvention.tasks.redshift.options import RedshiftOptions
from ictconvention.tasks.task import Task

if TYPE_CHECKING:
    from ictconvention.tasks.redshift.sections import RedshiftFigures

USUAL = RedshiftOptions(kind="redshift")
KINDS = 4  # of redshifts, by which examples are drawn and novelty is measured


@register_task("redshift", RedshiftOptions)
class Redshift(Task):
    """The redshift of an object.

    Parameters
    ----------
    names : sequence of str
        Names of the bins, by their edges: "0 to 0.01".
    options : RedshiftOptions
        Labels and loss; the bins are those of the names.

    Raises
    ------
    ValueError
        These are no bins.
    """

    name: ClassVar[str] = "redshift"
    monitor: ClassVar[str] = "loss"
    headline: ClassVar[Mapping[str, str]] = {"sigma_mad": "sigma_MAD", "bias": "bias"}
    truth: ClassVar[str] = "redshift"
    learns_truth: ClassVar[bool] = True

    def __init__(self, names: Sequence[str], options: RedshiftOptions = USUAL) -> None:
        super().__init__(names)
        self.edges, self.options = edges_of(names), options

    @classmethod
    def restore(cls, names: Sequence[str], options: TaskOptions, training: Mapping[str, Any] | None = None) -> Self:
        """Return the task of a run."""
        task = cls(names, _own(options))
        task.training = dict(training or {})
        return task

    @classmethod
    def check_options(cls, options: RunOptions) -> None:
        """Refuse views of other colours, a focal loss of no cross-entropy, and probabilities of a regression.

        Raises
        ------
        UsageError
            Two keys exclude each other.
        """
        loss = _own(options.task).loss
        if drawn := [name for name in ("brightness", "contrast") if getattr(options.augmentation, name)]:
            found = f"augmentation.{drawn[0]} is {getattr(options.augmentation, drawn[0]):g}"
            found += ", which changes what tells a redshift: fluxes and colours"
            raise UsageError(found, "augmentation", "take augmentation=galaxies", "E-CONFIG-CONFLICT")
        if loss != "cross_entropy" and options.imbalance.focal:
            found = f"imbalance.focal is {options.imbalance.focal:g}, and task.loss={loss} is no cross-entropy"
            raise UsageError(found, "imbalance.focal", "set imbalance.focal=0", "E-CONFIG-CONFLICT")
        compared = options.learner.kind == "ict" and options.learner.consistency_on == "probabilities"
        if loss == "regression" and compared and options.learner.consistency:
            found = "learner.consistency_on is probabilities, and a regression gives a mean and a sigma"
            raise UsageError(found, "task.loss", "take learner.consistency_on=projection", "E-CONFIG-CONFLICT")

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
            No object has a redshift, or one is impossible.
        UsageError
            A known redshift is in no bin.
        """
        own = _own(options)
        return cls(names_of(make_edges(survey, own.bins)), own)

    @cached_property
    def format(self) -> RedshiftFormat:
        """Columns for points, interval, odds and PDF."""
        return RedshiftFormat(self.names)

    @property
    def measures(self) -> RedshiftMeasures:
        """Scatter, outliers, bias and CRPS."""
        return RedshiftMeasures(self.edges, self.training)

    @property
    def figures(self) -> "RedshiftFigures":
        """Redshifts against redshifts, bias, PIT and n(z)."""
        from ictconvention.tasks.redshift.sections import RedshiftFigures

        return RedshiftFigures(self.names, self.training)

    def read_truth(self, survey: Survey) -> NDArray[np.float64]:
        """Return the redshift of every object (n,), NaN where it is not known."""
        return read_redshifts(survey)

    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        """Return the bin of every object (n,), or `UNLABELLED`."""
        z = self.read_truth(survey)
        return np.where(np.isfinite(z), bin_of(np.nan_to_num(z), self.edges), UNLABELLED)

    def split_table(self, survey: Survey) -> Table:
        """Return the objects with deciles of redshift for classes."""
        return stratify(survey.object_table())

    def describe_training(self, truth: NDArray[Any]) -> dict[str, Any]:
        """Return the 95th percentile of the training's redshifts, and their shares of the bins."""
        known = truth[np.isfinite(truth)]
        count = np.bincount(bin_of(known, self.edges), minlength=len(self.names))
        return {BEYOND_KEY: float(np.percentile(known, BEYOND)), SHARES_KEY: (count / count.sum()).tolist()}

    def kinds(self, label: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return a bin in the midst of each quarter of the bins."""
        bins = len(self.names)
        kind = np.asarray(label) * KINDS // bins
        return np.where(np.asarray(label) == UNLABELLED, UNLABELLED, (2 * kind + 1) * bins // (2 * KINDS))

    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        """Raise a `SplitError` where the training part of the last stage has no object with a redshift."""
        z = self.read_truth(survey)
        if not np.isfinite(z[survey.positions(split.parts[f"{stage}_train"])]).any():
            found = f"no object in {stage}_train has a redshift"
            raise SplitError(found, f"survey {survey.header.name}", "put some that have into it", "E-SPLIT-LABELS")

    # What is learned

    @property
    def outputs(self) -> int:
        """A logit for each bin; mean and ln sigma of a regression."""
        return MEAN_AND_SIGMA if self.options.loss == "regression" else len(self.names)

    def logits(self, outputs: Tensor) -> Tensor:
        """Return the logits (B, bins); of a regression those of its Gaussian."""
        return gaussian_logits(outputs, self._edges_for(outputs)) if self.options.loss == "regression" else outputs

    def loss(self, outputs: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
        """Return the loss of each object (B,), in the weights of the bins; 0 for objects without a redshift.

        Parameters
        ----------
        outputs : tensor (B, outputs)
            From the network.
        label : tensor (B,)
            Redshifts, NaN where unknown.
        weights : tensor (bins,)
            Weight of each bin.
        focal : float
            Gamma of the focal loss.
        """
        known = torch.isfinite(label)
        z = torch.where(known, label, self.edges[0])
        weight = weights[bins_of(z, self._edges_for(outputs))]
        return torch.where(known, weight * self._each(outputs, z, focal), 0)

    def _each(self, outputs: Tensor, z: Tensor, focal: float = 0.0) -> Tensor:
        edges, options = self._edges_for(outputs), self.options
        match options.loss:
            case "regression":
                return regression_loss(outputs, z)
            case "crps":
                return crps_loss(outputs, z, edges)
        if options.labels == "hard":
            return hard_loss(outputs, z, edges, focal)
        width = float(np.diff(self.edges).mean())
        sd = torch.full_like(z, width) if options.softness is None else options.softness * (1 + z)
        return soft_loss(outputs, z, edges, sd, focal)

    def _points(self, outputs: Tensor) -> Tensor:
        """Return the means (B,) of the PDFs of outputs."""
        pdf = self.logits(outputs).softmax(1)
        return pdf @ torch.as_tensor(centres_of(self.edges), dtype=pdf.dtype, device=pdf.device)

    def _edges_for(self, outputs: Tensor) -> Tensor:
        return torch.as_tensor(self.edges, dtype=outputs.dtype, device=outputs.device)

    def make_metrics(self) -> RedshiftMetrics:
        """Return the mean loss and the scores of the points."""
        return RedshiftMetrics(self._each, self._points)

    # How it is decided

    def calibrate(
        self, outputs: NDArray[np.floating], label: NDArray[np.integer], survey_prior: Any, training_prior: Any
    ) -> Calibration:
        """Return the temperature of the largest likelihood of the validation's bins, at the survey's n(z)."""
        known = label != UNLABELLED
        return Calibration.fit(outputs[known], label[known], survey_prior, training_prior)

    def score(self, part: str, found: Predictions) -> dict[str, dict[str, Any]]:
        """Return the scores of a part."""
        z = np.asarray(found.label, dtype=np.float64)
        scores = redshift_scores(found.at("row"), self.edges, z, self.training.get(BEYOND_KEY))
        return {part: {"objects": int(np.isfinite(z).sum()), **scores}}

    def detail(self, found: Predictions, survey: Survey) -> dict[str, Any]:
        """Return the interval of each score, and the scores in bins of redshift and magnitude."""
        from ictconvention.tasks.redshift.details import detail, magnitudes_of

        ids = found.ids.tolist()
        return detail(found.pooled, self.measures, self.groups_of(survey, ids), magnitudes_of(survey, ids))

    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        """Return the chief scores, a line for each part."""
        lines = []
        for part in [part for part in ("test", "extra_test") if part in result]:
            found = result[part]
            far = found.get(f"bias_beyond_{BEYOND}")
            beyond = "" if far is None else f", {far:+.4f} beyond the training's {BEYOND}th percentile"
            lines.append(
                f"{survey}, {part.replace('_', ' ')} part, {found['objects']} objects: sigma_MAD "
                f"{found['sigma_mad']:.4f}, bias {found['bias']:+.4f}{beyond}, outliers {found['outliers_05']:.1%} "
                f"beyond .05, {found['outliers_15']:.1%} beyond .15, CRPS {found['crps']:.4f}"
            )
        return lines

    @classmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        """Return scatter, bias and outliers."""
        found = result["test"]
        outliers = f"outliers {found['outliers_05']:.1%} beyond .05"
        return f"sigma_MAD {found['sigma_mad']:.4f}, bias {found['bias']:+.4f}, {outliers}"


def _own(options: TaskOptions) -> RedshiftOptions:
    """Return options of redshifts; of a plain group, the usual ones."""
    return options if isinstance(options, RedshiftOptions) else USUAL
