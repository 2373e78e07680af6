"""The maps of two views of one picture, brought to one orientation, so that a pixel is compared with itself."""

from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import undo_turns


def align_maps(maps: Tensor, batch: SeriesBatch) -> Tensor:
    """Return maps (B, C, H, W) of the views of a batch as if no view had been turned, bit for bit."""
    return undo_turns(maps, batch.quarter_turns, batch.horizontal, batch.vertical)
