"""Numbers measured in stamps by fixed weights: fluxes in circles about the centre, and the shape of a median stamp."""

import torch
from torch import Tensor, nn

RADII = (1.0, 2.0, 3.5)  # of a frame's circles [arcsec]; at least so many pixels
EDGE = 0.15  # over which a circle's weight falls [arcsec]
SKY = 4.5  # the mean of the pixels beyond is the local sky [arcsec]
HOST_RADII = (1.0, 2.0, 3.5, 5.5)  # of a median stamp's circles [arcsec]
NEAR = 5.0  # the pixels within have a part in the centroid [arcsec]
LEAST_SEEN = 0.25  # share of a circle, or of the sky, below which its flux is unknown
LEAST_SKY = 16  # pixels beyond `SKY`
HOST_NUMBERS = 8  # of a band
SOFTENING = 0.7  # of a quotient of fluxes [3 sky sigma of a pixel]


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


class HostNumbers(nn.Module):
    """Brightness and shape of an object's median stamps: 8 numbers a band; the weights are fixed.

    asinh of the fluxes within 1, 2, 3.5 and 5.5 arcsec, how concentrated they are (1 to 3.5, 2 to 5.5), how far from
    the centre the centroid of the light lies [arcsec], and whether the band has a median stamp at all.

    Parameters
    ----------
    stamp_size : int
        Pixels along a side of a stamp.
    pixel_scale : float
        Size of a pixel [arcsec]. Where it is more than an arcsec, all lengths grow with it.

    Raises
    ------
    ValueError
        The largest circle does not fit in the stamp.
    """

    circles: Tensor
    near: Tensor
    places: Tensor

    def __init__(self, stamp_size: int, pixel_scale: float) -> None:
        super().__init__()
        distance, grown = distances(stamp_size, pixel_scale)
        if (half := stamp_size * pixel_scale / 2) < HOST_RADII[-1] * grown:
            raise ValueError(
                f"stamps of {stamp_size} pixels reach {half:.1f} arcsec from the centre; the numbers of the host need "
                f"{HOST_RADII[-1] * grown:.1f}"
            )
        circles = torch.stack([(distance < radius * grown).flatten().float() for radius in HOST_RADII])
        axis = (torch.arange(stamp_size) - (stamp_size - 1) / 2) * pixel_scale
        places = torch.stack([axis.repeat(stamp_size), axis.repeat_interleave(stamp_size)])
        self.register_buffer("circles", circles, persistent=False)
        self.register_buffer("near", (distance < NEAR * grown).flatten().float(), persistent=False)
        self.register_buffer("places", places, persistent=False)

    def forward(self, median: Tensor) -> Tensor:
        """Measure median stamps (B, bands, H, W) [3 sky sigma], zero where a band has none: (B, bands * 8)."""
        pixels = median.flatten(2)
        flux = pixels @ self.circles.T  # (B, bands, 4)
        first, second, third, fourth = flux.unbind(2)
        light = pixels.clamp(min=0) * self.near
        total = light.sum(2, keepdim=True)
        centroid = (light @ self.places.T) / (total + 1e-3)
        offset = (centroid.square().sum(2) + 1e-12).sqrt()
        quotients = [first / (third.abs() + SOFTENING), second / (fourth.abs() + SOFTENING)]
        known = (pixels != 0).any(2)
        numbers = torch.stack([*flux.asinh().unbind(2), *(x.clamp(-20, 20) for x in quotients), offset], dim=2)
        return torch.cat([numbers.where(known[..., None], 0), known[..., None].to(numbers.dtype)], dim=2).flatten(1)


def distances(stamp_size: int, pixel_scale: float) -> tuple[Tensor, float]:
    """Return how far each pixel is from the stamp's centre (H, W) [arcsec], and by what all radii grow: 1 or more."""
    axis = (torch.arange(stamp_size) - (stamp_size - 1) / 2) * pixel_scale
    return torch.hypot(axis[:, None], axis[None, :]), max(1.0, pixel_scale)
