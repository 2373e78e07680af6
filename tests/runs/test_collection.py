"""Runs are compared where they are comparable; what is not is named and left out, or refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ictconvention.core.errors import UsageError
from ictconvention.evaluation.predictions import pool
from ictconvention.evaluation.prior import Prior
from ictconvention.reporting.compare import Comparison, compare
from ictconvention.reporting.entry_file import ENTRIES_FILE, read_entries, save_entries
from ictconvention.reporting.published_numbers import CAUTION
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.classes import Classes
from tests.conftest import image_series, write_survey
from tests.handmade_runs import changed, handmade_run, handmade_sweep
from tests.refusals import refused
from tests.small_runs import read_json


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    objects = [image_series(number, 6) | {"label_source": None} for number in range(120)]
    return write_survey(tmp_path_factory.mktemp("survey") / "mine", objects)


@pytest.fixture(scope="module")
def made(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade_sweep(tmp_path_factory.mktemp("made") / "runs", survey, {"ict": 2.0, "convention": 1.0})


@pytest.fixture(scope="module")
def comparison(made: Path) -> Comparison:
    return compare(made)


@pytest.fixture
def sweep(tmp_path: Path, made: Path) -> Path:
    """Return a copy of the runs, to be changed."""
    return shutil.copytree(made, tmp_path / "runs")


@pytest.fixture
def few(tmp_path: Path, made: Path) -> Path:
    """Return a copy of the runs of one seed."""
    return shutil.copytree(made, tmp_path / "few", ignore=shutil.ignore_patterns("*-seed1-*"))


def run_of(sweep: Path, name: str, fold: int = 0, seed: int = 0) -> Path:
    (folder,) = (sweep / name).glob(f"fold{fold}-seed{seed}-*")
    return folder


def test_runs_are_sorted_by_model_fold_and_seed(made: Path) -> None:
    found = group_runs(*find_runs(made))
    assert set(found.runs) == {"ict", "convention"}
    assert all(list(of) == [(0, 0), (0, 1), (1, 0), (1, 1)] for of in found.runs.values())
    assert found.left_out == ()
    for entry in found.entries():
        for (fold, seed), predictions in entry.predictions.items():
            result = read_json(run_of(made, entry.name, fold, seed) / "result.json")
            guess = predictions.at(Prior.UNIFORM).argmax(1)
            assert np.mean(guess == predictions.label) == pytest.approx(result["test_uniform"]["accuracy"])
        assert entry.seconds[0, 0] == 15
        assert entry.passes == "50+50"
        assert not entry.core_seconds  # runs of a version that did not measure it


def test_the_record_of_a_sweep_names_its_runs_wherever_the_folder_is(few: Path, tmp_path: Path) -> None:
    sweep = few
    folder = sweep / "sweeps" / "mine"
    folder.mkdir(parents=True)
    jobs = [
        {"folder": f"../../ict/{run_of(sweep, 'ict', f).name}", "state": "finished", "model": "ICT"} for f in (0, 1)
    ]
    jobs.append({"folder": "../../ict/fold2-seed0-gone", "state": "failed", "model": "ICT"})
    (folder / "sweep.json").write_text(json.dumps({"jobs": jobs}))
    shutil.move(sweep, tmp_path / "moved")
    found = group_runs(*find_runs(tmp_path / "moved" / "sweeps" / "mine"))
    assert list(found.runs) == ["ICT"]
    assert found.left_out == ("ict/fold2-seed0-gone: missing",)


def test_unfinished_and_damaged_runs_are_named_and_left_out(sweep: Path) -> None:
    (run_of(sweep, "ict", 1, 1) / "result.json").unlink()
    (run_of(sweep, "convention", 0, 1) / "predictions.parquet").write_bytes(b"rubbish")
    (run_of(sweep, "convention", 1, 1) / "split.json").unlink()
    changed(run_of(sweep, "convention", 1, 0) / "result.json", test={"classes": {}})
    (sweep / "begun" / "fold0-seed0-x").mkdir(parents=True)
    (sweep / "begun" / "fold0-seed0-x" / "config.yaml").write_text("name: begun\n")
    found = group_runs(*find_runs(sweep))
    assert {name: list(of) for name, of in found.runs.items()} == {"ict": [(0, 0), (0, 1)], "convention": [(0, 0)]}
    text = "\n".join(found.left_out)
    for said in ("begun/fold0-seed0-x: not finished (not begun)", "not finished (finished)", "lost its split.json"):
        assert said in text
    assert "predictions are damaged" in text
    assert "not a result of a run of classes" in text
    assert "not every model has fold 1" in text
    assert len(found.left_out) == 6


def test_predictions_that_are_not_those_of_the_result_are_left_out(sweep: Path) -> None:
    other, folder = run_of(sweep, "ict", 0, 1), run_of(sweep, "ict", 0, 0)
    shutil.copyfile(other / "predictions.parquet", folder / "predictions.parquet")
    runs, left_out = find_runs(sweep)
    assert left_out == [f"ict/{folder.name}: its predictions are not those of its result"]
    assert len(runs) == 7


def test_runs_of_several_surveys_are_refused(few: Path, survey: Survey, tmp_path: Path) -> None:
    other = write_survey(tmp_path / "other", [image_series(n, 5) | {"label_source": None} for n in range(120)])
    split = make_split(other.object_table(), index=0)
    handmade_run(few, other, split, "foreign", 0, 0, 1.0)
    told = [fact for one in (survey, other) for fact in (one.hash[:12], str(one.path))]
    with refused(UsageError, "E-COMPARE-MISMATCH", *told, where="/foreign/fold0-seed0-0.99"):
        group_runs(*find_runs(few))


def test_runs_of_other_splits_are_refused(few: Path, survey: Survey) -> None:
    split = make_split(survey.object_table(), index=0, seed=7)
    handmade_run(few, survey, split, "other", 0, 0, 1.0)
    usual = make_split(survey.object_table(), index=0)
    told = [one.hash[:12] for one in (usual, split)]
    with refused(UsageError, "E-COMPARE-MISMATCH", "fold 0", *told, where="/other/fold0-seed0-0.99"):
        group_runs(*find_runs(few))


def test_splits_of_ones_own_and_folds_are_refused_together(few: Path) -> None:
    folder = run_of(few, "convention")  # read before those of ict
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("split: null", "split: own.json"))
    with refused(UsageError, "E-COMPARE-MISMATCH", where="/fold1-seed0-0.99"):
        group_runs(*find_runs(few))


def test_models_without_a_common_fold_are_refused(tmp_path: Path, survey: Survey) -> None:
    handmade_sweep(tmp_path, survey, {"a": 1.0}, folds=(0,))
    handmade_sweep(tmp_path, survey, {"b": 1.0}, folds=(1,))
    with refused(UsageError, "E-COMPARE-INCOMPLETE", "a, b", where=tmp_path):
        group_runs(*find_runs(tmp_path))


def test_models_of_one_name_are_told_apart_by_what_differs(tmp_path: Path, survey: Survey) -> None:
    for tau in (0.9, 0.99):
        handmade_sweep(tmp_path, survey, {"ict": 1.0}, folds=(0,), seeds=(0,), tau=tau)
    found = group_runs(*find_runs(tmp_path))
    assert set(found.runs) == {"ict, learner.tau=0.9", "ict, learner.tau=0.99"}


def test_models_of_one_name_are_called_as_they_were_typed(tmp_path: Path, survey: Survey) -> None:
    for tau in (0.9, 0.99):
        handmade_sweep(tmp_path, survey, {"ict": 1.0}, folds=(0,), seeds=(0,), tau=tau)
        (run,) = tmp_path.glob(f"ict/*-{tau:g}")
        (run / "overrides.txt").write_text(f"experiment=ict_sdss\nlearner.tau={tau}\nruns={tmp_path}\n")
    assert set(group_runs(*find_runs(tmp_path)).runs) == {"learner.tau=0.9", "learner.tau=0.99"}


def test_a_copy_of_a_run_does_not_count_twice(sweep: Path) -> None:
    folder = run_of(sweep, "ict", 0, 0)
    shutil.copytree(folder, folder.with_name("fold0-seed0-copy"))
    found = group_runs(*find_runs(sweep))
    assert len(found.runs["ict"]) == 4
    assert len(found.left_out) == 1
    assert "the same run as ict/fold0-seed0" in found.left_out[0]


def test_nothing_to_compare_is_told(tmp_path: Path) -> None:
    with refused(UsageError, "E-RUN-MISSING", where=tmp_path / "none"):
        find_runs(tmp_path / "none")
    with refused(UsageError, "E-RUN-UNFINISHED", where=tmp_path):
        find_runs(tmp_path)
    (tmp_path / "sweep.json").write_text('{"jobs": [{}]}')
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path / "sweep.json"):
        find_runs(tmp_path)


def test_a_comparison_says_in_words_what_its_table_holds(comparison: Comparison) -> None:
    assert comparison.sentences[0].startswith("ict against convention: macro F1 ")  # of ICT, whatever stands first
    assert any("McNemar" in said for said in comparison.remarks)
    assert CAUTION not in comparison.table.notes
    assert not any("sky group of its own" in said for said in comparison.remarks)


def test_without_the_survey_each_object_is_a_sky_group_of_its_own(few: Path, survey: Survey) -> None:
    for status in few.glob("*/*/status.json"):
        changed(status, survey=str(few / "gone"))
    gone = compare(few)
    assert any("sky group of its own" in said for said in gone.remarks)
    there = compare(few, survey.path)
    assert not any("sky group of its own" in said for said in there.remarks)
    assert there.sentences == gone.sentences  # no two of these objects are neighbours


def test_a_class_without_a_test_object_is_said(tmp_path: Path, survey: Survey) -> None:
    handmade_sweep(tmp_path, survey, {"a": 1.0}, (0,), (0,), absent="SN Other")
    found = compare(tmp_path)
    assert "No test object is of class SN Other, which counts nowhere." in found.table.notes


def test_ensembles_need_their_seeds(made: Path) -> None:
    assert [len(entry.seeds) for entry in compare(made, members=2).entries] == [1, 1]
    with refused(UsageError, "E-COMPARE-INCOMPLETE", "2 seeds", "3", where="convention"):
        compare(made, members=3)


def test_baselines_stand_beside_the_runs_on_the_same_objects(few: Path, survey: Survey, comparison: Comparison) -> None:
    first = comparison.entries[0]
    task = Classes(survey.header.classes)
    save_entries(few / ENTRIES_FILE, [first], task)
    (kept,) = read_entries(few / ENTRIES_FILE, task)
    np.testing.assert_allclose(pool(kept).at(Prior.SURVEY), pool(first).at(Prior.SURVEY))
    assert kept.seeds == first.seeds
    found = compare(few)
    assert [entry.name for entry in found.entries].count(first.name) == 2
    (few / ENTRIES_FILE).write_bytes(b"rubbish")
    with refused(UsageError, "E-TABLE-DAMAGED", where="/baselines.parquet"):
        compare(few)
    (few / ENTRIES_FILE).unlink()
    one = {key: found for key, found in first.predictions.items() if key[0] == 0}
    moved = {(1 - fold, seed): found for (fold, seed), found in first.predictions.items()}
    save_entries(few / ENTRIES_FILE, [type(first)("one", one)], task)
    assert len(compare(few).entries) == 2  # it lacks a fold
    half = {key: type(f)(f.ids[1:], f.label[1:], {at: x[1:] for at, x in f.rows.items()}) for key, f in moved.items()}
    save_entries(few / ENTRIES_FILE, [type(first)("half", half)], task)
    with refused(UsageError, "E-COMPARE-MISMATCH", "half", where="/few"):
        compare(few)
