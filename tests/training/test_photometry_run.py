"""A run that reads photometry without pixels: trained, applied, exported, with a forest; and where it is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ictconvention as ict
from ictconvention.applying.forests.join import read_forest
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.options import SequenceOptions
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.forests.features import FeatureRecipe
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.plan import plan_run
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.survey import Survey
from tests.alerts import forced_rows, write_alerts
from tests.conftest import image_series
from tests.refusals import refused
from tests.small_runs import places

ON = "sequence.photometry=true"


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """60 objects, of which fluxes without pixels alone tell the classes apart."""
    objects = [image_series(number, 6) | {"label_source": "spectroscopic"} for number in range(60)]
    rows = [row | {"flux": row["flux"] + 20 * (int(row["id"][2:]) % 4)} for row in forced_rows(objects)]
    return write_alerts(tmp_path_factory.mktemp("alerts") / "survey", objects, rows)


@pytest.mark.slow
def test_a_run_reads_points_and_so_does_its_forest(alerts: Survey, work: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "runs": tmp_path / "runs",
        "quiet": True,
        "figures": False,
        "sequence": {"photometry": True},
    }
    given |= {"model": ("light_curve_transformer", {"size": 16, "layers": 1}), "learner": "supervised"}
    stage = {"max_epochs": 2, "optimiser": {"learning_rate": 0.01}}
    given |= {
        "fold": "single",
        "stage": {"pretrain": stage, "finetune": {"max_epochs": 0}},
        "trainer": {"batch_size": 8},
    }
    run = ict.train(survey=alerts, profile="tiny", **given)
    assert run.trained().spec.points
    run.train_forest(jobs=1)
    assert read_forest(run.trained()).features["points"] == "all"
    one = alerts.select(alerts.ids[:6])  # whose last frames come before their last points
    last = max(series.mjd[-1] - series.mjd[0] for series in one)
    all_frames = [run.predict(one, first_days=days) for days in (last, 1000.0)]
    assert all_frames[0]["frames"].tolist() == all_frames[1]["frames"].tolist()
    same = np.asarray(all_frames[0]["AGN"]) == np.asarray(all_frames[1]["AGN"])
    changed = set(np.array(one.ids)[~same].tolist())
    points = SurveyPoints(alerts)
    assert changed == {series.id for series in one if points.of(series).mjd[-1] > series.mjd[0] + last}
    assert np.isfinite(run.predict(one, first_days=5, forest="mean")["AGN"]).all()
    assert "point_photometry" in run.export(tmp_path / "model.pt2")
    without = ict.open(work / "miniature")
    with refused(UsageError, "E-SURVEY-UNSUITED", "photometry.parquet", where=without.path):
        run.predict(without)


def test_a_forest_sees_the_light_curve_of_points_after_what_it_saw_before(alerts: Survey) -> None:
    known = alerts.header, alerts.path, SequenceOptions(99)
    before, recipe, points = FeatureRecipe.of(*known), FeatureRecipe.of(*known, points=True), SurveyPoints(alerts)
    assert "points" not in before.as_dict()
    assert before.as_dict()["frames"] == {"max_frames": 99, "frames_per_group": 3, "select": "frames"}
    numbers = np.array([recipe.measure(series, points=points.of(series)) for series in alerts])
    assert numbers.shape == (60, recipe.count)
    np.testing.assert_array_equal(numbers[0, : before.count], before.measure(alerts[0]))
    mean_in_u = numbers[:, before.count]  # asinh of the mean flux of points over .1, in classes of 0, 20, 40, 60
    medians = [np.nanmedian(mean_in_u[label::4]) for label in range(4)]
    np.testing.assert_allclose(medians[1:], np.arcsinh([200, 400, 600]), atol=0.1)
    assert numbers[:, -2:].tolist() == [[len(found), found.is_limit.sum()] for found in map(points.of, alerts)]


@pytest.mark.parametrize("experiment", ["light_curve_sdss", "light_curve_transformer_sdss", "frame_transformer_sdss"])
def test_what_the_network_is_fed_with_its_forest_sees(alerts: Survey, experiment: str) -> None:
    survey = ["survey=path", f"survey.path={alerts.path}", "profile=tiny", "fold=single", "stage.finetune.max_epochs=0"]
    said = []
    for which in ("true", "all"):
        options = compose_run(
            [f"experiment={experiment}", "learner=supervised", *survey, f"sequence.photometry={which}"]
        )
        data = make_data(options, alerts, plan_run(options).split, "pretrain")
        assert data.training.points is not None
        assert data.training.points.of_frames == (which == "all")
        learner = make_learner(options, data)
        assert learner.logits(next(iter(data.val_dataloader()))[0]).isfinite().all()
        recipe = FeatureRecipe.of(alerts.header, alerts.path, SequenceOptions(99), data.spec.points)
        said.append((recipe.as_dict()["points"], recipe.count))
    assert said[0][0] != said[1][0]  # a forest of the one is refused beside a run of the other
    assert said[0][1] == said[1][1]


def test_photometry_makes_another_run_and_without_it_nothing_changes(alerts: Survey, work: Path) -> None:
    """The network is built for it, and a run without it has the hash that it had before there was the option."""
    survey = ["survey=path", f"survey.path={alerts.path}", "profile=tiny", "fold=single", "stage.finetune.max_epochs=0"]
    plans = [
        plan_run(compose_run(["experiment=light_curve_sdss", *survey, *words]))
        for words in ([], ["sequence.photometry=false"], [ON], ["sequence.photometry=all"])
    ]
    hashes = [plan.hashes["run"] for plan in plans]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    options = compose_run(["experiment=light_curve_sdss", *survey, ON])
    data = make_data(options, alerts, plans[2].split, "pretrain")
    learner = make_learner(options, data)
    assert data.spec.points
    assert learner.logits(next(iter(data.val_dataloader()))[0]).isfinite().all()


def test_what_takes_no_photometry_and_a_survey_without_are_refused(work: Path) -> None:
    with refused(UsageError, "E-CONFIG-CONFLICT", "convention", where="sequence.photometry"):
        compose_run(["experiment=convention_sdss", ON])
    options = compose_run(
        ["experiment=frame_transformer_sdss", "profile=tiny", *places(work), "learner=supervised", ON]
    )
    with refused(UsageError, "E-SURVEY-UNSUITED", "photometry.parquet", where="miniature"):
        plan_run(options)
