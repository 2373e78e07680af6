"""What a learner must know of the data that it will be fed: names and numbers, no frame."""

from dataclasses import dataclass
from typing import Literal

from ictconvention.configuration.options import Stage, WhichPoints

Channels = Literal["direct", "direct+residual"]
Contents = Literal[
    "direct",
    "direct+residual",
    "photometry",
    "direct+photometry",
    "direct+residual+photometry",
    "photometry+points",
    "direct+photometry+points",
    "direct+residual+photometry+points",
    "photometry+all_points",
    "direct+photometry+all_points",
    "direct+residual+photometry+all_points",
]


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
    contents : "direct", "direct+residual", "photometry" or stamps and photometry, such as "direct+photometry"
        What is read of each frame; with "+points" at its end, of points without pixels too, and with "+all_points" of
        those as well whose exposures have frames.
    views : int
        Views in a training batch: 1, 2, or 3 with a full one for the target.
    unlabelled : bool
        Whether objects without a class are among those that train.
    pixel_scale : float, optional
        Size of a pixel [arcsec]; None where a run was trained before networks were told.
    reddening : bool
        Whether the batches hold E(B-V).
    domains : pair of float, optional
        Where objects without a label train beside the others so that a head tells them apart, how much an object with
        a label counts for that head, and one without: in an epoch both kinds weigh the same, and their mean is 1.
    logit_offset : tuple of float, optional
        What the loss adds to the logit of each class, see `Imbalance.adjustment`.
    label_ratio : tuple of tuple of float, optional
        What a photometric label (row) says of each true class (column), see `label_ratio`.
    unlabelled_share : float
        Share of the objects without a class among those that a training epoch draws.
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
    pixel_scale: float | None = None
    reddening: bool = False
    domains: tuple[float, float] | None = None
    logit_offset: tuple[float, ...] | None = None
    label_ratio: tuple[tuple[float, ...], ...] | None = None
    unlabelled_share: float = 0.0

    @property
    def residuals(self) -> bool:
        """Whether the batches hold median frames."""
        return "residual" in self.contents

    @property
    def photometry(self) -> bool:
        """Whether the batches hold photometry."""
        return "photometry" in self.contents

    @property
    def points(self) -> WhichPoints:
        """Whether the batches hold points without pixels; "all" with those of the frames' exposures."""
        return points_in(self.contents)


def points_in(contents: Contents) -> WhichPoints:
    """Return which points without pixels batches of these contents hold."""
    return "all" if contents.endswith("+all_points") else contents.endswith("+points")
