"""Batches depend on seed, stage, epoch, object and view, and carry nothing that a network must not know."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ictconvention.configuration import functions
from ictconvention.configuration.compose import read_group
from ictconvention.configuration.options import Augmentation, Imbalance, SequenceOptions, ViewOptions
from ictconvention.core.errors import UsageError
from ictconvention.feeding.batch import SeriesBatch, SeriesView
from ictconvention.feeding.dataset import SampleKey, SeriesDataset, class_labels
from ictconvention.feeding.sampler import TrainingSampler
from ictconvention.feeding.spec import Contents
from ictconvention.survey.series import night_index
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.refusals import refused

PAPER = Augmentation(**read_group("augmentation", "paper"))
SHORT = SequenceOptions(max_frames=12)


def equal(first: Sequence[SeriesBatch], second: Sequence[SeriesBatch], but: tuple[str, ...] = ()) -> bool:
    """Return whether all views of two batches hold the same."""
    if len(first) != len(second):
        return False
    for one, other in zip(first, second, strict=True):
        for name in {field.name for field in fields(SeriesBatch)} - set(but):
            a, b = getattr(one, name), getattr(other, name)
            if not (a is b is None or (a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num()))):
                return False
    return True


def everything(survey: Survey, epoch: int = 0) -> list[SampleKey]:
    return [SampleKey(i, epoch) for i in range(len(survey))]


def test_evaluation_is_deterministic_and_even(survey: Survey) -> None:
    dataset = SeriesDataset(survey, SHORT, seed=0, stage="finetune")
    (batch,) = dataset[everything(survey)]
    assert equal([batch], SeriesDataset(survey, SHORT, seed=9, stage="test")[everything(survey, 5)])
    assert batch.lengths.tolist() == [3, 12, 1, 12, 12, 8]
    assert batch.frames is not None
    rows = np.linspace(0, 39, 12).round().astype(int)
    assert np.array_equal(batch.frames[3:15].numpy(), survey[1].frames[rows])
    assert not batch.angle.any()
    assert not batch.horizontal.any()
    assert batch.label.tolist() == [0, 1, 2, 3, 0, 1]
    assert batch.index.tolist() == list(range(6))


def test_selection_by_nights_keeps_nights_whole(tmp_path: Path) -> None:
    mjd = np.concatenate([53_600 + 4 * night + 0.001 * np.arange(5) for night in range(20)])
    arguments = image_series(0, 100) | {"mjd": mjd, "band": np.tile(np.arange(5), 20)}
    survey = write_survey(tmp_path / "survey", [arguments])
    by_night = SequenceOptions(max_frames=30, select="nights")
    for dataset in (SeriesDataset(survey, by_night), SeriesDataset(survey, by_night, PAPER)):
        (batch,) = dataset[[SampleKey(0)]]
        assert (batch.night.bincount() == 5).all()
        assert batch.lengths[0] == 5 * batch.nights[0] <= 30


def test_two_views_are_two_draws_of_one_object(survey: Survey) -> None:
    first, second = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2))[everything(survey)]
    assert torch.equal(first.index, second.index)
    assert torch.equal(first.label, second.label)
    assert (first.angle != second.angle).all()
    assert not torch.equal(first.lengths, second.lengths)
    single = SeriesDataset(survey, SHORT, PAPER, ViewOptions(1))[everything(survey)]
    assert equal(single, [first])


@pytest.mark.parametrize("change", [{"seed": 1}, {"stage": "finetune"}, {"epoch": 1}, {"repeat": 1}])
def test_a_draw_depends_on_each_part_of_its_key(survey: Survey, change: dict[str, Any]) -> None:
    def batch(seed: int = 0, stage: str = "pretrain", epoch: int = 0, repeat: int = 0) -> tuple[SeriesBatch, ...]:
        dataset = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2), seed=seed, stage=stage)
        return dataset[[SampleKey(1, epoch, repeat), SampleKey(3, epoch, repeat)]]

    assert equal(batch(), batch())
    plain, changed = batch(), batch(**change)
    assert all((a.angle != b.angle).all() for a in plain for b in changed)


def test_an_object_is_seen_the_same_whatever_its_company(survey: Survey) -> None:
    dataset = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2))
    together, alone = dataset[everything(survey)], dataset[[SampleKey(4)]]
    for view, own in zip(together, alone, strict=True):
        assert view.frames is not None
        assert own.frames is not None
        assert torch.equal(view.frames[view.owner == 4], own.frames)
        assert view.angle[4] == own.angle[0]


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")  # on a machine of two cores
@pytest.mark.parametrize(
    ("contents", "online"), [("direct", None), ("direct", "third"), ("direct+residual", None), ("photometry", None)]
)
def test_batches_are_the_same_with_any_number_of_workers_and_after_a_resume(
    survey: Survey, contents: Any, online: Any
) -> None:
    dataset = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2, online), contents)

    def epochs(workers: int, first: int = 0) -> list[tuple[SeriesBatch, ...]]:
        sampler = TrainingSampler(np.arange(6), class_labels(survey), Imbalance(sampling=1), 2)
        loader = DataLoader(
            dataset, sampler=sampler, batch_size=None, num_workers=workers, persistent_workers=workers > 0
        )
        batches = []
        for epoch in range(first, 3):
            sampler.set_epoch(epoch)
            batches += [*loader]
        return batches

    whole = epochs(0)
    assert len(whole) == 9
    for workers in (2, 4):
        assert all(equal(a, b) for a, b in zip(epochs(workers), whole, strict=True))
    assert all(equal(a, b) for a, b in zip(epochs(2, first=1), whole[3:], strict=True))
    assert not equal(whole[0], whole[3])


def test_short_online_views_and_a_full_one_for_the_target(survey: Survey) -> None:
    dataset = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2, online_frames=6))
    first, second, full = dataset[everything(survey)]
    assert max(*first.lengths, *second.lengths) == 6
    assert full.lengths.tolist() == [3, 12, 1, 12, 12, 8]
    assert (full.angle != first.angle).all()
    assert equal([first], [SeriesDataset(survey, SequenceOptions(6), PAPER)[everything(survey)][0]])


def test_online_views_of_a_third_have_a_third_of_what_the_target_sees(survey: Survey) -> None:
    """Of a series longer than M, of one shorter, and of one too short, whose views have K frames or all."""
    still = Augmentation(**read_group("augmentation", "none"))
    whole = SeriesDataset(survey, SHORT, still)[everything(survey)][0].lengths
    assert whole.tolist() == [3, 12, 1, 12, 12, 8]
    first, second, full = SeriesDataset(survey, SHORT, still, ViewOptions(2, "third"))[everything(survey)]
    assert torch.equal(full.lengths, whole)
    assert first.lengths.tolist() == second.lengths.tolist() == [3, 4, 1, 4, 4, 3]
    assert not equal([first], [second])  # each draws its own
    for seed in range(5):  # removal takes frames of that third, and of nothing else
        strays = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2, "third"), seed=seed)[everything(survey)]
        assert torch.equal(strays[2].lengths, whole)
        assert all((view.lengths <= first.lengths).all() and view.lengths[2] == 1 for view in strays[:2])


def test_a_third_is_the_number_of_it_where_all_series_are_long(survey: Survey) -> None:
    """Frame for frame, so that only the word differs."""
    long = [SampleKey(i) for i in range(len(survey)) if len(survey[i]) >= 12]
    word, number = (SeriesDataset(survey, SHORT, PAPER, ViewOptions(2, online)) for online in ("third", 4))
    assert equal(word[long], number[long])


def test_the_target_sees_a_share_of_the_objects_and_nothing_else_changes(survey: Survey) -> None:
    whole = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2, "third"))
    half = SeriesDataset(survey, SHORT, PAPER, ViewOptions(2, "third", target_share=0.5))
    keys = [SampleKey(i, repeat=i % 2) for i in range(len(survey))]
    views, all_views = half[keys], whole[keys]
    assert equal(views[:2], all_views[:2])
    assert equal(views[2:], [whole[keys[:3]][2]])
    assert [len(view) for view in half[keys[:1]]] == [1, 1, 1]


def test_a_third_in_whole_nights_keeps_nights_whole(tmp_path: Path) -> None:
    night = np.repeat(np.arange(6), 5)
    mjd = 54000.0 + 3 * night + 0.001 * np.tile(np.arange(5), 6)
    survey = write_survey(tmp_path / "survey", [image_series(0, 30) | {"mjd": mjd}])
    by_nights = SequenceOptions(max_frames=30, select="nights")
    *short, full = SeriesDataset(survey, by_nights, PAPER, ViewOptions(2, "third"))[[SampleKey(0)]]
    assert full.lengths.tolist() == [30]
    for view in short:
        assert set(np.bincount(view.night)) == {5}
        assert view.lengths[0] <= 10


def test_no_date_season_or_id_reaches_a_network(tmp_path: Path) -> None:
    """Another season, other ids, places, redshifts and seeing: what a network gets does not change.

    But for the seeing where photometry comes along: it is corrected for, and is an input itself.
    """
    lengths = (3, 40, 17, 20)
    plain = [image_series(number, frames) for number, frames in enumerate(lengths)]
    for arguments in plain:
        arguments["mjd"] = np.round(arguments["mjd"] * 64) / 64  # so that the sum below is exact
    moved = [
        arguments
        | {"id": f"other{number}", "mjd": arguments["mjd"] + 4096, "ra": 1.0, "dec": 1.0, "redshift": None}
        | {"label_source": None}
        for number, arguments in enumerate(plain)
    ]
    unseen = [arguments | {"psf_fwhm": None} for arguments in moved]
    written = {"plain": plain, "moved": moved, "unseen": unseen}
    surveys = {name: write_survey(tmp_path / name, objects) for name, objects in written.items()}
    cases: dict[Contents, str] = {"direct": "unseen", "direct+residual": "unseen", "photometry": "moved"}
    cases |= {"direct+photometry": "moved", "direct+residual+photometry": "moved"}
    for contents, changed in cases.items():
        both = surveys["plain"], surveys[changed]
        one, other = (SeriesDataset(survey, SHORT, contents=contents)[everything(survey)] for survey in both)
        assert equal(one, other)
    names = {field.name for field in fields(SeriesBatch)}
    inputs = {"band", "night", "time", "frames", "seen", "median", "photometry", "conditions", "reddening"}
    inputs |= {"point_band", "point_night", "point_time", "point_photometry"}
    turns = {"angle", "quarter_turns", "horizontal", "vertical", "brightness", "contrast"}
    assert names - inputs - turns == {
        "owner",
        "lengths",
        "point_owner",
        "point_lengths",
        "nights",
        "label",
        "index",
        "truth",
        "flux",
        "weight",
        "weak",
        "mask",
    }


def test_a_missing_pixel_is_no_change(tmp_path: Path) -> None:
    """Beside a median frame it takes its value, so that its residual is 0."""
    frames = 5 + np.random.default_rng(0).normal(0, 0.01, (6, 32, 32))
    frames[2, 4, 4] = np.nan
    survey = write_survey(tmp_path / "survey", [image_series(0, 6) | {"frames": frames, "band": np.zeros(6, int)}])
    (batch,) = SeriesDataset(survey, SHORT, contents="direct+residual")[[SampleKey(0)]]
    assert batch.frames is not None
    assert batch.median is not None
    assert batch.frames[2, 4, 4] == batch.median[0, 0, 4, 4]
    (plain,) = SeriesDataset(survey, SHORT)[[SampleKey(0)]]
    assert plain.frames is not None
    assert plain.frames[2, 4, 4] == 0


def test_an_unlabelled_object_has_no_label(tmp_path: Path) -> None:
    unlabelled = image_series(1, 5) | {"class_name": None, "label_source": None}
    survey = write_survey(tmp_path / "survey", [image_series(0, 4), unlabelled])
    assert class_labels(survey).tolist() == [0, -1]
    assert class_labels(survey.select(["sn0001"])).tolist() == [-1]


def test_photometry_is_read_in_place_of_stamps(survey: Survey) -> None:
    (batch,) = SeriesDataset(survey, SHORT, contents="photometry")[everything(survey)]
    assert batch.frames is None
    assert batch.photometry is not None
    assert batch.photometry.shape == (48, 2)
    assert night_index(survey[1].mjd).max() > 10


@pytest.mark.parametrize("name", ["paper", "none", "strong", "quarter_turns"])
def test_each_augmentation_of_the_configuration_draws_views(survey: Survey, name: str) -> None:
    augmentation = Augmentation(**read_group("augmentation", name))
    (batch,) = SeriesDataset(survey, SHORT, augmentation)[everything(survey)]
    least = int(np.floor(augmentation.keep * 12) * augmentation.window)
    assert min(3, least) <= batch.lengths[1] <= 12
    assert bool(batch.angle.any()) == (name in ("paper", "strong"))
    if name == "none":
        assert batch.lengths.tolist() == [3, 12, 1, 12, 12, 8]
        assert not batch.horizontal.any() | batch.vertical.any()


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the augmentations of a user's own, by name."""
    monkeypatch.setattr(functions, "_functions", {kind: {} for kind in functions.OURS})

    class Registered(dict[str, Any]):
        def __setitem__(self, name: str, function: Any) -> None:
            functions.register_augmentation(name)(function)

    return Registered()


def test_an_augmentation_of_ones_own_has_draws_of_its_own_which_a_resumed_run_repeats(
    survey: Survey, own: dict[str, Any]
) -> None:
    own["noise"] = lambda view, rng: replace(view, frames=view.frames + rng.normal(0, 9, view.frames.shape))
    plain, noisy = (SeriesDataset(survey, SHORT, x, ViewOptions(2)) for x in (PAPER, replace(PAPER, function="noise")))
    draws = everything(survey)
    assert equal(noisy[draws], noisy[draws])
    assert not equal(noisy[draws], noisy[everything(survey, epoch=1)])
    assert equal(noisy[draws], plain[draws], but=("frames",))
    pairs = zip(noisy[draws], plain[draws], strict=True)
    first, second = (after.frames - before.frames for after, before in pairs)  # type: ignore[operator]
    assert float(first.std()) == pytest.approx(9, rel=0.02)
    assert first.shape != second.shape or not torch.allclose(first, second)
    assert equal(noisy.for_evaluation()[draws], plain.for_evaluation()[draws])


def test_an_augmentation_of_ones_own_may_take_frames_away(survey: Survey, own: dict[str, Any]) -> None:
    def first_half(view: SeriesView, rng: np.random.Generator) -> SeriesView:
        half = slice(-(-len(view.band) // 2))
        return replace(view, band=view.band[half], mjd=view.mjd[half], frames=view.frames[half])  # type: ignore[index]

    own["first_half"] = first_half
    (batch,) = SeriesDataset(survey, SHORT, replace(PAPER, function="first_half"))[everything(survey)]
    (whole,) = SeriesDataset(survey, SHORT, PAPER)[everything(survey)]
    assert batch.lengths.tolist() == [-(-n // 2) for n in whole.lengths.tolist()]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda view, rng: None,
        lambda view, rng: replace(view, band=view.band[:0], mjd=view.mjd[:0], frames=view.frames[:0]),
        lambda view, rng: replace(view, frames=view.frames[1:]),
        lambda view, rng: replace(view, mjd=view.mjd[::-1]),
        lambda view, rng: replace(view, mjd=view.mjd * np.nan),
        lambda view, rng: replace(view, label=1 + view.label),
        lambda view, rng: replace(view, band=view.band + 9),
    ],
)
def test_what_no_network_could_take_is_refused(survey: Survey, own: dict[str, Any], wrong: Any) -> None:
    own["wrong"] = wrong
    with refused(UsageError, "E-MODULE-RESULT") as caught:
        SeriesDataset(survey, SHORT, replace(PAPER, function="wrong"))[[SampleKey(1)]]
    assert caught.value.where == "augmentation.function=wrong"
