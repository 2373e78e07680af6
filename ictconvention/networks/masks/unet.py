"""The U-Net (Ronneberger et al. 2015), by its filters and layers: down to maps of half the size, and up again."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Self

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.masks.mask_network import MaskNetwork, check_size
from ictconvention.networks.pictures.picture_network import PictureOptions


@option_group
class UNetOptions(PictureOptions):
    """Options of the U-Net.

    Parameters
    ----------
    dropout : float
        Share of the last maps that the head drops in training.
    filters : int
        Channels of the finest maps; each halving doubles them.
    layers : int
        Blocks of the way down and of the way up together, an even number: half of it is how often a picture is halved.
    """

    dropout: PartialShare = 0.0
    filters: Annotated[PositiveInt, SHAPES] = 64
    layers: Annotated[PositiveInt, SHAPES] = 8


@register_network("unet", UNetOptions)
class UNet(MaskNetwork):
    """The U-Net of Guillo 2022: 31 044 682 parameters with 64 filters, 8 layers, four bands and ten classes.

    With the running statistics of its norms these are 31 056 458 numbers, the published 31.1 million. 24 filters make
    4 370 722, the published 4.4 million, where the text says 6 (274 696). 64 filters and 4 layers make 1 866 570; the
    text says 1.7 million, and none of about 2 000 variants of a U-Net that were tried has that many.

    A block is twice a convolution of 3 x 3, a batch norm and a ReLU. On the way down the largest of 2 x 2 pixels goes
    on; on the way up a transposed convolution of 2 x 2 doubles the size, and what the way down had there is appended.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands.
    stamp_size : int
        Pixels along a side, a multiple of 2^(layers / 2).
    filters : int
        Channels of the finest maps.
    layers : int
        Blocks down and up together.
    dropout : float
        Share of the last maps that the head drops in training.

    Raises
    ------
    ValueError
        The layers are an odd number, or the pictures cannot be halved so often.

    Examples
    --------
    >>> model = ict.UNet(classes=8, bands=4, stamp_size=32, filters=4, layers=4).eval()
    >>> model(torch.randn(2, 4, 32, 32), torch.ones(2, 4, dtype=torch.bool)).shape
    torch.Size([2, 8, 32, 32])
    """

    name = "unet"
    first_convolution: str | None = "encoder.blocks.0.0.weight"

    def __init__(
        self,
        classes: int | None = 8,
        *,
        bands: int = 4,
        stamp_size: int = 64,
        filters: int = 64,
        layers: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__()
        _check_layers(layers, stamp_size)
        channels = [filters * 2**depth for depth in range(layers // 2 + 1)]
        self.picture = (bands, stamp_size, stamp_size)
        self.channels, self.feature_size = channels[0], channels[-1]
        self.encoder, self.decoder = Down([bands, *channels]), Up(channels)
        self.deepest = nn.Identity()
        if classes is not None:
            self.head = self.make_head(classes, UNetOptions(kind=self.name, dropout=dropout))

    @classmethod
    def make(cls, options: UNetOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        cls.check_survey(options, shape)
        sizes = {"filters": options.filters, "layers": options.layers}
        return cls(None, bands=len(shape.bands), stamp_size=shape.stamp_size, **sizes)

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError where pictures cannot be halved so often, or come with residuals."""
        super().check_pixels(options, channels, stamp)
        _check_layers(options.layers, None if stamp is None else stamp[0])


class Down(nn.Module):
    """The way down: a block, and blocks on halved maps.

    Parameters
    ----------
    channels : sequence of int
        Of the pictures, and of the maps of each block.
    """

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        self.blocks = nn.ModuleList(_block(*pair) for pair in pairwise(channels))
        self.halve = nn.MaxPool2d(2)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the map of each block, (B, f, H, W), (B, 2 f, H / 2, W / 2), ..., of pictures (B, bands, H, W)."""
        first, *deeper = self.blocks
        maps = [first(pictures)]
        for block in deeper:
            maps.append(block(self.halve(maps[-1])))
        return maps


class Up(nn.Module):
    """The way up: double the deepest map, append the finer one, a block; and again.

    Parameters
    ----------
    channels : sequence of int
        Of the maps that come down, the finest first.
    """

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        steps = list(zip(channels[1:], channels[:-1], strict=True))[::-1]  # (deep, fine), from the deepest
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(deep, fine, 2, stride=2) for deep, fine in steps)
        self.blocks = nn.ModuleList(_block(2 * fine, fine) for _, fine in steps)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the finest map (B, f, H, W) of those of the way down."""
        *finer, map_ = maps
        for enlarge, block, fine in zip(self.enlarge, self.blocks, finer[::-1], strict=True):
            map_ = block(torch.cat([fine, enlarge(map_)], dim=1))
        return map_


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


def _check_layers(layers: int, stamp_size: int | None) -> None:
    """Raise a ValueError where a network of these layers cannot be built for such pictures."""
    if layers % 2:
        raise ValueError(f"model.layers is {layers}, and as many go down as up: take {layers - 1 or 2} or {layers + 1}")
    if stamp_size is not None:
        check_size(stamp_size, layers // 2, "or a smaller model.layers")
