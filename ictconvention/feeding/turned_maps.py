"""Maps of the pixels of a batch, turned as its stamps are: masks, and where there are data."""

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import turn_exactly


def turned_masks(batch: SeriesBatch) -> Tensor:
    """Return the masks (B, H, W) of a batch, turned as its stamps are; no pixel is interpolated.

    Raises
    ------
    ValueError
        The batch has no masks.
    """
    if batch.mask is None:
        raise ValueError("masks are learned, and the batch has none: SeriesDataModule(pixels=...)")
    return turn_exactly(batch.mask, batch.quarter_turns, batch.horizontal, batch.vertical)


def pixels_with_data(batch: SeriesBatch) -> Tensor | None:
    """Return which pixels (B, H, W) any frame of an object has data in, turned as its stamps; None: all have."""
    if batch.seen is None:
        return None
    frames = torch.zeros(len(batch), *batch.seen.shape[1:], dtype=torch.int32, device=batch.seen.device)
    there = frames.index_add_(0, batch.owner, batch.seen.int()) > 0
    return turn_exactly(there, batch.quarter_turns, batch.horizontal, batch.vertical)
