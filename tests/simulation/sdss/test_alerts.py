"""A simulated stream of alerts: frames of detections alone, and forced fluxes of all visits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ictconvention as ict
from ictconvention.core.errors import UsageError
from ictconvention.simulation import simulate as simulation
from ictconvention.simulation import writing
from ictconvention.simulation.sdss.alerts import HISTORY, POINTS, observe_alerts
from ictconvention.simulation.sdss.population import Population
from ictconvention.simulation.sdss.scene import change_of, observe_object, scene
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.survey import Survey
from tests.refusals import refused

POPULATION = Population(100, 3, 0)
SOME = range(4)


@pytest.mark.parametrize("number", SOME)
def test_frames_are_those_of_the_survey_whose_forced_flux_is_above_five_sigma(number: int) -> None:
    whole, alerts = observe_object(POPULATION, number), observe_alerts(POPULATION, number)
    kept = np.isin(whole["mjd"], alerts["mjd"])
    for name in ("frames", "band", "mjd", "x", "gain"):
        np.testing.assert_array_equal(alerts[name], whole[name][kept])
    points = alerts[POINTS].to_pydict()
    ratio = np.abs(np.array(points["flux"]) / points["error"])
    detected = np.isin(points["mjd"], alerts["mjd"])
    assert (ratio[~detected] <= 5).all()
    assert len(alerts["mjd"]) == 1 or (ratio[detected] > 5).all()
    assert alerts["first_detection"] == alerts["mjd"][0]
    assert min(points["mjd"]) >= alerts["first_detection"] - HISTORY
    assert len(points["mjd"]) == np.count_nonzero(whole["mjd"] >= alerts["first_detection"] - HISTORY)


def test_forced_fluxes_are_the_change_of_the_source_within_their_errors() -> None:
    deviations = []
    for number in SOME:
        drawn, points = scene(POPULATION, number), observe_alerts(POPULATION, number)[POINTS].to_pydict()
        change = change_of(drawn.sky_object, drawn.point, drawn.observations)
        known = drawn.observations.mjd >= min(points["mjd"])
        deviations.append((np.array(points["flux"]) - change[known]) / points["error"])
    every = np.concatenate(deviations)
    assert abs(every.mean()) < 0.15
    assert every.std() == pytest.approx(1, abs=0.1)


def test_the_survey_has_points_that_are_no_frames_and_says_that_it_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = writing.write_simulated

    def write_some(path: Path, header: SurveyHeader, make: Any, count: int, *others: Any) -> Survey:
        return written(path, header, make, len(SOME), *others)  # of 124, which take seconds

    monkeypatch.setattr(simulation, "write_simulated", write_some)
    survey = simulation.simulate(tmp_path / "alerts", 100, seed=3, stream="alerts")
    assert survey.header.full_name == "SDSS-II-like alerts (simulated)"
    points = SurveyPoints(survey)
    for number in SOME:
        series, row = survey[number], observe_alerts(POPULATION, number)
        assert len(points.of(series)) + np.isin(row[POINTS].column("mjd"), series.mjd).sum() == row[POINTS].num_rows
    with refused(UsageError, "E-COMMAND-CONFLICT", "--stream"):
        ict.simulate(tmp_path / "other", kind="hosts", stream="alerts")
