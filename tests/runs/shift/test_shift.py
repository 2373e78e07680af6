"""Answers to a shift in a run: in its loss, its predictions and its record, and refused where they mean nothing."""

import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ictconvention as ict
from ictconvention.applying.export import export
from ictconvention.applying.publishing.publish import publish
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SplitError, SurveyError, UsageError
from ictconvention.evaluation.shift.neighbours import Neighbours
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.reporting.compare import compare
from ictconvention.runs.finished_run import read_finished
from ictconvention.runs.plan import plan_run
from ictconvention.runs.shift import prepare
from ictconvention.runs.shift.prepare import doubt_stratum, doubt_weights, prepare_shift
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.bins import edges_of, read_redshifts
from ictconvention.tasks.redshift.task import Redshift
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.refusals import refused
from tests.small_runs import read_json, result_of
from tests.tasks.redshift.galaxies import write_galaxies

CUT = 0.16
WORDS = ["task=redshift", "task.bins.number=20", "model=cnn_gru", "imbalance=none", "fold=single", "profile=tiny"]
WORDS += ["trainer.batch_size=32", "stage.finetune.max_epochs=0", "figures=false"]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_galaxies(tmp_path_factory.mktemp("galaxies") / "survey", 240, cut=CUT)


@pytest.fixture(scope="module")
def words(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={tmp_path_factory.mktemp('runs')}"]


@pytest.fixture(scope="module")
def train(words: list[str]) -> Train:
    def trained(*more: str) -> Path:
        given = [*words, *more]
        return run(compose_run(given), given)

    return trained


def test_no_redshift_of_those_to_be_predicted_is_in_a_batch(survey: Survey, words: list[str]) -> None:
    task, plan = Redshift.of_survey(survey), plan_run(compose_run(words))
    truth = np.asarray(survey.object_table()["true_redshift"])
    given: dict[str, Any] = {"names": task.names, "labels": task.read_labels(survey), "truth": task.read_truth(survey)}
    data = SeriesDataModule(survey, plan.split, "pretrain", unlabelled=True, batch_size=400, **given)
    (batch,) = next(iter(data.train_dataloader()))
    rest = truth[batch.index] >= CUT
    assert rest.sum() == len(plan.split.parts["pretrain_unlabelled"]) > 40
    assert torch.isnan(batch.truth[torch.from_numpy(rest)]).all()
    hidden = truth[truth >= CUT].astype(np.float32)
    for field in fields(batch):
        values = getattr(batch, field.name)
        assert values is None or not np.isin(values.numpy(), hidden).any(), field.name


def test_after_a_pre_training_without_labels_the_same_objects_are_weighed(words: list[str]) -> None:
    """In a fold of one stage both stages take its parts of the split."""
    more = ["learner=ict", "learner.predictor=true", "stage.pretrain.classification=0", "stage.pretrain.keep=last"]
    more += ["stage.finetune.max_epochs=1"]
    options = compose_run([*words, *more, "shift=weights"])
    plan = plan_run(options)
    found = prepare_shift(options, plan.survey, plan.split)
    assert found.record["objects"] == len(plan.split.parts["pretrain_train"]) > 40


def test_weights_are_of_the_last_stage_and_larger_for_the_like_of_those_to_be_predicted(words: list[str]) -> None:
    plan = plan_run(compose_run([*words, "shift=weights"]))
    options = compose_run([*words, "shift=weights", "shift.clip=4"])
    found = prepare_shift(options, plan.survey, plan.split)
    assert found.weights is not None
    train = [plan.survey.position(id_) for id_ in plan.split.parts["pretrain_train"]]
    others = np.setdiff1d(np.arange(len(plan.survey)), train)
    assert (found.weights[others] == 1).all()
    assert found.weights[train].mean() == pytest.approx(1)
    far = read_redshifts(plan.survey)[train] > 0.75 * CUT
    assert found.weights[train][far].mean() > 2 * found.weights[train][~far].mean()
    assert found.record["effective"] < len(train) == found.record["objects"]
    assert found.record["auc"] > 0.8
    again = prepare_shift(options, plan.survey, plan.split)
    np.testing.assert_array_equal(found.weights, again.weights)


def test_weights_reach_the_loss_and_not_the_evaluation(survey: Survey, words: list[str]) -> None:
    task, plan = Redshift.of_survey(survey), plan_run(compose_run(words))
    given: dict[str, Any] = {"names": task.names, "labels": task.read_labels(survey), "truth": task.read_truth(survey)}
    weights = np.arange(len(survey), dtype=float)
    data = SeriesDataModule(survey, plan.split, "pretrain", weights=weights, batch_size=8, **given)
    (batch,) = next(iter(data.train_dataloader()))
    assert batch.weight.tolist() == weights[batch.index].tolist()
    (seen,) = next(iter(data.val_dataloader()))
    assert seen.weight is None


def test_weights_are_in_the_record_of_a_run_that_is_tested_again(train: Train, words: list[str]) -> None:
    folder, plain = train("name=weights", "shift=weights"), train("name=weights")
    result = result_of(folder)
    assert set(result["shift"]) - {"warning"} == {"kind", "objects", "effective", "clipped", "auc", "mean_redshift"}
    assert result["config"]["shift"]["kind"] == "weights"
    assert "shift" not in result_of(plain)
    spent, without = read_finished(folder), read_finished(plain)
    assert spent.core_seconds == sum(spent.status["core_seconds"].values())
    assert spent.status["core_seconds"].keys() - without.status["core_seconds"] == {"shift"}  # measuring costs too
    assert result["test"]["crps"] != result_of(plain)["test"]["crps"]
    assert retest(folder, compose_run([]))["test"] == result["test"]


def test_predictions_say_which_redshifts_their_answer_has_learned(train: Train, survey: Survey) -> None:
    folder, plain = train("name=weights", "shift=weights"), train("name=weights")
    known = result_of(folder)["shift"]
    z = dict(zip(survey.ids, read_redshifts(survey), strict=True))
    mean = np.mean([z[id_] for id_ in read_json(folder / "split.json")["parts"]["pretrain_train"]])
    assert known["mean_redshift"] > mean  # those to be predicted are farther
    said = ict.load(folder).predict(survey[:20]).meta["PRIOR"]
    assert said.endswith(f"{known['mean_redshift']:.3f}")
    assert "shift=weights" in said
    assert "shift" not in ict.load(plain).predict(survey[:20]).meta["PRIOR"]
    nearest = train("name=neighbours", "shift=latent_knn")
    assert "shift=latent_knn" in ict.load(nearest).predict(survey[:20]).meta["PRIOR"]


@pytest.mark.parametrize(
    ("objects", "effective", "doubted"),
    [(249, 11.0, True), (249, 120.0, False), (40, 35.0, False), (4000, 300.0, True)],
)
def test_a_few_objects_with_all_the_weight_are_warned_of(objects: int, effective: float, doubted: bool) -> None:
    said = doubt_weights(objects, effective, 20.0)
    assert bool(said) == doubted
    assert not doubted or {"shift.clip", "shift=none"} <= {word.strip(",") for word in said["warning"].split()}


def test_a_stratum_that_is_mostly_borrowed_is_warned_of() -> None:
    assert doubt_stratum(4, 60, 20) == {}
    assert "stratum 4" in doubt_stratum(4, 60, 40)["warning"]


def test_a_warning_of_weights_is_logged_and_stays_in_the_result(
    train: Train, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(prepare, "MOSTLY", 1.0)  # any loss of weight is one
    monkeypatch.setattr(prepare, "LEAST_SHARE", 1.0)
    for _ in ("trained", "finished before"):
        caplog.clear()
        folder = train("name=doubted", "shift=weights")
        warning = result_of(folder)["shift"]["warning"]
        assert warning in [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert any(line.endswith(warning) for line in compare(folder.parent).remarks)


def test_neighbours_predict_the_test_and_other_surveys_alike(train: Train, survey: Survey) -> None:
    folder = train("name=neighbours", "shift=latent_knn")
    result = result_of(folder)
    assert result["shift"]["kind"] == "latent_knn"
    assert retest(folder, compose_run([]))["extra_test"] == result["extra_test"]
    known, again = ict.load(folder).predictions(), ict.load(folder).predict(survey)
    at = {id_: number for number, id_ in enumerate(again["id"])}
    np.testing.assert_allclose(again["pdf"][[at[id_] for id_ in known["id"]]], known["pdf"], atol=0.03)
    kept = Neighbours.load(folder / "neighbours.npz", edges_of(result["task"]["names"]))
    assert kept.record == {name: result["shift"][name] for name in kept.record}
    trained = set(read_json(folder / "split.json")["parts"]["pretrain_train"])
    z = dict(zip(survey.ids, read_redshifts(survey), strict=True))
    assert sorted(kept.redshift.tolist()) == sorted(z[id_] for id_ in trained)
    with refused(UsageError, "E-RUN-TASK", where=folder):
        export(folder, folder.parent.parent / "model.pt2")


def test_a_run_does_not_predict_without_its_own_neighbours(train: Train, survey: Survey, tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(train("name=neighbours", "shift=latent_knn"), lost)
    with (lost / "neighbours.npz").open("ab") as file:
        file.write(b"more")
    with refused(UsageError, "E-RUN-EDITED", where="neighbours.npz"):
        ict.load(lost).predict(survey)
    (lost / "neighbours.npz").unlink()
    with refused(UsageError, "E-RUN-DAMAGED", "neighbours.npz", where=lost):
        ict.load(lost).predict(survey)


def test_an_answer_shares_the_pre_training_and_is_another_run(words: list[str]) -> None:
    both = [*words, "fold=rotating", "stage.finetune.max_epochs=1"]
    plain, other = (plan_run(compose_run([*both, *more])).hashes for more in ([], ["shift=weights"]))
    assert plain["pretrain"] == other["pretrain"]
    assert plain["run"] != other["run"]
    alone = plan_run(compose_run([*words, "shift=weights"])).hashes
    assert alone["pretrain"] != plan_run(compose_run(words)).hashes["pretrain"]


def test_a_survey_that_is_not_shifted_is_refused(words: list[str], tmp_path: Path) -> None:
    def plan(name: str, answer: str, **given: float) -> None:
        made = tmp_path / name
        path = made if made.exists() else write_galaxies(made, 60, **given).path  # type: ignore[arg-type]
        plan_run(compose_run([*words, f"survey.path={path}", f"shift={answer}"]))

    for answer in ("weights", "latent_knn"):
        with refused(UsageError, "E-CONFIG-CONFLICT", "selected", "survey.select=magnitude", where="shift.kind"):
            plan("without", answer)
        with refused(UsageError, "E-CONFIG-CONFLICT", "all", "60 objects", where="shift.kind"):
            plan("all", answer, cut=9.0)
    with refused(UsageError, "E-CONFIG-VALUE", "imbalance.sampling"):
        compose_run([*words, "shift=weights", "imbalance=oversample"])
    with refused(SplitError, "E-SPLIT-EMPTY", "pretrain_unlabelled", where="galaxies"):
        plan("few", "weights", cut=0.25)
    plan("few", "none")


def test_a_selected_object_without_a_redshift_is_refused(words: list[str], tmp_path: Path) -> None:
    path = write_galaxies(tmp_path / "s", 60, cut=9.0, redshifts={4: float("nan")}).path
    with refused(SurveyError, "E-VALUE-MISSING", "g0004"):
        plan_run(compose_run([*words, f"survey.path={path}"]))


def test_other_tasks_have_no_answer_to_a_shift() -> None:
    with refused(UsageError, "E-CONFIG-VALUE", "weights", "classes"):
        compose_run(["model=cnn_gru", "shift=weights"])


def test_a_run_is_published_with_its_neighbours_and_without_onnx(train: Train, survey: Survey, tmp_path: Path) -> None:
    """Redshifts of neighbours predict, and no model file has these; no sets of classes are drawn of redshifts."""
    folder = train("name=neighbours", "shift=latent_knn")
    made = publish(folder, tmp_path / "published")
    assert "latent_knn" in made.without_onnx
    card, known = (made.folder / "README.md").read_text(), result_of(folder)["shift"]
    assert f"made of the {known['neighbours']} nearest of {known['objects']} training objects" in card
    assert "temperature" not in card.partition("## What it gives")[2].partition("## What it must not")[0]
    before, after = (ict.load(one).predict(survey[:40]) for one in (folder, made.folder))
    for name in before.colnames:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    with refused(UsageError, "E-RUN-TASK", "redshift", where="--coverage"):
        ict.load(made.folder).predict(survey[:40], coverage=0.9)
