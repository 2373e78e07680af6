"""The seam carries a task that is no classification: redshifts in bins, from training to predict, export and report."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from astropy.table import Table
from typer.testing import CliRunner

import ictconvention as ict
from ictconvention.applying.choose_runs import choose_runs
from ictconvention.applying.export import export_run, exportable_run
from ictconvention.applying.model_file import read_model
from ictconvention.applying.predict import predict_survey
from ictconvention.cli.main import app
from ictconvention.configuration import registry
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.registry import import_module
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.predictions import ModelPredictions, Pooled, pool
from ictconvention.evaluation.significance import differences
from ictconvention.reporting.compare import compare
from ictconvention.reporting.entry_file import ENTRIES_FILE, save_entries
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs, read_finished
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.sweeping.sweep import chief_scores, prepare_jobs
from ictconvention.training.retest import retest
from tests.refusals import refused
from tests.reporting.read_page import Page
from tests.small_runs import Smoke, places, result_of
from tests.tasks.redshift_bins import CENTRES, EDGES, FAR, RedshiftBins, RedshiftMeasures, weighted_median

MODULE = "tests.tasks.redshift_bins"
WORDS = [f"model.module={MODULE}", "task=redshift_bins", "imbalance=none"]
LIGHT_CURVE = [*WORDS, "experiment=light_curve_sdss", "name=redshifts"]


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    """Let the module be imported for these tests alone."""
    registry.find_task("classes")  # ours are imported before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_tasks", dict(registry._tasks))
        registry.register_task("redshift_bins")(RedshiftBins)
        patch.setattr(registry, "_modules", list(registry._modules))
        yield


@pytest.fixture(scope="module")
def one(smoke: Smoke) -> Path:
    """Return a finished run of fold 0."""
    return smoke(*LIGHT_CURVE)


@pytest.fixture(scope="module")
def folds(one: Path, smoke: Smoke) -> Path:
    """Return a folder with the runs of two folds."""
    return smoke(*LIGHT_CURVE, "fold.index=1").parent


@pytest.fixture(scope="module")
def two_models(folds: Path, smoke: Smoke, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two models in two folds."""
    sweep = tmp_path_factory.mktemp("sweep")
    shutil.copytree(folds, sweep / "redshifts")
    for fold in (0, 1):
        other = smoke(*WORDS, "experiment=light_curve_sdss", "name=others", "seed=5", f"fold.index={fold}")
        shutil.copytree(other, sweep / "others" / other.name)
    return sweep


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["convention_sdss", "ict_sdss", "light_curve_sdss"])
def test_it_trains_and_is_tested_again_to_the_last_digit(smoke: Smoke, experiment: str) -> None:
    folder = smoke(*WORDS, f"experiment={experiment}", "name=redshifts" if "light" in experiment else "name=others")
    result = result_of(folder)
    assert result["test"].keys() == {"objects", "bias", "scatter", "outliers"}
    assert len(result["prior"]["survey"]) == len(EDGES) - 1
    table = pq.read_table(folder / "predictions.parquet").to_pydict()
    assert table.keys() == {"id", "fold", "label", "redshift", "pdf"}
    np.testing.assert_allclose(np.array(table["pdf"]) @ CENTRES, table["redshift"])
    assert retest(folder, compose_run([]))["test"] == result["test"]
    trained = read_trained(folder)
    assert isinstance(trained.task, RedshiftBins)
    assert len(trained.task.names) == len(EDGES) - 1


@pytest.mark.slow
def test_two_runs_predict_a_survey_together(folds: Path, work: Path, tmp_path: Path) -> None:
    survey = Survey.open(work / "miniature")
    output = tmp_path / "found.parquet"
    done = CliRunner().invoke(app, ["predict", str(folds), str(survey.path), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert "at the label shares of training" in done.output
    assert "60 objects: median redshift 0." in done.output
    table = {name: np.array(values) for name, values in pq.read_table(output).to_pydict().items()}
    own = [
        "id",
        "redshift",
        "redshift low",
        "redshift high",
        "pdf",
        "frames",
        "novelty",
        "distance",
        "seen_in_training",
    ]
    assert list(table) == [*own, "redshift spread"]
    runs, _ = choose_runs(folds)
    parts = [predict_survey(run, survey) for run in runs]
    alone = [part.row for part in parts]
    seen = np.stack([part.seen_in_training for part in parts])
    both, first = seen[0] == seen[1], ~seen[0] & seen[1]
    assert both.any()
    assert first.any()
    np.testing.assert_allclose(table["pdf"][both], (alone[0] + alone[1])[both] / 2, atol=1e-7)
    np.testing.assert_allclose(table["pdf"][first], alone[0][first], atol=1e-7)
    np.testing.assert_allclose(table["redshift"], table["pdf"] @ CENTRES)
    spread = np.std([row @ CENTRES for row in alone], axis=0, ddof=1)
    np.testing.assert_allclose(table["redshift spread"][both], spread[both], atol=1e-7)
    assert np.isnan(table["redshift spread"][~both]).all()


@pytest.mark.slow
def test_what_a_run_tested_it_predicts_again(one: Path, work: Path) -> None:
    known = ict.load(one).predictions()
    found = ict.load(one).predict(work / "miniature")
    at = {id_: number for number, id_ in enumerate(found["id"])}
    here = [at[id_] for id_ in known["id"]]
    np.testing.assert_allclose(found["pdf"][here], known["pdf"], atol=1e-6)


@pytest.mark.slow
def test_what_has_no_meaning_for_it_is_refused(one: Path, work: Path, tmp_path: Path) -> None:
    survey = work / "miniature"
    for prior in ("uniform", "estimate", {"0.00 to 0.17": 1.0}):
        with refused(UsageError, "E-RUN-TASK", "redshift_bins", where="--prior"):
            ict.load(one).predict(survey, prior=prior)
    with refused(UsageError, "E-RUN-TASK", "redshift_bins", where=one):
        ict.load(one).train_forest()
    with refused(UsageError, "E-RUN-TASK", "redshift_bins", where=one):
        ict.load(one).predict(survey, forest="mean")
    done = CliRunner().invoke(app, ["predict", str(one), str(survey), "-o", str(tmp_path / "lists.csv")])
    assert isinstance(done.exception, UsageError)
    assert done.exception.code == "E-FILES-ENDING"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_its_scores_are_followed_from_day_to_day(one: Path, work: Path, tmp_path: Path) -> None:
    table, curve = tmp_path / "found.ecsv", tmp_path / "curve.png"
    words = ["predict", str(one), str(work / "miniature"), "-o", str(table), "--curve", str(curve), "--first-days", "5"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert Table.read(table)["pdf"].shape == (60, len(CENTRES))
    numbers = Table.read(curve.with_suffix(".csv"))
    assert numbers.colnames[2:] == [f"{name}{end}" for name in ("scatter", "outliers") for end in ("", "_low", "_high")]
    assert (numbers["scatter_low"] <= numbers["scatter"]).all()


@pytest.mark.slow
def test_an_exported_model_gives_the_pdf_and_the_redshift(one: Path, tmp_path: Path) -> None:
    path, run = tmp_path / "model.pt2", read_trained(one)
    assert "gives the PDF of the redshift" in export_run(run, path)
    says, outputs_of = read_model(path)
    assert says["edges"] == EDGES.tolist()
    assert "classes" not in says
    assert says["outputs"]["redshift"]["shape"] == ["objects"]
    model = exportable_run(run)
    arguments = model.sequences(5, torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, logits = model(**arguments), model.network.forward_padded(*model.inputs.padded(**arguments))
    found = outputs_of(arguments)
    assert list(found) == ["pdf", "redshift", "logits"]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)
    np.testing.assert_allclose(found["pdf"], run.row(logits.double().numpy()), atol=1e-5)
    np.testing.assert_allclose(found["redshift"], found["pdf"].numpy() @ CENTRES, atol=1e-5)


@pytest.mark.slow
def test_models_are_compared_by_its_scores_with_intervals(two_models: Path) -> None:
    found = compare(two_models)
    assert found.table.columns[:4] == ("model", "bias", "scatter, folds", "scatter, pooled")
    pooled = {entry.name: pool(entry) for entry in found.entries}
    for row, whole in zip(found.table.numbers, pooled.values(), strict=True):
        off = (whole.at("row")[0] @ CENTRES - whole.label) / (1 + whole.label)
        assert row["scatter_pooled"] == pytest.approx(1.4826 * np.median(np.abs(off - np.median(off))))
        assert row["outliers_pooled"] == pytest.approx((np.abs(off) > FAR).mean())
    (sentence,) = found.sentences
    assert sentence.count("95 % interval") == 2
    assert sentence.startswith(f"{found.entries[0].name} against {found.entries[1].name}: scatter ")
    assert "points" not in sentence.partition("; outliers")[0]
    (remark,) = found.remarks
    assert "nothing is called established" in remark
    assert len(found.entries[0].folds) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("unsaved_figures")
def test_the_page_has_its_sections_and_not_those_of_classes(two_models: Path, tmp_path: Path) -> None:
    entries = group_runs(*find_runs(two_models)).entries()
    sweep = shutil.copytree(two_models, tmp_path / "sweep")
    forest = ModelPredictions("forest", entries[0].predictions)
    save_entries(sweep / ENTRIES_FILE, [forest], read_finished(next(sweep.glob("redshifts/*"))).task)
    done = CliRunner().invoke(app, ["report", str(sweep), "-o", str(tmp_path / "page.html"), "--module", MODULE])
    assert done.exit_code == 0, done.output
    page = Page((tmp_path / "page.html").read_text())
    assert [row[0] for row in page.table("model")[1:]] == ["others", "redshifts", "forest"]
    assert {"#redshifts", "#folds", "#curves", "#worst"} <= set(page.addresses)
    assert not {"#confusion", "#roc", "#recall"} & set(page.addresses)
    says = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert "z of forest against z" in says
    assert any(text.startswith("scatter of each fold and seed") for text in says)
    assert len(page.table("object")) == 3
    assert compare(sweep).entries[2].predictions.keys() == forest.predictions.keys()


@pytest.mark.slow
def test_from_python_it_is_compared_and_summed_up(two_models: Path) -> None:
    sweep = ict.load_sweep(two_models)
    assert len(sweep.runs) == 4
    assert sweep.runs[0].summary.startswith("scatter 0.")
    found = sweep.compare()
    assert "outliers_pooled" in found.table.colnames
    assert len(found.sentences) == 1


@pytest.mark.slow
def test_predictions_that_were_edited_are_not_those_of_the_result(one: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(one, tmp_path / "runs" / "one")
    table = pq.read_table(copied / "predictions.parquet")
    pdf = np.array(table["pdf"].to_pylist())[:, ::-1].tolist()
    pq.write_table(
        table.set_column(table.schema.get_field_index("pdf"), "pdf", pa.array(pdf)), copied / "predictions.parquet"
    )
    with refused(UsageError, "E-RUN-EDITED", where=copied):
        read_finished(copied)


@pytest.mark.slow
def test_runs_of_several_tasks_are_not_compared(one: Path, smoke: Smoke, tmp_path: Path) -> None:
    for name, folder in {"a": smoke("experiment=light_curve_sdss", "name=classes"), "b": one}.items():
        shutil.copytree(folder, tmp_path / name / folder.name)
    with refused(UsageError, "E-COMPARE-MISMATCH", "classes and redshift_bins", where=tmp_path / "b" / one.name):
        compare(tmp_path)


@pytest.mark.slow
def test_a_run_whose_module_was_not_imported_says_so(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_tasks", {name: x for name, x in registry._tasks.items() if x.source is None})
        with refused(UsageError, "E-MODULE-UNKNOWN", "--module", where="task.kind"):
            find_runs(one.parent)
    import_module(MODULE)
    assert MODULE in registry.imported_modules()
    assert read_finished(one).task.name == "redshift_bins"
    assert result_of(one)["sources"].keys() == {"task.kind"}


@pytest.mark.slow
def test_its_own_metric_chooses_the_training_epoch(smoke: Smoke) -> None:
    folder = smoke(*WORDS, "experiment=light_curve_sdss", "name=chosen", "stage.finetune.max_epochs=3")
    with (folder / "metrics.csv").open(newline="") as file:
        losses = [float(row["finetune/val/loss_bins"]) for row in csv.DictReader(file) if row["stage"] == "finetune"]
    assert load_checkpoint(folder / "checkpoints" / "finetune.ckpt")["epoch"] == int(np.argmin(losses))


@pytest.mark.slow
def test_a_sweep_says_its_scores_and_it_is_another_run_than_classes(one: Path, work: Path) -> None:
    (job,) = prepare_jobs([[*LIGHT_CURVE, *places(work)]])
    assert job.folder == one
    assert chief_scores(job).startswith("scatter 0.")
    (other,) = prepare_jobs([["imbalance=none", "experiment=light_curve_sdss", "name=redshifts", *places(work)]])
    assert other.folder != job.folder


@pytest.mark.slow
def test_it_leaves_figures_of_its_own(smoke: Smoke) -> None:
    folder = smoke(*WORDS, "experiment=light_curve_sdss", "name=drawn", "figures=true", "stage.finetune.max_epochs=1")
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert "redshift" in names
    assert "confusion" not in names


def test_a_score_that_is_no_sum_over_objects_is_resampled_as_if_objects_stood_more_often() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, (20, 30)).astype(float)
    pdf, z = rng.dirichlet(np.ones(len(CENTRES)), 30), rng.random(30)
    found = RedshiftMeasures().weigh({"row": pdf}, z, weight)
    for number, times in enumerate(weight.astype(int)):
        rows = {"row": np.repeat(pdf, times, axis=0)}
        alone = RedshiftMeasures().score(rows, np.repeat(z, times))
        assert {name: values[number] for name, values in found.items()} == pytest.approx(alone)
    values = rng.random((1, 7))
    assert weighted_median(values, np.ones((1, 7))) == pytest.approx(np.median(values))


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_of_a_median_holds_objects_and_seeds(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    n = 200
    z, cell = rng.random(n), rng.integers(0, 3, n)
    ids = np.arange(n).astype(str)

    def drawn(noise: float) -> Pooled:
        centre = z[None] + rng.normal(0, noise, (seeds, n)) + rng.normal(0, 0.02, (seeds, 3))[:, cell]
        pdf = np.exp(-(((centre[..., None] - CENTRES) / 0.2) ** 2))
        return Pooled(ids, z, cell, {"row": pdf / pdf.sum(-1, keepdims=True)})

    sharp, vague = drawn(0.05), drawn(0.4)
    scatter, outliers = differences(sharp, vague, np.arange(n), RedshiftMeasures(), 200)
    for found in (scatter, outliers):
        assert found.low < found.value < found.high < 0
        assert found.established == (seeds == 3)  # of one seed the scatter is not known
    for found in differences(sharp, sharp, np.arange(n), RedshiftMeasures(), 50) if seeds == 1 else ():
        assert found.low == found.high == 0
