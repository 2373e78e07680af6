"""The masks that a learner estimates, or the probabilities of the classes in every pixel, of some objects."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.feeding.turned_maps import pixels_with_data
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.training.infer import infer


def estimate_masks(
    learner: Learner,
    batches: Iterable[tuple[SeriesBatch, ...]],
    precision: Precision,
    progress: Callable[[int], object] = lambda objects: None,
) -> NDArray[np.uint8]:
    """Return the likeliest class of each pixel (n, H, W), in the order of the batches; parameters as of `infer`.

    A pixel without data in any band is `IGNORED`.
    """

    def reduce(logits: Tensor, batch: SeriesBatch) -> dict[str, Tensor]:
        return {"mask": _likeliest(logits, batch)}

    return np.asarray(infer(learner, batches, precision, None, progress, reduce).reduced["mask"])


def estimate_probabilities(
    learner: Learner,
    batches: Iterable[tuple[SeriesBatch, ...]],
    precision: Precision,
    progress: Callable[[int], object] = lambda objects: None,
) -> NDArray[np.float32]:
    """Return the probability of each class in each pixel (n, classes, H, W), as `estimate_masks` does masks.

    In a pixel without data all are 0.
    """

    def reduce(logits: Tensor, batch: SeriesBatch) -> dict[str, Tensor]:
        there = pixels_with_data(batch)
        return {"probability": logits.softmax(1) if there is None else logits.softmax(1) * there[:, None]}

    return np.asarray(infer(learner, batches, precision, None, progress, reduce).reduced["probability"])


def estimate_some(
    learner: Learner, data: SeriesDataModule, positions: Sequence[int], precision: Precision
) -> NDArray[np.uint8]:
    """Return the masks (n, H, W) of a few objects of a run's own survey, as they stand there."""
    batches = (data.evaluation[[SampleKey(int(position))]] for position in positions)
    return estimate_masks(learner, batches, precision)


def estimate_in_training(
    learner: Learner, data: SeriesDataModule, positions: Sequence[int], precision: Precision
) -> NDArray[np.uint8]:
    """Return the same between two training epochs: the learner stays on its device, and nothing of it changes."""
    training, masks = learner.training, []
    learner.eval()
    bf16 = torch.autocast(learner.device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    try:
        with torch.inference_mode(), bf16:
            for position in positions:
                batch = data.evaluation[[SampleKey(int(position))]][0].to(learner.device)
                logits = learner.task.logits(learner.logits(batch).float())
                masks.append(_likeliest(logits, batch).cpu().numpy())
    finally:
        learner.train(training)
    return np.concatenate(masks)


def _likeliest(logits: Tensor, batch: SeriesBatch) -> Tensor:
    """Return the likeliest class of each pixel (B, H, W), uint8; `IGNORED` where there are no data."""
    mask, there = logits.argmax(1).to(torch.uint8), pixels_with_data(batch)
    return mask if there is None else mask.masked_fill(~there, IGNORED)
