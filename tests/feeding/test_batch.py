"""A batch holds each view's frames one object after the other, and nothing that could give an object away."""

import io
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.feeding.batch import SeriesBatch, SeriesView, collate, join_batches
from ictconvention.feeding.views import ViewRecipe


def seen(n: int, start: float = 53_600.0, **fields_: Any) -> SeriesView:
    rng = np.random.default_rng(n)
    return SeriesView(
        ViewRecipe(np.arange(n), angle=0.1 * n, quarter_turns=n % 4, horizontal=n % 2 == 0),
        band=(np.arange(n) % 5).astype(np.uint8),
        mjd=start + 4 * np.floor(np.arange(n) / 5) + 0.001 * (np.arange(n) % 5),
        frames=rng.normal(size=(n, 8, 8)).astype(np.float32),
        **fields_,
    )


def test_frames_stand_one_object_after_the_other() -> None:
    views = [seen(7, label=2, index=11), seen(1), seen(12, label=0, index=3)]
    batch = collate(views)
    assert len(batch) == 3
    assert batch.lengths.tolist() == [7, 1, 12]
    assert batch.nights.tolist() == [2, 1, 3]
    assert batch.owner.tolist() == [0] * 7 + [1] + [2] * 12
    assert batch.band.tolist() == [*(i % 5 for i in range(7)), 0, *(i % 5 for i in range(12))]
    assert batch.night.tolist() == [0] * 5 + [1] * 2 + [0] + [0] * 5 + [1] * 5 + [2] * 2
    assert batch.label.tolist() == [2, -1, 0]
    assert batch.index.tolist() == [11, 0, 3]
    assert batch.quarter_turns.tolist() == [3, 1, 0]
    assert batch.horizontal.tolist() == [False, False, True]
    assert batch.frames is not None
    assert views[2].frames is not None
    assert np.array_equal(batch.frames[8:].numpy(), views[2].frames)
    assert (batch.median, batch.photometry) == (None, None)


def test_time_is_counted_from_the_first_frame_of_the_view() -> None:
    early, late = collate([seen(12, start=53_600.37)]), collate([seen(12, start=58_000.81)])
    assert early.time[0] == 0
    assert early.time.max() == pytest.approx(8.001, abs=1e-5)
    assert torch.allclose(early.time, late.time, atol=1e-5)


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_missing_pixel_is_sky(missing: float) -> None:
    view = seen(3)
    assert view.frames is not None
    view.frames[1, 4, 4] = missing
    frames = collate([view]).frames
    assert frames is not None
    assert frames[1, 4, 4] == 0
    assert frames.isfinite().all()
    assert frames.count_nonzero() == 3 * 64 - 1


def test_half_precision_stamps_become_single() -> None:
    view = SeriesView(ViewRecipe(np.arange(2)), np.zeros(2, np.uint8), np.arange(2.0), np.ones((2, 8, 8), np.float16))
    frames = collate([view]).frames
    assert frames is not None
    assert frames.dtype == torch.float32


def test_joined_views_are_the_second_behind_the_first() -> None:
    first, second = [seen(7), seen(3)], [seen(4), seen(2)]
    both, flat = join_batches([collate(first), collate(second)]), collate(first + second)
    for field in fields(SeriesBatch):
        one, other = getattr(both, field.name), getattr(flat, field.name)
        assert (one is other is None) or torch.equal(one, other), field.name


def through_a_pickle(batch: SeriesBatch) -> SeriesBatch:
    buffer = io.BytesIO()
    torch.save(batch, buffer)
    buffer.seek(0)
    copied: SeriesBatch = torch.load(buffer, weights_only=False)
    return copied


@pytest.mark.parametrize("move", [through_a_pickle, lambda batch: batch.to("cpu")])
def test_a_batch_survives_the_way_to_another_process_or_device(move: Callable[[SeriesBatch], SeriesBatch]) -> None:
    batch = collate([seen(7), seen(3)])
    moved = move(batch)
    assert torch.equal(moved.band, batch.band)
    assert moved.photometry is None


def test_what_is_read_stays_on_the_cpu() -> None:
    moved = collate([seen(7), seen(3)]).to("meta")
    devices = {
        field.name: getattr(moved, field.name).device.type
        for field in fields(SeriesBatch)
        if getattr(moved, field.name) is not None
    }
    assert {name for name, device in devices.items() if device == "cpu"} == {"lengths", "nights", "angle"}
