"""A batch of views: the frames of all objects packed one after the other, nothing padded. Knows no survey, no network.

What is here is all that a network can be given: no date, no season, no id. `label`, `index`, `truth`, `mask`, `flux`,
`weight` and `weak` are for losses and the names of predictions; no input is made of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.feeding.views import ViewRecipe
from ictconvention.survey.labels.chosen import UNLABELLED as UNLABELLED
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.series import night_index

ON_CPU = (
    "lengths",
    "nights",
    "point_lengths",
    "angle",
)  # networks read their values; on a device that would wait for it


@dataclass(frozen=True, slots=True, eq=False)
class SeriesView:
    """What one view takes from one object's series.

    Parameters
    ----------
    view : ViewRecipe
        Which frames, and how they turn.
    band : array (m,)
        Position of each frame's band in the survey's bands.
    mjd : array (m,)
        Times [days]; only their differences go on.
    frames : array (m, H, W), optional
        The stamps as the survey has them [flux_unit].
    median : array (bands, H, W), optional
        The object's median frame in each band [flux_unit], zero where it has none.
    seen : boolean array (m, H, W), optional
        Pixels that have a value of their own, where `frames` has another in place of missing ones.
    photometry : array (m, 2), optional
        Flux and its error [flux_unit], NaN where unknown.
    conditions : array (m, 2), optional
        Seeing [arcsec] and sky noise [flux_unit] of each frame, NaN where unknown.
    mask : array (H, W), optional
        The class of each pixel as the survey has it, not turned; 255 where it is not known.
    points : Points, optional
        What was measured at other times, without pixels.
    label : int
        Position of the class among the survey's, or `UNLABELLED`.
    index : int
        Position of the object in the survey.
    """

    view: ViewRecipe
    band: NDArray[np.uint8]
    mjd: NDArray[np.float64]
    frames: NDArray[np.floating] | None = None
    median: NDArray[np.float32] | None = None
    photometry: NDArray[np.float64] | None = None
    label: int = UNLABELLED
    index: int = 0
    seen: NDArray[np.bool_] | None = None
    conditions: NDArray[np.floating] | None = None
    mask: NDArray[np.uint8] | None = None
    points: Points | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesBatch:
    """One view of each of B objects, F frames together; a network gets this after turning and scaling.

    Parameters
    ----------
    band : integer tensor (F,)
        Position of each frame's band in the survey's bands, from 0.
    owner : integer tensor (F,)
        Position in the batch of each frame's object.
    night : integer tensor (F,)
        Night of each frame, counted from 0 within the view; where there are points, among the nights of both.
    time : tensor (F,)
        Days since the view's first frame.
    lengths, nights : integer tensors (B,)
        Number of frames and of nights of each object; they stay on the CPU.
    label : integer tensor (B,)
        Class, or `UNLABELLED`.
    index : integer tensor (B,)
        Position of each object in the survey; names predictions and is not an input.
    angle, quarter_turns, horizontal, vertical : tensors (B,)
        How each object's stamps turn, see `ViewRecipe`; `angle` stays on the CPU.
    frames : tensor (F, H, W), optional
        Stamps [flux_unit]; a missing pixel has the value of the sky, zero, or of the median frame where there is one.
    median : tensor (B, bands, H, W), optional
        Each object's median frame in each band [flux_unit].
    seen : boolean tensor (F, H, W), optional
        Pixels that are not missing; none where all are there.
    photometry : tensor (F, 2), optional
        Flux and its error [flux_unit], NaN where unknown.
    conditions : tensor (F, 2), optional
        Seeing [arcsec] and sky noise [flux_unit], NaN where unknown.
    truth : tensor (B,), optional
        The number that the label stands for, NaN where unknown, where a task learns from it; not an input.
    brightness, contrast : tensors (B,), optional
        Factors of each object's stamps, see `ViewRecipe`; none where no view has any.
    reddening : tensor (B,), optional
        E(B-V) of the Milky Way [mag], where a network takes it and the survey has it.
    flux : tensor (B, bands), optional
        What an auxiliary head learns, see `asinh_fluxes`, NaN where unknown; not an input.
    weight : tensor (B,), optional
        How much each object counts in the loss; none where all count the same.
    mask : tensor (B, H, W), optional
        The class of each pixel as the survey has it, uint8, 255 where it is not known; it turns as the stamps do, see
        `turned_mask`. Not an input.
    point_band, point_owner, point_night, point_time : tensors (P,), optional
        As of frames, of all objects' points without pixels; days since the view's first frame, before it below 0.
    point_photometry : tensor (P, 2), optional
        Flux of science minus reference and its error [nanomaggies]; of a limit NaN and a fifth of it, or NaN.
    point_lengths : integer tensor (B,), optional
        Number of points of each object, from 0; they stay on the CPU.
    weak : tensor (B,), optional
        1 for an object whose label is photometric, where the loss asks for it; not an input.
    """

    band: Tensor
    owner: Tensor
    night: Tensor
    time: Tensor
    lengths: Tensor
    nights: Tensor
    label: Tensor
    index: Tensor
    angle: Tensor
    quarter_turns: Tensor
    horizontal: Tensor
    vertical: Tensor
    frames: Tensor | None = None
    median: Tensor | None = None
    photometry: Tensor | None = None
    seen: Tensor | None = None
    conditions: Tensor | None = None
    truth: Tensor | None = None
    brightness: Tensor | None = None
    contrast: Tensor | None = None
    reddening: Tensor | None = None
    flux: Tensor | None = None
    weight: Tensor | None = None
    mask: Tensor | None = None
    point_band: Tensor | None = None
    point_owner: Tensor | None = None
    point_night: Tensor | None = None
    point_time: Tensor | None = None
    point_photometry: Tensor | None = None
    point_lengths: Tensor | None = None
    weak: Tensor | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch on a device; the numbers of frames, nights and points and `angle` stay on the CPU."""
        moved = {
            name: x.to(device, non_blocking=non_blocking or x.is_pinned())
            for name, x in self._tensors()
            if name not in ON_CPU
        }
        return replace(self, **moved)

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory, for a faster way to a GPU."""
        return replace(self, **{name: x.pin_memory() for name, x in self._tensors()})

    def _tensors(self) -> list[tuple[str, Tensor]]:
        return [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) is not None]


def collate(views: Sequence[SeriesView]) -> SeriesBatch:
    """Pack one view of each of some objects into a batch."""
    lengths = np.array([len(v.band) for v in views])
    night, point_night = zip(*map(_nights, views), strict=True)
    turns = [v.view for v in views]
    frames, seen = _finite([v for v in views if v.frames is not None])
    return SeriesBatch(
        band=torch.from_numpy(np.concatenate([v.band for v in views]).astype(np.int64)),
        owner=torch.from_numpy(np.repeat(np.arange(len(views)), lengths)),
        night=torch.from_numpy(np.concatenate(night)),
        time=torch.from_numpy(np.concatenate([v.mjd - v.mjd[0] for v in views]).astype(np.float32)),
        lengths=torch.from_numpy(lengths),
        nights=torch.tensor(
            [max(of.max(initial=0) for of in both) + 1 for both in zip(night, point_night, strict=True)]
        ),
        label=torch.tensor([v.label for v in views]),
        index=torch.tensor([v.index for v in views]),
        angle=torch.tensor([turn.angle for turn in turns]),
        quarter_turns=torch.tensor([turn.quarter_turns for turn in turns]),
        horizontal=torch.tensor([turn.horizontal for turn in turns]),
        vertical=torch.tensor([turn.vertical for turn in turns]),
        frames=frames,
        median=_stacked([v.median for v in views if v.median is not None]),
        seen=seen,
        photometry=_joined([v.photometry for v in views if v.photometry is not None]),
        conditions=_joined([v.conditions for v in views if v.conditions is not None]),
        brightness=_factors([turn.brightness for turn in turns]),
        contrast=_factors([turn.contrast for turn in turns]),
        mask=_masks([v.mask for v in views if v.mask is not None]),
        **_points(views, point_night),
    )


def join_batches(batches: Sequence[SeriesBatch]) -> SeriesBatch:
    """Return several views of the same objects as one batch, the second view's objects after the first's."""
    tensors = {}
    for f in fields(SeriesBatch):
        parts = [getattr(batch, f.name) for batch in batches]
        if f.name == "seen" and any(part is not None for part in parts):
            there = [(b.frames, b.seen) for b in batches if b.frames is not None]
            parts = [torch.ones_like(own, dtype=torch.bool) if seen is None else seen for own, seen in there]
        if f.name in ("brightness", "contrast") and any(part is not None for part in parts):
            parts = [torch.ones(len(b)) if part is None else part for b, part in zip(batches, parts, strict=True)]
        if parts[0] is not None:
            tensors[f.name] = torch.cat(parts)
    objects = len(batches[0])
    for name in ("owner", "point_owner"):
        if name in tensors:
            tensors[name] = torch.cat([getattr(batch, name) + n * objects for n, batch in enumerate(batches)])
    return SeriesBatch(**tensors)


def _nights(view: SeriesView) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the night of each frame and of each point, among those of both."""
    if view.points is None or not len(view.points):
        return night_index(view.mjd), np.zeros(0, np.int64)
    mjd = np.concatenate([view.mjd, view.points.mjd])
    order = np.argsort(mjd, kind="stable")
    night = np.empty(len(mjd), np.int64)
    night[order] = night_index(mjd[order])
    return night[: len(view.mjd)], night[len(view.mjd) :]


def _points(views: Sequence[SeriesView], night: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
    """Return the tensors of the views' points, by name; none where they are not read."""
    of = [v.points for v in views if v.points is not None]
    if not of:
        return {}
    lengths = np.array([len(points) for points in of])
    time = [points.mjd - v.mjd[0] for points, v in zip(of, views, strict=True)]
    return {
        "point_band": torch.from_numpy(np.concatenate([points.band for points in of]).astype(np.int64)),
        "point_owner": torch.from_numpy(np.repeat(np.arange(len(of)), lengths)),
        "point_night": torch.from_numpy(np.concatenate(night)),
        "point_time": torch.from_numpy(np.concatenate(time).astype(np.float32)),
        "point_photometry": torch.from_numpy(np.concatenate([points.photometry for points in of])),
        "point_lengths": torch.from_numpy(lengths),
    }


def repeat_objects(batch: SeriesBatch, times: int) -> SeriesBatch:
    """Return a batch whose numbers for losses come several times, all objects one time after the other.

    Its frames stay as they are: it is for the loss of several outputs of one view.
    """
    named = ("label", "index", "truth", "flux", "weight", "weak")
    given = {name: x for name in named if (x := getattr(batch, name)) is not None}
    return replace(batch, **{name: x.repeat(times, *[1] * (x.ndim - 1)) for name, x in given.items()})


def _finite(views: list[SeriesView]) -> tuple[Tensor | None, Tensor | None]:
    """Join stamps; a pixel that is missing, or infinite, becomes zero, and is not among the seen ones."""
    if not views:
        return None, None
    frames = np.concatenate([v.frames for v in views if v.frames is not None], dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        total = frames.sum()  # is not finite if a pixel is not, and takes half the time of looking at each
    if np.isfinite(total) and all(v.seen is None for v in views):
        return torch.from_numpy(frames), None
    seen = np.isfinite(frames)
    frames[~seen] = 0
    of_each = [(v.frames, v.seen) for v in views if v.frames is not None]
    seen &= np.concatenate([np.ones(own.shape, bool) if there is None else there for own, there in of_each])
    return torch.from_numpy(frames), torch.from_numpy(seen)


def _factors(factors: list[float]) -> Tensor | None:
    return None if all(factor == 1 for factor in factors) else torch.tensor(factors)


def _joined(parts: list[NDArray[np.floating]]) -> Tensor | None:
    return torch.from_numpy(np.concatenate(parts, dtype=np.float32)) if parts else None


def _stacked(parts: list[NDArray[np.float32]]) -> Tensor | None:
    return torch.from_numpy(np.stack(parts).astype(np.float32)) if parts else None


def _masks(masks: list[NDArray[np.uint8]]) -> Tensor | None:
    return torch.from_numpy(np.stack(masks)) if masks else None
