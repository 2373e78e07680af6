"""Frames with their times, photometry, seeing and noise, or photometry alone: what the transformers take."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.views import turn_stamps
from ictconvention.networks.inputs.frames import FrameInputs, scaled_frames
from ictconvention.networks.inputs.inputs import BAND, LIMIT_SHARE, Inputs, InputShape, Reads, make_finite


class TokenInputs(Inputs):
    """What both have in common: fluxes in units of the band's scale, those of points without pixels too."""

    takes_points: ClassVar[bool] = True
    meanings: ClassVar[Mapping[str, str]] = {
        "band": BAND,
        "days": "days since the first of the object's frames that are given [days]",
        "photometry": "two columns for each frame: flux [flux_unit] and its error [flux_unit], measured as "
        "`photometry` of this text says; NaN where unknown",
        "point_band": "band of each flux without pixels, as of frames; 0 where there is none: at the end",
        "point_days": "days since the first of the object's frames that are given, before it below 0 [days]",
        "point_photometry": "two columns for each flux without pixels: flux of science minus reference [flux_unit] and "
        "its error [flux_unit]; of a limit (5 sigma) NaN, and a fifth of it, or NaN where it is unknown",
    }

    def scaled_photometry(self, batch: SeriesBatch) -> Tensor:
        """Return fluxes and errors (F, 2), divided by the scale of the band."""
        if batch.photometry is None:
            raise ValueError(f"the batch holds no photometry; read contents='{self.contents_with('direct')}'")
        return batch.photometry / self.scaling.scale[batch.band][:, None]

    def points(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return bands from 1, days, fluxes with errors [the band's scale] and numbers of points, where there are any.

        Nothing where a run does not read them.
        """
        band, days, photometry, lengths = (
            batch.point_band,
            batch.point_time,
            batch.point_photometry,
            batch.point_lengths,
        )
        if band is None or days is None or photometry is None or lengths is None:
            return ()
        return band + 1, days, photometry / self.scaling.scale[band][:, None], lengths

    def padded_points(self, band: Tensor | None, days: Tensor | None, photometry: Tensor | None) -> tuple[Tensor, ...]:
        """Return the same of padded arrays (B, P), (B, P), (B, P, 2) [flux_unit]; nothing where there are none."""
        if band is None or days is None or photometry is None:
            return ()
        return band, days, photometry / self.scale_of(band)[..., None]

    def random_points(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random points of some objects, where the network was built for them."""
        if not shape.points:
            return {}
        steps = shape.max_frames
        real = torch.arange(steps) < torch.randint(0, steps + 1, (objects, 1), generator=generator)
        band = torch.randint(1, len(shape.bands) + 1, (objects, steps), generator=generator) * real
        found = self.random_light_curves(band, generator)
        limit = torch.rand(band.shape, generator=generator) < LIMIT_SHARE
        found["photometry"][..., 0] = found["photometry"][..., 0].masked_fill(limit, torch.nan)
        return {"point_band": band, **{f"point_{name}": x for name, x in found.items()}}

    def scale_of(self, band: Tensor) -> Tensor:
        """Return the scale [flux_unit] of bands from 1; of no band, any."""
        return self.scaling.scale[(band - 1).clamp(min=0)]

    def random_light_curves(self, band: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Return days (B, S) and photometry (B, S, 2) of frames in these bands."""
        days = torch.rand(band.shape, generator=generator).mul(9).cumsum(1)
        flux = self.random_fluxes((*band.shape, len(self.scaling.scale)), generator)
        flux = flux.gather(2, (band - 1).clamp(min=0)[..., None]).squeeze(2)
        error = self.scale_of(band) * (0.5 + torch.rand(band.shape, generator=generator))
        return {"days": days - days[:, :1], "photometry": torch.stack([flux, error], dim=-1)}


class PhotometryTokenInputs(TokenInputs):
    """Bands, days and photometry of each frame, and how many frames each object has.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", contents="photometry", batch_size=8)
    >>> inputs = ict.PhotometryTokenInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> band, days, photometry, lengths = inputs(next(iter(data.train_dataloader()))[0])
    >>> photometry.shape == (int(lengths.sum()), 2)
    True
    """

    reads: ClassVar[Reads] = "photometry"

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return band ids (F,) from 1, days (F,), flux and error (F, 2) [the band's scale] and lengths (B,).

        Then points, see `points`.
        """
        return batch.band + 1, batch.time, self.scaled_photometry(batch), batch.lengths, *self.points(batch)

    def padded(
        self,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        point_band: Tensor | None = None,
        point_days: Tensor | None = None,
        point_photometry: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return bands, days and scaled photometry.

        Parameters
        ----------
        band : integer tensor (B, S)
            Band of each frame, from 1 in the order of the survey, 0 where there is none: at the end.
        days : tensor (B, S)
            Days since the first frame.
        photometry : tensor (B, S, 2)
            Flux and its error [flux_unit]; NaN where unknown.
        point_band, point_days, point_photometry : tensors, optional
            As of `padded_points`, where the network was built for points.
        """
        points = self.padded_points(point_band, point_days, point_photometry)
        return band, days, photometry / self.scale_of(band)[..., None], *points

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps = shape.max_frames
        real = torch.arange(steps) < torch.randint(1, steps + 1, (objects, 1), generator=generator)
        band = torch.randint(1, len(shape.bands) + 1, (objects, steps), generator=generator) * real
        return {"band": band, **self.random_light_curves(band, generator)} | self.random_points(
            shape, objects, generator
        )


class FrameTokenInputs(TokenInputs):
    """Frames scaled and as they are, bands, days, photometry, seeing and noise, and the median stamps.

    Examples
    --------
    >>> split = ict.split(survey)
    >>> data = ict.SeriesDataModule(survey, split, "pretrain", contents="direct+residual+photometry", batch_size=8)
    >>> inputs = ict.FrameTokenInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> frames, fluxes, band, days, photometry, conditions, lengths, medians, host = inputs(
    ...     next(iter(data.train_dataloader()))[0]
    ... )
    >>> frames.shape[1:], medians.shape == (len(lengths), 5, 32, 32)
    (torch.Size([2, 32, 32]), True)
    """

    reads: ClassVar[Reads] = "pixels+photometry"
    meanings: ClassVar[Mapping[str, str]] = {
        **FrameInputs.meanings,
        **TokenInputs.meanings,
        "conditions": "two columns for each frame: seeing, the width of a point source at half maximum [arcsec], and "
        "sky noise of a pixel [flux_unit]; NaN where unknown",
    }

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return what `FrameTransformer.features` takes."""
        frames = scaled_frames(batch, self.scaling)
        scale = self.scaling.scale
        pixels, lengths = batch.frames, batch.lengths
        if pixels is None or batch.conditions is None:
            raise ValueError("the batch holds no stamps with their conditions; read contents='direct+photometry'")
        fluxes = [pixels]
        if batch.median is not None:
            fluxes.append(pixels - batch.median[batch.owner, batch.band])
        units = torch.stack(fluxes, dim=1).div_(scale[batch.band][:, None, None, None])
        if batch.seen is not None:
            units = units.masked_fill(~batch.seen[:, None], torch.nan)
        conditions = self.scaled_conditions(batch.conditions, scale[batch.band])
        known = batch.band + 1, batch.time, self.scaled_photometry(batch), conditions, lengths
        frames = frames.unsqueeze(1) if batch.median is None else frames
        points = self.points(batch)
        if batch.median is None:
            nothing = frames.new_zeros(0)  # in the places of medians, of which the network has none
            return frames, units, *known, *((nothing, nothing, *points) if points else ())
        turns = (batch.angle, batch.quarter_turns, batch.horizontal, batch.vertical)
        bands = batch.median.shape[1]
        turned = turn_stamps(batch.median.flatten(0, 1), *(turn.repeat_interleave(bands) for turn in turns))
        medians = self.scaled_medians(turned.unflatten(0, (-1, bands))), self.in_units(batch.median)
        return frames, units, *known, *medians, *points

    def padded(
        self,
        frames: Tensor,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        conditions: Tensor,
        median: Tensor | None = None,
        point_band: Tensor | None = None,
        point_days: Tensor | None = None,
        point_photometry: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the arguments of `FrameTransformer.features_padded`.

        Parameters
        ----------
        frames : tensor (B, S, H, W)
            In time order [flux_unit], NaN where a pixel is missing; where there is no frame, anything.
        band : integer tensor (B, S)
            Band of each frame, from 1 in the order of the survey, 0 where there is none: at the end.
        days : tensor (B, S)
            Days since the first frame.
        photometry : tensor (B, S, 2)
            Flux and its error [flux_unit]; NaN where unknown.
        conditions : tensor (B, S, 2)
            Seeing [arcsec] and sky noise [flux_unit] of each frame; NaN where unknown.
        median : tensor (B, bands, H, W), optional
            Each object's median frame in each band [flux_unit], where the network was fed residuals.
        point_band, point_days, point_photometry : tensors, optional
            As of `padded_points`, where the network was built for points.
        """
        scale = self.scale_of(band)
        fluxes = [frames]
        if median is not None:
            median = make_finite(median)
            own = (band - 1).clamp(min=0)[:, :, None, None].expand_as(frames)
            fluxes.append(frames - median.gather(1, own))
        units = torch.stack(fluxes, dim=2) / scale[:, :, None, None, None]
        scaled, _ = FrameInputs(self.scaling).padded(frames, band, median)
        known = band, days, photometry / scale[..., None], self.scaled_conditions(conditions, scale)
        points = self.padded_points(point_band, point_days, point_photometry)
        if median is None:
            nothing = frames.new_zeros(0)
            return scaled.unsqueeze(2), units, *known, *((nothing, nothing, *points) if points else ())
        return scaled, units, *known, self.scaled_medians(median), self.in_units(median), *points

    def scaled_conditions(self, conditions: Tensor, scale: Tensor) -> Tensor:
        """Return the seeing (..., 2) [arcsec], and the sky noise in units of the band's scale."""
        seeing, noise = conditions.unbind(-1)
        return torch.stack([seeing, noise / scale], dim=-1)

    def in_units(self, median: Tensor) -> Tensor:
        """Return median stamps (B, bands, H, W) in units of the band's scale."""
        return median / self.scaling.scale[None, :, None, None]

    def scaled_medians(self, median: Tensor) -> Tensor:
        """Return scaled median stamps (B, bands, H, W)."""
        band = torch.arange(median.shape[1], device=median.device)
        return self.scaling(median.movedim(1, 0), band).movedim(0, 1)

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        arrays = FrameInputs(self.scaling).random_arrays(shape, objects, generator)
        median = {"median": arrays.pop("median")} if "median" in arrays else {}
        size = arrays["band"].shape
        seeing = 1 + torch.rand(size, generator=generator)
        noise = self.scale_of(arrays["band"]) * (0.3 + 0.1 * torch.rand(size, generator=generator))
        light_curves = self.random_light_curves(arrays["band"], generator)
        conditions = {"conditions": torch.stack([seeing, noise], dim=-1)}
        return {**arrays, **light_curves, **conditions, **median} | self.random_points(shape, objects, generator)
