"""From a batch on the device, or from padded arrays of raw flux, to the arguments of a network."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from ictconvention.configuration.options import WhichPoints
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.spec import Channels, Contents, points_in
from ictconvention.networks.parts.scaling import Scaling

LIMIT_SHARE = 0.2  # of the points of random sequences
MISSING = 0.01  # share of the pixels, or of the fluxes, that random sequences lack
Reads = Literal["pixels", "photometry", "pixels+photometry"]

# What arrays hold that several networks take, for whoever has an exported model alone.
BAND = "band of each frame, from 1 in the order of the bands; 0 where there is no frame: at the end"
MEDIAN = "median of all frames of the object in each band, in the order of the bands [flux_unit]; 0 where there is none"
NIGHTS = "number of nights of each object; what follows does not count"


@dataclass(frozen=True, slots=True)
class InputShape:
    """What a network is built for.

    Parameters
    ----------
    bands : tuple of str
        Bands of the survey, in its order.
    stamp_size : int
        Pixels along a side of a stamp.
    max_frames, frames_per_group : int
        M and K: the largest number of frames of a sequence, and of a group of them; K divides M.
    channels : int
        Of a frame: 1, or 2 where the residual to a median frame comes along.
    pixel_scale : float, optional
        Size of a pixel [arcsec]; None where a run was trained before networks were told.
    reddening : bool
        Whether E(B-V) of the objects is known.
    points : bool
        Whether points without pixels come along.

    Examples
    --------
    >>> ict.InputShape(bands=("g", "r")).max_frames
    99
    """

    bands: tuple[str, ...]
    stamp_size: int = 32
    max_frames: int = 99
    frames_per_group: int = 3
    channels: int = 1
    pixel_scale: float | None = None
    reddening: bool = False
    points: bool = False


class Inputs(nn.Module, ABC):
    """What a network takes, made of a batch in training and of padded arrays in an exported model.

    Parameters
    ----------
    scaling : Scaling
        Scaling of the training part.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", batch_size=8)
    >>> inputs = ict.FrameInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> frames, band, lengths = inputs(next(iter(data.train_dataloader()))[0])
    >>> int(lengths.sum()) == len(frames) == len(band)
    True
    """

    reads: ClassVar[Reads] = "pixels"  # what a batch must hold
    pictures: ClassVar[bool] = False  # whether the frames of an object are one picture, of which none may be left out
    takes_reddening: ClassVar[bool] = False  # whether it takes E(B-V) too, where the survey has it
    takes_points: ClassVar[bool] = False  # whether it takes points without pixels too, where a run reads them
    meanings: ClassVar[Mapping[str, str]] = {}  # what each array of `padded` holds: columns in order, units, padding

    def __init__(self, scaling: Scaling):
        super().__init__()
        self.scaling = scaling

    @classmethod
    def finds(cls, contents: Contents) -> bool:
        """Return whether batches of these contents hold what it reads."""
        channels: Channels = "direct+residual" if "residual" in contents else "direct"
        return contents == cls.contents_with(channels, cls.takes_points and points_in(contents))

    @classmethod
    def contents_with(cls, channels: Channels, points: WhichPoints = False) -> Contents:
        """Return what batches must hold, where the pixels have these channels, and these points join them."""
        if cls.reads == "pixels":
            return channels
        frames = "photometry" if cls.reads == "photometry" else f"{channels}+photometry"
        contents: Contents
        for contents in get_args(Contents):
            if contents.startswith(frames) and points_in(contents) == points:
                return contents
        raise ValueError(f"there are no contents with points={points!r}")

    @torch.no_grad()
    def forward(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return the arguments of a network's `features`; in full precision, whether autocast is on or not."""
        with torch.autocast(batch.band.device.type, enabled=False):
            return self.arguments(batch)

    @abstractmethod
    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return the arguments of `features`, ragged: the rows of all objects, one object after the other."""

    @abstractmethod
    def padded(self, *arrays: Any, **named: Any) -> tuple[Tensor, ...]:
        """Return the arguments of `features_padded`, of arrays of raw flux (B, S, ...)."""

    def pixels_with_data(self, *arrays: Any, **named: Any) -> Tensor | None:
        """Return the pixels (B, H, W) of pictures that have data; None of other inputs. Arguments as of `padded`."""
        return None

    @abstractmethod
    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences of some objects, unequally long and with gaps: the arguments of `padded` by name."""

    def channels(self, frames: Tensor, band: Tensor, median: Tensor | None) -> list[Tensor]:
        """Scale frames (n, ...) of bands (n,), counted from 0; after them their residuals to the median, if given.

        A pixel that is not finite has no flux, or that of the median.
        """
        if median is None:
            return [self.scaling(make_finite(frames), band)]
        frames = frames.where(frames.isfinite(), median)
        return [self.scaling(frames, band), self.scaling.residual(frames - median, band)]

    def random_fluxes(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Return random fluxes [flux_unit] about as large as those of the training part, the band last."""
        faint = torch.randn(shape, generator=generator)
        return (self.scaling.offset + 3 * self.scaling.scale * faint).masked_fill(
            torch.rand(shape, generator=generator) < MISSING, torch.nan
        )

    def random_medians(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random median frames, where the network was fed residuals."""
        if shape.channels == 1:
            return {}
        size = shape.stamp_size
        fluxes = self.random_fluxes((objects, size, size, len(shape.bands)), generator)
        return {"median": fluxes.movedim(3, 1).contiguous()}


def make_finite(flux: Tensor) -> Tensor:
    """Return fluxes with 0 where there is none."""
    return flux.where(flux.isfinite(), 0)


def night_row(batch: SeriesBatch) -> Tensor:
    """Return the row of each frame's night (F,) among the nights of all objects."""
    before = (batch.nights.cumsum(0) - batch.nights).to(batch.night.device, non_blocking=True)
    return before[batch.owner] + batch.night


def point_night_row(batch: SeriesBatch) -> Tensor:
    """Return the row of each point's night (P,) among the nights of all objects."""
    if batch.point_owner is None or batch.point_night is None:
        raise ValueError("the batch holds no points; read contents='photometry+points'")
    before = (batch.nights.cumsum(0) - batch.nights).to(batch.point_night.device, non_blocking=True)
    return before[batch.point_owner] + batch.point_night


def means(values: Tensor, slot: Tensor, slots: int, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the mean of the values (F, ...) of each slot (slots, ...), zero in an empty one, and their number.

    Where some are not `known` (F,), the values themselves are scalars (F,).
    """
    one = values.new_ones(len(slot))
    if known is not None:
        values, one = values.where(known, 0), one * known
    total = values.new_zeros(slots, *values.shape[1:]).index_add_(0, slot, values)
    count = values.new_zeros(slots).index_add_(0, slot, one)
    return total / count.clamp(min=1).view(-1, *(1 for _ in values.shape[1:])), count
