"""A network of one's own: the mean over an object's frames of what a small CNN sees in each, and of its brightness.

python train.py model.module=examples.my_network model=mean_of_frames profile=laptop
"""

from typing import Annotated, ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

import ictconvention as ict


@ict.option_group
class MeanOfFramesOptions(ict.ModelOptions):
    """Options of the network, beside every network's; `ict.SHAPES`: weights fit only where it is the same."""

    channels: Annotated[PositiveInt, ict.SHAPES] = 16


@ict.register_network("mean_of_frames", MeanOfFramesOptions)
class MeanOfFrames(ict.Network):
    """The mean over the frames of a CNN's features and an embedding of the band; 10 000 parameters."""

    takes: ClassVar[type[ict.Inputs]] = ict.FrameInputs

    def __init__(self, options: MeanOfFramesOptions, shape: ict.InputShape) -> None:
        super().__init__()
        self.feature_size = 4 * options.channels
        self.band = nn.Embedding(1 + len(shape.bands), self.feature_size, padding_idx=0)  # 0 where there is no frame
        self.cnn = nn.Sequential(
            *(nn.Conv2d(shape.channels, options.channels, 5, stride=2), nn.ReLU()),
            *(nn.Conv2d(options.channels, self.feature_size, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        )

    def features(self, frames: Tensor, band: Tensor, lengths: Tensor) -> Tensor:
        """Return the features of a ragged batch: frames (F, H, W), bands (F,) from 1, and the objects' lengths (B,)."""
        owner = torch.arange(len(lengths)).repeat_interleave(lengths).to(band.device)
        total = frames.new_zeros(len(lengths), self.feature_size).index_add_(0, owner, self._of_frames(frames, band))
        return total / lengths.to(band.device)[:, None]

    def features_padded(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return the same of padded arrays (B, S, H, W) and (B, S), for export."""
        each = self._of_frames(frames.flatten(0, 1), band.flatten()).unflatten(0, band.shape)
        real = (band > 0).unsqueeze(-1)
        return each.where(real, 0).sum(1) / real.sum(1)

    def place_bands(self, places: list[int | None], before: int) -> dict[str, tuple[int, list[int | None]]]:
        """Return the rows of the embedding, so that first weights go by the names of bands."""
        return {"band.weight": (0, [0, *(None if place is None else place + 1 for place in places)])}

    def _of_frames(self, frames: Tensor, band: Tensor) -> Tensor:
        planes = frames.unsqueeze(1) if frames.ndim == 3 else frames
        return self.cnn(planes).flatten(1).float() + self.band(band)
