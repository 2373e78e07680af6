"""What another night would show of a galaxy: dust and noise change its colours, a shift and wider seeing do not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.options import Augmentation, SequenceOptions, ViewOptions
from ictconvention.core.errors import UsageError
from ictconvention.feeding.another_night import Frames, observe_again
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.feeding.views import ViewRecipe, draw_recipe
from ictconvention.survey.survey import Survey
from tests.refusals import refused
from tests.tasks.redshift.galaxies import write_galaxies

GALAXIES = Augmentation(**read_group("augmentation", "galaxies"))
EXTINCTION = np.array([4.0, 2.0, 1.0])
PLAIN = ViewRecipe(np.arange(3))


@pytest.fixture
def stamps() -> Frames:
    """Return a galaxy of three bands in the midst of stamps."""
    frames = np.zeros((3, 24, 24), np.float32)
    frames[:, 9:14, 10:13] = np.array([1.0, 2.0, 4.0])[:, None, None] * np.arange(1, 16).reshape(5, 3)
    return frames


def again(frames: Frames, seed: int = 0, **much: object) -> Frames:
    view = replace(PLAIN, **much)  # type: ignore[arg-type]
    return observe_again(frames, view, EXTINCTION, lambda: np.array([0.1, 0.2, np.nan]), np.random.default_rng(seed))


def light(frames: Frames) -> np.ndarray:
    return np.asarray(np.nansum(frames, axis=(1, 2)))


def test_dust_takes_from_each_band_by_its_extinction_and_gives_it_back(stamps: Frames) -> None:
    red = again(stamps, reddening=0.1)
    np.testing.assert_allclose(-2.5 * np.log10(light(red) / light(stamps)), 0.1 * EXTINCTION, rtol=1e-5)
    np.testing.assert_allclose(again(red, reddening=-0.1), stamps, rtol=1e-5)


@pytest.mark.parametrize("much", [{"shift": (2, -1)}, {"blur": 0.8}, {"blur": 0.5, "shift": (-2, 2)}])
def test_a_shift_and_wider_seeing_keep_the_light_of_each_band(stamps: Frames, much: dict[str, Any]) -> None:
    found = again(stamps, **much)
    assert not np.array_equal(found, stamps)
    np.testing.assert_allclose(light(found), light(stamps), rtol=1e-5)


def test_a_shift_is_by_whole_pixels_and_the_sky_comes_in(stamps: Frames) -> None:
    found = again(stamps + 1, shift=(2, -1))
    np.testing.assert_array_equal(found[:, 2:, :-1], (stamps + 1)[:, :-2, 1:])
    assert not found[:, :2].any()
    assert not found[:, :, -1:].any()
    size = stamps.shape[1]
    assert not again(stamps + 1, shift=(size + 2, 0)).any()  # nothing of it stays inside


def test_noise_is_in_units_of_each_frames_own_and_of_another_draw_in_each_view(stamps: Frames) -> None:
    first, same, other = (again(stamps, seed, noise=2.0) - stamps for seed in (0, 0, 1))
    assert first.std(axis=(1, 2)) == pytest.approx([0.2, 0.4, 0], rel=0.1)  # none where nobody knows how much
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_missing_pixel_stays_missing_and_takes_no_other_with_it(stamps: Frames) -> None:
    stamps[1, 3, 4] = np.nan
    found = again(stamps, blur=0.8, noise=0.1, reddening=0.1)
    assert np.isnan(found).sum() == 1
    assert np.isnan(found[1, 3, 4])


def test_without_draws_the_very_stamps_come_back_and_nothing_is_drawn(stamps: Frames) -> None:
    rng = np.random.default_rng(3)
    assert observe_again(stamps, PLAIN, EXTINCTION, lambda: EXTINCTION, rng) is stamps
    assert rng.random() == np.random.default_rng(3).random()


def test_a_view_strays_as_far_as_it_may_and_no_farther() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_recipe(np.zeros(5, int), 15, 3, GALAXIES, rng) for _ in range(400)]
    assert {by for view in drawn for by in view.shift} == {-2, -1, 0, 1, 2}
    for values, low, high in (
        ([view.blur for view in drawn], 0, GALAXIES.blur),
        ([view.noise for view in drawn], 0, GALAXIES.noise),
        ([view.reddening for view in drawn], -GALAXIES.reddening, GALAXIES.reddening),
    ):
        assert low <= min(values) < low + 0.05 * high
        assert 0.95 * high < max(values) <= high
    assert all(view.brightness == view.contrast == 1 for view in drawn)
    assert {view.quarter_turns for view in drawn} == {0, 1, 2, 3}


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_galaxies(tmp_path_factory.mktemp("galaxies") / "survey", 12)


def test_training_sees_another_night_and_evaluation_the_stamps_themselves(survey: Survey) -> None:
    data = SeriesDataset(survey, SequenceOptions(select="nights"), GALAXIES, ViewOptions(2))
    first, second = data.views_of(SampleKey(4))
    (again, _), (later, _) = data.views_of(SampleKey(4)), data.views_of(SampleKey(4, epoch=1))
    (seen,) = data.for_evaluation().views_of(SampleKey(4))
    pairs = [(first, again.frames), (first, second.frames), (first, later.frames), (seen, survey[4].frames)]
    equal = [one.frames is not None and np.array_equal(one.frames, np.asarray(other)) for one, other in pairs]
    assert equal == [True, False, False, True]


def test_dust_that_a_view_adds_is_in_the_reddening_that_a_network_is_told(survey: Survey) -> None:
    before = np.linspace(0.01, 0.1, len(survey))
    data = SeriesDataset(survey, SequenceOptions(select="nights"), GALAXIES, ViewOptions(2), reddening=before)
    draws = [SampleKey(position) for position in (3, 1)]
    for number, batch in enumerate(data[draws]):
        drawn = [data.views_of(draw)[number].view.reddening for draw in draws]
        assert batch.reddening is not None
        assert batch.reddening.tolist() == pytest.approx(before[[3, 1]] + drawn, abs=1e-6)
    (batch,) = data.for_evaluation()[draws]
    assert batch.reddening is not None
    assert batch.reddening.tolist() == pytest.approx(before[[3, 1]], abs=1e-6)


def test_dust_of_an_unknown_band_is_refused_and_none_is_not(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "survey", 3, bands="gXr")
    with refused(UsageError, "E-CONFIG-CONFLICT", "X", where="augmentation.reddening"):
        SeriesDataset(survey, augmentation=GALAXIES)
    SeriesDataset(survey, augmentation=replace(GALAXIES, reddening=0.0))
