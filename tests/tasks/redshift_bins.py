"""A task of a user's own, redshifts in bins: what `Task` says of a redshift in a table, at its smallest."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from ictconvention.configuration.options import Stage
from ictconvention.configuration.registry import register_task
from ictconvention.core.errors import SplitError
from ictconvention.drawing.embedded_figure import embed_drawing
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import new_panel
from ictconvention.evaluation.calibration import Calibration
from ictconvention.evaluation.measures import Measure, Measures, Rows
from ictconvention.evaluation.predictions import Pooled, Predictions
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.prediction_format import PredictionFormat, Row
from ictconvention.tasks.task import Task
from ictconvention.tasks.task_figures import Said, Section, ShownObject, TaskFigures, WorstObjects

EDGES = np.linspace(0, 1, 7)
CENTRES = (EDGES[:-1] + EDGES[1:]) / 2
FAR = 0.15  # errors of outliers


def errors(row: Row, z: NDArray[Any]) -> NDArray[np.float64]:
    """Return (z_p - z) / (1 + z), (n,)."""
    return np.asarray((row @ CENTRES - z) / (1 + z))


def weighted_median(x: NDArray[np.float64], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the median (replicates,) of values (replicates, n) that count so often (replicates, n)."""
    order = np.argsort(x, axis=1)
    x, above = np.take_along_axis(x, order, 1), np.cumsum(np.take_along_axis(weight, order, 1), axis=1)
    half = above[:, -1:] / 2
    first, last = (above >= half).argmax(1), (above > half).argmax(1)
    rows = np.arange(len(x))
    return np.asarray((x[rows, first] + x[rows, last]) / 2)


class RedshiftMeasures(Measures):
    """Bias, scatter and outliers; scatter is a median, which no sum over objects gives."""

    scatter: ClassVar[Measure] = Measure("scatter", "scatter", False, 1.0, "", 4, by_fold=True)
    outliers: ClassVar[Measure] = Measure("outliers", "outliers", False)
    compared: ClassVar[tuple[Measure, ...]] = (scatter, outliers)
    columns: ClassVar[tuple[Measure, ...]] = (Measure("bias", "bias", scale=1.0, unit="", digits=4), *compared)

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        z = np.asarray(label, dtype=np.float64)
        known = np.isfinite(z)
        off, weight = errors(rows["row"], z)[known], weight[:, known].astype(np.float64)
        each = np.broadcast_to(off, weight.shape)
        median = weighted_median(each, weight)
        return {
            "bias": weight @ off / weight.sum(1),
            "scatter": 1.4826 * weighted_median(np.abs(each - median[:, None]), weight),
            "outliers": weight @ (np.abs(off) > FAR) / weight.sum(1),
        }


class RedshiftFormat(PredictionFormat):
    """The redshift, its interval, and the PDF as a list."""

    def columns(self, found: Predictions) -> dict[str, Any]:
        return {"label": found.label, "redshift": found.at("row") @ CENTRES, "pdf": found.at("row")}

    def read(
        self, columns: Mapping[str, NDArray[Any]], survey_prior: NDArray[np.float64]
    ) -> tuple[NDArray[Any], Mapping[str, Row]]:
        return self.read_label(columns["label"]), {"row": np.asarray(columns["pdf"], dtype=np.float64)}

    def estimates(self, row: Row) -> dict[str, NDArray[np.float64]]:
        return {"redshift": row @ CENTRES}

    def further_columns(self, row: Row) -> dict[str, NDArray[Any]]:
        low, high = (EDGES[1:][(row.cumsum(1) >= share - 1e-9).argmax(1)] for share in (0.16, 0.84))
        return {"redshift low": low, "redshift high": high, "pdf": row}

    def describe(self, row: Row) -> str:
        return f"median redshift {np.median(row @ CENTRES):.3f}"

    def outputs(self, logits: Tensor) -> dict[str, Tensor]:
        pdf = logits.softmax(1)
        return {"pdf": pdf, "redshift": pdf @ torch.tensor(CENTRES, dtype=torch.float32), "logits": logits}

    def facts(self) -> dict[str, Any]:
        return {"task": "redshift_bins", "edges": EDGES.tolist()}

    @property
    def gives(self) -> str:
        return "the PDF of the redshift"


class RedshiftFigures(TaskFigures):
    """Redshifts against redshifts."""

    def draw(self, part: str, found: Predictions, survey: Survey, run: str) -> dict[str, Figure]:
        return {"redshift": _against(found.label, found.at("row"), survey.header.full_name)}

    def of_models(self, models: Sequence[Compared], survey: str) -> list[Section]:
        pictures = [
            embed_drawing(
                _against(model.pooled.label, model.pooled.at("row")[0], survey), f"z of {model.name} against z"
            )
            for model in models
        ]
        return [Section("redshifts", "Redshifts", "Predicted against known.", {"": pictures})]

    def worst(self, models: Sequence[Pooled]) -> WorstObjects:
        off = np.stack([errors(model.at("row").mean(0), model.label) for model in models])
        worst = np.argsort(-np.nan_to_num(np.abs(off).mean(0)), kind="stable")[:2]
        shown = [
            ShownObject(
                str(models[0].ids[i]),
                f"{models[0].label[i]:.3f}",
                float(np.abs(off[:, i]).mean()),
                tuple(Said(f"{x:+.3f}", float(x), bool(abs(x) <= FAR)) for x in off[:, i]),
            )
            for i in worst
        ]
        return WorstObjects("The largest errors.", "the error by each model", "mean error", tuple(shown))


def _against(z: NDArray[Any], row: Row, survey: str) -> Figure:
    figure = new_panel(survey)
    figure.subplots().plot(z, row @ CENTRES, ".")
    return figure


class BinLoss(nn.Module):
    """The mean cross-entropy over objects that have a redshift."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = MeanMetric()

    def update(self, outputs: Tensor, label: Tensor) -> None:
        known = label != UNLABELLED
        self.mean.update(F.cross_entropy(outputs[known].float(), label[known], reduction="none"))

    def compute(self) -> dict[str, Tensor]:
        return {"loss_bins": self.mean.compute()}

    def reset(self) -> None:
        self.mean.reset()


@register_task("redshift_bins")
class RedshiftBins(Task):
    """The bin of an object's redshift."""

    name: ClassVar[str] = "redshift_bins"
    monitor: ClassVar[str] = "loss_bins"
    headline: ClassVar[Mapping[str, str]] = {"loss_bins": "loss"}

    @property
    def measures(self) -> RedshiftMeasures:
        return RedshiftMeasures()

    @property
    def format(self) -> RedshiftFormat:
        return RedshiftFormat(self.names)

    @property
    def figures(self) -> RedshiftFigures:
        return RedshiftFigures(self.names)

    @classmethod
    def of_survey(cls, survey: Survey) -> Self:
        return cls([f"{low:.2f} to {high:.2f}" for low, high in pairwise(EDGES)])

    def read_truth(self, survey: Survey) -> NDArray[np.float64]:
        z: NDArray[np.float64] = np.ma.filled(np.ma.asarray(survey.object_table()["redshift"], dtype=float), np.nan)
        return z

    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        z = self.read_truth(survey)
        return np.where(np.isfinite(z), np.clip(np.searchsorted(EDGES, z) - 1, 0, len(EDGES) - 2), UNLABELLED)

    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        labels = self.read_labels(survey)
        if not any(labels[survey.position(id_)] != UNLABELLED for id_ in split.parts[f"{stage}_train"]):
            raise SplitError(
                "no redshift to train on", f"survey {survey.header.name}", "give it redshifts", "E-SPLIT-LABELS"
            )

    def loss(self, outputs: Tensor, label: Tensor, weights: Tensor, focal: float) -> Tensor:
        known = label.clamp(min=0)
        each = F.cross_entropy(outputs, known, reduction="none")
        return torch.where(label == UNLABELLED, 0, weights[known] * each)

    def make_metrics(self) -> BinLoss:
        return BinLoss()

    def calibrate(
        self, outputs: NDArray[np.floating], label: NDArray[np.integer], survey_prior: Any, training_prior: Any
    ) -> Calibration:
        known = label != UNLABELLED
        return Calibration.fit(outputs[known], label[known], survey_prior, training_prior)

    def score(self, part: str, found: Predictions) -> dict[str, dict[str, Any]]:
        return {part: {"objects": int(np.isfinite(found.label).sum()), **self.measures.score(found.rows, found.label)}}

    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        return [f"{survey}: scatter {result['test']['scatter']:.3f}"] if "test" in result else []

    @classmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        return f"scatter {result['test']['scatter']:.3f}"
