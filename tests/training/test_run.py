"""A run ends with a result that its predictions give again, and so does its weights' later test."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ictconvention.cli.train import main
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.run_groups import TrainerOptions
from ictconvention.core.errors import FileSystemError, SplitError, SurveyError, UsageError
from ictconvention.evaluation.scores import scores
from ictconvention.measuring.photometry import photometry_recipe
from ictconvention.runs.assembly.run_data import load_or_draw_split
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.machine import check_machine, precision_of, rank_zero
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.sweeping.sweep import prepare_jobs
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.conftest import image_series, write_survey
from tests.measuring.test_audit import change_array
from tests.refusals import refused
from tests.small_runs import LEFT, Smoke, read_json, result_of

pytestmark = pytest.mark.slow


@pytest.mark.quick
def test_the_folder_holds_all_that_a_reader_needs(finished: Path) -> None:
    assert finished.parent.name == "ict_sdss"
    assert finished.name.startswith("fold0-seed0-")
    assert {path.name for path in finished.iterdir()} == LEFT
    assert {path.name for path in (finished / "checkpoints").iterdir()} == {"pretrain.ckpt", "finetune.ckpt"}
    with (finished / "metrics.csv").open(newline="") as file:
        rows = {(row["stage"], row["epoch"]): row for row in csv.DictReader(file)}
    assert list(rows) == [("pretrain", "1"), ("finetune", "1")]
    for (stage, _), row in rows.items():
        for name in ("train/loss", "train/loss_consistency", "val/f1_macro", "val/collapse/spread"):
            assert np.isfinite(float(row[f"{stage}/{name}"]))
    status = read_json(finished / "status.json")
    assert (status["state"], status["epochs"]) == ("finished", {"pretrain": 1, "finetune": 1})
    assert set(status["seconds"]) == {"pretrain", "finetune"}
    assert all(status["core_seconds"][stage] > 0 for stage in ("pretrain", "finetune"))
    checkpoint = torch.load(finished / "checkpoints" / "finetune.ckpt", weights_only=True)
    assert checkpoint["task"]["bands"] == tuple("ugriz")
    assert (finished / "overrides.txt").read_text() == "experiment=ict_sdss\n"
    assert read_json(finished / "environment.json")["precision"] == result_of(finished)["precision"]


def test_the_result_is_what_the_predictions_say(finished: Path, work: Path) -> None:
    result, table = result_of(finished), pq.read_table(finished / "predictions.parquet").to_pydict()
    survey = Survey.open(work / "miniature")
    classes = survey.header.classes
    likely = np.column_stack([table[name] for name in classes])
    labels = np.array([classes.index(name) for name in table["label"]])
    assert result["test"] == scores(likely, labels, classes)
    split = Split.load(finished / "split.json", survey.object_table())
    assert table["id"] == list(split.parts["test"])
    assert [split.classes[id_] for id_ in table["id"]] == table["label"]
    bands = list(survey.header.bands)
    known = {"name": survey.header.name, "simulated": True, "hash": survey.hash, "origin": survey.hash, "bands": bands}
    assert result["survey"] == known | {"pixel_scale": 0.396, "flux_unit": "nanomaggy"}
    assert result["split"] == split.hash
    assert result["parameters"] == 463_428
    counts = split.counts()["finetune_train"]
    alike = likely / np.array([counts[name] for name in classes])
    uniform = scores(alike / alike.sum(1, keepdims=True), labels, classes)
    assert result["test_uniform"]["confusion"] == uniform["confusion"]
    assert result["test_uniform"]["log_loss"] == pytest.approx(uniform["log_loss"])


@pytest.mark.usefixtures("wandb_without_launch")
def test_the_same_run_elsewhere_with_figures_and_a_page_gives_the_same_result(
    finished: Path, work: Path, smoke: Smoke
) -> None:
    more = ["figures=true", "logger=wandb", "logger.offline=true"]
    again = smoke("experiment=ict_sdss", f"runs={work}/elsewhere", *more)
    assert again.name == finished.name
    assert (again / "result.json").read_text() == (finished / "result.json").read_text()
    assert (again / "metrics.csv").read_text() == (finished / "metrics.csv").read_text()
    states = [
        torch.load(path / "checkpoints" / "finetune.ckpt", weights_only=True)["state_dict"]
        for path in (finished, again)
    ]
    assert all(torch.equal(x, states[1][name]) for name, x in states[0].items())
    assert {path.name for path in again.iterdir()} == LEFT | {"figures", "wandb"}
    assert len(list((again / "wandb").glob("offline-run-*/*.wandb"))) == 1
    names = {path.stem for path in (again / "figures").iterdir()}
    views = {f"views_{name}" for name in ("AGN", "SN_Ia", "Variable", "SN_Other")}
    assert (
        names
        == {"confusion", "confusion_uniform", "roc", "reliability", "reliability_classes", "recall_uniform"}
        | {"learning_curves"}
        | views
    )
    assert all(path.stat().st_size > 10_000 for path in (again / "figures").iterdir())


def test_a_later_test_gives_the_same_numbers(
    finished: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train.py", "mode=test", f"run={finished}", f"surveys={work}/surveys"]
    monkeypatch.setattr(sys, "argv", command)
    main()
    said = capsys.readouterr()
    assert said.err.startswith("next: ictconvention predict ")
    assert said.out.splitlines()[-1] == "the same as result.json, to the last digit"
    monkeypatch.setattr(sys, "argv", [*command, "learner.tau=0.5"])
    with pytest.raises(SystemExit, match="2"):
        main()
    mistake = capsys.readouterr().err
    assert "learner.tau=0.5" in mistake
    assert mistake.endswith("  code:  E-CONFIG-CONFLICT\n")


def test_a_run_of_before_is_tested_by_the_calibration_that_it_kept(
    finished: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its temperature divided the logits after they had been moved; a test of today would fit another one."""
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    options = compose_run(["mode=test", f"run={copy}", "survey=path", f"survey.path={work}/miniature"])
    before = result_of(copy)
    del before["logit_shift"]
    before["temperature"] = 2.5
    (copy / "result.json").write_text(json.dumps(before))
    with monkeypatch.context() as patched:
        patched.setattr("ictconvention.training.retest.largest_difference", lambda *results: 0.0)
        scores = retest(copy, options)
    assert scores["temperature"] == 2.5
    assert scores["test"]["log_loss"] != before["test"]["log_loss"]
    (copy / "result.json").write_text(json.dumps(before | scores))
    assert retest(copy, options)["test"] == scores["test"]


def test_a_later_test_counts_the_coverage_of_sets_again(finished: Path, work: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    options = compose_run(["mode=test", f"run={copy}", "survey=path", f"survey.path={work}/miniature"])
    known = result_of(copy)
    found = retest(copy, options)["sets"]
    assert found == {name: x for name, x in known["sets"].items() if name != "file"}
    known["sets"]["test"]["classes"]["AGN"]["coverage"] -= 0.25
    (copy / "result.json").write_text(json.dumps(known))
    with refused(UsageError, "E-RUN-NUMBERS", "0.25", where=copy):
        retest(copy, options)


@pytest.mark.parametrize("without", ["sets", "auroc_pairs", "classwise_calibration_error"])
def test_a_run_of_before_is_tested_by_the_scores_that_it_has(
    finished: Path, work: Path, tmp_path: Path, without: str
) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    options = compose_run(["mode=test", f"run={copy}", "survey=path", f"survey.path={work}/miniature"])
    before = result_of(copy)
    before.pop(without, None)
    for part in ("test", "test_uniform"):
        before[part].pop(without, None)
        if without == "classwise_calibration_error":
            for scores in before[part]["classes"].values():
                del scores["calibration_error"]
    (copy / "result.json").write_text(json.dumps(before))
    found = retest(copy, options)
    assert without not in {**found, **found["test"]}
    assert found["test"]["log_loss"] == before["test"]["log_loss"]


def test_a_later_test_sees_numbers_that_changed_and_another_survey(finished: Path, work: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    options = compose_run(["mode=test", f"run={copy}", "survey=path", f"survey.path={work}/miniature"])
    assert retest(copy, options)["test"] == result_of(finished)["test"]
    changed = result_of(copy)
    changed["test"]["log_loss"] += 2e-6
    (copy / "result.json").write_text(json.dumps(changed))
    with refused(UsageError, "E-RUN-NUMBERS", "result.json", "2e-06", where=tmp_path / "copy"):
        retest(copy, options)
    changed["survey"]["hash"] = "another"
    (copy / "result.json").write_text(json.dumps(changed))
    with refused(UsageError, "E-SURVEY-MISMATCH", where="/miniature"):
        retest(copy, options)
    (copy / "result.json").unlink()
    with refused(UsageError, "E-RUN-UNFINISHED", where=tmp_path / "copy"):
        retest(copy, options)


def test_a_finished_stage_is_not_trained_again(finished: Path, smoke: Smoke, caplog: pytest.LogCaptureFixture) -> None:
    result = (finished / "result.json").read_text()
    assert smoke("experiment=ict_sdss") == finished
    assert caplog.messages[-1] == "finished before, by 1 device; remove the folder to run it again"
    kept, equal = caplog.messages[-4], caplog.messages[-2]
    assert kept.startswith("kept: pretrain, training epoch 1 of 1, the lowest val/loss_balanced (")
    assert equal.startswith("miniature (simulated), test part, 16 objects, at equal class shares: accuracy 0.")
    (finished / "result.json").unlink()
    caplog.clear()
    smoke("experiment=ict_sdss")
    assert caplog.messages[4:6] == ["pretrain: finished before", "finetune: finished before"]
    assert caplog.messages[6] == kept
    scored = [line.split(":")[0] for line in caplog.messages[7:] if ", 16 objects" in line]
    ends = ("the survey's class shares", "equal class shares")
    assert scored == [f"miniature (simulated), test part, 16 objects, at {end}" for end in ends]
    assert (finished / "result.json").read_text() == result


def test_runs_that_differ_in_fine_tuning_share_their_pre_training(
    finished: Path, smoke: Smoke, caplog: pytest.LogCaptureFixture
) -> None:
    more = "stage.finetune.optimiser.learning_rate=0.01"
    other = smoke("experiment=ict_sdss", "name=other", more)
    assert f"pretrain: the same as that of ict_sdss/{finished.name}, whose weights are taken" in caplog.messages
    assert other.name != finished.name
    kept = [path / "checkpoints" / "pretrain.ckpt" for path in (finished, other)]
    assert kept[0].read_bytes() == kept[1].read_bytes()
    first, second = ((path / "metrics.csv").read_text().splitlines() for path in (finished, other))
    assert first[1].split(",")[:10] == second[1].split(",")[:10]
    assert read_json(other / "status.json")["seconds"].keys() == {"finetune"}
    elsewhere = smoke("experiment=convention_sdss", "stage.finetune.max_epochs=0")
    assert (elsewhere / "checkpoints" / "pretrain.ckpt").read_bytes() != kept[0].read_bytes()


def test_a_run_begins_with_the_weights_of_another(
    finished: Path, smoke: Smoke, caplog: pytest.LogCaptureFixture
) -> None:
    choices = ["experiment=ict_sdss", "name=begun", "stage.pretrain.max_epochs=0"]
    begun = smoke(*choices, f"init_from={finished}")
    assert f"weights of {finished}" in caplog.messages
    plain = smoke(*choices)
    assert begun.name != plain.name
    assert result_of(begun)["test"]["log_loss"] != result_of(plain)["test"]["log_loss"]
    weights = weights_hash(finished / "checkpoints" / "finetune.ckpt")
    assert (result_of(begun)["init_from"], result_of(plain)["init_from"]) == (weights, None)
    with refused(SplitError, "E-SPLIT-LEAK", where=finished):
        smoke(*choices, "fold.index=1", f"init_from={finished}")
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "learner.kind=ict", where=finished):
        smoke("experiment=convention_sdss", f"init_from={finished}")
    for wrong in (f"{begun}/checkpoints", f"{begun}/result.json", ""):
        with refused(UsageError, "E-RUN-MISSING", where=wrong or "."):
            smoke("experiment=ict_sdss", f"init_from='{wrong}'")


def test_another_fold_or_seed_is_another_run_and_more_workers_are_not(smoke: Smoke) -> None:
    quick = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"]
    runs = [smoke(*quick, *more) for more in ([], ["fold.index=1"], ["seed=1"], ["trainer.workers=1"])]
    assert len(set(runs)) == 3
    assert runs[0] == runs[3]
    tested = [set(pq.read_table(path / "predictions.parquet")["id"].to_pylist()) for path in runs[:2]]
    assert tested[0].isdisjoint(tested[1])
    assert {path.name for path in (runs[0] / "checkpoints").iterdir()} == {"finetune.ckpt"}


def test_a_run_says_how_its_fluxes_were_measured_and_one_of_other_fluxes_is_refused(
    smoke: Smoke, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(smoke("experiment=light_curve_sdss", "stage.pretrain.max_epochs=0"), folder)
    result = result_of(folder)
    assert result["photometry"] == photometry_recipe(0.396, 32, "here").as_dict()
    assert read_trained(folder).spec.contents == "photometry"
    for other, facts in (({"moffat_beta": 2.5}, ["moffat_beta 2.5", "3.0"]), (None, [])):
        changed = result | {"photometry": other and result["photometry"] | other}
        (folder / "result.json").write_text(json.dumps(changed))
        with refused(UsageError, "E-RUN-VERSION", *facts, where=folder / "result.json"):
            read_trained(folder)


@pytest.mark.parametrize("experiment", ["convention_sdss", "cnn_gru_sdss", "cnn_lstm_sdss"])
def test_the_other_networks_run_too(smoke: Smoke, experiment: str) -> None:
    found = smoke(f"experiment={experiment}", "pixels.channels=direct+residual", "stage.pretrain.max_epochs=0")
    assert result_of(found)["test"]["objects"] == 16


def test_a_split_of_ones_own_and_the_last_training_epoch(
    finished: Path, smoke: Smoke, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    split = json.loads((finished / "split.json").read_text())
    own = {"parts": {name: ids for name, ids in split["parts"].items() if name != "pretrain_validation"}}
    own["parts"]["pretrain_validation"] = []
    (tmp_path / "own.json").write_text(json.dumps(own))
    choices = ["experiment=light_curve_sdss", f"split={tmp_path}/own.json", "name=own"]
    with refused(SplitError, "E-SPLIT-EMPTY", "pretrain_validation", "keep=last", where="split of survey miniature"):
        smoke(*choices)
    found = smoke(*choices, "stage.pretrain.keep=last", "figures=true")
    assert found.name.startswith("split-seed0-")
    smoke(*choices, "stage.pretrain.keep=last", "stage.finetune.keep=last")
    assert f"pretrain: the same as that of own/{found.name}, whose weights are taken" in caplog.messages
    assert not [path for path in (found / "figures").iterdir() if path.name.startswith("views")]  # it sees no stamps
    assert set(pq.read_table(found / "predictions.parquet")["id"].to_pylist()) == set(split["parts"]["test"])


def test_a_class_that_nothing_trains_is_named(tmp_path: Path) -> None:
    objects = [image_series(number, 6) | {"label_source": None} for number in range(60) if number % 4 != 3]
    survey = write_survey(tmp_path / "mine", objects)
    options = compose_run(["survey=path", f"survey.path={survey.path}", f"runs={tmp_path}/runs"])
    with refused(SplitError, "E-SPLIT-LABELS", "SN Other", "finetune_train", where="survey tiny"):
        load_or_draw_split(options, survey)
    with refused(SplitError, "E-SPLIT-LABELS", where="survey tiny"):
        run(options)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_named(work: Path, smoke: Smoke) -> None:
    (work / "in_the_way").touch()
    with refused(FileSystemError, "E-FILES-KIND"):
        smoke("experiment=ict_sdss", f"runs={work}/in_the_way")
    with refused(FileSystemError, "E-FILES-EXISTS", where="/in_the_way"):
        run(compose_run([f"runs={work}/runs", "profile=tiny", f"surveys={work}/in_the_way"]))


def test_what_the_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_machine(TrainerOptions(devices=4))  # without a GPU: four processes
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    check_machine(TrainerOptions(precision="32-true"))
    assert precision_of(TrainerOptions()) == "32-true"
    with refused(UsageError, "E-MACHINE-DEVICES", "4", "1 GPU", where="trainer.devices"):
        check_machine(TrainerOptions(devices=4))
    with refused(UsageError, "E-MACHINE-PRECISION", where="trainer.precision"):
        check_machine(TrainerOptions(precision="bf16-mixed"))


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision_of(TrainerOptions(precision="32-true")) == "32-true"
    for fast, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda fast=fast: fast)
        assert precision_of(TrainerOptions()) == precision


def test_one_process_of_several_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rank_zero()
    monkeypatch.setenv("RANK", "0")
    assert rank_zero()
    monkeypatch.setenv("NODE_RANK", "1")
    assert not rank_zero()


def test_a_survey_that_has_changed_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """By the run, and by the sweep for all of its jobs."""
    objects = [image_series(number, 6) | {"label_source": None} for number in range(120)]
    survey = write_survey(tmp_path / "mine", objects)
    change_array(survey.path, "frames.npy", lambda frames: frames * 2)
    words = ["survey=path", f"survey.path={survey.path}", f"runs={tmp_path}/runs", "profile=tiny"]
    with refused(SurveyError, "E-SURVEY-HASH", where="/mine/frames.npy, object sn0000"):
        run(compose_run(words), words)
    with refused(SurveyError, "E-SURVEY-HASH", "seed=1", where="/mine/frames.npy, object sn0000"):
        prepare_jobs([[*words, f"seed={seed}"] for seed in (1, 2)])
    assert len(prepare_jobs([[*words, "survey.verify=false", f"seed={seed}"] for seed in (1, 2)])) == 2
    assert not (tmp_path / "runs").exists()


def test_bands_are_not_taken_from_a_survey_that_has_changed(tmp_path: Path) -> None:
    """The survey of these bands would have checksums of its own, and the change would never be seen."""
    objects = [image_series(number, 6) | {"label_source": None} for number in range(120)]
    survey = write_survey(tmp_path / "mine", objects)
    change_array(survey.path, "frames.npy", lambda frames: frames * 2)
    words = ["survey=path", f"survey.path={survey.path}", "survey.bands=[g,r]", f"surveys={tmp_path}/surveys"]
    with refused(SurveyError, "E-SURVEY-HASH", where="/mine/frames.npy, object sn0000"):
        open_or_simulate(compose_run(words))
    assert not list((tmp_path / "surveys").glob("mine*"))
