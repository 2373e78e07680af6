"""Objects to follow up of a real run, and sets beside its predictions: what is chosen, and what is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import ictconvention as ict
from ictconvention.applying import apply
from ictconvention.applying.apply import apply_runs
from ictconvention.applying.deciding import rank
from ictconvention.applying.deciding.diverse import choose_diverse
from ictconvention.applying.deciding.rank import RankOptions, rank_survey
from ictconvention.applying.deciding.sets import check_coverage
from ictconvention.applying.features import features_of
from ictconvention.applying.predict import PredictOptions
from ictconvention.applying.seen_objects import seen_by
from ictconvention.cli.main import app
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.sets.conformal import p_values
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from ictconvention.tasks.classes import Classes
from ictconvention.training.run import run as train
from tests.conftest import image_series
from tests.handmade_runs import changed
from tests.refusals import refused
from tests.small_runs import Smoke, result_of

SMALL = ("model.size=16", "model.layers=1")


@pytest.fixture(scope="module")
def trained(smoke: Smoke) -> TrainedRun:
    return read_trained(smoke("experiment=frame_transformer_sdss", *SMALL))


@pytest.fixture(scope="module")
def new(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Return a survey of 24 objects without a class, the later the brighter, and one that has a class."""
    header = replace(Survey.open(work / "miniature").header, name="new")
    path = tmp_path_factory.mktemp("new") / "survey"
    with SurveyWriter(path, header) as writer:
        for number in range(25):
            series = image_series(number, 8) | {"ra": 100.0 + number, "label_source": None}
            series["frames"] = np.full_like(series["frames"], 0.01)
            series["frames"][:, 15:17, 15:17] += 10.0 * (1 + number)
            writer.add(**series | ({} if number == 24 else {"class_name": None}))
    return Survey.open(path)


def test_a_budget_of_bright_unlabelled_objects_is_chosen(trained: TrainedRun, new: Survey) -> None:
    everything = rank_survey([trained], new, RankOptions(100)).table
    assert sorted(everything["id"]) == [f"sn{number:04d}" for number in range(24)]
    (name,) = [one for one in everything.colnames if one.startswith("mag ")]
    limit = float(np.nanmedian(everything[name]))
    found = rank_survey([trained], new, RankOptions(5, limit, "error"))
    assert len(found.table) == 5
    assert (found.table[name] <= limit).all()
    bright = everything[everything[name] <= limit]
    assert found.table["error"][0] == bright["error"].max()
    np.testing.assert_allclose(found.table["error"], 1 - np.max([found.table[c] for c in trained.task.names], axis=0))
    assert found.table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert any("1 object with a class" in line for line in found.said)


@pytest.fixture(scope="module")
def semi(work: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedRun, Survey]:
    """Return a run whose pre-training has seen 12 objects without a label, and its survey."""
    path = tmp_path_factory.mktemp("semi") / "survey"
    known = Survey.open(work / "miniature")
    with SurveyWriter(path, replace(known.header, name="semi")) as writer:
        written(writer, known, lambda number: {"class_name": known[number].metadata["class"]})
        for number in range(500, 512):
            writer.add(**image_series(number, 6) | {"class_name": None, "label_source": None})
    words = ["experiment=ict_sdss", "profile=tiny", "learner.unlabelled=true", "figures=false", "trainer.batch_size=16"]
    options = compose_run([*words, f"runs={path.parent}", "survey=path", f"survey.path={path}"])
    return read_trained(train(options, words)), Survey.open(path)


def written(writer: SurveyWriter, survey: Survey, changes: Callable[[int], dict[str, Any]]) -> None:
    """Write the objects of a survey again, at their places, with changes by their number."""
    for number, series in enumerate(survey):
        columns = {name: getattr(series, name) for name in ("frames", "band", "mjd", "psf_fwhm", "sky_sigma")}
        place = {name: series.metadata[name] for name in ("ra", "dec")}
        writer.add(**{"id": series.id, **columns, **place, **changes(number)})


def test_what_pre_training_saw_without_a_label_is_ranked(semi: tuple[TrainedRun, Survey]) -> None:
    """Of the run's own survey all others have a class; nobody knows theirs."""
    run, survey = semi
    unlabelled = [f"sn{number:04d}" for number in range(500, 512)]
    assert seen_by(run, survey)[survey.positions(unlabelled)].all()
    found = rank_survey([run], survey)
    assert sorted(found.table["id"]) == unlabelled
    assert any(line.startswith("12 objects of these 12 trained the network without a label") for line in found.said)


def test_whose_label_was_used_is_not_ranked_in_another_survey_of_the_same_sky(
    semi: tuple[TrainedRun, Survey], tmp_path: Path
) -> None:
    """There nothing has a class, and objects are known by their places; so too where a run kept no such record."""
    run, survey = semi
    with SurveyWriter(tmp_path / "again", replace(survey.header, name="again")) as writer:
        written(writer, survey, lambda number: {"id": f"new-{number}"})
    again, parts = Survey.open(tmp_path / "again"), run.split["parts"]
    wanted = {f"new-{number}" for number in survey.positions([*parts["test"], *parts["pretrain_unlabelled"]])}
    before = Path(shutil.copytree(run.folder, tmp_path / "before"))
    seen = pq.read_table(before / "seen_objects.parquet")
    pq.write_table(seen.drop_columns("part"), before / "seen_objects.parquet")
    for one in (run, replace(run, folder=before)):
        found = rank_survey([one], again, RankOptions(100))
        assert set(found.table["id"]) == wanted
        assert any("whose label the network has used" in line for line in found.said)


def test_a_run_that_begins_with_another_knows_whose_labels_that_one_has_used(
    semi: tuple[TrainedRun, Survey], tmp_path: Path
) -> None:
    run, survey = semi
    later = RunFolder(tmp_path)
    later.write_seen(survey, ict.load(run.folder).split, ["finetune_train"], RunFolder(run.folder))
    seen = later.read_seen()
    assert seen is not None
    for part in ("pretrain_unlabelled", "pretrain_train", "finetune_validation"):
        ids = seen.filter(pc.field("part") == part).column("id").to_pylist()
        assert sorted(ids) == sorted(run.split["parts"][part])
    assert len(seen) == len(run.split["parts"]["finetune_train"]) + int(seen_by(run, survey).sum())


def test_features_are_made_of_the_most_doubtful_alone_and_the_choice_is_that_among_all(
    trained: TrainedRun, new: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def spied(run: TrainedRun, survey: Survey, position: NDArray[np.int64], *others: Any) -> NDArray[np.float32]:
        asked.extend(position.tolist())
        return features_of(run, survey, position, *others)

    monkeypatch.setattr(rank, "features_of", spied)
    found = rank_survey([trained], new, RankOptions(2)).table
    everything = rank_survey([trained], new, RankOptions(24)).table
    everything.sort("id")
    assert len(asked) == 10 * 2 + 24  # of 24 objects
    reference = RunFolder(trained.folder).read_reference()
    assert reference is not None
    features = features_of(trained, new, range(24))
    chosen = choose_diverse(np.asarray(everything["entropy"]), features, 2, reference.precision)
    assert found["id"].tolist() == everything["id"][chosen].tolist()


@pytest.mark.parametrize("name", ["rank", "error", "entropy", "ra", "mag r", "novelty"])
def test_a_class_that_is_called_as_a_column_is_refused_before_anything_is_predicted(
    trained: TrainedRun, new: Survey, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(trained.learner, "task", Classes((name, "SN Ia", "Variable", "SN Other")))
    monkeypatch.setattr(rank, "predict_survey", None)
    with refused(UsageError, "E-CLASS-NAME", name):
        rank_survey([trained], new)


@pytest.mark.parametrize(
    ("name", "runs", "coverage"),
    [("entropy", 1, None), ("frames", 1, None), ("set", 1, 0.9), ("SN Ia spread", 2, None)],
)
def test_so_is_one_in_a_table_of_predictions(
    trained: TrainedRun,
    new: Survey,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    runs: int,
    coverage: float | None,
) -> None:
    monkeypatch.setattr(trained.learner, "task", Classes((name, "SN Ia", "Variable", "SN Other")))
    monkeypatch.setattr(apply, "predict_survey", None)
    with refused(UsageError, "E-CLASS-NAME", name):
        apply_runs([trained] * runs, new, PredictOptions(), coverage=coverage)


def test_what_cannot_be_ranked_is_refused(trained: TrainedRun, new: Survey, tmp_path: Path) -> None:
    with refused(UsageError, "E-PREDICT-NOTHING", where=new.path):
        rank_survey([trained], new, RankOptions(max_mag=2.0))
    for wrong in ({"budget": 0}, {"by": "chance"}, {"max_mag": float("nan")}):
        with refused(UsageError, "E-COMMAND-VALUE"):
            RankOptions(**wrong)
    header = replace(new.header, flux_unit="adu")
    with SurveyWriter(tmp_path / "adu", header) as writer:
        writer.add(**image_series(0, 3))
    adu = replace(trained, survey={**trained.survey, "flux_unit": "adu"})
    with refused(UsageError, "E-VALUE-UNITS", "adu", where="adu"):
        rank_survey([adu], Survey.open(tmp_path / "adu"), RankOptions(max_mag=20.0))


def test_sets_of_a_survey_follow_the_shares_that_are_asked_for(trained: TrainedRun, new: Survey) -> None:
    """Of four validation objects and fewer a class has no set of 90 %, and is in all; at 40 % sets differ."""
    made = apply_runs([trained], new, PredictOptions(), coverage=0.9)
    assert set(made.table["set"]) == {"|".join(trained.task.names)}
    assert any("such a class is in every set" in line for line in made.said)
    tables = [apply_runs([trained], new, PredictOptions(), prior, coverage=0.4).table for prior in ("train", "uniform")]
    for table in tables:
        sizes = [len(one.split("|")) for one in table["set"] if one]
        assert len(sizes) > 0
        assert min(sizes) < 4
    assert tables[0].meta["COVERAGE"] == 0.4
    assert tables[0].colnames.index("set") == tables[0].colnames.index("entropy") + 1


def test_folds_draw_the_sets_of_each_class_by_twice_the_mean_of_their_p_values(
    trained: TrainedRun, smoke: Smoke, work: Path
) -> None:
    """An object that one of the folds has seen gets the sets of the other alone, whose p-value is not doubled."""
    runs = [trained, read_trained(smoke("experiment=frame_transformer_sdss", *SMALL, "fold.index=1"))]
    own, coverage, names = Survey.open(work / "miniature"), 0.55, trained.task.names
    made = apply_runs(runs, own, PredictOptions(), coverage=coverage)
    p, unseen = [], []
    for run in runs:
        known, table = RunFolder(run.folder).read_validation(), apply_runs([run], own, PredictOptions()).table
        p.append(p_values(known.at(Prior.SURVEY), known.label, np.column_stack([table[name] for name in names])))
        unseen.append(~table["seen_in_training"])
    both, first, second = unseen[0] & unseen[1], unseen[0] & ~unseen[1], ~unseen[0] & unseen[1]
    assert first.any()
    assert second.any()
    for c, name in enumerate(names):
        found = np.array([name in one.split("|") for one in made.table["set"]])
        wanted = {tuple(first): p[0][:, c], tuple(second): p[1][:, c], tuple(both): p[0][:, c] + p[1][:, c]}
        for those, value in wanted.items():
            rows = np.array(those)
            assert found[rows].tolist() == (value[rows] > 1 - coverage + 1e-9).tolist(), name
    assert 1 < np.mean([len(one.split("|")) for one in made.table["set"]]) < 4
    assert any("each of 2 folds says by its own validation part" in line for line in made.said)


def test_what_validation_has_chosen_is_said_beside_sets(trained: TrainedRun, new: Survey) -> None:
    last = replace(trained.options.stage.finetune, keep="last")
    stages = replace(trained.options.stage, finetune=last)
    for run, said in (
        (trained, "which chose the training epoch and the temperature"),
        (replace(trained, options=replace(trained.options, stage=stages)), "which chose the temperature;"),
    ):
        made = apply_runs([run], new, PredictOptions(), coverage=0.9)
        assert any(said in line for line in made.said)


def test_a_run_records_the_coverage_of_its_sets_and_the_file_that_draws_them(trained: TrainedRun) -> None:
    known = result_of(trained.folder)["sets"]
    validation = RunFolder(trained.folder).read_validation()
    assert known["validation"] == {
        name: int((validation.label == c).sum()) for c, name in enumerate(trained.task.names)
    }
    assert sorted(validation.ids) == sorted(trained.split["parts"]["finetune_validation"])
    assert known["test"]["classes"]["AGN"]["coverage"] == 1.0  # with less than nine of its objects


def test_sets_without_a_guarantee_are_refused(
    trained: TrainedRun, new: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for coverage in (0.0, 1.0, 90.0):
        with refused(UsageError, "E-COMMAND-VALUE", where="--coverage"):
            check_coverage(coverage, [trained], PredictOptions())
    for options in (PredictOptions(days=20), PredictOptions(forest="mean")):
        with refused(UsageError, "E-COMMAND-CONFLICT"):
            check_coverage(0.9, [trained], options)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in trained.folder.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    (copy / "predictions_validation.parquet").write_bytes((copy / "predictions.parquet").read_bytes())
    with refused(UsageError, "E-RUN-EDITED", where="predictions_validation.parquet"):
        check_coverage(0.9, [replace(trained, folder=copy)], PredictOptions())
    result = result_of(copy)
    result.pop("sets")
    (copy / "result.json").unlink()
    changed_result(copy, result)
    with refused(UsageError, "E-RUN-VERSION", where=copy):
        check_coverage(0.9, [replace(trained, folder=copy)], PredictOptions())
    monkeypatch.setattr(type(trained.task), "draws_sets", False)
    with refused(UsageError, "E-RUN-TASK", where="--coverage"):
        check_coverage(0.9, [trained], PredictOptions())


def changed_result(folder: Path, result: dict[str, object]) -> None:
    (folder / "result.json").write_text("{}")
    changed(folder / "result.json", **result)


def test_the_command_ranks(trained: TrainedRun, new: Survey, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    words = ["rank", str(trained.folder), str(new.path), "--budget", "3", "-o", str(tmp_path / "table.csv")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 4
    assert "3 objects of 24" in found.output
