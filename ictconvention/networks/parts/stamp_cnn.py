"""A small CNN that sees one stamp."""

import torch
from torch import Tensor, nn

MAP_GRID = (0.0, 8.0)  # the pixel of the first cell of the last map, and pixels from one to the next


class StampCNN(nn.Module):
    """Three convolutions of stride 2, and of what they see the mean and the maximum: (F, channels, H, W) to (F, size).

    About a million multiplications for a stamp of 32 by 32 pixels.

    Examples
    --------
    >>> StampCNN(channels=2, size=96)(torch.randn(3, 2, 32, 32)).shape
    torch.Size([3, 96])
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layer(channels, 16, 5), *_layer(16, 32, 3), *_layer(32, 64, 3))
        self.out = nn.Linear(2 * 64, size)

    def forward(self, stamps: Tensor) -> Tensor:
        """Return what is seen of each stamp."""
        seen = self.layers(stamps.contiguous(memory_format=torch.channels_last))
        token: Tensor = self.out(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], dim=1))
        return token


def _layer(before: int, after: int, kernel: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU()
