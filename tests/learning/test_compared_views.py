"""Turns are undone bit for bit, and masks turn with the stamps."""

from dataclasses import replace

import pytest
import torch

from ictconvention.feeding.batch import SeriesBatch, SeriesView, collate
from ictconvention.feeding.turned_maps import turned_masks
from ictconvention.feeding.views import ViewRecipe, turn_exactly, turn_stamps
from ictconvention.learning.compared_views import align_maps
from ictconvention.networks.inputs.pictures import PictureInputs
from ictconvention.networks.parts.scaling import Scaling
from tests.chips import chip

SIXTEEN = [(q, h, v) for q in range(4) for h in (False, True) for v in (False, True)]


def batch_of(turns: list[tuple[int, bool, bool]], masks: bool = True) -> SeriesBatch:
    views = []
    for number, (quarters, horizontal, vertical) in enumerate(turns):
        one = chip(number)
        recipe = ViewRecipe(torch.arange(2).numpy(), quarter_turns=quarters, horizontal=horizontal, vertical=vertical)
        mask = one["mask"] if masks else None
        views.append(SeriesView(recipe, one["band"].astype("uint8"), one["mjd"], one["frames"], mask=mask))
    return collate(views)


def test_all_sixteen_turns_are_undone_bit_for_bit() -> None:
    batch = batch_of(SIXTEEN)
    maps = torch.randn(16, 3, 16, 16)
    turned = turn_exactly(maps, batch.quarter_turns, batch.horizontal, batch.vertical)
    assert torch.equal(align_maps(turned, batch), maps)
    assert len({turned[k].numpy().tobytes() for k in range(16)}) == 16


def test_a_map_turns_as_stamps_do() -> None:
    batch = batch_of(SIXTEEN)
    frames = torch.randn(16, 16, 16)
    turns = (batch.quarter_turns, batch.horizontal, batch.vertical)
    assert torch.equal(turn_stamps(frames, torch.zeros(16), *turns), turn_exactly(frames, *turns))


@pytest.mark.parametrize("turn", SIXTEEN)
def test_a_mask_turns_with_its_picture(turn: tuple[int, bool, bool]) -> None:
    """Pixels of a class stay pixels of that class: the turned picture is masked as the picture is."""
    batch = batch_of([turn])
    assert batch.frames is not None
    assert batch.mask is not None
    turns = (batch.quarter_turns, batch.horizontal, batch.vertical)
    frame, turned = batch.frames[:1], turned_masks(batch)
    moved = turn_stamps(frame, torch.zeros(1), *turns)
    for value in (0, 1, 2, 255):
        assert torch.equal(moved[turned == value].sort().values, frame[batch.mask == value].sort().values)
    assert turned.dtype == torch.uint8


def test_two_views_of_one_mask_are_the_same_once_aligned() -> None:
    batch = batch_of(SIXTEEN)
    same = replace(batch, mask=batch.mask[:1].expand(16, -1, -1))  # type: ignore[index]
    aligned = align_maps(turned_masks(same)[:, None], same)[:, 0]
    assert all(torch.equal(one, same.mask[0]) for one in aligned)  # type: ignore[index]


def test_a_batch_without_masks_is_said() -> None:
    with pytest.raises(ValueError, match="masks"):
        turned_masks(batch_of([(0, False, False)], masks=False))


def test_no_network_is_given_the_mask() -> None:
    batch = batch_of(SIXTEEN)
    inputs = PictureInputs(Scaling("standardise", [0.0, 0.0], [1.0, 1.0]))
    seen, other = inputs(batch), inputs(replace(batch, mask=None))
    assert all(torch.equal(one, same) for one, same in zip(seen, other, strict=True))
