"""The seam carries a task that is no classification: redshifts in bins, through training, resume, test and sweep."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from ictconvention.applying.export import export_run
from ictconvention.applying.fitting_survey import check_survey_fits
from ictconvention.configuration import registry
from ictconvention.configuration.options import Stage
from ictconvention.configuration.registry import register_task
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.evaluation.calibration import fit_temperature, probabilities
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.collection import read_finished
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.sweeping.sweep import chief_scores, prepare_jobs
from ictconvention.tasks.task import Calibration, Task
from ictconvention.training.retest import retest
from tests.small_runs import Smoke, places, result_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGES = np.linspace(0, 1, 7)


@dataclass(frozen=True)
class Redshifts:
    position: NDArray[np.int64]
    label: NDArray[np.int64]
    density: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        return np.asarray(self.density @ (EDGES[:-1] + EDGES[1:]) / 2)


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


class RedshiftBins(Task):
    """The bin of an object's redshift."""

    name: ClassVar[str] = "redshift_bins"
    monitor: ClassVar[str] = "loss_bins"
    headline: ClassVar[Mapping[str, str]] = {"loss_bins": "loss"}

    @classmethod
    def of_survey(cls, survey: Survey) -> Self:
        return cls([f"{low:.2f} to {high:.2f}" for low, high in pairwise(EDGES)])

    def read_labels(self, survey: Survey) -> NDArray[np.int64]:
        z: NDArray[np.float64] = np.ma.filled(np.ma.asarray(survey.object_table()["redshift"], dtype=float), np.nan)
        return np.where(np.isfinite(z), np.clip(np.searchsorted(EDGES, z) - 1, 0, len(EDGES) - 2), UNLABELLED)

    def check_split(self, survey: Survey, split: Split, stage: Stage) -> None:
        labels = self.read_labels(survey)
        if not any(labels[survey.position(id_)] != UNLABELLED for id_ in split.parts[f"{stage}_train"]):
            raise SplitError("no redshift to train on", f"survey {survey.header.name}", "give it redshifts")

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
        return Calibration(fit_temperature(outputs[known], label[known]), survey_prior, training_prior)

    def decide(
        self,
        position: NDArray[np.int64],
        label: NDArray[np.int64],
        outputs: NDArray[np.floating],
        calibration: Calibration,
    ) -> Redshifts:
        return Redshifts(position, label, probabilities(outputs, calibration.temperature))

    def score(self, part: str, found: Redshifts) -> dict[str, dict[str, Any]]:
        known = found.label != UNLABELLED
        middle = ((EDGES[:-1] + EDGES[1:]) / 2)[found.label[known]]
        off = (found.mean[known] - middle) / (1 + middle)
        return {part: {"objects": int(known.sum()), "bias": float(off.mean()), "scatter": float(off.std())}}

    def columns(self, found: Redshifts) -> dict[str, Any]:
        return {"redshift": found.mean}

    def describe(self, result: Mapping[str, Any], survey: str) -> list[str]:
        return [f"{survey}: scatter {result['test']['scatter']:.3f}"] if "test" in result else []

    @classmethod
    def sum_up(cls, result: Mapping[str, Any]) -> str:
        return f"scatter {result['test']['scatter']:.3f}"

    def draw(self, part: str, found: Redshifts, survey: Survey, run: str) -> "dict[str, Figure]":
        return {}


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    registry.find_task("classes")  # ours are imported before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_tasks", dict(registry._tasks))
        register_task("redshift_bins")(RedshiftBins)
        yield


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return overrides that choose the task by a file of a user's own."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "task").mkdir()
    (folder / "task" / "redshift_bins.yaml").write_text("kind: redshift_bins\n")
    return [f"--config-dir={folder}", "task=redshift_bins", "imbalance=none"]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["convention_sdss", "ict_sdss", "light_curve_sdss"])
def test_it_trains_and_is_tested_again_to_the_last_digit(smoke: Smoke, words: list[str], experiment: str) -> None:
    from ictconvention.configuration.compose import compose_run

    folder = smoke(*words, f"experiment={experiment}", "name=redshifts")
    result = result_of(folder)
    assert result["test"].keys() == {"objects", "bias", "scatter"}
    assert len(result["prior"]["survey"]) == len(EDGES) - 1
    table = pq.read_table(folder / "predictions.parquet").to_pydict()
    assert table.keys() == {"id", "fold", "redshift"}
    assert 0 < min(table["redshift"]) <= max(table["redshift"]) < 1
    assert retest(folder, compose_run([]))["test"] == result["test"]
    trained = read_trained(folder)
    assert isinstance(trained.learner.task, RedshiftBins)
    assert len(trained.learner.task.names) == len(EDGES) - 1


@pytest.mark.slow
def test_what_knows_classes_only_refuses_it(smoke: Smoke, work: Path, words: list[str], tmp_path: Path) -> None:
    folder = smoke(*words, "experiment=light_curve_sdss", "name=redshifts")
    run, survey = read_trained(folder), Survey.open(work / "miniature")
    for refused in (
        lambda: read_finished(folder),
        lambda: check_survey_fits(run, survey),
        lambda: export_run(run, tmp_path / "model.pt2"),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert caught.value.where == folder


@pytest.mark.slow
def test_its_own_metric_chooses_the_training_epoch(smoke: Smoke, words: list[str]) -> None:
    import csv

    folder = smoke(*words, "experiment=light_curve_sdss", "name=chosen", "stage.finetune.max_epochs=3")
    with (folder / "metrics.csv").open(newline="") as file:
        losses = [float(row["finetune/val/loss_bins"]) for row in csv.DictReader(file) if row["stage"] == "finetune"]
    assert load_checkpoint(folder / "checkpoints" / "finetune.ckpt")["epoch"] == int(np.argmin(losses))


@pytest.mark.slow
def test_a_sweep_says_its_scores_and_it_is_another_run_than_classes(smoke: Smoke, work: Path, words: list[str]) -> None:
    same = [*places(work), "experiment=light_curve_sdss", "name=redshifts"]
    (job,) = prepare_jobs([[*words, *same]])
    smoke(*words, "experiment=light_curve_sdss", "name=redshifts")
    assert chief_scores(job).startswith("scatter 0.")
    (other,) = prepare_jobs([["imbalance=none", *same]])
    assert other.folder != job.folder
