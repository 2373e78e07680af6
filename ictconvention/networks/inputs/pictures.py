"""One picture of each object, its bands as channels: what the networks of pictures take."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.spec import Contents
from ictconvention.networks.inputs.frames import scaled_frames
from ictconvention.networks.inputs.inputs import Inputs, InputShape, means


class PictureInputs(Inputs):
    """The picture of each object, and which bands it has.

    A band without a frame is zero; of several frames of a band the mean of the scaled ones is taken.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", batch_size=8)
    >>> inputs = ict.PictureInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> pictures, present = inputs(next(iter(data.train_dataloader()))[0])
    >>> pictures.shape[1:], present.shape[1:]
    (torch.Size([5, 32, 32]), torch.Size([5]))
    """

    pictures: ClassVar[bool] = True
    meanings: ClassVar[Mapping[str, str]] = {
        "frames": "one stamp for each band, in the order of the bands [flux_unit], NaN where a pixel is missing; the "
        "mean where an object has several; the first row is the lowest, so turn a PNG, JPEG or GeoTIFF upside down",
        "present": "whether the object has a frame in each band, in the order of the bands",
    }

    @classmethod
    def finds(cls, contents: Contents) -> bool:
        """Return whether batches of these contents hold what it reads: stamps, and no median of other stamps."""
        return contents == "direct"

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return pictures (B, bands, H, W), and which bands they have (B, bands)."""
        bands = len(self.scaling.scale)
        frames = scaled_frames(batch, self.scaling)
        pictures, count = means(frames, batch.owner * bands + batch.band, len(batch) * bands)
        return pictures.unflatten(0, (-1, bands)), count.unflatten(0, (-1, bands)) > 0

    def padded(self, frames: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """Return scaled pictures (B, bands, H, W), and which bands they have.

        Parameters
        ----------
        frames : tensor (B, bands, H, W)
            The frame of each band [flux_unit]; where there is none, anything.
        present : boolean tensor (B, bands)
            Which bands have a frame.
        """
        (scaled,) = self.channels(frames.movedim(1, 0), torch.arange(frames.shape[1]), None)  # (bands, B, H, W)
        return scaled.movedim(0, 1).where(present[:, :, None, None], 0), present

    def pixels_with_data(self, frames: Tensor, present: Tensor, *more: Tensor, **named: Tensor) -> Tensor:
        """Return the pixels (B, H, W) that any band has data in; arguments as of `padded`."""
        return (frames.isfinite() & present[:, :, None, None]).any(1)

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random pictures, of which some lack bands."""
        size, bands = shape.stamp_size, len(shape.bands)
        return {
            "frames": self.random_fluxes((objects, size, size, bands), generator).movedim(3, 1).contiguous(),
            "present": torch.rand(objects, bands, generator=generator) < 0.8,
        }


class ReddenedPictureInputs(PictureInputs):
    """The same, and E(B-V) of the Milky Way before each object, where the survey has it.

    Examples
    --------
    >>> ebv = torch.rand(len(survey)).numpy()
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", reddening=ebv, batch_size=8)
    >>> inputs = ict.ReddenedPictureInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> pictures, present, reddening = inputs(next(iter(data.train_dataloader()))[0])
    >>> len(pictures) == len(reddening)
    True
    """

    takes_reddening: ClassVar[bool] = True
    meanings: ClassVar[Mapping[str, str]] = {
        **PictureInputs.meanings,
        "reddening": "E(B-V) of the Milky Way before each object [mag]",
    }

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return pictures (B, bands, H, W), which bands they have (B, bands), and E(B-V) (B,), if it is known."""
        return *super().arguments(batch), *([] if batch.reddening is None else [batch.reddening])

    def padded(self, frames: Tensor, present: Tensor, reddening: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return scaled pictures and which bands they have, as `PictureInputs`, and E(B-V) (B,) [mag], if given."""
        return *super().padded(frames, present), *([] if reddening is None else [reddening])

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random pictures, and E(B-V) where it is known."""
        arrays = super().random_arrays(shape, objects, generator)
        if shape.reddening:
            arrays["reddening"] = 0.3 * torch.rand(objects, generator=generator)
        return arrays
