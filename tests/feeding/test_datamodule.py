"""The stages of a run are fed from their own parts of the split, and learn their numbers from the training part."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.configuration.options import Imbalance, SequenceOptions, ViewOptions
from ictconvention.core.errors import SplitError
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.feeding.sampler import TrainingSampler
from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.measuring.scales import photometry_scales, pixel_scales
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.learning.conftest import feed, feed_of, miniature, split
from tests.refusals import refused

__all__ = ["feed", "miniature", "split"]  # fixtures
Feed = Callable[..., SeriesDataModule]


def ids(data: SeriesDataModule, loader: Any) -> list[str]:
    return [data.survey.ids[int(i)] for views in loader for i in views[0].index]


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_each_stage_sees_its_own_parts(feed: Feed, split: Split, stage: str) -> None:
    data = feed(stage=stage)
    assert sorted(ids(data, data.train_dataloader())) == list(split.parts[f"{stage}_train"])
    assert ids(data, data.val_dataloader()) == list(split.parts[f"{stage}_validation"])
    assert ids(data, data.test_dataloader()) == list(split.parts["test"])


def test_seed_and_stage_decide_the_order_and_the_views(feed: Feed) -> None:
    def first(**keywords: Any) -> tuple[list[int], float]:
        data = feed(**keywords)
        order = [int(i) for views in data.train_dataloader() for i in views[0].index]
        (view,) = data.training[[SampleKey(0)]][:1]
        return order, float(view.angle)

    order, angle = first()
    assert first() == (order, angle)
    for change in ({"seed": 1}, {"stage": "finetune"}):
        other = first(**change)
        assert other[0] != order
        assert other[1] != angle
    again = [
        [int(i) for views in data.train_dataloader() for i in views[0].index] for data in (feed(stage="finetune"),)
    ]
    same = TrainingSampler(
        feed(stage="finetune").positions("finetune_train"), np.zeros(len(again[0]), int), Imbalance(), 8
    )
    assert again[0] != [draw.position for batch in same for draw in batch]  # drawn for the stage, not for any


def test_blocks_train_on_the_same_objects(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ictconvention.feeding.sampler.BLOCK", 2)
    loaders = [feed(order=order).train_dataloader() for order in ("objects", "blocks")]
    orders = [[int(i) for views in loader for i in views[0].index] for loader in loaders]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_training_is_augmented_and_evaluation_never(feed: Feed) -> None:
    data = feed()
    assert all(len(views) == 2 and views[0].angle.any() for views in data.train_dataloader())
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert all(len(views) == 1 and not views[0].angle.any() for views in loader)


def test_scales_come_from_the_training_part_alone(feed: Feed, miniature: Survey, split: Split) -> None:
    train = miniature.select(list(split.parts["pretrain_train"]))
    for kind in ("asinh", "standardise"):
        found = feed().scales(kind)
        assert all(np.array_equal(a, b) for a, b in zip(found, pixel_scales(train, kind), strict=True))
        assert not np.array_equal(found.scale, pixel_scales(miniature, kind).scale)
        curve = feed(contents="photometry").scales(kind)
        expected = photometry_scales(train, CachedPhotometry(miniature), kind)
        assert all(np.array_equal(a, b) for a, b in zip(curve, expected, strict=True))


def test_class_weights_count_the_training_part(feed: Feed, miniature: Survey, split: Split) -> None:
    assert np.allclose(feed().spec.class_weights, 1)
    weights = feed(imbalance="weighted").spec.class_weights
    counts = split.counts()["pretrain_train"]
    total = sum(counts.values())
    expected = [total / (4 * counts[name]) for name in miniature.header.classes]
    assert np.allclose(weights, expected)


def test_unlabelled_objects_join_pre_training_when_asked(tmp_path: Path) -> None:
    extra = [image_series(n, 5) | {"class_name": None, "label_source": None} for n in range(100, 107)]
    labelled = [image_series(n, 5) | {"label_source": "spectroscopic"} for n in range(60)]
    survey = write_survey(tmp_path / "survey", labelled + extra)
    own = make_split(survey.object_table())
    assert len(own.parts["pretrain_unlabelled"]) == 7
    pretrain = feed_of(survey, own)(unlabelled=True)
    labels = [int(label) for views in pretrain.train_dataloader() for label in views[0].label]
    assert labels.count(-1) == 7
    assert pretrain.spec.class_weights[0] == pytest.approx(len(labels) / (len(labels) - 7))
    for data in (feed_of(survey, own)(), feed_of(survey, own)(unlabelled=True, stage="finetune")):
        assert all((views[0].label >= 0).all() for views in data.train_dataloader())


def test_derived_data_are_made_once_for_training_and_evaluation(feed: Feed) -> None:
    data = feed(contents="photometry")
    assert data.evaluation.photometry is data.training.photometry
    assert data.evaluation.augmentation is None
    assert data.training.augmentation is not None


def test_a_learner_is_told_what_it_must_know(feed: Feed, miniature: Survey) -> None:
    spec = feed(imbalance="focal", views=ViewOptions(2, online_frames=6)).spec
    assert (spec.stage, spec.classes, spec.bands) == ("pretrain", miniature.header.classes, miniature.header.bands)
    assert (spec.focal, spec.views, spec.max_frames, spec.contents) == (2.0, 3, 9, "direct")


def test_without_a_validation_part_there_is_nothing_to_validate(feed: Feed, split: Split) -> None:
    data = feed()
    data.split = replace(split, parts={**split.parts, "pretrain_validation": ()})
    assert data.val_dataloader() == []


def test_what_does_not_exist_is_refused(feed: Feed) -> None:
    with pytest.raises(ValueError, match="take 'pretrain' or 'finetune'"):
        feed(stage="pre-train")
    with pytest.raises(ValueError, match=r"contents is 'stamp'; take direct, direct\+residual, photometry"):
        feed(contents="stamp")
    for frames in (2, 12):
        with pytest.raises(ValueError, match=f"online_frames is {frames}; take 3 to 9"):
            feed(views=ViewOptions(2, online_frames=frames))
    with pytest.raises(ValueError, match="online_frames is third, of at most 6 frames, and a view has 3 at least"):
        feed(views=ViewOptions(2, online_frames="third"), sequence=SequenceOptions(max_frames=6))


def test_an_empty_part_is_named(feed: Feed) -> None:
    with refused(SplitError, "E-SPLIT-EMPTY", "extra_test", where="split"):
        feed().evaluation_loader("extra_test")
