"""Light curves, measured in the same stamps: what the light-curve RNN takes."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.networks.inputs.inputs import (
    LIMIT_SHARE,
    NIGHTS,
    Inputs,
    InputShape,
    Reads,
    means,
    night_row,
    point_night_row,
)


class LightCurveInputs(Inputs):
    """Fluxes, errors, days since the night before as log(1 + days), observed bands, and the number of nights.

    Of several fluxes of a band in a night the mean is taken, and its error. Where a run reads points without pixels,
    their nights are among the others, and their fluxes have columns of their own: they are of science minus reference.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", contents="photometry", batch_size=8)
    >>> inputs = ict.LightCurveInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> flux, error, days, observed, nights = inputs(next(iter(data.train_dataloader()))[0])
    >>> flux.shape[1], int(nights.sum()) == len(flux)
    (5, True)
    """

    reads: ClassVar[Reads] = "photometry"
    takes_points: ClassVar[bool] = True
    meanings: ClassVar[Mapping[str, str]] = {
        "flux": "flux of each night in time order, in it one for each band in the order of the bands [flux_unit], "
        "measured as `photometry` of this text says; NaN where unknown; the mean where a night has several",
        "error": "its error [flux_unit]; NaN where unknown",
        "days": "days since the night before [days]; of the first night, anything",
        "observed": "whether the night has a flux in each band, in the order of the bands",
        "nights": NIGHTS,
        "point_flux": "flux of science minus reference of each night and band, of what has no pixels [flux_unit]; NaN "
        "where nothing was detected, or nothing measured",
        "point_error": "its error, of a limit (5 sigma) a fifth of it [flux_unit]; NaN where unknown",
        "point_observed": "whether the night has a flux or a limit without pixels in each band",
    }

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return flux and error (S, bands), days (S,), observed (S, bands) and the number of nights (B,).

        Then flux and error of points, and whether there is one (S, bands), where the batch has them.
        """
        if batch.photometry is None:
            raise ValueError("the batch holds no photometry; read contents='photometry'")
        bands, nights = len(self.scaling.scale), int(batch.nights.sum())
        known = batch.photometry.isfinite().all(1)
        slot = night_row(batch) * bands + batch.band
        flux, error = batch.photometry.unbind(1)
        mean, count = means(flux, slot, nights * bands, known)
        variance, _ = means(error.square(), slot, nights * bands, known)
        band = torch.arange(bands, device=flux.device).repeat(nights)
        mean_error = (variance / count.clamp(min=1)).sqrt()
        columns = self.scaling(mean, band), self.scaling.error(mean_error, mean, band), count > 0

        start = torch.full((nights,), torch.inf, device=flux.device)
        start.scatter_reduce_(0, night_row(batch), batch.time, "amin")
        if batch.point_time is not None:
            start.scatter_reduce_(0, point_night_row(batch), batch.point_time, "amin")
        days = start.diff(prepend=start[:1])
        days[batch.nights.cumsum(0)[:-1].to(days.device, non_blocking=True)] = 0  # an object's first night follows none
        flux, error, observed = (column.unflatten(0, (-1, bands)) for column in columns)
        return flux, error, days.log1p(), observed, batch.nights, *self._points(batch, nights, bands)

    def _points(self, batch: SeriesBatch, nights: int, bands: int) -> tuple[Tensor, ...]:
        """Return what points have in each night; of several fluxes their mean, and of limits alone their mean noise."""
        if batch.point_band is None or batch.point_photometry is None:
            return ()
        flux, error = batch.point_photometry.unbind(1)
        slot, known = point_night_row(batch) * bands + batch.point_band, flux.isfinite()
        mean, count = means(flux, slot, nights * bands, known)
        variance, _ = means(error.square(), slot, nights * bands, known)
        of_limits, deep = means(error, slot, nights * bands, error.isfinite())
        _, there = means(error, slot, nights * bands, torch.ones_like(known))
        measured = count > 0
        noise = (variance / count.clamp(min=1)).sqrt().where(measured, of_limits.where(deep > 0, torch.nan))
        scaled = self._scaled_points(
            mean.where(measured, torch.nan), noise, torch.arange(bands, device=flux.device).repeat(nights)
        )
        return tuple(column.unflatten(0, (-1, bands)) for column in (*scaled, there > 0))

    def _scaled_points(self, flux: Tensor, error: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        """Return fluxes of science minus reference, without an offset, and errors, scaled; of bands (F,) from 0."""
        scale = self.scaling.scale[band].reshape(-1, *(1 for _ in flux.shape[1:]))
        bent = (1 + (flux / scale).square()).rsqrt() if self.scaling.kind == "asinh" else torch.ones_like(flux)
        return self.scaling.residual(flux, band), error / scale * bent.where(flux.isfinite(), 1)

    def padded(
        self,
        flux: Tensor,
        error: Tensor,
        days: Tensor,
        observed: Tensor,
        nights: Tensor,
        point_flux: Tensor | None = None,
        point_error: Tensor | None = None,
        point_observed: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return scaled light curves.

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
        point_flux, point_error, point_observed : tensors (B, S, bands), optional
            Fluxes of science minus reference without pixels [flux_unit], NaN of a limit; their errors, of a limit a
            fifth of it; and where there is one; where the network was built for them.
        """
        band, points = torch.arange(flux.shape[2]), tuple[Tensor, ...]()
        if point_flux is not None and point_error is not None and point_observed is not None:
            of_points = self._scaled_points(point_flux.movedim(2, 0), point_error.movedim(2, 0), band)
            points = (*(x.movedim(0, 2) for x in of_points), point_observed)
        observed = observed & flux.isfinite() & error.isfinite()
        flux, error = (x.where(observed, 0).movedim(2, 0) for x in (flux, error))  # (bands, B, S)
        step = torch.arange(days.shape[1])
        known = (step > 0) & (step < nights[:, None])
        scaled = self.scaling(flux, band), self.scaling.error(error, flux, band)
        flux, error = (x.movedim(0, 2) for x in scaled)
        return flux, error, days.where(known, 0).log1p(), observed, nights, *points

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, bands = shape.max_frames, len(shape.bands)
        curve = (objects, steps, bands)
        arrays = {
            "flux": self.random_fluxes(curve, generator),
            "error": self.scaling.scale * torch.rand(curve, generator=generator),
            "days": 30 * torch.rand(objects, steps, generator=generator),
            "observed": torch.rand(curve, generator=generator) < 0.6,
            "nights": torch.randint(1, steps + 1, (objects,), generator=generator),
        }
        if not shape.points:
            return arrays
        flux = self.random_fluxes(curve, generator)
        return arrays | {
            "point_flux": flux.masked_fill(torch.rand(curve, generator=generator) < LIMIT_SHARE, torch.nan),
            "point_error": self.scaling.scale * torch.rand(curve, generator=generator),
            "point_observed": torch.rand(curve, generator=generator) < 0.6,
        }
