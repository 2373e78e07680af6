"""What a learner must know of the data that it will be fed: names and numbers, no frame."""

from dataclasses import dataclass
from typing import Literal

from ictconvention.configuration.options import Stage

Contents = Literal["direct", "direct+residual", "photometry"]


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The stage, the classes and what the batches hold; `SeriesDataModule.spec` says it.

    Parameters
    ----------
    stage : "pretrain" or "finetune"
        Begins the name of every metric.
    classes, bands : tuples of str
        What a network tells apart, such as the classes of the survey, and its bands.
    class_weights : tuple of float
        Weight of each class in the cross-entropy, see `sampler.class_weights`.
    focal : float
        Gamma of the focal loss.
    stamp_size : int
        Pixels along a side of a stamp.
    max_frames, frames_per_group : int
        Largest number of frames of a sequence, and frames of a group.
    contents : "direct", "direct+residual" or "photometry"
        What is read of each frame.
    views : int
        Views in a training batch: 1, 2, or 3 with a full one for the target.
    unlabelled : bool
        Whether objects without a class are among those that train.
    """

    stage: Stage
    classes: tuple[str, ...]
    bands: tuple[str, ...]
    class_weights: tuple[float, ...]
    focal: float = 0.0
    stamp_size: int = 32
    max_frames: int = 99
    contents: Contents = "direct"
    views: int = 1
    unlabelled: bool = False
    frames_per_group: int = 3
