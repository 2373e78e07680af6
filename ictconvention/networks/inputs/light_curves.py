"""Light curves, measured in the same stamps: what the light-curve RNN takes."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesBatch
from ictconvention.networks.inputs.inputs import NIGHTS, Inputs, InputShape, Reads, means, night_row


class LightCurveInputs(Inputs):
    """Fluxes, errors, days since the night before as log(1 + days), observed bands, and the number of nights.

    Of several fluxes of a band in a night the mean is taken, and its error.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", contents="photometry", batch_size=8)
    >>> inputs = ict.LightCurveInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> flux, error, days, observed, nights = inputs(next(iter(data.train_dataloader()))[0])
    >>> flux.shape[1], int(nights.sum()) == len(flux)
    (5, True)
    """

    reads: ClassVar[Reads] = "photometry"
    meanings: ClassVar[Mapping[str, str]] = {
        "flux": "flux of each night in time order, in it one for each band in the order of the bands [flux_unit], "
        "measured as `photometry` of this text says; NaN where unknown; the mean where a night has several",
        "error": "its error [flux_unit]; NaN where unknown",
        "days": "days since the night before [days]; of the first night, anything",
        "observed": "whether the night has a flux in each band, in the order of the bands",
        "nights": NIGHTS,
    }

    def arguments(self, batch: SeriesBatch) -> tuple[Tensor, ...]:
        """Return flux and error (S, bands), days (S,), observed (S, bands) and the number of nights (B,)."""
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
        days = start.diff(prepend=start[:1])
        days[batch.nights.cumsum(0)[:-1].to(days.device, non_blocking=True)] = 0  # an object's first night follows none
        flux, error, observed = (column.unflatten(0, (-1, bands)) for column in columns)
        return flux, error, days.log1p(), observed, batch.nights

    def padded(self, flux: Tensor, error: Tensor, days: Tensor, observed: Tensor, nights: Tensor) -> tuple[Tensor, ...]:
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
        """
        band = torch.arange(flux.shape[2])
        observed = observed & flux.isfinite() & error.isfinite()
        flux, error = (x.where(observed, 0).movedim(2, 0) for x in (flux, error))  # (bands, B, S)
        step = torch.arange(days.shape[1])
        known = (step > 0) & (step < nights[:, None])
        scaled = self.scaling(flux, band), self.scaling.error(error, flux, band)
        flux, error = (x.movedim(0, 2) for x in scaled)
        return flux, error, days.where(known, 0).log1p(), observed, nights

    def random_arrays(self, shape: InputShape, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences."""
        steps, bands = shape.max_frames, len(shape.bands)
        curve = (objects, steps, bands)
        return {
            "flux": self.random_fluxes(curve, generator),
            "error": self.scaling.scale * torch.rand(curve, generator=generator),
            "days": 30 * torch.rand(objects, steps, generator=generator),
            "observed": torch.rand(curve, generator=generator) < 0.6,
            "nights": torch.randint(1, steps + 1, (objects,), generator=generator),
        }
