"""The maps of two views of one picture, brought to one orientation, so that a pixel is compared with itself."""

from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import turn_exactly, undo_turns


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


def align_maps(maps: Tensor, batch: SeriesBatch) -> Tensor:
    """Return maps (B, C, H, W) of the views of a batch as if no view had been turned, bit for bit."""
    return undo_turns(maps, batch.quarter_turns, batch.horizontal, batch.vertical)
