"""A forest beside a run sees the numbers of Table 2's forests, and no frame besides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.table2.baselines import forest_features
from experiments.table2.rows import ALL_FRAMES, HOST
from ictconvention.configuration.compose import compose_run
from ictconvention.evaluation.forests.features import FeatureRecipe
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.plan import plan_run
from tests.small_runs import places


@pytest.mark.parametrize("row", [HOST, HOST + ALL_FRAMES])
def test_numbers_are_those_of_table_2_measured_or_kept(row: str, work: Path) -> None:
    options = compose_run([*places(work), "sequence.max_frames=5", "sequence.frames_per_group=1"])
    plan = plan_run(options)
    data, survey = make_data(options, plan.survey, plan.split, "finetune"), plan.survey
    expected = forest_features(data)[0][row]
    recipe = FeatureRecipe.of(survey.header, survey.path, options.sequence if row == HOST else None)
    found = np.array([recipe.measure(series) for series in survey])
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (60, recipe.count)
    assert np.isfinite(found).mean() > 0.3
    photometry, medians = CachedPhotometry(survey), CachedMedianFrames(survey)
    kept = recipe.measure(survey[7], photometry[survey.ids[7]], medians[survey.ids[7]])
    np.testing.assert_array_equal(kept, found[7])


def test_light_curves_without_errors_or_of_one_moment_have_unknown_numbers_and_no_warning(work: Path) -> None:
    survey = plan_run(compose_run(places(work))).survey
    series = max(survey, key=len)
    recipe = FeatureRecipe.of(survey.header, survey.path, None)
    still = replace(series, mjd=np.full(len(series), series.mjd[0]))
    exact = np.stack([np.linspace(0, 1, len(series)), np.zeros(len(series))], axis=1)
    for numbers in (recipe.measure(still), recipe.measure(series, photometry=exact)):
        assert numbers.shape == (recipe.count,)
        assert np.isnan(numbers).any()
