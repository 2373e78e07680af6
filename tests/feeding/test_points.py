"""Points without pixels in views and batches: none of a later day, none of a band that is left out, always the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ictconvention.applying.explaining.epochs import take_frames
from ictconvention.configuration.options import Augmentation, SequenceOptions
from ictconvention.feeding.batch import SeriesBatch, join_batches
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.feeding.points import draw_points
from ictconvention.feeding.spec import Contents
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.feeding.views import ViewRecipe
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.survey import Survey
from tests.alerts import forced_rows, measurement, small_alerts, write_alerts
from tests.conftest import image_series
from tests.feeding.test_dataset import equal

SAME = np.arange(5)
SHORT = SequenceOptions(max_frames=12)
NO_CHANGE = Augmentation(keep=1.0, window=1.0, rotation=0.0, flips=False)


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return small_alerts(tmp_path_factory.mktemp("alerts") / "survey")


def fields_of(batch: SeriesBatch) -> tuple[torch.Tensor, ...]:
    """Return bands, days, photometry and numbers of points."""
    found = batch.point_band, batch.point_time, batch.point_photometry, batch.point_lengths
    return tuple(x for x in found if x is not None)


@pytest.mark.parametrize("contents", ["photometry+points", "direct+photometry+points"])
def test_predictions_see_the_points_of_evaluation(alerts: Survey, contents: Contents) -> None:
    expected = SeriesDataset(alerts, SHORT, contents=contents)[[SampleKey(i) for i in range(len(alerts))]]
    assert equal(SurveyDataset(alerts, SHORT, contents, SAME)[range(len(alerts))], expected, but=("label",))
    band, days, photometry, lengths = fields_of(expected[0])
    assert lengths.tolist() == [12] * 6  # of 20 evenly chosen ones
    first = SurveyPoints(alerts).of(alerts[0])
    np.testing.assert_allclose(days[[0, 11]], first.mjd[[0, -1]] - alerts[0].mjd[0], atol=1e-5)
    assert days.min() < -5
    assert photometry[:, 0].isnan().any()  # a limit
    assert band.max() == 4


def test_points_of_later_days_change_nothing(tmp_path: Path) -> None:
    one = [image_series(1, 40)]
    rows, until = forced_rows(one, 60), float(one[0]["mjd"][0]) + 15
    other = [row | {"flux": 99.0} if row["mjd"] > until else row for row in rows]
    assert other != rows
    batches = []
    for name, given in (("one", rows), ("other", other), ("cut", [row for row in rows if row["mjd"] <= until])):
        survey = write_alerts(tmp_path / name, one, given)
        batches.append(SurveyDataset(survey, SHORT, "direct+photometry+points", SAME, days=15.0)[[0]])
    assert equal(batches[0], batches[1])
    assert equal(batches[0], batches[2])
    assert batches[0][0].point_time is not None
    assert 0 < batches[0][0].point_time.max() <= 15


def detected(path: Path) -> tuple[Survey, list[tuple[int, float]]]:
    """Write an object whose frames have forced fluxes of their own, of 7; return their bands and times."""
    one = image_series(1, 6)
    exposures = [(int(band), float(mjd)) for band, mjd in zip(one["band"], one["mjd"], strict=True)]
    own = [measurement(one["id"], mjd, band="ugriz"[band], flux=7.0) for band, mjd in exposures]
    return write_alerts(path / "survey", [one], [*own, *forced_rows([one], 4)]), exposures


def fluxes_of(batch: SeriesBatch) -> list[float]:
    assert batch.point_photometry is not None
    return [float(flux) for flux in batch.point_photometry[:, 0]]


@pytest.mark.parametrize("contents", ["photometry+all_points", "direct+residual+photometry+all_points"])
def test_all_points_are_those_of_the_frames_too_in_training_as_in_predictions(
    tmp_path: Path, contents: Contents
) -> None:
    survey, exposures = detected(tmp_path)
    (training,) = SeriesDataset(survey, SHORT, contents=contents)[[SampleKey(0)]]
    (prediction,) = SurveyDataset(survey, SHORT, contents, SAME)[[0]]
    assert fluxes_of(training).count(7.0) == fluxes_of(prediction).count(7.0) == len(exposures)
    (without,) = SeriesDataset(survey, SHORT, contents=contents.replace("all_", ""))[[SampleKey(0)]]  # type: ignore[arg-type]
    assert 7.0 not in fluxes_of(without)
    assert torch.equal(without.band, training.band)  # frames are the same


def test_a_frame_that_is_left_out_has_no_point_either(tmp_path: Path) -> None:
    """What is explained by leaving out an epoch knows nothing of it."""
    survey, exposures = detected(tmp_path)
    stream = SurveyDataset(survey, SHORT, "photometry+all_points", np.array([4, 3, 2, 1, 0]))
    series = stream.let_through(0)
    (batch,) = stream.batch_of([(take_frames(series, np.array([0, 2, 5])), 0)])
    assert fluxes_of(batch).count(7.0) == 3
    first = float(survey[0].mjd[0])
    there = {
        (int(band), round(float(days), 3))
        for band, days, flux in zip(*(x.tolist() for x in fields_of(batch)[:2]), fluxes_of(batch), strict=True)
        if flux == 7.0
    }
    assert there == {(4 - exposures[n][0], round(exposures[n][1] - first, 3)) for n in (0, 2, 5)}


def test_bands_come_to_their_places_in_the_network(alerts: Survey) -> None:
    stream = SurveyDataset(alerts, SHORT, "photometry+points", np.array([4, 3, 2, 1, 0]))
    usual = SurveyDataset(alerts, SHORT, "photometry+points", SAME)
    assert torch.equal(fields_of(stream[[0]][0])[0], 4 - fields_of(usual[[0]][0])[0])


def test_a_view_that_ends_early_knows_no_later_point(alerts: Survey) -> None:
    series = alerts[2]
    points, rng = SurveyPoints(alerts).of(series), np.random.default_rng(0)
    for last in (3, len(series) - 1):
        view = draw_points(ViewRecipe(np.arange(1, last + 1)), points, series, NO_CHANGE, 99, rng)
        assert view.points is not None
        expected = points.mjd <= series.mjd[last] if last < len(series) - 1 else np.ones(len(points), bool)
        assert view.points.tolist() == np.flatnonzero(expected).tolist()


def test_a_view_leaves_out_as_large_a_share_of_the_points_and_those_of_its_bands(alerts: Survey) -> None:
    series, points = alerts[3], SurveyPoints(alerts).of(alerts[3])
    whole, rng = np.arange(len(series)), np.random.default_rng(1)
    half = Augmentation(keep=0.5, window=1.0)

    def drawn(most: int) -> int:
        found = draw_points(ViewRecipe(whole), points, series, half, most, rng).points
        assert found is not None
        return len(found)

    sizes = [drawn(99) for _ in range(200)]
    assert {min(sizes), max(sizes)} == {-(-len(points) // 2), len(points)}
    assert max(drawn(7) for _ in range(50)) == 7
    left_out = int(np.intersect1d(series.band[:-1], points.band)[0])
    some = np.flatnonzero(series.band != left_out)
    without = np.array([left_out], np.uint8)
    view = draw_points(ViewRecipe(some), points, series, NO_CHANGE, 99, rng, without)
    assert left_out not in points.band[view.points]
    assert left_out in points.band


def test_a_band_that_has_lost_its_frames_by_chance_keeps_its_points(tmp_path: Path) -> None:
    """Bands are left out with a probability that is next to none, and so is none; most frames are removed."""
    one = image_series(0, 30)
    rows = [measurement(one["id"], float(one["mjd"][0]) - 1 - day, band="ugriz"[day % 5]) for day in range(10)]
    survey = write_alerts(tmp_path / "survey", [one], rows)
    sequence = SequenceOptions(max_frames=12, frames_per_group=1)
    strays, lost = Augmentation(keep=0.1, window=1.0, bands=1e-12), 0
    data = SeriesDataset(survey, sequence, strays, contents="photometry+points", stage="pretrain")
    plan = SeriesDataset(survey, sequence, replace(strays, keep=1.0), contents="photometry+points", stage="pretrain")
    for epoch in range(40):
        (batch,), (whole,) = data[[SampleKey(0, epoch)]], plan[[SampleKey(0, epoch)]]
        assert batch.point_band is not None
        lost += len(np.setdiff1d(batch.point_band.numpy(), batch.band.numpy())) > 0
        assert whole.point_lengths is not None
        assert whole.point_lengths.tolist() == [10]
    assert lost > 5


def test_the_points_of_a_band_that_is_left_out_go_with_its_frames(alerts: Survey) -> None:
    strays = replace(NO_CHANGE, bands=0.5)
    data = SeriesDataset(alerts, SHORT, strays, contents="photometry+points", stage="pretrain")
    went = 0
    for epoch in range(20):
        (batch,) = data[[SampleKey(3, epoch)]]
        assert batch.point_band is not None
        there, of_points = np.unique(batch.band.numpy()), np.unique(batch.point_band.numpy())
        went += len(there) < len(np.unique(alerts[3].band))
        assert set(of_points.tolist()) & set(alerts[3].band.tolist()) <= set(there.tolist())
    assert went > 5


def test_training_views_are_the_same_each_time_and_differ_from_epoch_to_epoch(alerts: Survey) -> None:
    data = SeriesDataset(alerts, SHORT, Augmentation(keep=0.3), contents="photometry+points", stage="pretrain")
    keys = [[SampleKey(i, epoch) for i in range(6)] for epoch in (0, 0, 1)]
    first, again, later = (data[key] for key in keys)
    assert equal(first, again)
    assert fields_of(first[0])[3].tolist() != fields_of(later[0])[3].tolist()
    frames = SeriesDataset(alerts, SHORT, Augmentation(keep=0.3), contents="photometry", stage="pretrain")[keys[0]]
    assert torch.equal(frames[0].time, first[0].time)  # frames are drawn as without points


def test_nights_of_frames_and_points_are_counted_together(alerts: Survey) -> None:
    (batch,) = SeriesDataset(alerts, SHORT, contents="photometry+points")[[SampleKey(0), SampleKey(1)]]
    assert batch.point_night is not None
    assert batch.point_owner is not None
    assert batch.point_time is not None
    for owner in (0, 1):
        times = torch.cat([batch.time[batch.owner == owner], batch.point_time[batch.point_owner == owner]])
        night = torch.cat([batch.night[batch.owner == owner], batch.point_night[batch.point_owner == owner]])
        order = times.argsort()
        gaps = times[order].diff() > 0.25
        assert torch.equal(night[order], torch.cat([torch.zeros(1, dtype=torch.long), gaps.cumsum(0)]))
        assert int(batch.nights[owner]) == int(night.max()) + 1


def test_two_views_become_one_batch(alerts: Survey) -> None:
    (batch,) = SeriesDataset(alerts, SHORT, contents="photometry+points")[[SampleKey(0), SampleKey(1)]]
    both = join_batches([batch, batch])
    assert both.point_owner is not None
    assert both.point_lengths is not None
    assert both.point_owner.bincount().tolist() == both.point_lengths.tolist() == [12] * 4
