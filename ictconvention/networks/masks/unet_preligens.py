"""The U-Net of the published benchmark of a land cover challenge (Preligens, 2021): as wide below as above."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.masks.mask_network import MaskNetwork, check_size
from ictconvention.networks.pictures.picture_network import PictureOptions

DOWN, UP = 64, 96  # channels of every map, and of the first of a step up, where the map of the way down has joined
MIDDLE = 2  # steps between the first and the deepest, the published num_layers
HALVINGS = MIDDLE + 1


@option_group
class PreligensOptions(PictureOptions):
    """Options of the benchmark's U-Net.

    Parameters
    ----------
    dropout : float
        Share of the last maps that the head drops in training.
    width : float
        Scales all channels.
    """

    dropout: PartialShare = 0.0
    width: Annotated[PositiveFloat, SHAPES] = 1.0


@register_network("unet_preligens", PreligensOptions)
class PreligensUNet(MaskNetwork):
    """The benchmark's U-Net: 984 234 parameters for four bands and ten classes, at any size of the pictures.

    Each convolution is of 3 x 3, with a batch norm before it and a ReLU after it; the very first has no norm. All maps
    have 64 channels. The way down halves three times. The way up doubles by a transposed convolution, appends what the
    way down had, and goes by 96 channels back to 64. Epsilon and momentum of the norms are Keras's, and the first
    weights are He's, as in the benchmark.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands.
    stamp_size : int
        Pixels along a side, a multiple of 8.
    width : float
        Scales all channels.
    dropout : float
        Share of the last maps that the head drops in training.

    Raises
    ------
    ValueError
        The pictures cannot be halved three times.

    Examples
    --------
    >>> model = ict.PreligensUNet(classes=8, bands=4, stamp_size=32, width=0.125).eval()
    >>> model(torch.randn(2, 4, 32, 32), torch.ones(2, 4, dtype=torch.bool)).shape
    torch.Size([2, 8, 32, 32])
    """

    name = "unet_preligens"
    first_convolution: str | None = "encoder.first.0.weight"

    def __init__(
        self,
        classes: int | None = 8,
        *,
        bands: int = 4,
        stamp_size: int = 64,
        width: float = 1.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        check_size(stamp_size, HALVINGS, "or model=unet with few model.layers")
        down, up = (max(1, round(width * channels)) for channels in (DOWN, UP))
        self.picture = (bands, stamp_size, stamp_size)
        self.channels = self.feature_size = down
        self.encoder, self.decoder = Down(bands, down), Up(down, up)
        self.deepest = nn.Identity()
        for layer in (*self.encoder.modules(), *self.decoder.modules()):
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type] # it has one
        if classes is not None:
            self.head = self.make_head(classes, PreligensOptions(kind=self.name, dropout=dropout))

    @classmethod
    def make(cls, options: PreligensOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        cls.check_survey(options, shape)
        return cls(None, bands=len(shape.bands), stamp_size=shape.stamp_size, width=options.width)

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError where pictures cannot be halved so often, or come with residuals."""
        super().check_pixels(options, channels, stamp)
        if stamp is not None:
            check_size(stamp[0], HALVINGS, "or model=unet with few model.layers")


class Down(nn.Module):
    """The way down: three convolutions at full size, three at each halving, two at the deepest."""

    def __init__(self, bands: int, width: int):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(bands, width, 3, padding=1), nn.ReLU(), *_convolve(width, width))
        self.halve = nn.ModuleList(nn.Sequential(*_convolve(width, width), nn.MaxPool2d(2)) for _ in range(HALVINGS))
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolve(width, width), *_convolve(width, width)) for _ in range(HALVINGS)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return maps (B, 64, H, W), (B, 64, H / 2, W / 2), ... (B, 64, H / 8, W / 8) of pictures (B, bands, H, W)."""
        maps = [self.first(pictures)]
        for halve, block in zip(self.halve, self.blocks, strict=True):
            maps.append(block(halve(maps[-1])))
        return maps


class Up(nn.Module):
    """The way up: double the deepest map, append the finer one, two convolutions; and again."""

    def __init__(self, width: int, joined: int):
        super().__init__()
        self.enlarge = nn.ModuleList(nn.Sequential(*_enlarge(width)) for _ in range(HALVINGS))
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolve(2 * width, joined), *_convolve(joined, width)) for _ in range(HALVINGS)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return a map (B, 64, H, W) of those of the way down."""
        *finer, map_ = maps
        for enlarge, block, fine in zip(self.enlarge, self.blocks, finer[::-1], strict=True):
            map_ = block(torch.cat([enlarge(map_), fine], dim=1))
        return map_


def _convolve(before: int, after: int) -> list[nn.Module]:
    return [_norm(before), nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]


def _enlarge(channels: int) -> list[nn.Module]:
    enlarge = nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1)
    return [_norm(channels), enlarge, nn.ReLU()]


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # Keras's, which calls the latter 0.99
