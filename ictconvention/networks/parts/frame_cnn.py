"""The frame-group CNN of ConvEntion: K consecutive single-band frames with their band images in, one token out.

It sees groups one by one and knows nothing of objects or sequences.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.networks.parts.time_convolution import TAPS, time_convolution, time_taps

BAND_ROWS = 10  # rows of the embedding: "no frame" and up to nine bands
TOKEN_CHANNELS = 8
STEM_KERNEL, STEM_STRIDE, STEM_PADDING = 11, 2, 2
TOKEN_GRID = (7.0, 2.0)  # the pixel that the first cell of a token is centred on, and pixels from one to the next


class _ConvNorm(nn.Module):
    """A convolution whose kernel has its time axis last, as published, and what follows it."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels_out, (kernel, kernel, TAPS), stride, padding)
        self.bn = nn.BatchNorm3d(channels_out)
        self.stride, self.padding = stride, padding

    def convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve with the kernel, or with a part of its input channels."""
        return time_convolution(x, weight, self.conv.bias, self.stride, self.padding)

    def normalised(self, x: Tensor, frozen: bool) -> Tensor:
        """Norm and rectify."""
        bn = self.bn
        if frozen and self.training:  # copies: a later training pass changes the statistics before the backward pass
            mean, var = (statistic.clone() for statistic in (bn.running_mean, bn.running_var) if statistic is not None)
            return F.relu(F.batch_norm(x, mean, var, bn.weight, bn.bias, eps=bn.eps))
        return F.relu(bn(x))


class FrameConvNorm(_ConvNorm):
    """Convolution over time, height and width, then batch norm and ReLU: (G, in, T, H, W) -> (G, out, T', H', W').

    Examples
    --------
    >>> FrameConvNorm(16, 32, kernel=5, padding=2)(torch.randn(2, 16, 3, 13, 13)).shape
    torch.Size([2, 32, 5, 13, 13])
    """

    def forward(self, x: Tensor, frozen: bool = False) -> Tensor:
        """Convolve, norm and rectify; `frozen` norms with the running statistics in any mode."""
        return self.normalised(self.convolved(x, self.conv.weight), frozen)


class Stem(_ConvNorm):
    """The first layer: groups of K frames and their bands -> (G, out, 3, H', W').

    The band image of a frame is one of nine learned images, so that its share of the convolution is computed for the
    nine, not for each frame, and reaches the groups by a matrix product. Band 0 adds nothing.

    Examples
    --------
    >>> frames, band, band_images = torch.randn(2, 3, 32, 32), torch.randint(1, 6, (2, 3)), torch.randn(10, 32, 32)
    >>> Stem(16)(frames, band, band_images).shape
    torch.Size([2, 16, 3, 13, 13])
    """

    def __init__(self, channels_out: int, frame_channels: int = 1):
        super().__init__(frame_channels + 1, channels_out, STEM_KERNEL, STEM_STRIDE, STEM_PADDING)

    def forward(self, frames: Tensor, band: Tensor, band_images: Tensor, frozen: bool = False) -> Tensor:
        """Convolve frames (G, K, H, W) or (G, K, C, H, W) of bands (G, K), given the band images (10, H, W)."""
        weight = self.conv.weight  # its input channels: the frame, the band image, then other channels of the frame
        planes = [frames] if frames.ndim == 4 else frames.unbind(2)
        x = torch.stack([*planes], dim=-1).permute(0, 4, 1, 2, 3)  # (G, C, K, H, W), in channels_last_3d
        convolved = self.convolved(x, _without_second(weight))
        channels, _, height, width = convolved.shape[1:]

        kernels = weight[:, 1].permute(3, 0, 1, 2).reshape(TAPS * channels, 1, *weight.shape[2:4])
        shares = F.conv2d(band_images[1:, None], kernels, None, self.stride, self.padding)  # (9, 3 * out, H', W')
        table = shares.unflatten(1, (TAPS, channels)).permute(1, 0, 3, 4, 2).flatten(2).flatten(0, 1)

        one_hot = (band.unsqueeze(-1) == torch.arange(1, BAND_ROWS, device=band.device)).to(table.dtype)  # (G, K, 9)
        absent = torch.zeros_like(one_hot[:, 0])
        chosen = []
        for taps in time_taps(frames.shape[1], self.stride, self.padding):
            frame_of = {tap: frame for frame, tap in taps.items()}
            rows = [one_hot[:, frame_of[tap]] if tap in frame_of else absent for tap in range(TAPS)]
            chosen.append(torch.cat(rows, dim=1))
        share = torch.stack(chosen, dim=1) @ table  # (G, 3, H' * W' * out)
        return self.normalised(convolved + share.unflatten(2, (height, width, channels)).permute(0, 4, 1, 2, 3), frozen)


def _without_second(weight: Tensor) -> Tensor:
    """Return a kernel (out, in, ...) without its second input channel."""
    return weight[:, :1] if weight.shape[1] == 2 else torch.cat([weight[:, :1], weight[:, 2:]], dim=1)


class FrameCNN(nn.ModuleDict):
    """Groups of K frames -> tokens; four layers named "1" to "4", of which the first takes the band images too.

    Parameters
    ----------
    frames_per_group : int
        K: 3 (the paper's) or 4; these are the numbers that the layers reduce to a single time step.
    width : float
        Scales the channels 64, 128, 64 of the paper; the token keeps 8.
    frame_channels : int
        Channels C of a frame (paper: 1).

    Raises
    ------
    ValueError
        K is neither 3 nor 4, or the width leaves a layer without channels.

    Examples
    --------
    >>> frames, band, band_images = torch.randn(2, 3, 32, 32), torch.randint(1, 6, (2, 3)), torch.randn(10, 32, 32)
    >>> FrameCNN(width=0.25)(frames, band, band_images).shape
    torch.Size([2, 8, 9, 9])
    """

    def __init__(self, frames_per_group: int = 3, width: float = 1.0, frame_channels: int = 1):
        wide, wider = round(64 * width), round(128 * width)
        if frames_per_group not in (3, 4):
            raise ValueError(f"frames_per_group is {frames_per_group}; the layers leave one time step only for 3 or 4")
        if wide < 1:
            raise ValueError(f"width {width:g} leaves no channel of 64; take at least {1 / 64:g}")
        super().__init__(
            {
                "1": Stem(wide, frame_channels),
                "2": FrameConvNorm(wide, wider, 5, padding=2),
                "3": FrameConvNorm(wider, wide, 3),
                "4": FrameConvNorm(wide, TOKEN_CHANNELS, 3),
            }
        )

    def forward(self, frames: Tensor, band: Tensor, band_images: Tensor, frozen: bool = False) -> Tensor:
        """Return the tokens (G, 8, H', W'); arguments as of `Stem.forward`."""
        first, *others = self.values()
        x = first(frames, band, band_images, frozen)
        for layer in others:
            x = layer(x, frozen)
        return x.squeeze(2)


def token_size(stamp_size: int) -> int:
    """Return the pixels along a side of a token for stamps of `stamp_size` pixels (9 for 32).

    Raises
    ------
    ValueError
        The stamp is too small for the layers.
    """
    size = (stamp_size + 2 * STEM_PADDING - STEM_KERNEL) // STEM_STRIDE + 1 - 4
    if size < 1:
        raise ValueError(f"stamp_size is {stamp_size}; the frame-group CNN needs at least 15 pixels")
    return size
