"""A trained run applied to a survey: its test numbers again, class shares, folds together, surveys that do not fit."""

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from astropy.table import Table
from typer.testing import CliRunner

from ictconvention.applying import early, predict
from ictconvention.applying.choose_runs import choose_runs
from ictconvention.applying.combine import Combined, combine
from ictconvention.applying.early import save_early_curve
from ictconvention.applying.predict import PredictOptions, SurveyPredictions, predict_survey
from ictconvention.applying.prediction_table import check_output, prediction_table, save_table
from ictconvention.applying.seen_objects import cannot_be_known, seen_by
from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import SHAPES, values_with
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.core.parallel import run_parallel
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.simulation.galaxies.bands import BAND_SETS
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from ictconvention.tasks.classes import Classes
from tests.conftest import image_series
from tests.measuring.test_audit import change_array
from tests.refusals import refused
from tests.small_runs import Smoke

FIELDS = ("distance", "novelty", "frames", "seen_in_training")  # of every object


@pytest.fixture(scope="module")
def trained(finished: Path) -> TrainedRun:
    return read_trained(finished)


@pytest.fixture(scope="module")
def own(work: Path, trained: TrainedRun) -> Survey:
    """Return the survey that the run was trained on."""
    survey = Survey.open(work / "miniature")
    assert survey.hash == trained.survey["hash"]
    return survey


@pytest.fixture(scope="module")
def made(trained: TrainedRun, own: Survey) -> SurveyPredictions:
    return predict_survey(trained, own)


@pytest.fixture
def other(tmp_path: Path, own: Survey) -> Callable[..., Survey]:
    """Return a function to write a survey of ten objects whose header differs from the run's."""

    def written(**changes: Any) -> Survey:
        header = replace(SurveyHeader("other", own.header.bands, (), own.header.pixel_scale), **changes)
        size, bands = header.stamp_size, len(header.bands)
        with SurveyWriter(tmp_path / "other", header) as writer:
            for number in range(10):
                arguments = image_series(number, 6) | {"class_name": None, "label_source": None}
                arguments["band"] = arguments["band"] % bands
                arguments["frames"] = np.resize(arguments["frames"], (6, size, size))
                if header.classes:
                    arguments["class_name"] = header.classes[number % len(header.classes)]
                writer.add(**arguments)
        return Survey.open(tmp_path / "other")

    return written


def test_the_test_part_gets_the_probabilities_of_the_run(finished: Path, own: Survey, made: SurveyPredictions) -> None:
    known = pq.read_table(finished / "predictions.parquet").to_pydict()
    at = [own.position(id_) for id_ in known["id"]]
    expected = np.column_stack([known[name] for name in own.header.classes])
    np.testing.assert_allclose(combine([made], None).row[at], expected, atol=1e-6)


def test_objects_that_trained_are_named(finished: Path, own: Survey, made: SurveyPredictions) -> None:
    parts = read_trained(finished).split["parts"]
    used = {id_ for part, ids in parts.items() if part.endswith(("train", "validation")) for id_ in ids}
    assert {id_ for id_, trained in zip(own.ids, made.seen_in_training, strict=True) if trained} == used
    assert not made.seen_in_training[[own.position(id_) for id_ in parts["test"]]].any()


def test_objects_that_trained_are_known_by_their_place_in_another_survey(
    trained: TrainedRun, own: Survey, made: SurveyPredictions, tmp_path: Path
) -> None:
    """The same sky, ingested again under other names, and some of it without a position."""
    with SurveyWriter(tmp_path / "again", replace(own.header, name="again", classes=())) as writer:
        for number, series in enumerate(own):
            place = {name: series.metadata[name] for name in ("ra", "dec")} if number < 50 else {}
            if number < 50:
                place["dec"] += 0.5 / 3600
            columns = {name: getattr(series, name) for name in ("band", "mjd", "psf_fwhm", "sky_sigma")}
            writer.add(f"new-{number}" if number < 50 else series.id, series.frames, **columns, **place)
    found = seen_by(trained, Survey.open(tmp_path / "again"))
    tested = np.isin(own.ids, trained.split["parts"]["test"])
    assert found[:50][made.seen_in_training[:50]].all()
    assert tested[:50].any()
    assert not found[:50][tested[:50]].any()
    assert not found[50:].any()  # another name and no position: nobody can say
    assert cannot_be_known(trained, Survey.open(tmp_path / "again")) == len(found) - 50


def test_shares_move_probabilities_by_bayes_rule(made: SurveyPredictions) -> None:
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    uniform, moved = (combine([made], at).row for at in (np.full(4, 0.25), shares))
    odds = moved / uniform
    np.testing.assert_allclose(odds / odds[:, :1], np.tile(shares / shares[0], (len(odds), 1)), rtol=1e-6)
    np.testing.assert_allclose(moved.sum(1), 1)


def test_the_size_of_a_batch_changes_nothing(trained: TrainedRun, own: Survey, made: SurveyPredictions) -> None:
    some = own[:50]
    for size in (1, 7, 50):
        found = predict_survey(trained, some, PredictOptions(batch_size=size))
        np.testing.assert_allclose(found.row, made.row[:50], atol=1e-5)
        np.testing.assert_allclose(found.distance, made.distance[:50], rtol=1e-3)


def test_two_devices_give_what_one_gives(
    trained: TrainedRun, own: Survey, made: SurveyPredictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes that are forked, since the import of torch would take most of the time; a GPU needs new ones."""
    asked: list[Any] = []

    def forked(task: Any, chunks: Any, jobs: int, *places: Any, spawn: bool) -> Iterator[Any]:
        asked.append((jobs, spawn))
        return run_parallel(pickle.loads(pickle.dumps(task)), chunks, jobs, *places)

    monkeypatch.setattr(predict, "run_parallel", forked)
    found = predict_survey(trained, own, PredictOptions(devices=2, batch_size=16))
    assert asked == [(2, True)]
    np.testing.assert_allclose(found.row, made.row, atol=1e-5)
    np.testing.assert_array_equal(found.frames, made.frames)


def test_a_process_that_must_begin_anew_does(tmp_path: Path) -> None:
    asked = ("'torch' in __import__('sys').modules",)
    for spawn in (False, True):
        assert dict(run_parallel(eval, [asked], 1, tmp_path, spawn=spawn)) == {0: not spawn}


def test_an_object_without_a_frame_by_then_gets_the_shares(
    trained: TrainedRun, other: Callable[..., Survey], tmp_path: Path, own: Survey
) -> None:
    early: dict[str, Any] = {"frames": np.zeros((2, 32, 32)), "band": [0, 1], "mjd": [54000.0, 54010.0]}
    with SurveyWriter(tmp_path / "early", SurveyHeader("early", own.header.bands, (), 0.396)) as writer:
        writer.add("late", **early, first_detection=53_990.0)
        writer.add("known", **early, first_detection=54_000.0)
    found = predict_survey(trained, Survey.open(tmp_path / "early"), PredictOptions(days=5.0))
    assert found.frames.tolist() == [0, 1]
    np.testing.assert_allclose(found.row[0], trained.calibration.survey_prior)
    assert np.isnan(found.novelty).tolist() == [True, False]
    uniform = combine([found], np.full(4, 0.25)).row
    np.testing.assert_allclose(uniform[0], 0.25)


def test_folds_are_averaged_and_none_predicts_what_it_was_trained_on(made: SurveyPredictions) -> None:
    n, rng = len(made.row), np.random.default_rng(0)
    second = replace(made, row=rng.dirichlet(np.ones(4), n), seen_in_training=rng.random(n) < 0.5)
    first = replace(made, seen_in_training=rng.random(n) < 0.5)
    found = combine([first, second], None)
    only_first, only_second = (
        second.seen_in_training & ~first.seen_in_training,
        first.seen_in_training & ~second.seen_in_training,
    )
    both = first.seen_in_training == second.seen_in_training
    np.testing.assert_allclose(found.row[only_first], first.row[only_first])
    np.testing.assert_allclose(found.row[only_second], second.row[only_second])
    np.testing.assert_allclose(found.row[both], (first.row + second.row)[both] / 2)
    spread = np.column_stack(list(found.spread.values()))
    np.testing.assert_allclose(spread[both], np.std([first.row, second.row], axis=0, ddof=1)[both])
    assert np.isnan(spread[only_first | only_second]).all()
    np.testing.assert_array_equal(found.seen_in_training, first.seen_in_training & second.seen_in_training)


def test_entropy_is_zero_where_certain_and_largest_where_nothing_is_known(made: SurveyPredictions) -> None:
    rows = np.array([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    found = combine([replace(made, row=rows, **{name: getattr(made, name)[:2] for name in FIELDS})], None)
    np.testing.assert_allclose(found.task.format.further_columns(found.row)["entropy"], [0, np.log(4)], atol=1e-12)


@pytest.mark.parametrize("ending", ["parquet", "csv", "ecsv", "fits"])
def test_every_format_holds_the_same_table(
    ending: str, trained: TrainedRun, own: Survey, made: SurveyPredictions, tmp_path: Path
) -> None:
    table = prediction_table(combine([made], None), own, [trained], "as trained")
    save_table(table, tmp_path / f"table.{ending}")
    if ending == "parquet":
        found = Table(pq.read_table(tmp_path / "table.parquet").to_pydict())
    else:
        found = Table.read(tmp_path / f"table.{ending}", **({"converters": {"id": str}} if ending == "csv" else {}))
    expected = ["id", *own.header.classes, "predicted", "entropy", "frames", "novelty", "distance", "seen_in_training"]
    assert list(found.colnames) == expected
    assert [str(id_) for id_ in found["id"]] == list(own.ids)
    np.testing.assert_allclose(np.asarray(found["AGN"], dtype=float), made.row[:, 0])
    assert [str(name) for name in found["predicted"]] == [own.header.classes[c] for c in made.row.argmax(1)]
    if ending in ("ecsv", "fits"):
        assert found.meta["SIMULATD"] is True


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"bands": ("g", "r")}, ["u, i, z", "u, g, r, i, z", "init_from="]),
        ({"bands": ("u", "g", "r", "i", "z", "y")}, ["y", "--bands u,g,r,i,z"]),
        ({"pixel_scale": 1.01}, ["1.01 arcsec", "2.55 times", "0.396", "init_from="]),
        ({"flux_unit": "uJy"}, ["uJy", "nanomaggy", "0.275406", "init_from="]),
        ({"flux_unit": "count"}, ["count", "nanomaggy", "init_from="]),
        ({"classes": ("AGN", "TDE")}, ["class TDE", "init_from="]),
        ({"stamp_size": 16}, ["16 x 16 pixels", "32 x 32", "--size 32"]),
    ],
)
def test_surveys_that_do_not_fit_are_refused(
    changes: dict[str, Any], facts: list[str], trained: TrainedRun, other: Callable[..., Survey]
) -> None:
    survey = other(**changes)
    with refused(UsageError, "E-SURVEY-UNSUITED", *facts, where=survey.path):
        predict_survey(trained, survey)


def test_the_command_of_a_refusal_makes_a_network_that_can_begin_with_this_one(
    trained: TrainedRun, other: Callable[..., Survey]
) -> None:
    with refused(UsageError, "E-SURVEY-UNSUITED", where="/other") as caught:
        predict_survey(trained, other(pixel_scale=1.01))
    overrides = caught.value.fix.partition("python train.py ")[2].split()
    options = compose_run(overrides)
    assert options.init_from == str(trained.folder)
    assert values_with(options, SHAPES) == values_with(trained.options, SHAPES)


def test_fits_cannot_hold_other_letters_than_ascii(own: Survey, tmp_path: Path) -> None:
    check_output(tmp_path / "table.fits", own.ids, Classes(own.header.classes))
    with refused(UsageError, "E-FILES-ENDING", "'Étoile'", where=tmp_path / "table.fits"):
        check_output(tmp_path / "table.fits", own.ids, Classes(("AGN", "Étoile")))
    check_output(tmp_path / "table.ecsv", own.ids, Classes(("AGN", "Étoile")))
    assert not list(tmp_path.iterdir())


def test_the_order_of_the_bands_does_not_matter(trained: TrainedRun, own: Survey, tmp_path: Path) -> None:
    header = replace(own.header, bands=tuple(reversed(own.header.bands)))
    with SurveyWriter(tmp_path / "reversed", header) as writer:
        for series in own[:20]:
            columns = {name: getattr(series, name) for name in ("mjd", "psf_fwhm", "sky_sigma")}
            writer.add(series.id, series.frames, band=4 - series.band, **columns)
    found, expected = (predict_survey(trained, survey) for survey in (Survey.open(tmp_path / "reversed"), own[:20]))
    np.testing.assert_allclose(found.row, expected.row, atol=1e-6)


@pytest.mark.slow
def test_a_sweep_is_the_mean_of_its_folds(
    smoke: Smoke, finished: Path, own: Survey, work: Path, tmp_path: Path
) -> None:
    other_fold = smoke("experiment=ict_sdss", "fold.index=1")
    runs, _ = choose_runs(finished.parent)
    assert {run.folder.name for run in runs} >= {finished.name, other_fold.name}
    both = [run for run in runs if run.folder.name in (finished.name, other_fold.name)]
    parts = [predict_survey(run, own) for run in both]
    found = combine(parts, None)
    table = prediction_table(found, own, both, "as trained")
    assert [name for name in table.colnames if name.endswith("spread")] == [f"{c} spread" for c in own.header.classes]
    tested = [own.position(id_) for id_ in both[1].split["parts"]["test"]]
    assert not found.seen_in_training[tested].any()
    np.testing.assert_allclose(found.row[tested], parts[1].row[tested])  # fold 0 was trained on them


def test_the_curve_scores_what_no_run_was_trained_on(
    trained: TrainedRun, own: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "DAYS", (3, 20))
    figure, numbers = save_early_curve(tmp_path / "curve.png", [trained], own, PredictOptions(), "train")
    assert figure.stat().st_size > 10_000
    table = Table.read(numbers)
    assert table.colnames[:3] == ["days", "frames", "f1_macro"]
    assert table["days"][:2].tolist() == [3, 20]
    assert table["days"][2] > 20
    last, test = table[-1], [own.position(id_) for id_ in trained.split["parts"]["test"]]
    found: Combined = combine([predict_survey(trained, own.select([own.ids[i] for i in test]))], None)
    label = np.array([own.header.classes.index(own[i].metadata["class"]) for i in test])
    recalls = [(found.row.argmax(1)[label == c] == c).mean() for c in range(4)]
    assert last["worst_recall"] == pytest.approx(min(recalls))


def test_the_command_says_what_it_did_and_refuses_in_words(
    finished: Path, own: Survey, made: SurveyPredictions, tmp_path: Path, other: Callable[..., Survey]
) -> None:
    table = tmp_path / "table.csv"
    done = CliRunner().invoke(app, ["predict", str(finished), str(own.path), "-o", str(table), "--prior", "uniform"])
    assert done.exit_code == 0, done.output
    assert "at equal class shares" in done.output
    assert f"survey {own.header.name} (simulated), {len(own)} objects: AGN " in done.output
    assert f"{made.seen_in_training.sum()} objects trained or validated this network" in done.output
    test, shares = ~made.seen_in_training, np.full(4, 0.25)
    label = np.array([own.header.classes.index(series.metadata["class"]) for series in own])
    right = (combine([made], shares).row.argmax(1) == label)[test].mean()
    (scored,) = [line for line in done.output.splitlines() if line.startswith("scored on")]
    assert scored.startswith(f"scored on {test.sum()} objects whose class is known")
    assert f"accuracy {100 * right:.1f} %, macro F1 " in scored
    assert done.output.splitlines()[-2] == str(table)
    before = sorted(tmp_path.iterdir())
    for arguments, found in (
        ((finished, own.path, "-o", tmp_path / "table.xlsx"), "not a format of tables"),
        ((finished, own.path, "-o", tmp_path / "no" / "folder.csv"), "no such folder"),
        ((finished, tmp_path / "nothing", "-o", tmp_path / "a.csv"), "no such folder"),
        ((tmp_path, own.path, "-o", tmp_path / "a.csv"), "no finished run"),
        ((finished, own.path, "-o", tmp_path / "a.csv", "--prior", "often"), "no file 'often'"),
        ((finished, own.path, "-o", tmp_path / "a.csv", "--first-days", "-1"), "--first-days is -1"),
        ((finished, own.path, "-o", tmp_path / "a.csv", "--curve", "curve.doc"), "not an image format"),
        ((finished, other().path, "-o", tmp_path / "a.csv", "--curve", tmp_path / "c.png"), "no object has a label"),
        ((finished, own.path, "-o", tmp_path / "c.csv", "--curve", tmp_path / "c.png"), "another name"),
    ):
        refused = CliRunner().invoke(app, ["predict", *map(str, arguments)])
        assert refused.exit_code
        assert found in str(refused.exception)
    assert sorted(path for path in tmp_path.iterdir() if path.name != "other") == before


@pytest.mark.parametrize("where", ["run", "checkpoints", "survey"])
def test_no_output_goes_into_a_real_run_or_its_survey(finished: Path, own: Survey, where: str) -> None:
    """What marks a folder is what really is in it."""
    folders = {"run": finished, "checkpoints": finished / "checkpoints", "survey": own.path}
    with refused(UsageError, "E-FILES-PROTECTED", where="/predictions.csv"):
        save_table(Table({"id": ["a"]}), folders[where] / "predictions.csv")


def test_a_prediction_that_is_no_number_is_refused(trained: TrainedRun, own: Survey) -> None:
    learner = copy.deepcopy(trained.learner)
    with torch.no_grad():
        next(learner.network.parameters()).fill_(np.nan)
    with refused(
        UsageError, "E-NETWORK-NAN", "3 objects", where="the object at position 0 of the survey, counted from 0"
    ):
        predict_survey(replace(trained, learner=learner), own[:3])


def test_the_survey_is_verified_before_anything_is_predicted(
    finished: Path, other: Callable[..., Survey], tmp_path: Path
) -> None:
    change_array(other().path, "mjd.npy", lambda mjd: mjd + 1e-3)
    words = ["predict", str(finished), str(tmp_path / "other"), "-o", str(tmp_path / "p.csv")]
    for more in ([], ["--verify"]):
        found = CliRunner().invoke(app, [*words, *more])
        assert isinstance(found.exception, SurveyError)
        assert found.exception.where == tmp_path / "other" / "mjd.npy"
        assert not (tmp_path / "p.csv").exists()
    assert CliRunner().invoke(app, [*words, "--no-verify"]).exit_code == 0


@pytest.mark.parametrize(
    ("kind", "changes", "key"),
    [
        ("galaxies", {"bands": (*BAND_SETS[5].names, "Y")}, "survey.band_set=5"),
        ("galaxies", {"stamp_size": 24}, "survey.size=32"),
        ("hosts", {"stamp_size": 48}, "survey.size=32"),
    ],
)
def test_of_a_simulated_survey_the_key_is_named_that_simulates_one_that_fits(
    trained: TrainedRun, other: Callable[..., Survey], kind: str, changes: dict[str, Any], key: str
) -> None:
    made_by = {"made by": f"ictconvention simulate --kind {kind} --objects 100"}
    survey = other(simulated=True, provenance=made_by, **changes)
    with refused(UsageError, "E-SURVEY-UNSUITED", key, where=survey.path):
        predict_survey(trained, survey)
