"""Frames, each of one band: what ConvEntion takes."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import adjust_stamps, turn_stamps
from ictconvention.networks.inputs.inputs import BAND, MEDIAN, Inputs, InputShape, make_finite
from ictconvention.networks.parts.scaling import Scaling


class FrameInputs(Inputs):
    """Frames, their band ids from 1, and how many each object has.

    Where the batch has median frames, each frame's difference to that of its band, the residual, is a second channel.

    Examples
    --------
    >>> inputs = ict.FrameInputs(ict.Scaling("asinh", [0.0, 0.0], [0.1, 0.1]))
    >>> scaled, band = inputs.padded(torch.zeros(1, 4, 32, 32), torch.tensor([[1, 2, 1, 0]]))
    >>> scaled.shape
    torch.Size([1, 4, 32, 32])
    """

    meanings: ClassVar[Mapping[str, str]] = {
        "frames": "stamps in time order [flux_unit], NaN where a pixel is missing; where there is no frame, anything",
        "band": BAND,
        "median": MEDIAN,
    }

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return frames (F, H, W) or (F, 2, H, W), band ids (F,) and lengths (B,)."""
        return scaled_frames(batch, self.scaling), batch.band + 1, batch.lengths

    def padded(self, frames: Tensor, band: Tensor, median: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return scaled frames (B, S, H, W), or (B, S, 2, H, W), and the bands.

        Parameters
        ----------
        frames : tensor (B, S, H, W)
            In time order [flux_unit]; where there is no frame, anything.
        band : integer tensor (B, S)
            Band of each frame, from 1 in the order of the survey, 0 where there is none: at the end.
        median : tensor (B, bands, H, W), optional
            Each object's median frame in each band [flux_unit], where the network was fed residuals.
        """
        position = (band - 1).clamp(min=0)
        if median is not None:
            own = position[:, :, None, None].expand_as(frames)
            median = make_finite(median).gather(1, own).flatten(0, 1)  # each frame's own
        channels = self.channels(frames.flatten(0, 1), position.flatten(), median)
        scaled = channels[0] if len(channels) == 1 else torch.stack(channels, dim=1)
        return scaled.unflatten(0, band.shape), band

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, size, bands = shape.max_frames, shape.stamp_size, len(shape.bands)
        real = torch.arange(steps) < torch.randint(1, steps + 1, (objects, 1), generator=generator)
        band = torch.randint(1, bands + 1, (objects, steps), generator=generator) * real
        fluxes = self.random_fluxes((objects, steps, size, size, bands), generator)
        own = (band - 1).clamp(min=0)[:, :, None, None, None].expand(-1, -1, size, size, 1)
        medians = self.random_medians(shape, objects, generator)
        return {"frames": fluxes.gather(4, own).squeeze(4), "band": band} | medians


def scaled_frames(batch: SeriesBatch, scaling: Scaling) -> Tensor:
    """Adjust and turn the stamps as their views say and scale them: (F, H, W), or (F, 2, H, W) with median frames.

    Turned first: flux is what interpolation preserves.
    """
    if batch.frames is None:
        raise ValueError("the batch holds no stamps; read contents='direct'")
    frames = batch.frames
    if batch.brightness is not None or batch.contrast is not None:
        one = torch.ones(len(batch), device=frames.device)
        brightness, contrast = (one if x is None else x for x in (batch.brightness, batch.contrast))
        frames = adjust_stamps(frames, brightness[batch.owner], contrast[batch.owner], batch.seen)
    turns = (batch.quarter_turns, batch.horizontal, batch.vertical)
    angle = batch.angle.repeat_interleave(batch.lengths)  # of each frame, on the CPU as the lengths are
    frames = turn_stamps(frames, angle, *(turn[batch.owner] for turn in turns))
    direct = scaling(frames, batch.band)
    if batch.median is None:
        return direct
    bands = batch.median.shape[1]
    of_object = (turn.repeat_interleave(bands) for turn in (batch.angle, *turns))
    median = turn_stamps(batch.median.flatten(0, 1), *of_object)  # turning is linear, and there are fewer of these
    residual = scaling.residual(frames - median[batch.owner * bands + batch.band], batch.band)
    return torch.stack([direct, residual], dim=1)
