"""Nights, with the frames of all bands as channels: what CNN+GRU and CNN+LSTM take."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.networks.inputs.frames import scaled_frames
from ictconvention.networks.inputs.inputs import MEDIAN, NIGHTS, Inputs, InputShape, make_finite, means, night_row


class NightInputs(Inputs):
    """Each night's frames as channels, and how many nights each object has.

    A band that was not observed in a night is zero; of several frames of a band the mean is taken. With median
    frames, the residuals follow as further channels.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", batch_size=8)
    >>> inputs = ict.NightInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> nights, count = inputs(next(iter(data.train_dataloader()))[0])
    >>> nights.shape[1:], int(count.sum()) == len(nights)
    (torch.Size([5, 32, 32]), True)
    """

    meanings: ClassVar[Mapping[str, str]] = {
        "frames": "stamps of each night in time order, in it one for each band in the order of the bands [flux_unit], "
        "NaN where a pixel is missing; the mean where a night has several",
        "observed": "whether the night has a frame in each band, in the order of the bands",
        "nights": NIGHTS,
        "median": MEDIAN,
    }

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return nights (S, bands, H, W), or twice the bands, and the number of nights (B,)."""
        frames = scaled_frames(batch, self.scaling)
        bands = len(self.scaling.scale)
        if frames.ndim == 3:
            frames = frames.unsqueeze(1)
        slot = night_row(batch) * bands + batch.band
        nights, _ = means(frames, slot, int(batch.nights.sum()) * bands)
        return nights.unflatten(0, (-1, bands)).transpose(1, 2).flatten(1, 2), batch.nights

    def padded(
        self, frames: Tensor, observed: Tensor, nights: Tensor, median: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return scaled nights (B, S, bands, H, W), or twice the bands, and their number.

        Where a survey has several frames of a band in a night, training took the mean of the scaled ones; here their
        mean flux serves, which is nearly the same.

        Parameters
        ----------
        frames : tensor (B, S, bands, H, W)
            Frames of each night and band [flux_unit]; where there is no frame, anything.
        observed : boolean tensor (B, S, bands)
            Which bands have a frame that night.
        nights : integer tensor (B,)
            Number of nights of each object; what follows does not count.
        median : tensor (B, bands, H, W), optional
            Each object's median frame in each band [flux_unit], where the network was fed residuals.
        """
        if median is not None:
            median = make_finite(median).movedim(1, 0).unsqueeze(2)  # (bands, B, 1, H, W)
        by_band = self.channels(frames.movedim(2, 0), torch.arange(frames.shape[2]), median)
        scaled = torch.cat(by_band).movedim(0, 2)  # (B, S, channels * bands, H, W)
        seen = torch.cat([observed] * len(by_band), dim=2)[..., None, None]
        return scaled.where(seen, 0), nights

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, size, bands = shape.max_frames, shape.stamp_size, len(shape.bands)
        arrays = {
            "frames": self.random_fluxes((objects, steps, size, size, bands), generator).movedim(4, 2).contiguous(),
            "observed": torch.rand(objects, steps, bands, generator=generator) < 0.6,
            "nights": torch.randint(1, steps + 1, (objects,), generator=generator),
        }
        return arrays | self.random_medians(shape, objects, generator)
