"""What is kept of the logits of every pixel of a batch: shares, a confusion, and few pixels to calibrate by.

A pixel that no band has data in is of no class: it counts in no share.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ictconvention.evaluation.calibration import Calibration
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.turned_maps import pixels_with_data, turned_masks
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.tasks.mask.losses import count_classes, count_confusion, mean_shares
from ictconvention.tasks.task import Reduce

KEPT = 2**22  # logits of all pictures together that calibration keeps, in half precision
AT_ONCE = 2**24  # logits whose probabilities are in memory at once


def keep_to_calibrate(objects: int) -> Reduce:
    """Return what keeps the logits of some pixels of each picture, of as many as `KEPT` allows for so many pictures.

    The pixels are drawn once, the same of each picture; one without data has another in its place, and where there is
    none left, the first again. Kept are `logits` (B, pixels, classes), float16, and `known` (B, classes), the known
    pixels of each class.
    """

    def reduce(logits: Tensor, batch: SeriesBatch) -> Mapping[str, Tensor]:
        pixels = logits.flatten(2) if logits.ndim > 2 else logits[:, :, None]
        number = pixels.shape[2]
        most = min(number, max(1, KEPT // (max(objects, 1) * logits.shape[1])))
        drawn = torch.randperm(number, generator=torch.Generator().manual_seed(0)).to(pixels.device)
        there = pixels_with_data(batch) if logits.ndim > 2 else None
        if there is None:
            chosen = drawn[:most].sort().values.expand(len(pixels), -1)
        else:
            found = there.flatten(1)[:, drawn]
            first = (~found).int().argsort(dim=1, stable=True)  # those with data first, in the order that was drawn
            again = torch.arange(most, device=pixels.device) % found.sum(1, keepdim=True).clamp(min=1)
            chosen = drawn[first.gather(1, again)]
        kept = pixels.gather(2, chosen[:, None].expand(-1, pixels.shape[1], -1))
        return {"logits": kept.movedim(1, 2).half(), "known": count_classes(turned_masks(batch), logits.shape[1])}

    return reduce


def keep_shares(calibration: Calibration) -> Reduce:
    """Return what keeps the shares of each picture (B, classes), and where its mask is known the confusion of pixels.

    `argmax` counts the likeliest class of each pixel; `mean` and `calibrated` are means of probabilities, as they are
    and calibrated; `confusion` (B, classes, classes) has rows true. Of logits (B, classes) there are neither counts nor
    a confusion.
    """
    temperature, shift = calibration.temperature, torch.from_numpy(calibration.shift)

    def reduce_few(logits: Tensor, mask: Tensor | None, there: Tensor | None) -> dict[str, Tensor]:
        moved = shift.to(logits).reshape(-1, *[1] * (logits.ndim - 2))
        means = {"mean": mean_shares(logits, there), "calibrated": mean_shares(logits / temperature + moved, there)}
        kept = {name: _whole(shares.double()) for name, shares in means.items()}
        if logits.ndim > 2:
            guess = logits.argmax(1)
            counted = guess if there is None else guess.masked_fill(~there, IGNORED)
            kept["argmax"] = _whole(count_classes(counted, logits.shape[1]).double())
            if mask is not None:
                kept["confusion"] = count_confusion(mask, guess, logits.shape[1]).double()
        return kept

    def reduce(logits: Tensor, batch: SeriesBatch) -> Mapping[str, Tensor]:
        few = max(1, AT_ONCE // max(logits[0].numel(), 1))
        there = pixels_with_data(batch) if logits.ndim > 2 else None
        masks = None if batch.mask is None else turned_masks(batch)
        parts = []
        for first in range(0, len(logits), few):
            here = slice(first, first + few)
            maps = (None if one is None else one[here] for one in (masks, there))
            parts.append(reduce_few(logits[here], *maps))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    return reduce


def _whole(shares: Tensor) -> Tensor:
    """Return shares (B, classes) that sum to 1 to the last digits."""
    return shares / shares.sum(1, keepdim=True)
