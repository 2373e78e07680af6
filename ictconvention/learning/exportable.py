"""Networks on padded arrays of raw flux: scaling, network and calibration as one module, which torch can export.

Fluxes go in as a survey has them, calibrated logits and probabilities come out. Knows neither runs nor files.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ictconvention.feeding.task import Task
from ictconvention.learning.inputs import FrameInputs, LightCurveInputs, NightInputs
from ictconvention.learning.learner import Learner
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.heads import Branch, Inference, Online
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.recurrent import CNNRecurrent

MISSING = 0.01  # share of the pixels, or of the fluxes, that random sequences lack


class Exportable(nn.Module, ABC):
    """A trained network on padded arrays of raw flux, with S = task.max_frames steps; each object has at least one.

    Parameters
    ----------
    network : Module
        That predicts.
    scaling : Scaling
        Scaling of the training part.
    task : Task
        What the network was fed.
    shift : tensor (classes,)
        Added to the logits: from the class shares of the training to natural ones.
    temperature : float
        That divides them then.
    """

    network: nn.Module

    def __init__(self, network: nn.Module, scaling: Scaling, task: Task, shift: Tensor, temperature: float) -> None:
        super().__init__()
        self.network, self.scaling, self.task, self.temperature = network, scaling, task, temperature
        self.shift: Tensor
        self.register_buffer("shift", shift.float())

    @abstractmethod
    def sequences(self, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences of some objects, unequally long and with gaps: the arguments of `forward` by name."""

    def calibrated(self, logits: Tensor) -> dict[str, Tensor]:
        """Return `probability` (B, classes) at natural class shares, and the `logits` whose softmax that is."""
        logits = (logits + self.shift) / self.temperature
        return {"probability": logits.softmax(1), "logits": logits}

    def channels(self, frames: Tensor, band: Tensor, median: Tensor | None) -> list[Tensor]:
        """Scale frames (n, ...) of bands (n,), counted from 0; after them their residuals to the median, if given.

        A pixel that is not finite has no flux, or that of the median.
        """
        if median is None:
            return [self.scaling(_finite(frames), band)]
        frames = frames.where(frames.isfinite(), median)
        return [self.scaling(frames, band), self.scaling.residual(frames - median, band)]

    def _fluxes(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return random fluxes [flux_unit] about as large as those of the training part, the band last."""
        faint = torch.randn(shape, generator=generator)
        return (self.scaling.offset + 3 * self.scaling.scale * faint).masked_fill(
            torch.rand(shape, generator=generator) < MISSING, torch.nan
        )

    def _medians(self, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random median frames, where the network was fed residuals."""
        if self.task.contents != "direct+residual":
            return {}
        size = self.task.stamp_size
        fluxes = self._fluxes((objects, size, size, len(self.task.bands)), generator)
        return {"median": fluxes.movedim(3, 1).contiguous()}


class ExportableFrames(Exportable):
    """ConvEntion, or what predicts of ICT: a sequence of frames, each of one band."""

    network: ConvEntion | Branch

    def forward(self, frames: Tensor, band: Tensor, median: Tensor | None = None) -> dict[str, Tensor]:
        """Classify sequences of frames.

        Parameters
        ----------
        frames : tensor (B, S, H, W)
            In time order [flux_unit]; where there is no frame, anything.
        band : integer tensor (B, S)
            Band of each frame, from 1 in the order of the task, 0 where there is none: at the end.
        median : tensor (B, bands, H, W), optional
            Each object's median frame in each band [flux_unit], where the network was fed residuals.
        """
        position = (band - 1).clamp(min=0)
        if median is not None:
            own = position[:, :, None, None].expand_as(frames)
            median = _finite(median).gather(1, own).flatten(0, 1)  # each frame's own
        channels = self.channels(frames.flatten(0, 1), position.flatten(), median)
        scaled = channels[0] if len(channels) == 1 else torch.stack(channels, dim=1)
        return self.calibrated(self.network.forward_padded(scaled.unflatten(0, band.shape), band))

    def sequences(self, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, size, bands = self.task.max_frames, self.task.stamp_size, len(self.task.bands)
        real = torch.arange(steps) < torch.randint(1, steps + 1, (objects, 1), generator=generator)
        band = torch.randint(1, bands + 1, (objects, steps), generator=generator) * real
        fluxes = self._fluxes((objects, steps, size, size, bands), generator)
        own = (band - 1).clamp(min=0)[:, :, None, None, None].expand(-1, -1, size, size, 1)
        return {"frames": fluxes.gather(4, own).squeeze(4), "band": band} | self._medians(objects, generator)


class ExportableNights(Exportable):
    """CNN+GRU or CNN+LSTM: a sequence of nights, with at most one frame of each band.

    Where a survey has several frames of a band in a night, training took the mean of the scaled ones; here their mean
    flux serves, which is nearly the same.
    """

    network: CNNRecurrent

    def forward(
        self, frames: Tensor, observed: Tensor, nights: Tensor, median: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Classify sequences of nights.

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
            median = _finite(median).movedim(1, 0).unsqueeze(2)  # (bands, B, 1, H, W)
        by_band = self.channels(frames.movedim(2, 0), torch.arange(frames.shape[2]), median)
        scaled = torch.cat(by_band).movedim(0, 2)  # (B, S, channels * bands, H, W)
        seen = torch.cat([observed] * len(by_band), dim=2)[..., None, None]
        return self.calibrated(self.network.forward_padded(scaled.where(seen, 0), nights))

    def sequences(self, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, size, bands = self.task.max_frames, self.task.stamp_size, len(self.task.bands)
        arrays = {
            "frames": self._fluxes((objects, steps, size, size, bands), generator).movedim(4, 2).contiguous(),
            "observed": torch.rand(objects, steps, bands, generator=generator) < 0.6,
            "nights": torch.randint(1, steps + 1, (objects,), generator=generator),
        }
        return arrays | self._medians(objects, generator)


class ExportableLightCurves(Exportable):
    """The light-curve RNN: a sequence of nights, with at most one flux of each band.

    Of several fluxes of a band in a night the mean is meant, and its error.
    """

    network: LightCurveRNN

    def forward(self, flux: Tensor, error: Tensor, days: Tensor, observed: Tensor, nights: Tensor) -> dict[str, Tensor]:
        """Classify light curves.

        Parameters
        ----------
        flux, error : tensors (B, S, bands)
            Flux and error of each night and band [flux_unit]; a band without a finite flux and error was not observed.
        days : tensor (B, S)
            Days since the night before; what stands at an object's first night does not count.
        observed : boolean tensor (B, S, bands)
            Which bands have a flux that night.
        nights : integer tensor (B,)
            Number of nights of each object; what follows does not count.
        """
        band = torch.arange(flux.shape[2])
        observed = observed & flux.isfinite() & error.isfinite()
        flux, error = (x.where(observed, 0).movedim(2, 0) for x in (flux, error))  # (bands, B, S)
        step = torch.arange(days.shape[1])
        known = (step > 0) & (step < nights[:, None])
        scaled = self.scaling(flux, band), self.scaling.error(error, flux, band)
        flux, error = (x.movedim(0, 2) for x in scaled)
        return self.calibrated(self.network.forward_padded(flux, error, days.where(known, 0).log1p(), observed, nights))

    def sequences(self, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, bands = self.task.max_frames, len(self.task.bands)
        shape = (objects, steps, bands)
        return {
            "flux": self._fluxes(shape, generator),
            "error": self.scaling.scale * torch.rand(shape, generator=generator),
            "days": 30 * torch.rand(objects, steps, generator=generator),
            "observed": torch.rand(shape, generator=generator) < 0.6,
            "nights": torch.randint(1, steps + 1, (objects,), generator=generator),
        }


def make_exportable(learner: Learner, shift: Tensor, temperature: float) -> Exportable:
    """Return what predicts of a learner, on padded arrays, in eval mode; it shares the learner's weights."""
    kinds: dict[type[nn.Module], type[Exportable]] = {
        FrameInputs: ExportableFrames,
        NightInputs: ExportableNights,
        LightCurveInputs: ExportableLightCurves,
    }
    network = Inference.of(learner.network) if isinstance(learner.network, Online) else learner.network
    return kinds[type(learner.inputs)](network, learner.inputs.scaling, learner.task, shift, temperature).eval()


def _finite(flux: Tensor) -> Tensor:
    return flux.where(flux.isfinite(), 0)
