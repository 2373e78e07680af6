"""Redshifts from training to predict, export and report, on a survey that has no class at all."""

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

import ictconvention as ict
from ictconvention.applying.export import export_run, exportable_run
from ictconvention.applying.model_file import read_model
from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.reporting.compare import compare
from ictconvention.reporting.page import write_report
from ictconvention.runs.plan import plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.bins import edges_of
from ictconvention.tasks.redshift.task import Redshift
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.forked import Command, Strike
from tests.refusals import check_refusal, refused
from tests.reporting.read_page import Page
from tests.small_runs import read_json, result_of
from tests.tasks.redshift.galaxies import write_galaxies

pytestmark = pytest.mark.slow
BINS = 20
WORDS = ["task=redshift", f"task.bins.number={BINS}", "model=cnn_gru", "imbalance=none", "fold=single"]
WORDS += ["profile=tiny", "trainer.batch_size=16", "stage.finetune.max_epochs=0", "figures=false"]
MODELS = {"hard": ["name=hard"], "crps": ["name=crps", "task.loss=crps"]}
POINTS = ["z_mean", "z_median", "z_mode"]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_galaxies(tmp_path_factory.mktemp("galaxies") / "survey")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Return another survey of such galaxies, without a redshift."""
    path = tmp_path_factory.mktemp("others") / "survey"
    return write_galaxies(path, 12, redshifts=dict.fromkeys(range(12), float("nan")), seed=1)


@pytest.fixture(scope="module")
def train(galaxies: Survey, tmp_path_factory: pytest.TempPathFactory) -> Train:
    runs = tmp_path_factory.mktemp("runs")

    def trained(*words: str) -> Path:
        given = [*WORDS, "survey=path", f"survey.path={galaxies.path}", f"runs={runs}", *words]
        return run(compose_run(given), given)

    return trained


@pytest.fixture(scope="module")
def one(train: Train) -> Path:
    return train("name=redshifts")


@pytest.mark.parametrize(
    "words",
    [
        ["name=redshifts"],
        ["name=crps", "task.loss=crps"],
        ["name=regression", "task.loss=regression"],
        ["name=soft", "task.labels=soft", "task.softness=0.02", "imbalance=both"],
        ["name=ict", "learner=ict"],
        ["name=ict_regression", "learner=ict", "task.loss=regression"],
    ],
)
def test_every_loss_trains_and_is_tested_again_to_the_last_digit(train: Train, words: list[str]) -> None:
    folder = train(*words)
    result = result_of(folder)
    assert {"sigma_mad", "bias", "outliers_05", "outliers_15", "rmse", "crps", "pit_ks"} <= result["test"].keys()
    assert len(result["task"]["names"]) == BINS
    assert 0 < result["task"]["training"]["z_95"] < 1
    assert retest(folder, compose_run([]))["test"] == result["test"]
    task = RunFolder(folder).read_task()
    assert isinstance(task, Redshift)
    assert task.score("test", RunFolder(folder).read_predictions()) == {"test": pytest.approx(result["test"])}


def test_predictions_have_the_true_redshift_points_interval_odds_and_pdf(one: Path, galaxies: Survey) -> None:
    schema = pq.read_schema(one / "predictions.parquet")
    assert schema.names == ["id", "fold", "z", *POINTS, "z_low", "z_high", "odds", "pdf"]
    assert schema.field("pdf").type == pa.list_(pa.field("element", pa.float64()), BINS)
    table = ict.load(one).predictions()
    truth = dict(zip(galaxies.ids, galaxies.object_table()["redshift"], strict=True))
    np.testing.assert_allclose(table["z"], [truth[id_] for id_ in table["id"]])
    np.testing.assert_allclose(np.sum(table["pdf"], axis=1), 1)
    assert (table["z_low"] < table["z_high"]).all()
    assert ((table["odds"] >= 0) & (table["odds"] <= 1)).all()


def test_another_survey_gets_the_same_columns(one: Path, others: Survey, galaxies: Survey) -> None:
    found = ict.load(one).predict(others)
    own = ["id", *POINTS, "z_low", "z_high", "odds", "pdf", "frames", "novelty", "distance", "seen_in_training"]
    assert found.colnames == own
    assert found.meta["BINS"] == f"pdf: {BINS} equal bins, z 0.0 to {edges_of(read_trained(one).spec.classes)[-1]}"
    assert len(found) == len(others)
    known, again = ict.load(one).predictions(), ict.load(one).predict(galaxies)
    at = {id_: number for number, id_ in enumerate(again["id"])}
    np.testing.assert_allclose(again["pdf"][[at[id_] for id_ in known["id"]]], known["pdf"], atol=1e-6)


def test_predictions_of_known_redshifts_are_scored_where_these_trained_nothing(
    one: Path, galaxies: Survey, others: Survey, tmp_path: Path
) -> None:
    scored = [line for line in ict.load(one).predict(galaxies).meta["NOTES"].split("; ") if "scored on" in line]
    test = result_of(one)["test"]
    assert len(scored) == 1
    assert f"scored on {test['objects']} objects whose redshift is known" in scored[0]
    for name, score in (("sigma_MAD", "sigma_mad"), ("bias", "bias")):
        assert f"{name} {test[score]:.4f}" in scored[0]
    assert f"outliers .05 {100 * test['outliers_05']:.1f} %" in scored[0]
    assert "scored" not in ict.load(one).predict(others).meta["NOTES"]
    known = write_galaxies(tmp_path / "known", 20, seed=2)
    table = ict.load(one).predict(known)
    z = np.ma.filled(known.object_table()["redshift"], np.nan)
    off = ((table["z_mean"] - z) / (1 + z))[np.isfinite(z)]
    assert f"bias {off.mean():.4f}" in table.meta["NOTES"]
    wrong = ict.load(one).predict(write_galaxies(tmp_path / "wrong", 8, redshifts={3: -0.05}, seed=3))
    assert "not scored" in wrong.meta["NOTES"]  # predictions need no truth


def test_a_curve_of_a_single_night_is_refused(one: Path, galaxies: Survey, tmp_path: Path) -> None:
    words = ["predict", one, galaxies.path, "-o", tmp_path / "z.ecsv", "--curve", tmp_path / "curve.png"]
    error = CliRunner().invoke(app, [*map(str, words)]).exception
    assert isinstance(error, UsageError)
    check_refusal(error, "E-PREDICT-NOTHING", "--curve", where=galaxies.path)
    assert not (tmp_path / "z.ecsv").exists()


def test_the_split_of_a_survey_of_redshifts_is_the_one_that_its_experiments_draw(
    galaxies: Survey, tmp_path: Path
) -> None:
    file = tmp_path / "split.json"
    done = CliRunner().invoke(app, ["split", str(galaxies.path), "-o", str(file)])
    assert done.exit_code == 0, done.output
    words = ["experiment=redshift_direct", "survey=path", f"survey.path={galaxies.path}"]
    drawn, given = (plan_run(compose_run([*words, *more])) for more in ([], [f"split={file}"]))
    assert given.split.parts == drawn.split.parts
    assert given.split.hash == drawn.split.hash
    small = ["stage.pretrain.max_epochs=1", "model.width=0.125", "figures=false", f"runs={tmp_path}/runs"]
    folder = run(compose_run([*words, f"split={file}", *small]), words)
    tested = set(ict.load(folder).predictions()["id"])
    assert tested == set(json.loads(file.read_text())["parts"]["test"])


def test_labels_that_a_split_keeps_for_a_stage_that_does_not_train_are_named(
    galaxies: Survey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["experiment=redshift_direct", "survey=path", f"survey.path={galaxies.path}"]
    for protocol in ("single", "rotating"):
        ict.split(galaxies, protocol).save(tmp_path / f"{protocol}.json")
        caplog.clear()
        plan_run(compose_run([*words, f"split={tmp_path}/{protocol}.json"]))
        assert ("finetune_train" in caplog.text) == (protocol == "rotating")


def test_shares_of_classes_have_no_meaning_for_it(one: Path, others: Survey) -> None:
    with refused(UsageError, "E-RUN-TASK", "redshift", where="--prior"):
        ict.load(one).predict(others, prior="uniform")


@pytest.mark.parametrize(("loss", "ending"), [("cross_entropy", "pt2"), ("regression", "onnx")])
def test_an_exported_model_gives_the_pdf_of_the_run(train: Train, tmp_path: Path, loss: str, ending: str) -> None:
    if ending == "onnx":
        pytest.importorskip("onnxruntime", reason="needs the extra [export]")
    folder = train("name=redshifts") if loss == "cross_entropy" else train("name=regression", "task.loss=regression")
    path, trained = tmp_path / f"model.{ending}", read_trained(folder)
    export_run(trained, path)
    says, outputs_of = read_model(path)
    assert len(says["edges"]) == BINS + 1
    model = exportable_run(trained)
    arguments = model.sequences(3, torch.Generator().manual_seed(1))
    with torch.no_grad():
        outputs = model.network.forward_padded(*model.inputs.padded(**arguments))
    found = outputs_of(arguments)
    expected = trained.row(trained.task.logits(outputs).double().numpy())
    np.testing.assert_allclose(found["pdf"], expected, atol=1e-5)
    assert found["pdf"].shape == (3, BINS)


@pytest.mark.usefixtures("unsaved_figures")
def test_models_of_two_seeds_are_compared_with_intervals_and_drawn(train: Train, tmp_path: Path) -> None:
    for name, words in {"redshifts": [], "crps": ["task.loss=crps"]}.items():
        for seed in (0, 1):
            folder = train(f"name={name}", f"seed={seed}", *words)
            shutil.copytree(folder, tmp_path / "sweep" / name / folder.name)
    found = compare(tmp_path / "sweep")
    (sentence,) = found.sentences
    assert sentence.count("95 % interval") == 6
    assert {"sigma_MAD, pooled", "bias beyond", "CRPS"} <= {*found.table.columns}
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(tmp_path / "sweep"), "-o", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert {"#redshifts", "#bias", "#pit", "#nz", "#curves", "#bins", "#worst"} <= set(Page(text).addresses)
    assert text.count("In bins of the ") == 3
    number = found.table.numbers[0]
    assert np.all(np.diff([float(number[f"bias_{name}"] or 0) for name in ("low", "pooled", "high")]) > 0)
    assert sum(line.startswith("crps, with 95 % intervals: sigma_MAD 0.") for line in found.remarks) == 1


def test_where_objects_are_selected_the_others_are_compared_too(tmp_path: Path) -> None:
    """Their table has the numbers of the results, and their figures say which objects they are of, and what lines are.

    Each of the figures names its lines, all within the paper.
    """
    survey = write_galaxies(tmp_path / "survey", 240, cut=0.18)
    words = [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={tmp_path}/runs"]
    folders = {name: run(compose_run([*words, *own]), [*words, *own]) for name, own in MODELS.items()}
    found = compare(tmp_path / "runs")
    assert found.extra_test is not None
    for part, table in {"test": found.table, "extra_test": found.extra_test.table}.items():
        for row in table.numbers:
            scores = result_of(folders[str(row["model"])])[part]
            for name in ("sigma_mad", "bias", "outliers_15", "crps"):
                assert row[f"{name}_pooled"] == pytest.approx(scores[name]), (part, name)
    assert found.table.numbers[0]["bias_pooled"] != found.extra_test.table.numbers[0]["bias_pooled"]
    (sentence,) = found.extra_test.sentences
    assert sentence.count("95 % interval") == 6
    write_report(tmp_path / "runs", tmp_path / "page.html", comparison=found)
    page = Page((tmp_path / "page.html").read_text())
    for anchor in ("redshifts", "bias", "pit", "nz", "bins", "worst"):
        assert {f"#{anchor}", f"#{anchor}-extra-test"} <= set(page.addresses)
    drawings = [drawing.decode() for drawing in page.pictures("image/svg+xml")]
    against = [drawing for drawing in drawings if "predicted redshift" in drawing]
    assert [", test part" in one for one in against] == [True, True, False, False]
    assert all("error of .05 (1 + z)" in one and "95th percentile" in one for one in against)


def test_a_result_has_intervals_and_scores_in_bins(one: Path) -> None:
    result = result_of(one)
    assert result["details"].keys() == {"test"}
    intervals, bins = (result["details"]["test"][name] for name in ("intervals", "bins"))
    for name in ("bias", "sigma_mad", "outliers_15", "crps", "coverage_68", "nz_wasserstein"):
        assert intervals[name][0] <= result["test"][name] <= intervals[name][1], name
    assert list(bins) == ["z", "z_p", "r magnitude when bright"]
    assert sum(of["objects"] for of in bins["z"]) == result["test"]["objects"]
    mean = np.average([of["bias"][0] for of in bins["z"]], weights=[of["objects"] for of in bins["z"]])
    assert mean == pytest.approx(result["test"]["bias"])


def test_a_run_leaves_its_figures(train: Train) -> None:
    folder = train("name=drawn", "figures=true")
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert {"redshift", "bias", "pit", "nz", "learning_curves"} <= names
    assert len([name for name in names if name.startswith("views_")]) <= 4  # not one for each bin


def test_one_band_is_enough(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "one", bands="r")
    words = [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={tmp_path}/runs"]
    assert result_of(run(compose_run(words), words))["test"]["objects"] > 0


def test_a_negative_redshift_is_refused_with_its_row(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 40, redshifts={7: -0.01})
    words = [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={tmp_path}/runs"]
    with refused(SurveyError, "E-VALUE-RANGE", "g0007", "row 7", where=survey.path):
        run(compose_run(words), words)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_was_killed_resumes_to_the_same_result(galaxies: Survey, train: Train, tmp_path: Path) -> None:
    epochs = ["name=resumed", "stage.pretrain.max_epochs=3"]
    whole = train(*epochs)
    words = [*WORDS, "survey=path", f"survey.path={galaxies.path}", f"runs={tmp_path}/runs", *epochs]
    ended = Command(tmp_path, words, Strike("pretrain", 6, signal.SIGKILL)).wait()
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    folder = run(compose_run(words), words)
    assert folder.name == whole.name
    assert (folder / "result.json").read_text() == (whole / "result.json").read_text()
    assert (folder / "predictions.parquet").read_bytes() == (whole / "predictions.parquet").read_bytes()


def test_a_batch_carries_the_redshift_for_the_loss_alone_and_no_other_task_has_it(galaxies: Survey, one: Path) -> None:
    task = Redshift.of_survey(galaxies)
    split = ict.split(galaxies)
    given: dict[str, Any] = {"names": task.names, "labels": task.read_labels(galaxies)}
    views = ict.ViewOptions(2)
    data = SeriesDataModule(galaxies, split, "pretrain", views=views, truth=task.read_truth(galaxies), **given)
    z = task.read_truth(galaxies)
    for view in next(iter(data.train_dataloader())):
        assert view.truth is not None
        np.testing.assert_allclose(view.truth, z[view.index], rtol=1e-6)
    without = SeriesDataModule(galaxies, split, "pretrain", **given)
    (batch,) = next(iter(without.train_dataloader()))
    assert batch.truth is None
    learner = read_trained(one).learner
    with pytest.raises(ValueError, match="truth"):
        learner.learned(batch)
    (seen,) = data.evaluation[[SampleKey(0), SampleKey(1)]]
    assert seen.truth is not None
    assert torch.equal(learner.learned(seen), seen.truth)
    assert torch.equal(learner.logits(seen), learner.logits(replace(seen, truth=5 - seen.truth)))


def test_begins_with_the_weights_of_another_run_of_redshifts(train: Train, one: Path) -> None:
    assert result_of(train("name=begun", f"init_from={one}"))["init_from"] is not None
    regression = train("name=regression", "task.loss=regression")
    begun = train("name=begun_regression", "task.loss=regression", f"init_from={regression}")
    assert result_of(begun)["test"]["objects"] > 0
    with refused(UsageError, "E-WEIGHTS-MISMATCH", where=regression):
        train("name=mixed", f"init_from={regression}")


def test_the_option_of_the_task_are_in_the_record_of_the_run(one: Path) -> None:
    assert read_json(one / "result.json")["config"]["task"]["bins"]["number"] == BINS
    assert RunFolder(one).read_options().task == compose_run(WORDS).task
