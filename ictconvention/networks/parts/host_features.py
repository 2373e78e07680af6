"""What a network knows of an object's host: numbers measured in its median stamps, and two layers on them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.networks.parts.apertures import distances

RADII = (1.0, 2.0, 3.5, 5.5)  # of the circles [arcsec]; at least so many pixels
NEAR = 5.0  # the pixels within have a part in the centroid [arcsec]
HOST_NUMBERS = 8  # of a band
SOFTENING = 0.7  # of a quotient of fluxes [3 sky sigma of a pixel]
HOST_FEATURES = 64


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
        if (half := stamp_size * pixel_scale / 2) < RADII[-1] * grown:
            raise ValueError(
                f"stamps of {stamp_size} pixels reach {half:.1f} arcsec from the centre; the numbers of the host need "
                f"{RADII[-1] * grown:.1f}"
            )
        circles = torch.stack([(distance < radius * grown).flatten().float() for radius in RADII])
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


class ObjectBatchNorm(nn.BatchNorm1d):
    """Batch norm of a row for each object, which takes the running statistics where there is one object only."""

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise rows (B, n)."""
        if self.training and len(rows) == 1:  # of which there is no variance
            return F.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(rows)


class HostFeatures(nn.Module):
    """From median stamps (B, bands, H, W) to 64 features: their numbers, a batch norm, and two layers.

    Parameters
    ----------
    stamp_size : int
        Pixels along a side of a stamp.
    pixel_scale : float
        Size of a pixel [arcsec].
    bands : int
        Number of bands.
    dropout : float
        Share that is dropped between the layers, in training.

    Raises
    ------
    ValueError
        The largest circle does not fit in the stamp.
    """

    def __init__(self, stamp_size: int, pixel_scale: float, bands: int, dropout: float) -> None:
        super().__init__()
        self.numbers, self.norm = HostNumbers(stamp_size, pixel_scale), ObjectBatchNorm(HOST_NUMBERS * bands)
        first, last = nn.Linear(HOST_NUMBERS * bands, HOST_FEATURES), nn.Linear(HOST_FEATURES, HOST_FEATURES)
        self.layers = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), last)

    def forward(self, median: Tensor) -> Tensor:
        """Return the features (B, 64) of median stamps [3 sky sigma], zero where a band has none."""
        features: Tensor = self.layers(self.norm(self.numbers(median)))
        return features
