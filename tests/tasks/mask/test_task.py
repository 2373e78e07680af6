"""The task of masks on a survey: labels, shares, splits, scores, and shares by all three ways."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ictconvention.core.errors import IctConventionError, SplitError
from ictconvention.evaluation.calibration import Calibration
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.mask.metrics import MaskMetrics
from ictconvention.tasks.mask.options import MaskOptions
from ictconvention.tasks.mask.reduction import KEPT, keep_shares, keep_to_calibrate
from ictconvention.tasks.mask.task import Masks
from tests.chips import CLASSES, IGNORED, chip, draw_mask, write_chips

EQUAL = np.full(3, 1 / 3)
PLAIN = Calibration(1.0, EQUAL, EQUAL, np.zeros(3))


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_chips(tmp_path_factory.mktemp("surveys") / "chips", 80, unlabelled=10)


def batch_of(survey: Survey, number: int) -> SeriesBatch:
    data = SeriesDataset(survey, labels=np.zeros(len(survey), np.int64), masks=True).for_evaluation()
    return data[[SampleKey(one) for one in range(number)]][0]


def perfect(mask: torch.Tensor) -> torch.Tensor:
    """Return logits that are sure of the right class of each pixel."""
    return 60.0 * torch.nn.functional.one_hot(mask.long(), 3).movedim(3, 1).float()


def test_labels_are_rarest_classes_and_truth_the_known_shares(chips: Survey) -> None:
    task = Masks.of_survey(chips)
    assert task.names == CLASSES
    mask = chip(7)["mask"]
    counts = np.bincount(mask[mask != IGNORED], minlength=3)
    assert np.allclose(task.read_truth(chips)[7], counts / counts.sum())
    label = task.read_labels(chips)
    assert (label[80:] == UNLABELLED).all()
    assert (label[:80] != UNLABELLED).all()
    water = np.array([(draw_mask(one) == 2).any() for one in range(80)])
    assert (label[:80][water] == 2).mean() > 0.95  # but for a few whose water is ignored


def test_chips_of_a_scene_stay_together_in_a_split(chips: Survey) -> None:
    table = Masks.of_survey(chips).split_table(chips)
    split = make_split(table, protocol="single")
    part = {id_: name for name in ("pretrain_train", "pretrain_validation", "test") for id_ in split.parts[name]}
    scenes: dict[str, set[str]] = {}
    for id_, name in part.items():
        scenes.setdefault(f"scene {int(id_[4:]) // 2}", set()).add(name)
    assert len(part) == 80
    assert len(split.parts["test"]) > 10
    assert all(len(parts) == 1 for parts in scenes.values())
    assert set(split.parts["pretrain_unlabelled"]) == {f"chip{one:03d}" for one in range(80, 90)}


def test_a_bootstrap_draws_scenes(chips: Survey) -> None:
    group = Masks.of_survey(chips).groups_of(chips, ["chip000", "chip001", "chip002"])
    assert group[0] == group[1] != group[2]


def test_a_survey_without_masks_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(IctConventionError) as caught:
        Masks.of_survey(write_chips(tmp_path / "plain", 4, masks=False))
    assert caught.value.code == "E-SURVEY-MASKS"
    assert "ingest chips" in str(caught.value)


def test_a_training_part_of_one_class_is_refused(chips: Survey) -> None:
    task = Masks(("field",))
    with pytest.raises(SplitError):
        task.check_split(chips, Split({"pretrain_train": ["chip000"]}, {}, {}), "pretrain")


def test_with_a_perfect_mask_all_three_shares_are_right(chips: Survey) -> None:
    mask = torch.from_numpy(np.stack([draw_mask(one) for one in range(6)]))
    batch = batch_of(chips, 6)
    batch = with_masks(batch, mask)
    outputs = {name: x.numpy() for name, x in keep_shares(PLAIN)(perfect(mask), batch).items()}
    known = np.stack([np.bincount(one.flatten(), minlength=3) for one in mask.numpy()]) / 256
    for estimate in ("calibrated", "mean", "argmax"):
        task = Masks(CLASSES, MaskOptions(kind="mask", estimate=estimate))
        rows = task.decide(outputs, np.zeros(6, np.int64), PLAIN)
        found = task.score("test", Predictions(np.arange(6).astype(str), known, rows))["test"]
        assert 0 <= abs(found["share_scores"]["kl"]) < 1e-6
        assert max(abs(found["share_scores"][f"kl_{name}"]) for name in ("argmax", "mean", "calibrated")) < 1e-6
        assert found["pixel_scores"]["miou"] == found["pixel_scores"]["accuracy"] == 1
        assert np.array_equal(np.diag(found["pixel_confusion"]), (known * 256).sum(0))


def with_masks(batch: SeriesBatch, mask: torch.Tensor) -> SeriesBatch:
    return replace(batch, mask=mask)


def test_calibration_never_touches_the_count_of_likeliest_classes(chips: Survey) -> None:
    batch = batch_of(chips, 4)
    logits = torch.randn(4, 3, 16, 16)
    moved = Calibration(3.0, EQUAL, EQUAL, np.array([5.0, 0.0, -5.0]))
    plain, other = keep_shares(PLAIN)(logits, batch), keep_shares(moved)(logits, batch)
    for name in ("argmax", "mean", "confusion"):
        assert torch.equal(plain[name], other[name])
    assert not torch.allclose(plain["calibrated"], other["calibrated"], atol=0.1)
    expected = (logits / 3 + torch.tensor([5.0, 0.0, -5.0])[:, None, None]).softmax(1).mean((2, 3))
    assert torch.allclose(other["calibrated"].float(), expected, atol=1e-6)


def test_reduction_in_pieces_is_that_of_the_whole(chips: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, logits = batch_of(chips, 7), torch.randn(7, 3, 16, 16)
    whole = keep_shares(PLAIN)(logits, batch)
    monkeypatch.setattr("ictconvention.tasks.mask.reduction.AT_ONCE", 2 * 3 * 256)
    pieces = keep_shares(PLAIN)(logits, batch)
    assert all(torch.allclose(whole[name], pieces[name], atol=1e-12) for name in whole)


def test_what_calibration_keeps_is_bounded_however_many_chips_there_are(chips: Survey) -> None:
    batch, logits = batch_of(chips, 4), torch.randn(4, 3, 16, 16)
    few = keep_to_calibrate(4)(logits, batch)
    assert few["logits"].shape == (4, 256, 3)
    assert few["logits"].dtype == torch.float16
    many = keep_to_calibrate(100_000)(logits, batch)
    assert 100_000 * many["logits"][0].numel() <= KEPT
    assert torch.equal(many["known"], few["known"])


def without_data(batch: SeriesBatch, missing: torch.Tensor) -> SeriesBatch:
    """Return a batch whose pixels (B, H, W) some frames have no data in."""
    seen = ~missing[batch.owner]
    seen[0] = True  # the other band of the first chip has none, and so the pixel has data
    return replace(batch, seen=seen)


def test_pixels_without_data_count_in_no_share(chips: Survey) -> None:
    batch, logits = batch_of(chips, 4), torch.randn(4, 3, 16, 16)
    missing = torch.zeros(4, 16, 16, dtype=torch.bool)
    missing[:3, :, 5:] = True
    moved = Calibration(2.0, EQUAL, EQUAL, np.array([1.0, 0.0, -1.0]))
    found = keep_shares(moved)(logits, without_data(batch, missing))
    whole = keep_shares(moved)(logits, batch)
    part = keep_shares(moved)(logits[1:3, :, :, :5], replace(batch_of(chips, 2), mask=None))
    for name in ("argmax", "mean", "calibrated"):
        assert torch.allclose(found[name][[0, 3]], whole[name][[0, 3]])
        assert torch.allclose(found[name][1:3], part[name])
        assert not torch.allclose(found[name][1:3], whole[name][1:3], atol=1e-3)
    assert torch.equal(found["confusion"], whole["confusion"])


def test_calibration_keeps_no_pixel_without_data(chips: Survey) -> None:
    batch, logits = batch_of(chips, 4), torch.randn(4, 3, 16, 16)
    missing = torch.zeros(4, 16, 16, dtype=torch.bool)
    missing[1:3, :, 5:] = True
    logits[1:3, :, :, 5:] = 1000
    for objects in (4, 20_000):
        kept = keep_to_calibrate(objects)(logits, without_data(batch, missing))["logits"]
        assert kept.shape == keep_to_calibrate(objects)(logits, batch)["logits"].shape
        assert kept.max() < 100
        assert len(np.unique(kept[1].numpy(), axis=0)) == min(16 * 5, kept.shape[1])


def test_shares_alone_are_scored_without_pixels(chips: Survey) -> None:
    task = Masks(CLASSES, MaskOptions(kind="mask", shares="direct"))
    outputs = {name: x.numpy() for name, x in keep_shares(PLAIN)(torch.randn(4, 3), batch_of(chips, 4)).items()}
    rows = task.decide(outputs, np.zeros(4, np.int64), PLAIN)
    found = task.score("test", Predictions(np.arange(4).astype(str), task.read_truth(chips)[:4], rows))["test"]
    assert found.keys() == {"objects", "share_scores"}
    assert found["share_scores"]["kl_argmax"] is None
    assert task.measures.weigh(rows, task.read_truth(chips)[:4], np.ones((2, 4))).keys() >= {"kl", "kl_mean"}


def test_metrics_of_batches_are_those_of_the_whole(chips: Survey) -> None:
    batch, logits = batch_of(chips, 12), torch.randn(12, 3, 16, 16)
    whole, parts = (MaskMetrics(CLASSES, True, 0.5) for _ in range(2))
    assert batch.mask is not None
    whole.update(logits, batch.mask)
    for few in (slice(0, 5), slice(5, 6), slice(6, 12)):
        parts.update(logits[few], batch.mask[few])
    found, other = whole.compute(), parts.compute()
    assert found.keys() == {"loss", "loss_ce", "kl", "kl_mean", "miou", "accuracy"}
    assert all(torch.isclose(found[name], other[name].to(found[name]), rtol=1e-5) for name in found)
    assert torch.isclose(found["loss"], found["loss_ce"] + 0.5 * found["kl_mean"])


def test_metrics_are_the_scores_of_the_result(chips: Survey) -> None:
    task, batch = Masks.of_survey(chips), batch_of(chips, 12)
    logits = torch.randn(12, 3, 16, 16)
    metrics = task.make_metrics()
    assert batch.mask is not None
    batch.mask[batch.mask == IGNORED] = 0  # where all is known, as both take the pixels with data and a known class
    truth = np.stack([(batch.mask == each).double().mean((1, 2)).numpy() for each in range(3)], 1)
    metrics.update(logits, batch.mask)
    seen = metrics.compute()
    outputs = {name: x.numpy() for name, x in keep_shares(PLAIN)(logits, batch).items()}
    found = task.score(
        "test",
        Predictions(np.arange(12).astype(str), truth, task.decide(outputs, np.zeros(12, np.int64), PLAIN)),
    )["test"]
    assert float(seen["kl"]) == pytest.approx(found["share_scores"]["kl_argmax"], rel=1e-5)
    assert float(seen["kl_mean"]) == pytest.approx(found["share_scores"]["kl_mean"], rel=1e-5)
    assert float(seen["miou"]) == pytest.approx(found["pixel_scores"]["miou"])
    assert float(seen["accuracy"]) == pytest.approx(found["pixel_scores"]["accuracy"])


def test_an_exported_model_gives_the_shares_that_are_predicted() -> None:
    logits, shift = torch.randn(2, 3, 8, 8), torch.tensor([1.0, 0.0, -1.0])
    calibrated = (logits / 2 + shift[:, None, None]).softmax(1).mean((2, 3))
    for estimate, expected in (
        ("calibrated", calibrated),
        ("mean", logits.softmax(1).mean((2, 3))),
        ("argmax", torch.nn.functional.one_hot(logits.argmax(1), 3).double().mean((1, 2)).float()),
    ):
        task = Masks(CLASSES, MaskOptions(kind="mask", estimate=estimate))  # type: ignore[arg-type]
        assert torch.allclose(task.exported(logits, 2.0, shift)["share"], expected, atol=1e-6)


def test_columns_hold_all_that_is_scored(chips: Survey) -> None:
    task, batch = Masks.of_survey(chips), batch_of(chips, 5)
    outputs = {name: x.numpy() for name, x in keep_shares(PLAIN)(torch.randn(5, 3, 16, 16), batch).items()}
    known = task.read_truth(chips)[:5]
    found = Predictions(np.arange(5).astype(str), known, task.decide(outputs, np.zeros(5, np.int64), PLAIN))
    columns = task.format.columns(found)
    assert {"share_field", "share_argmax_water", "share_mean_forest", "known_field", "confusion"} <= columns.keys()
    label, rows = task.format.read(columns, EQUAL)
    again = Predictions(found.ids, label, rows)
    assert task.score("test", again) == task.score("test", found)
    assert task.is_of_result(again, task.score("test", found))
    other = Predictions(found.ids, label[::-1], rows)
    assert not task.is_of_result(other, task.score("test", found))
