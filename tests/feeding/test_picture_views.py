"""What is drawn for pictures: brightness, contrast, flips left to right, and bands that are left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.options import Augmentation, SequenceOptions, ViewOptions
from ictconvention.feeding.batch import SeriesView, collate, join_batches
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.feeding.views import ViewRecipe, adjust_stamps, draw_recipe, drop_bands
from ictconvention.survey.survey import Survey
from tests.small_pictures import write_pictures

PICTURES = Augmentation(**read_group("augmentation", "pictures"))
NIGHTS = SequenceOptions(select="nights")


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_pictures(tmp_path_factory.mktemp("surveys") / "pictures", objects=40)


def recipes(survey: Survey, augmentation: Augmentation, epoch: int = 0, views: int = 1) -> list[ViewRecipe]:
    data = SeriesDataset(survey, NIGHTS, augmentation, ViewOptions(2 if views == 2 else 1))
    return [seen.view for position in range(len(survey)) for seen in data.views_of(SampleKey(position, epoch))]


def test_a_photograph_is_flipped_left_to_right_and_made_brighter_or_darker(survey: Survey) -> None:
    drawn = [view for epoch in range(10) for view in recipes(survey, PICTURES, epoch)]
    assert all(len(view.rows) == 3 for view in drawn)  # no band is left out
    assert not any(view.vertical or view.quarter_turns or view.angle for view in drawn)
    assert 0.4 < np.mean([view.horizontal for view in drawn]) < 0.6
    for factors in ([view.brightness for view in drawn], [view.contrast for view in drawn]):
        assert 0.8 <= min(factors) < 0.82
        assert 1.18 < max(factors) <= 1.2
        assert np.mean(factors) == pytest.approx(1, abs=0.02)


def test_each_view_has_draws_of_its_own_which_a_resumed_run_repeats(survey: Survey) -> None:
    first, again, later = (recipes(survey, PICTURES, epoch, views=2) for epoch in (3, 3, 4))
    assert [view.brightness for view in first] == [view.brightness for view in again]
    assert len({view.brightness for view in first}) == len(first)
    assert {view.brightness for view in first}.isdisjoint(view.brightness for view in later)


def test_other_draws_are_as_they_were_before_pictures() -> None:
    """Brightness and bands draw after all else, and nothing where they are not asked for."""
    paper, rng = Augmentation(**read_group("augmentation", "paper")), np.random.default_rng(5)
    pictures = replace(paper, brightness=0.2, contrast=0.1, bands=0.5, shift=2, blur=0.5, noise=0.1, reddening=0.1)
    before = draw_recipe(np.arange(20), 15, 3, paper, rng)
    after = draw_recipe(np.arange(20), 15, 3, pictures, np.random.default_rng(5))
    for view in (before, after):
        assert (len(view.rows), view.horizontal, view.vertical) == (9, False, True)
        assert view.angle == pytest.approx(0.20822350868849626, abs=1e-12)
    assert rng.random() == pytest.approx(0.4930230187317426, abs=1e-12)
    assert before.brightness == before.contrast == 1


@pytest.mark.parametrize("seen", [None, "all", "most"])
def test_brightness_multiplies_pixels_and_contrast_what_differs_from_their_mean(seen: str | None) -> None:
    frames = torch.rand(2, 8, 8)
    mask = None if seen is None else torch.ones(2, 8, 8, dtype=torch.bool)
    if seen == "most" and mask is not None:
        mask[0, 0] = False
        frames[0, 0] = 0.0
    found = adjust_stamps(frames, torch.tensor([1.2, 1.0]), torch.tensor([0.5, 2.0]), mask)
    for number, (factor, contrast) in enumerate([(1.2, 0.5), (1.0, 2.0)]):
        there = slice(None) if mask is None else mask[number]
        before = factor * frames[number][there]
        torch.testing.assert_close(found[number][there], before.mean() + contrast * (before - before.mean()))
    if seen == "most":
        assert not found[0, 0].any()  # what is missing stays missing
    torch.testing.assert_close(adjust_stamps(frames, torch.ones(2), torch.ones(2), mask), frames)


def test_a_batch_without_draws_carries_none_and_joined_views_keep_theirs() -> None:
    def view(brightness: float) -> SeriesView:
        turned = ViewRecipe(np.arange(3), brightness=brightness)
        return SeriesView(turned, np.arange(3, dtype=np.uint8), np.full(3, 6e4), np.ones((3, 4, 4)))

    plain, bright = collate([view(1.0), view(1.0)]), collate([view(1.1), view(0.9)])
    assert plain.brightness is None
    assert join_batches([plain, plain]).brightness is None
    joined = join_batches([bright, plain]).brightness
    assert joined is not None
    torch.testing.assert_close(joined, torch.tensor([1.1, 0.9, 1.0, 1.0]))


def test_bands_are_left_out_at_the_rate_that_is_asked_for_and_one_stays(survey: Survey) -> None:
    half = replace(PICTURES, bands=0.5)
    kept = np.array([len(view.rows) for epoch in range(25) for view in recipes(survey, half, epoch)])
    assert set(kept) == {1, 2, 3}
    expected = np.array([1 / 8 + 3 / 8, 3 / 8, 1 / 8])  # a binomial, in which none becomes one
    assert np.bincount(kept, minlength=4)[1:] / len(kept) == pytest.approx(expected, abs=0.05)
    view = drop_bands(ViewRecipe(np.arange(4)), np.array([0, 0, 1, 1], np.uint8), 0.9, np.random.default_rng(0))
    assert view.rows.tolist() in ([0, 1], [2, 3])  # all frames of a band, or none


def test_evaluation_sees_every_band_and_no_draw(survey: Survey, tmp_path: Path) -> None:
    data = SeriesDataset(survey, NIGHTS, replace(PICTURES, bands=0.5)).for_evaluation()
    (batch,) = data[[SampleKey(0), SampleKey(1)]]
    assert batch.lengths.tolist() == [3, 3]
    assert batch.brightness is None
