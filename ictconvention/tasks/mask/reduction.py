"""What is kept of the logits of every pixel of a batch: shares, a confusion, and few pixels to calibrate by."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import turn_exactly
from ictconvention.tasks.mask.losses import count_classes, count_confusion, mean_shares
from ictconvention.tasks.task import Calibration, Reduce

KEPT = 2**22  # logits of all pictures together that calibration keeps, in half precision
AT_ONCE = 2**24  # logits whose probabilities are in memory at once


def keep_to_calibrate(objects: int) -> Reduce:
    """Return what keeps the logits of some pixels of each picture, of as many as `KEPT` allows for so many pictures.

    The pixels are drawn once, the same of each picture. Kept are `logits` (B, pixels, classes), float16, and `known`
    (B, classes), the known pixels of each class; no logit of a picture is kept that has none.
    """

    def reduce(logits: Tensor, batch: SeriesBatch) -> Mapping[str, Tensor]:
        pixels = logits.flatten(2) if logits.ndim > 2 else logits[:, :, None]
        most = max(1, KEPT // (max(objects, 1) * logits.shape[1]))
        if pixels.shape[2] > most:
            chosen = torch.randperm(pixels.shape[2], generator=torch.Generator().manual_seed(0))[:most].sort().values
            pixels = pixels[:, :, chosen.to(pixels.device)]
        return {"logits": pixels.movedim(1, 2).half(), "known": count_classes(_mask_of(batch), logits.shape[1])}

    return reduce


def keep_shares(calibration: Calibration) -> Reduce:
    """Return what keeps the shares of each picture (B, classes), and where its mask is known the confusion of pixels.

    `argmax` counts the likeliest class of each pixel; `mean` and `calibrated` are means of probabilities, as they are
    and calibrated; `confusion` (B, classes, classes) has rows true. Of logits (B, classes) there are neither counts nor
    a confusion.
    """
    temperature, shift = calibration.temperature, torch.from_numpy(calibration.shift)

    def reduce_few(logits: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        moved = shift.to(logits).reshape(-1, *[1] * (logits.ndim - 2))
        means = {"mean": mean_shares(logits), "calibrated": mean_shares(logits / temperature + moved)}
        kept = {name: _whole(shares.double()) for name, shares in means.items()}
        if logits.ndim > 2:
            guess = logits.argmax(1)
            kept["argmax"] = count_classes(guess, logits.shape[1]).double() / guess[0].numel()
            if mask is not None:
                kept["confusion"] = count_confusion(mask, guess, logits.shape[1]).double()
        return kept

    def reduce(logits: Tensor, batch: SeriesBatch) -> Mapping[str, Tensor]:
        few = max(1, AT_ONCE // max(logits[0].numel(), 1))
        pieces = -(-len(logits) // few)
        masks = [None] * pieces if batch.mask is None else _mask_of(batch).chunk(pieces)
        parts = [reduce_few(part, mask) for part, mask in zip(logits.chunk(pieces), masks, strict=True)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    return reduce


def _whole(shares: Tensor) -> Tensor:
    """Return shares (B, classes) that sum to 1 to the last digits."""
    return shares / shares.sum(1, keepdim=True)


def _mask_of(batch: SeriesBatch) -> Tensor:
    """Return the masks of a batch, turned as its stamps are."""
    assert batch.mask is not None
    return turn_exactly(batch.mask, batch.quarter_turns, batch.horizontal, batch.vertical)
