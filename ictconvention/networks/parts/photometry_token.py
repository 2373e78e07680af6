"""What a token holds of a frame's photometry, seeing and noise, or of a flux without pixels, as numbers of about 1."""

import torch
from torch import Tensor, nn

from ictconvention.networks.parts.object_numbers import ObjectFeatures
from ictconvention.networks.parts.transformer import SeriesTransformer

PHOTOMETRY, CONDITIONS, LIMIT_NUMBERS = 5, 4, 2  # numbers of a token
SEEING, NOISE = 1.4, 1 / 3  # that are usual: [arcsec], [the band's scale]


def photometry_numbers(photometry: Tensor, band: Tensor, bands: int) -> Tensor:
    """Return how bright an object is in each frame, and by how much brighter than in the others of its band.

    Parameters
    ----------
    photometry : tensor (B, S, 2)
        Flux and error, in units of the band's scale; NaN where unknown.
    band : integer tensor (B, S)
        Band of each frame from 1; 0: no frame.
    bands : int
        Number of bands.

    Returns
    -------
    tensor (B, S, 5)
        asinh of flux by error, of its difference to the mean of the band by error, and of the flux; the logarithm of
        the error; whether they are known. All zero where they are not.
    """
    flux, error = photometry.unbind(-1)
    known = flux.isfinite() & error.isfinite() & (error > 0) & (band > 0)
    flux, error = flux.where(known, 0), error.where(known, 1)
    own = band[..., None] == torch.arange(1, bands + 1, device=band.device)  # (B, S, bands)
    weight = (error**-2).where(known, 0)[..., None] * own
    mean = (weight * flux[..., None]).sum(1) / weight.sum(1).clamp(min=1e-12)  # (B, bands)
    usual = (own * mean[:, None]).sum(2)
    numbers = [(flux / error).asinh() / 3, ((flux - usual) / error).asinh() / 3, flux.asinh() / 3, error.log()]
    return torch.stack([*(x.where(known, 0) for x in numbers), known.to(flux.dtype)], dim=-1)


def condition_numbers(conditions: Tensor) -> Tensor:
    """Return seeing and noise by what is usual.

    Parameters
    ----------
    conditions : tensor (B, S, 2)
        Seeing [arcsec], and sky noise in units of the band's scale; NaN where unknown.

    Returns
    -------
    tensor (B, S, 4)
        The logarithm of each, 0 where it is not known, and whether it is known.
    """
    known = conditions.isfinite() & (conditions > 0)
    seeing, noise = conditions.unbind(-1)
    by_usual = torch.stack([seeing / SEEING, noise / NOISE], dim=-1)
    return torch.cat([by_usual.where(known, 1).log(), known.to(conditions.dtype)], dim=-1)


class PointTokens(nn.Module):
    """Tokens of fluxes without pixels, and numbers of the light curve that they make.

    They are compared among themselves: forced fluxes are of science minus reference, and those of frames hold what is
    constant as well. A limit has no flux; its token says that it is one, and how deep.

    Parameters
    ----------
    size, bands : int
        Numbers of a token; number of bands.
    course : bool
        Whether their light curve is measured, see `ObjectFeatures`.
    dropout : float
        Of its layers, in training.
    """

    def __init__(self, size: int, bands: int, course: bool, dropout: float) -> None:
        super().__init__()
        self.bands = bands
        self.numbers = nn.Linear(PHOTOMETRY + LIMIT_NUMBERS, size)  # its bias says that there are no pixels
        self.course = ObjectFeatures(bands, True, None, dropout) if course else None

    def tokens(
        self, photometry: Tensor, band: Tensor, days: Tensor, series: SeriesTransformer
    ) -> tuple[Tensor, Tensor]:
        """Return tokens (B, P, size) with their bands and days, and which of them there are (B, P).

        Parameters
        ----------
        photometry : tensor (B, P, 2)
            Flux and error in units of the band's scale; of a limit the flux is NaN, and the error a fifth of it or NaN.
        band : integer tensor (B, P)
            Bands from 1; 0: no point.
        days : tensor (B, P)
            Days since the first frame.
        series : SeriesTransformer
            Which embeds bands and days of frames.
        """
        there = band > 0
        numbers = [photometry_numbers(photometry, band, self.bands), limit_numbers(photometry, there)]
        tokens = self.numbers(torch.cat(numbers, dim=-1))
        if series.band is not None:
            tokens = tokens + series.band(band)
        if series.days is not None:
            tokens = tokens + series.days(days.where(there, 0))
        return tokens, there

    def features(self, photometry: Tensor, band: Tensor, days: Tensor) -> list[Tensor]:
        """Return the features of their light curve, (B, 64) in a list, or none."""
        return [] if self.course is None else [self.course(photometry, band, days)]

    def place_bands(
        self, prefix: str, places: list[int | None], before: int
    ) -> dict[str, tuple[int, list[int | None]]]:
        """Return the rows of the weights, as `Network.place_bands` does."""
        return {} if self.course is None else self.course.place_bands(f"{prefix}.course", places, before)


def limit_numbers(photometry: Tensor, there: Tensor) -> Tensor:
    """Return whether a point is a limit and the logarithm of its noise, (B, P, 2); zero where it is none or unknown."""
    flux, error = photometry.unbind(-1)
    limit = there & ~flux.isfinite()
    deep = limit & error.isfinite() & (error > 0)
    return torch.stack([limit.to(flux.dtype), error.where(deep, 1).log()], dim=-1)
