"""What is measured of an object as a whole, by fixed formulas: its median stamps, and the course of its fluxes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.networks.parts.apertures import distances

RADII = (1.0, 2.0, 3.5, 5.5)  # of the circles [arcsec]; at least so many pixels
NEAR = 5.0  # the pixels within have a part in the centroid [arcsec]
HOST_NUMBERS = 8  # of a band
COURSE_NUMBERS, COMMON_NUMBERS = 8, 6  # of a band, and of all together
LAGS = (5.0, 25.0, 100.0)  # over which deviations of fluxes are alike [days]
STRIKING = 3.0  # deviation that is more than noise [errors]
SOFTENING = 0.7  # of a quotient of fluxes [3 sky sigma of a pixel]
OBJECT_FEATURES = 64


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


class ObjectFeatures(nn.Module):
    """From the light curve of each object, its median stamps or both to 64 features: numbers, a norm, two layers.

    Parameters
    ----------
    bands : int
        Number of bands.
    course : bool
        Whether the light curve is measured.
    stamp : int, float, optional
        Pixels along a side of a stamp, and the size of one [arcsec], where the median stamps are measured.
    dropout : float
        Share that is dropped between the layers, in training.

    Raises
    ------
    ValueError
        The largest circle does not fit in the stamp.
    """

    def __init__(self, bands: int, course: bool, stamp: tuple[int, float] | None, dropout: float) -> None:
        super().__init__()
        self.bands, self.course = bands, course
        self.host = None if stamp is None else HostNumbers(*stamp)
        numbers = (COURSE_NUMBERS * bands + COMMON_NUMBERS) * course + HOST_NUMBERS * bands * (stamp is not None)
        self.norm = ObjectBatchNorm(numbers)
        first, last = nn.Linear(numbers, OBJECT_FEATURES), nn.Linear(OBJECT_FEATURES, OBJECT_FEATURES)
        self.layers = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), last)

    def forward(self, photometry: Tensor, band: Tensor, days: Tensor, median: Tensor | None = None) -> Tensor:
        """Return the features (B, 64); arguments as of `course_numbers` and `HostNumbers`."""
        numbers = [course_numbers(photometry, band, days, self.bands)] if self.course else []
        if self.host is not None:
            if median is None:
                raise ValueError("the network has model.host: give medians and host")
            numbers.append(self.host(median))
        features: Tensor = self.layers(self.norm(torch.cat(numbers, dim=1)))
        return features

    def place_bands(
        self, prefix: str, places: list[int | None], before: int
    ) -> dict[str, tuple[int, list[int | None]]]:
        """Return the rows of the weights, as `Network.place_bands` does."""
        rows: list[int | None] = []
        first = 0
        if self.course:
            rows += [None if at is None else COURSE_NUMBERS * at + k for at in places for k in range(COURSE_NUMBERS)]
            rows += [COURSE_NUMBERS * before + k for k in range(COMMON_NUMBERS)]
            first = COURSE_NUMBERS * before + COMMON_NUMBERS
        if self.host is not None:
            own = range(HOST_NUMBERS)
            rows += [None if at is None else first + HOST_NUMBERS * at + k for at in places for k in own]
        norms = {f"{prefix}.norm.{name}": (0, rows) for name in ("weight", "bias", "running_mean", "running_var")}
        return {**norms, f"{prefix}.layers.0.weight": (1, rows)}


@torch.no_grad()
def course_numbers(photometry: Tensor, band: Tensor, days: Tensor, bands: int) -> Tensor:
    """Summarise light curves; the order of the fluxes does not count.

    Parameters
    ----------
    photometry : tensor (B, S, 2)
        Flux and error, in units of the band's scale; NaN where unknown.
    band : integer tensor (B, S)
        Band of each frame from 1; 0: no frame.
    days : tensor (B, S)
        Days since the first frame.
    bands : int
        Number of bands.

    Returns
    -------
    tensor (B, 8 * bands + 6)
        Of each band: asinh of the mean flux and of the mean by the usual error of one flux, the logarithm of chi
        squared by degree of freedom of a constant, the skewness, asinh of the largest and the smallest deviation by
        error and of the scatter beyond the errors, and whether there are two fluxes or more; all zero where not. Of all
        together: how alike deviations are within about 5, 25 and 100 days, how long the flux is above its mean (a
        logarithm), and the shares of the deviations above 3 errors and below -3.
    """
    flux, error = photometry.unbind(-1)
    known = flux.isfinite() & error.isfinite() & (error > 0) & (band > 0)
    flux, error, days = flux.where(known, 0), error.where(known, 1), days.where(known, 0)
    own = ((band[..., None] == torch.arange(1, bands + 1, device=band.device)) & known[..., None]).to(flux.dtype)
    count = own.sum(1)  # (B, bands)
    weight = own * (error**-2)[..., None]
    total = weight.sum(1).clamp(min=1e-12)
    mean, noise = (weight * flux[..., None]).sum(1) / total, (count.clamp(min=1) / total).sqrt()
    deviation = (flux - (own * mean[:, None]).sum(2)) / error  # (B, S)
    in_band = deviation[..., None] * own
    chi = in_band.square().sum(1) / (count - 1).clamp(min=1)
    skewness = in_band.pow(3).sum(1) / count.clamp(min=1) / (chi + 0.1).pow(1.5)
    numbers = [
        mean.asinh(),
        (mean / noise).asinh(),
        (chi + 0.1).log(),
        skewness.clamp(-5, 5),
        in_band.amax(1).asinh(),
        in_band.amin(1).asinh(),
        ((chi - 1).clamp(min=0).sqrt() * noise).asinh(),
    ]
    enough = (count >= 2)[..., None]
    of_bands = torch.cat([torch.stack(numbers, dim=2).where(enough, 0), enough.to(flux.dtype)], dim=2).flatten(1)
    return torch.cat([of_bands, _common_numbers(deviation, days, known)], dim=1)


def _common_numbers(deviation: Tensor, days: Tensor, known: Tensor) -> Tensor:
    """Return what deviations (B, S) of all bands have in common (B, 6)."""
    there = known.to(deviation.dtype)
    frames = there.sum(1).clamp(min=1)
    deviation = deviation.clamp(-30, 30) * there
    unit = deviation / (deviation.square().sum(1) / frames + 0.1).sqrt()[:, None]
    apart = (days[:, :, None] - days[:, None, :]).abs()
    likeness = []
    for lag in LAGS:
        near = (-apart / lag).exp() * there[:, None]  # (B, S, S)
        pairs = (near.sum(2) * there).sum(1) - there.sum(1)  # less those of a frame with itself
        alike = (unit * (near @ unit[..., None]).squeeze(2)).sum(1) - unit.square().sum(1)
        likeness.append(alike / (pairs + 1))
    bright = deviation.clamp(min=1).sub(1).square() + 1e-3 * there
    share = bright / bright.sum(1, keepdim=True).clamp(min=1e-6)
    middle = (share * days).sum(1, keepdim=True)
    length = ((share * (days - middle).square()).sum(1) + 1).log() / 2
    above, below = ((x > STRIKING).to(there.dtype).sum(1) / frames for x in (deviation, -deviation))
    return torch.stack([*likeness, length, above, below], dim=1)
