"""What a token holds of a frame's photometry, seeing and noise, as numbers of about 1."""

import torch
from torch import Tensor

PHOTOMETRY, CONDITIONS = 5, 4  # numbers of a token
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
