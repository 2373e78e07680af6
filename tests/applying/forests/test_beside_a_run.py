"""A forest beside a run: what it learns from, what it scores, how it joins the network, and what is refused."""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

import ictconvention as ict
from ictconvention.applying import apply, early, predict
from ictconvention.applying.early import save_early_curve
from ictconvention.applying.forests.keep import measure_features
from ictconvention.applying.predict import PredictOptions, SurveyPredictions, predict_survey
from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.options import SequenceOptions
from ictconvention.configuration.stages import parts_of
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.core.parallel import run_parallel
from ictconvention.evaluation import forest
from ictconvention.evaluation.forests.calibrated import calibrate_votes
from ictconvention.evaluation.forests.features import FeatureRecipe
from ictconvention.evaluation.predictions import ModelPredictions, Predictions, mean_of_logarithms
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.evaluation.scores import scores
from ictconvention.measuring.photometry import measure_photometry
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.plan import plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from ictconvention.training.run import run
from tests.conftest import HEADER
from tests.core.test_plain_file import make_odd, within
from tests.miniature import write_miniature
from tests.refusals import refused
from tests.small_runs import places, read_json, result_of

COLUMNS = ("frames", "psf_fwhm", "sky_sigma", "mjd", "band", "x", "y", "gain")


@pytest.fixture(scope="module", autouse=True)
def _few_trees() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 20)
        yield


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Return a survey whose objects have many frames, some of them in an extra test part."""
    folder = tmp_path_factory.mktemp("own") / "miniature"
    return write_miniature(folder, replace(HEADER, name="miniature", simulated=True), extra=12)


@pytest.fixture(scope="module")
def words(own: Survey) -> list[str]:
    given = [*places(own.path.parent), "experiment=light_curve_sdss", "sequence.max_frames=6"]
    return [*given, "sequence.frames_per_group=1"]


@pytest.fixture(scope="module")
def beside(words: list[str]) -> Path:
    """Return a finished run with a forest."""
    folder = run(compose_run(words), words)
    ict.load(folder).train_forest(jobs=1)
    return folder


@pytest.fixture(scope="module")
def trained(beside: Path) -> TrainedRun:
    return read_trained(beside)


@pytest.fixture(scope="module")
def made(trained: TrainedRun, own: Survey) -> dict[str | None, SurveyPredictions]:
    """Return what is predicted of the run's own survey by the network, by the forest, and by both."""
    uses: tuple[Any, ...] = (None, "mean", "alone")
    return {use: predict_survey(trained, own, PredictOptions(forest=use)) for use in uses}


@pytest.fixture
def copied(beside: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(beside, tmp_path / "run"))


def test_its_scores_are_those_of_what_it_predicts_and_the_network_s_those_of_the_result(
    beside: Path, own: Survey, made: dict[str | None, SurveyPredictions]
) -> None:
    kept, result, folder = read_json(beside / "forest.json")["scores"], result_of(beside), RunFolder(beside)
    assert list(kept) == ["network", "forest", "mean"]
    shares, _ = folder.read_priors()
    for part in ("test", "extra_test"):
        assert kept["network"][part] == result[part]
        assert kept["network"][f"{part}_uniform"] == result[f"{part}_uniform"]
        found = folder.read_predictions(part)
        at = [own.position(id_) for id_ in found.ids.tolist()]
        for which, use in (("forest", "alone"), ("mean", "mean")):
            row = made[use].row[at]
            for name, likely in ((part, row), (f"{part}_uniform", at_equal_shares(row, shares))):
                said, expected = kept[which][name], scores(likely, found.label, own.header.classes)
                assert said["confusion"] == expected["confusion"]
                assert said["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-3)
    assert kept["forest"]["extra_test"]["objects"] == 12
    assert kept["forest"]["test_uniform"]["balanced_accuracy"] > 0.6  # chance: 0.25
    assert result == result_of(beside)


def test_the_mean_is_that_of_table_2_and_novelty_is_the_network_s(
    made: dict[str | None, SurveyPredictions], own: Survey
) -> None:
    label = np.zeros(len(own), dtype=np.int64)
    ids = np.array(own.ids, dtype=str)
    rows = [
        ModelPredictions(name, {(0, 0): Predictions(ids, label, {Prior.SURVEY: made[use].row})})
        for name, use in (("network", None), ("forest", "alone"))
    ]
    expected = mean_of_logarithms("mean", rows).predictions[0, 0].at(Prior.SURVEY)
    np.testing.assert_allclose(made["mean"].row, expected, rtol=1e-12, atol=1e-15)
    assert np.abs(made["mean"].row - made[None].row).max() > 0.05
    assert np.abs(made["mean"].row - made["alone"].row).max() > 1e-7  # a forest that is so sure outweighs the network
    for use in ("mean", "alone"):
        for field in ("distance", "novelty", "frames", "seen_in_training"):
            np.testing.assert_array_equal(getattr(made[use], field), getattr(made[None], field))


def test_it_learns_from_the_parts_of_the_run_s_own_stages_and_from_no_other(words: list[str]) -> None:
    for stages in ([], ["stage.pretrain.max_epochs=0"], ["fold=single", "stage.finetune.max_epochs=0"]):
        options = compose_run([*words, *stages])
        plan = plan_run(options)
        stage: Any = "pretrain" if "fold=single" in stages else "finetune"
        data = make_data(options, plan.survey, plan.split, stage)
        recipe = FeatureRecipe.of(plan.survey.header, plan.survey.path, options.sequence)
        features = measure_features(data, recipe, options, lambda done, total: None)
        measured = {id_ for id_, row in zip(plan.survey.ids, features, strict=True) if np.isfinite(row).any()}
        parts = plan.split.parts
        seen = {id_ for part in (*parts_of(options), "test", "extra_test") for id_ in parts[part]}
        stray = {*parts["pretrain_validation"]} - {*parts[f"{stage}_validation"]}
        assert measured == seen - stray


def test_a_run_that_did_not_pre_train_has_a_forest_that_did_not_either(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*words, "stage.pretrain.max_epochs=0", "name=fine_tuned"]
    one = ict.load(run(compose_run(asked), asked))
    grown: list[tuple[int, set[float]]] = []

    def fit(features: Any, labels: Any, weights: Any, jobs: int) -> Any:
        grown.append((len(features), set(weights)))
        return forest.fit_forest(features, labels, weights, jobs=jobs)

    monkeypatch.setattr("ictconvention.evaluation.forests.calibrated.fit_forest", fit)
    one.train_forest(jobs=1)
    assert grown == [(len(one.split.parts["finetune_train"]), {1.0})]


def test_a_run_of_one_stage_has_one(words: list[str], own: Survey) -> None:
    asked = [*words, "fold=single", "stage.finetune.max_epochs=0", "name=single"]
    one = ict.load(run(compose_run(asked), asked))
    found = one.train_forest(all_frames=True, jobs=1)
    assert found["mean"]["test"]["objects"] == one.result["test"]["objects"]
    assert read_json(one.folder / "forest.json")["features"]["frames"] == "all"
    table = one.predict(own, forest="alone")
    at = [own.position(id_) for id_ in one.predictions()["id"]]
    right = table["predicted"][at] == one.predictions()["label"]
    assert np.mean(right) == pytest.approx(found["forest"]["test"]["accuracy"])
    edit(one.folder / "forest.json", temperature=1.0)  # so that no probability is 0 or 1
    table = one.predict(own, forest="alone")
    kept, recipe = RunFolder(one.folder).read_forest().forest, FeatureRecipe.of(own.header, own.path, None)
    whole = kept.trees.predict(np.array([recipe.measure(series) for series in own]))
    expected = calibrate_votes(np.maximum(whole, 1e-3), kept.temperature, kept.shares)
    np.testing.assert_allclose(table["AGN"], expected[:, own.header.classes.index("AGN")], rtol=1e-9)


def rewritten(survey: Survey, path: Path, until: float = np.inf, backwards: bool = False) -> Survey:
    """Write the objects again with their first days alone, or with the bands in another order."""
    last = len(survey.header.bands) - 1
    bands = survey.header.bands[::-1] if backwards else survey.header.bands
    with SurveyWriter(path, replace(survey.header, bands=bands)) as writer:
        for series in survey:
            here = series.mjd <= series.mjd[0] + until
            columns = {name: getattr(series, name)[here] for name in COLUMNS}
            columns["band"] = last - columns["band"] if backwards else columns["band"]
            writer.add(series.id, **columns, **{name: series.metadata[name] for name in ("ra", "dec")})
    return Survey.open(path)


def test_early_it_sees_the_frames_that_are_let_through_and_no_other(
    trained: TrainedRun, own: Survey, made: dict[str | None, SurveyPredictions], tmp_path: Path
) -> None:
    some = own[40:60]
    found = predict_survey(trained, some, PredictOptions(days=30.0, forest="alone"))
    first = predict_survey(trained, rewritten(some, tmp_path / "early", 30.0), PredictOptions(forest="alone"))
    np.testing.assert_array_equal(found.row, first.row)
    assert (found.frames < made["alone"].frames[40:60]).any()
    assert np.abs(found.row - made["alone"].row[40:60]).max() > 0.01


def test_the_order_of_the_bands_and_the_size_of_a_batch_do_not_matter(
    trained: TrainedRun, own: Survey, made: dict[str | None, SurveyPredictions], tmp_path: Path
) -> None:
    turned = rewritten(own[40:60], tmp_path / "turned", backwards=True)
    found = predict_survey(trained, turned, PredictOptions(batch_size=7, forest="alone"))
    np.testing.assert_array_equal(found.row, made["alone"].row[40:60])


def test_two_devices_give_what_one_gives(
    trained: TrainedRun, own: Survey, made: dict[str | None, SurveyPredictions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forked(task: Any, chunks: Any, jobs: int, *places: Any, spawn: bool) -> Iterator[Any]:
        return run_parallel(pickle.loads(pickle.dumps(task)), chunks, jobs, *places)

    monkeypatch.setattr(predict, "run_parallel", forked)
    found = predict_survey(trained, own, PredictOptions(devices=2, forest="mean"))
    np.testing.assert_allclose(found.row, made["mean"].row, atol=1e-5)


def test_the_forest_s_fluxes_are_those_of_the_survey_that_is_predicted(own: Survey) -> None:
    recipe = FeatureRecipe.of(own.header, own.path, SequenceOptions())
    series = own[30]
    measured = measure_photometry(series, recipe.photometry)
    np.testing.assert_allclose(recipe.measure(series), recipe.measure(series, measured), rtol=1e-4, atol=1e-4)


def test_from_python_and_the_command_line_it_is_the_same(beside: Path, own: Survey, tmp_path: Path) -> None:
    run = ict.load(beside)
    found = run.predict(own, prior="uniform", first_days=20, forest="mean")
    assert found.meta["FOREST"] == "mean"
    assert "forest" in found.meta["NOTES"]
    output = tmp_path / "table.ecsv"
    words = ["predict", str(beside), str(own.path), "-o", str(output), "--prior", "uniform", "--first-days", "20"]
    assert (done := CliRunner().invoke(app, [*words, "--forest", "mean"])).exit_code == 0, done.output
    table = Table.read(output)
    for name in (*own.header.classes, "entropy", "novelty"):
        np.testing.assert_allclose(table[name], found[name])
    assert table.meta["FOREST"] == "mean"
    assert CliRunner().invoke(app, words).exit_code == 0
    alone = Table.read(output)
    assert "FOREST" not in alone.meta
    assert np.abs(alone["AGN"] - found["AGN"]).max() > 0.05
    with refused(UsageError, "E-COMMAND-VALUE", "maen", "did you mean mean?"):
        run.predict(own, forest="maen")  # type: ignore[arg-type]


def test_the_command_prints_network_forest_and_mean_and_keeps_what_python_keeps(copied: Path, own: Survey) -> None:
    before = read_json(copied / "forest.json")
    (copied / "forest.json").unlink()
    done = CliRunner().invoke(app, ["forest", str(copied), "--jobs", "1", "survey=path", f"survey.path={own.path}"])
    assert done.exit_code == 0, done.output
    assert read_json(copied / "forest.json") == before
    for part in ("test", "extra_test"):
        for name in ("network", "forest", "mean"):
            said = f"{name} {before['scores'][name][f'{part}_uniform']['balanced_accuracy']:.3f}"
            assert said in done.output
    assert len([line for line in done.output.splitlines() if "simulated" in line and "12 objects" in line]) == 2
    with refused(UsageError, "E-CONFIG-CONFLICT", where="learner.tau=0.9"):
        raise CliRunner().invoke(app, ["forest", str(copied), "learner.tau=0.9"]).exception or AssertionError
    with refused(UsageError, "E-COMMAND-VALUE", "0"):
        raise CliRunner().invoke(app, ["forest", str(copied), "--jobs", "0"]).exception or AssertionError


def test_the_curve_follows_the_mean(trained: TrainedRun, own: Survey, tmp_path: Path) -> None:
    curves = {}
    for use in (None, "mean"):
        path = tmp_path / f"{use}.png"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(early, "DAYS", (10,))
            save_early_curve(path, [trained], own, PredictOptions(forest=use), "uniform")
        curves[use] = Table.read(path.with_suffix(".csv"))["f1_macro"]
    assert (curves["mean"] > curves[None]).all()  # the network has learned nothing in a second


def test_each_run_of_a_sweep_has_its_own_or_is_refused_by_name(beside: Path, own: Survey, words: list[str]) -> None:
    asked = [*words, "fold.index=1"]
    other = run(compose_run(asked), asked)
    sweep = ict.load_sweep(beside.parent)
    model = ict.load(beside).options.name
    (other / "forest.json").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch, refused(UsageError, "E-FOREST-MISSING", where=other.name):
        patch.setattr(apply, "predict_survey", None)  # nothing is predicted before
        sweep.predict(own, model=model, forest="mean")
    ict.load(other).train_forest(jobs=1)
    table = ict.load_sweep(beside.parent).predict(own, model=model, forest="mean")
    apart = [one.predict(own, forest="mean") for one in sweep.runs]
    extra = [own[id_].metadata.get("extra_test") is True for id_ in own.ids]
    assert sum(extra) == 12
    np.testing.assert_allclose(table["AGN"][extra], np.mean([one["AGN"][extra] for one in apart], axis=0))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def lose(run: Path, *names: str) -> None:
    for name in names:
        (run / name).unlink()


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no forest": (lambda run: lose(run, "forest.npz", "forest.json"), "E-FOREST-MISSING", "run"),
    "no trees": (lambda run: lose(run, "forest.npz"), "E-FOREST-MISSING", "run"),
    "cut": (lambda run: (run / "forest.npz").write_bytes(b"PK"), "E-RUN-EDITED", "forest.npz"),
    "no JSON": (lambda run: (run / "forest.json").write_text("{"), "E-RUN-DAMAGED", "forest.json"),
    "no number": (lambda run: edit(run / "forest.json", temperature="1"), "E-RUN-DAMAGED", "forest.json"),
    "run": (lambda run: edit(run / "forest.json", run="another"), "E-RUN-EDITED", "forest.json"),
    "survey": (lambda run: edit(run / "forest.json", survey="another"), "E-RUN-EDITED", "forest.json"),
    "shares": (lambda run: edit(run / "forest.json", shares=[0.25] * 4), "E-RUN-EDITED", "forest.json"),
    "numbers": (lambda run: edit(run / "forest.json", numbers=3), "E-RUN-DAMAGED", "forest.npz"),
    "recipe": (lambda run: edit(run / "forest.json", features={"host": 0}), "E-RUN-VERSION", "forest.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_forest_that_is_lost_damaged_or_of_another_run_is_refused(damage: str, copied: Path, own: Survey) -> None:
    change, code, where = DAMAGES[damage]
    change(copied)
    with refused(UsageError, code, where=where):
        ict.load(copied).predict(own, forest="mean")
    ict.load(copied).predict(own[:2])  # the run is as sound as before


@pytest.mark.parametrize("name", ["trees", "forest"])
def test_no_file_of_it_is_anything_but_a_plain_one(name: str, copied: Path) -> None:
    run = RunFolder(copied)
    path: Path = getattr(run, name)
    path.unlink()
    make_odd(copied.parent, "a pipe").rename(path)
    with within(5), refused(FileSystemError, "E-FILES-KIND", where=path):
        run.read_forest()


def test_fluxes_that_are_measured_otherwise_today_are_refused(
    beside: Path, own: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ict.load(beside)
    monkeypatch.setattr("ictconvention.evaluation.forest.VERSION", 2)
    with refused(UsageError, "E-RUN-VERSION", "light_curve 1", where="forest.json"):
        run.predict(own, forest="alone")


def test_a_survey_that_the_network_cannot_read_the_forest_cannot_either(beside: Path, tmp_path: Path) -> None:
    other = write_miniature(tmp_path / "other", replace(HEADER, pixel_scale=0.6))
    with refused(UsageError, "E-SURVEY-UNSUITED", where=other.path):
        ict.load(beside).predict(other, forest="alone")


def test_a_survey_that_has_changed_trains_none(copied: Path, tmp_path: Path) -> None:
    before = (copied / "forest.json").read_bytes()
    with refused(UsageError, "E-SURVEY-MISMATCH"):
        ict.load(copied).train_forest(write_miniature(tmp_path / "other"))
    assert (copied / "forest.json").read_bytes() == before
