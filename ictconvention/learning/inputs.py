"""From a batch on the device to the arguments of a network: stamps turned, fluxes scaled, frames put into nights."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import turn_stamps
from ictconvention.networks.parts.scaling import Scaling


class Inputs(nn.Module, ABC):
    """What a network's `forward` takes, from a batch.

    Parameters
    ----------
    scaling : Scaling
        Scaling of the training part.
    """

    def __init__(self, scaling: Scaling):
        super().__init__()
        self.scaling = scaling

    @torch.no_grad()
    def forward(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return the arguments; in full precision, whether autocast is on or not."""
        with torch.autocast(batch.band.device.type, enabled=False):
            return self.arguments(batch)

    @abstractmethod
    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return the arguments."""


class FrameInputs(Inputs):
    """For ConvEntion and ICT: frames, their band ids from 1, lengths.

    Where the batch has median frames, each frame's difference to that of its band, the residual, is a second channel.
    """

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return frames (F, H, W) or (F, 2, H, W), band ids (F,) and lengths (B,)."""
        return scaled_frames(batch, self.scaling), batch.band + 1, batch.lengths


class NightInputs(Inputs):
    """For CNN+GRU and CNN+LSTM: each night's frames as channels, lengths in nights.

    A band that was not observed in a night is zero; of several frames of a band the mean is taken. With median
    frames, the residuals follow as further channels.
    """

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return nights (S, bands, H, W), or twice the bands, and the number of nights (B,)."""
        frames = scaled_frames(batch, self.scaling)
        bands = len(self.scaling.scale)
        if frames.ndim == 3:
            frames = frames.unsqueeze(1)
        slot = _night_row(batch) * bands + batch.band
        nights, _ = _means(frames, slot, int(batch.nights.sum()) * bands)
        return nights.unflatten(0, (-1, bands)).transpose(1, 2).flatten(1, 2), batch.nights


class LightCurveInputs(Inputs):
    """For the light-curve RNN: fluxes, errors, days since the night before as log(1 + days), observed bands, lengths.

    Of several fluxes of a band in a night the mean is taken, and its error.
    """

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return flux and error (S, bands), days (S,), observed (S, bands) and the number of nights (B,)."""
        if batch.photometry is None:
            raise ValueError("the batch holds no photometry; read contents='photometry'")
        bands, nights = len(self.scaling.scale), int(batch.nights.sum())
        known = batch.photometry.isfinite().all(1)
        slot = (_night_row(batch) * bands + batch.band)[known]
        flux, error = batch.photometry[known].unbind(1)
        mean, count = _means(flux, slot, nights * bands)
        variance, _ = _means(error.square(), slot, nights * bands)
        band = torch.arange(bands, device=flux.device).repeat(nights)
        mean_error = (variance / count.clamp(min=1)).sqrt()
        columns = self.scaling(mean, band), self.scaling.error(mean_error, mean, band), count > 0

        start = torch.full((nights,), torch.inf, device=flux.device)
        start.scatter_reduce_(0, _night_row(batch), batch.time, "amin")
        days = start.diff(prepend=start[:1])
        days[batch.nights.cumsum(0)[:-1].to(days.device)] = 0  # an object's first night follows none
        flux, error, observed = (column.unflatten(0, (-1, bands)) for column in columns)
        return flux, error, days.log1p(), observed, batch.nights


def scaled_frames(batch: SeriesBatch, scaling: Scaling) -> Tensor:
    """Turn the stamps as their views say and scale them: (F, H, W), or (F, 2, H, W) with median frames.

    Turned first: flux is what interpolation preserves.
    """
    if batch.frames is None:
        raise ValueError("the batch holds no stamps; read contents='direct'")
    turns = (batch.angle, batch.quarter_turns, batch.horizontal, batch.vertical)
    frames = turn_stamps(batch.frames, *(turn[batch.owner] for turn in turns))
    direct = scaling(frames, batch.band)
    if batch.median is None:
        return direct
    bands = batch.median.shape[1]
    of_object = (turn.repeat_interleave(bands) for turn in turns)
    median = turn_stamps(batch.median.flatten(0, 1), *of_object)  # turning is linear, and there are fewer of these
    residual = scaling.residual(frames - median[batch.owner * bands + batch.band], batch.band)
    return torch.stack([direct, residual], dim=1)


def _night_row(batch: SeriesBatch) -> Tensor:
    """Return the row of each frame's night (F,) among the nights of all objects."""
    before = (batch.nights.cumsum(0) - batch.nights).to(batch.night.device)
    return before[batch.owner] + batch.night


def _means(values: Tensor, slot: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """Return the mean of the values (F, ...) of each slot (slots, ...), zero in an empty one, and their number."""
    total = values.new_zeros(slots, *values.shape[1:]).index_add_(0, slot, values)
    count = values.new_zeros(slots).index_add_(0, slot, values.new_ones(len(slot)))
    return total / count.clamp(min=1).view(-1, *(1 for _ in values.shape[1:])), count
