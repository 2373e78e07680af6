"""Whether a run will work on a survey: one like its own is not told apart, one of worse seeing and depth is."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from ictconvention.applying.apply import apply_runs
from ictconvention.applying.comparing import compare
from ictconvention.applying.comparing.compare import compare_survey
from ictconvention.applying.comparing.verdict import compare_conditions, describe
from ictconvention.applying.features import infer_features
from ictconvention.applying.predict import PredictOptions
from ictconvention.applying.seen_objects import name_objects
from ictconvention.cli.main import app
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.shift.known_sample import OWN, PARTS, KnownSample
from ictconvention.evaluation.shift.two_samples import TwoSamples, compare_samples
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.measuring.conditions import measure_conditions
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.labels.groups import positions_of
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from tests.conftest import HEADER
from tests.miniature import write_miniature
from tests.refusals import refused
from tests.small_runs import Smoke

SKY = replace(HEADER, name="sky", simulated=True)


@pytest.fixture(scope="module")
def run(smoke: Smoke, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """Return a run on light curves that knows 60 objects of a survey, more than the miniature leaves for its test."""
    folder = tmp_path_factory.mktemp("run") / "run"
    shutil.copytree(smoke("experiment=light_curve_sdss"), folder)
    trained = read_trained(folder)
    survey, rows = write_miniature(folder.parent / "known", SKY, seed=1), np.arange(60)
    stream = SurveyDataset(survey, trained.options.sequence, trained.spec.contents, np.arange(5))
    features = infer_features(trained, stream, rows, 64).features
    ids, part = np.array(survey.ids, dtype=str), np.full(60, PARTS.index("test"))
    ra, dec = (np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table()))
    KnownSample(ids, part, features, measure_conditions(survey, rows), ra, dec).save(RunFolder(folder).sample)
    return trained


@pytest.fixture(scope="module")
def alike(run: TrainedRun) -> Survey:
    return write_miniature(run.folder.parent / "alike", SKY, seed=2)


@pytest.fixture(scope="module")
def worse(run: TrainedRun) -> Survey:
    return write_miniature(run.folder.parent / "worse", SKY, seed=3, worse=3.0)


def test_a_survey_of_the_same_kind_is_not_told_apart(run: TrainedRun, alike: Survey) -> None:
    found = compare_survey(run, alike)
    told = found.told[OWN]
    assert told is not None
    assert told.low <= 0.5 <= told.high
    assert "is like the training survey" in found.verdict
    assert 0.01 < (found.novelty > 0.95).mean() + 0.05 < 0.3
    assert not found.trained


def test_worse_seeing_and_another_depth_are_detected_and_named(run: TrainedRun, worse: Survey) -> None:
    found = compare_survey(run, worse)
    told = found.told[OWN]
    assert told is not None
    assert told.auc > 0.8
    assert "is unlike the training survey" in found.verdict
    of = {one.name: one for one in found.quantities}
    assert of["seeing in r"].here[1] / of["seeing in r"].known[1] == pytest.approx(3, rel=0.15)
    assert of["5 sigma depth in r"].known[1] - of["5 sigma depth in r"].here[1] > 1.2  # 2.5 log10(3), and wider
    assert of["frames"].auc < 0.65
    assert any(name in found.verdict.partition("most different: ")[2] for name in ("seeing", "depth"))


def written_again(path: Path, survey: Survey, ids: str, north: float) -> Survey:
    """Write the objects of a survey again, with other ids, so many arcsec to the north."""
    with SurveyWriter(path, replace(survey.header, name="again")) as writer:
        for number, series in enumerate(survey):
            columns = {name: getattr(series, name) for name in ("band", "mjd", "psf_fwhm", "sky_sigma")}
            place = {"ra": series.metadata["ra"], "dec": series.metadata["dec"] + north / 3600}
            writer.add(ids.format(number), series.frames, **columns, **place)
    return Survey.open(path)


def test_the_same_objects_ingested_again_are_known_by_their_places(run: TrainedRun, tmp_path: Path) -> None:
    """Under names of their own they would be on both sides of the cross-validation, which learns the wrong side."""
    again = written_again(tmp_path / "again", Survey.open(run.folder.parent / "known"), "new-{}", 0.5)
    told = compare_survey(run, again).told[OWN]
    assert told is not None
    assert told.auc == pytest.approx(0.5)


def test_objects_elsewhere_are_others_though_they_are_numbered_alike(run: TrainedRun, tmp_path: Path) -> None:
    known = RunFolder(run.folder).read_sample()
    assert known is not None
    here = Survey.open(run.folder.parent / "known")
    away = written_again(tmp_path / "away", here, "sn{:04d}", 60.0)
    away_ids = replace(known, ids=np.array(away.ids, dtype=str))
    rows = np.arange(60)
    ours, theirs = name_objects(run, away, rows, away_ids)
    assert not set(ours) & set(theirs)
    own = replace(run, survey={**run.survey, "hash": here.hash})
    ours, theirs = name_objects(own, here, rows, replace(known, ra=known.ra + 1.0))
    assert ours.tolist() == theirs.tolist()  # in its own survey an id is enough


def test_a_sample_of_before_knows_no_places(run: TrainedRun, tmp_path: Path) -> None:
    with np.load(RunFolder(run.folder).sample) as kept:
        np.savez(tmp_path / "sample.npz", **{name: kept[name] for name in kept.files if name not in ("ra", "dec")})
    before = KnownSample.load(tmp_path / "sample.npz")
    assert np.isnan(before.ra).all()
    assert len(before.ids) == len(before.dec) == 60


def test_one_classifier_is_enough_for_the_warning(
    run: TrainedRun, worse: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []

    def spied(known: NDArray[np.floating], other: NDArray[np.floating], *names: Any) -> TwoSamples | None:
        fitted.append(len(known))
        return compare_samples(known, other, *names)

    monkeypatch.setattr(compare, "compare_samples", spied)
    assert apply_runs([run], worse, PredictOptions()).said[-1].startswith("warning")
    assert fitted == [60]


def test_a_prediction_says_so_of_a_survey_that_is_unlike_and_of_no_other(
    run: TrainedRun, alike: Survey, worse: Survey
) -> None:
    said = [apply_runs([run], one, PredictOptions()).said[-1] for one in (alike, worse)]
    assert not said[0].startswith("warning")
    assert said[1] == f"warning: {compare_survey(run, worse).verdict}"
    early = apply_runs([run], worse, PredictOptions(days=10.0)).said
    assert not any(line.startswith("warning") for line in early)  # fewer frames would be unlike in any survey


def test_the_command_writes_a_figure_its_numbers_and_the_verdict(
    run: TrainedRun, worse: Survey, tmp_path: Path
) -> None:
    arguments = ["compare-survey", str(run.folder), str(worse.path), "-o", str(tmp_path / "page.png")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    numbers = json.loads((tmp_path / "page.json").read_text())
    assert numbers["verdict"] in result.output
    assert numbers["auc"][OWN]["low"] > 0.5
    assert "(simulated)" in numbers["survey"]
    assert sum(numbers["novelty"]["histogram"]) == 60
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_few_objects_are_not_judged(run: TrainedRun, alike: Survey) -> None:
    found = compare_survey(run, alike[:20])
    assert found.told[OWN] is None
    assert "cannot be told" in found.verdict
    found.show()


def test_a_run_without_a_sample_gets_one_when_it_is_tested_again(run: TrainedRun, alike: Survey, smoke: Smoke) -> None:
    folder = RunFolder(smoke("experiment=light_curve_sdss"))
    kept = folder.read_sample()
    assert kept is not None
    folder.sample.rename(folder.sample.with_suffix(".old"))
    try:
        with refused(UsageError, "E-RUN-VERSION", "ictconvention test", where=folder.path):
            compare_survey(read_trained(folder.path), alike)
        result = CliRunner().invoke(app, ["test", str(folder.path)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        again = folder.read_sample()
        assert again is not None
        assert again.ids.tolist() == kept.ids.tolist()
        np.testing.assert_allclose(again.features, kept.features, atol=1e-6)
    finally:
        folder.sample.with_suffix(".old").rename(folder.sample)


@pytest.mark.parametrize(("auc", "says"), [(0.55, "is like"), (0.7, "differs"), (0.9, "is unlike")])
def test_a_verdict_follows_the_auc(alike: Survey, auc: float, says: str) -> None:
    conditions = measure_conditions(alike, np.arange(60))
    quantities = compare_conditions(conditions, conditions, alike.header.bands)
    verdict = describe(TwoSamples(auc, auc - 0.03, auc + 0.03, 90, np.zeros((2, 90))), (90, 90), quantities)
    assert f"this survey {says}" in verdict
    assert "most different" not in verdict
