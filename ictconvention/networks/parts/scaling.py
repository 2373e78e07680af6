"""Flux to what a network sees: one scale per band, kept with the network's weights."""

from typing import get_args

import torch
from torch import Tensor, nn

from ictconvention.measuring.scales import ScalingKind


class Scaling(nn.Module):
    """Scale the flux of each frame by its band's numbers.

    Parameters
    ----------
    kind : "asinh", "standardise", "imagenet" or "centred"
        "asinh" of (flux - offset) / scale: linear for faint pixels, logarithmic for bright ones, odd. "standardise":
        the quotient itself, as published; so are the others, whose numbers are fixed.
    offset, scale : sequences of a number per band, or arrays
        What is subtracted, and divided by [flux_unit]. Both are buffers, and so in every checkpoint.

    Raises
    ------
    ValueError
        The kind is unknown, or a scale is not above 0.

    Examples
    --------
    >>> scaling = ict.Scaling("asinh", offset=[0.0, 0.0], scale=[0.1, 0.2])
    >>> scaling(torch.tensor([0.0, 0.2]), band=torch.tensor([0, 1]))
    tensor([0.0000, 0.8814])
    """

    def __init__(self, kind: ScalingKind, offset: object, scale: object):
        super().__init__()
        if kind not in get_args(ScalingKind):
            raise ValueError(f"the scaling is {kind!r}; take one of {', '.join(get_args(ScalingKind))}")
        self.kind = kind
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", torch.as_tensor(offset, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        if self.offset.ndim != 1 or self.offset.shape != self.scale.shape or not (self.scale > 0).all():
            found = f"offset {self.offset.tolist()} and scale {self.scale.tolist()}"
            raise ValueError(f"{found}: take one of each for every band, scales above 0")

    def forward(self, flux: Tensor, band: Tensor) -> Tensor:
        """Scale fluxes (F, ...) of frames in bands (F,), counted from 0."""
        return self._bent((flux - _like(self.offset[band], flux)) / _like(self.scale[band], flux))

    def residual(self, flux: Tensor, band: Tensor) -> Tensor:
        """Scale differences of fluxes (F, ...), without the offset: no difference stays 0."""
        return self._bent(flux / _like(self.scale[band], flux))

    def error(self, error: Tensor, flux: Tensor, band: Tensor) -> Tensor:
        """Scale errors (F, ...) of fluxes (F, ...) by the slope of the scaling there."""
        scaled = error / _like(self.scale[band], error)
        if self.kind != "asinh":
            return scaled
        quotient = (flux - _like(self.offset[band], flux)) / _like(self.scale[band], flux)
        return scaled * (1 + quotient.square()).rsqrt()

    def _bent(self, quotient: Tensor) -> Tensor:
        if self.kind != "asinh":
            return quotient
        size = quotient.abs()  # asinh by log1p, which is several times as fast and as exact
        bent = (size + size * (size / (1 + (1 + size.square()).sqrt()))).log1p()
        return bent * quotient.sign()  # no copysign: ONNX has none


def _like(values: Tensor, x: Tensor) -> Tensor:
    """Return values (F,) in a shape that broadcasts against x (F, ...)."""
    return values.reshape(-1, *(1 for _ in x.shape[1:]))
