"""Fluxes measured in stamps by fixed weights, in circles about the centre."""

import torch
from torch import Tensor, nn

RADII = (1.0, 2.0, 3.5)  # of a frame's circles [arcsec]; at least so many pixels
EDGE = 0.15  # over which a circle's weight falls [arcsec]
SKY = 4.5  # the mean of the pixels beyond is the local sky [arcsec]
LEAST_SEEN = 0.25  # share of a circle, or of the sky, below which its flux is unknown
LEAST_SKY = 16  # pixels beyond `SKY`


class Apertures(nn.Module):
    """Fluxes within soft circles of 1, 2 and 3.5 arcsec, less the local sky; the weights are fixed.

    A circle's flux is the mean of its seen pixels times its area, so that a missing pixel is worth what the others of
    its circle are. Where less than a quarter of the circle or of the sky is seen, the flux is 0.

    Parameters
    ----------
    stamp_size : int
        Pixels along a side of a stamp.
    pixel_scale : float
        Size of a pixel [arcsec]. Where it is more than an arcsec, all lengths grow with it.

    Raises
    ------
    ValueError
        Fewer than 16 pixels lie beyond 4.5 arcsec: the stamps are too small.

    Examples
    --------
    A point source of 20 units in one pixel is wholly in the larger circles:

    >>> stamp = torch.zeros(1, 33, 33)
    >>> stamp[0, 16, 16] = 20
    >>> flux, seen = Apertures(33, 0.396)(stamp)
    >>> flux.round(decimals=1), seen
    (tensor([[20., 20., 20.]]), tensor([[1., 1., 1.]]))
    """

    circles: Tensor
    sky: Tensor
    noise: Tensor

    def __init__(self, stamp_size: int, pixel_scale: float) -> None:
        super().__init__()
        distance, grown = distances(stamp_size, pixel_scale)
        sky = (distance > SKY * grown).flatten().float()
        if (beyond := int(sky.sum())) < LEAST_SKY:
            side = stamp_size * pixel_scale
            raise ValueError(
                f"stamps of {stamp_size} pixels are {side:.1f} arcsec wide, and {beyond} pixels lie beyond "
                f"{SKY * grown:.1f} arcsec of the centre; fluxes need {LEAST_SKY}"
            )
        circles = torch.stack([((radius * grown - distance) / (EDGE * grown)).sigmoid().flatten() for radius in RADII])
        self.register_buffer("circles", circles, persistent=False)
        self.register_buffer("sky", sky, persistent=False)
        self.register_buffer("noise", circles.square().sum(1).sqrt(), persistent=False)

    def forward(self, stamps: Tensor) -> tuple[Tensor, Tensor]:
        """Measure stamps (n, H, W), NaN where a pixel is missing.

        Returns
        -------
        flux, seen : tensors (n, 3), (n, 3)
            Fluxes, in the unit of the pixels, and the share of each circle that is seen.
        """
        seen = stamps.isfinite()
        known = stamps.where(seen, 0).flatten(1)
        there = seen.flatten(1).to(stamps.dtype)
        area, beyond = self.circles.sum(1), self.sky.sum()
        covered, covered_sky = there @ self.circles.T, there @ self.sky
        mean = known @ self.circles.T / covered.clamp(min=1e-3)
        local = known @ self.sky / covered_sky.clamp(min=1e-3)
        share = covered / area
        enough = (share >= LEAST_SEEN) & (covered_sky >= LEAST_SEEN * beyond)[:, None]
        return ((mean - local[:, None]) * area).where(enough, 0), share.where(enough, 0)


def distances(stamp_size: int, pixel_scale: float) -> tuple[Tensor, float]:
    """Return how far each pixel is from the stamp's centre (H, W) [arcsec], and by what all radii grow: 1 or more."""
    axis = (torch.arange(stamp_size) - (stamp_size - 1) / 2) * pixel_scale
    return torch.hypot(axis[:, None], axis[None, :]), max(1.0, pixel_scale)
