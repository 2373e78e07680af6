"""inception_t24: redshifts from pictures in five bands, of 64 pixels; deeper than inception_p19, and smaller.

After Treyer et al. 2024 (MNRAS 527 651): two convolutions, six equal inception blocks, and three convolutions without
padding that leave few numbers to flatten. Poolings are means. Pictures below 64 pixels are used up by fewer of these
convolutions; the others are padded, so that all sizes from 16 pixels have the same weights.
"""

from typing import Any

from torch import nn

from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.inception import UGRIZ, Inception, InceptionNetwork, InceptionOptions, Stem, scaled

STEM, WIDE, HIDDEN = 96, 156, 1024
NARROW, PLAIN = 0.65, 0.7  # channels of the other convolutions of a block, as shares of the wide ones
BLOCKS, POOLED = 6, (2, 4)  # blocks, and those that a pooling follows
CLOSING = 3  # convolutions at the end
DEFAULT = InceptionOptions(kind="inception_t24")


def _relu(channels: int) -> nn.Module:
    return nn.ReLU()


@register_network("inception_t24", InceptionOptions)
class InceptionT24(InceptionNetwork):
    """The inception network of Treyer et al.: 5 329 780 parameters for ugriz, E(B-V), 64 pixels and 180 bins.

    E(B-V) sets the bias of the first convolution.

    Parameters
    ----------
    classes, options, shape
        As of `InceptionNetwork`.

    Examples
    --------
    >>> shape = ict.InputShape(("g", "r", "i"), stamp_size=32)
    >>> model = ict.InceptionT24(60, shape=shape)
    >>> model(torch.randn(4, 3, 32, 32), torch.ones(4, 3, dtype=torch.bool)).shape
    torch.Size([4, 60])
    """

    smallest, reddening_joins = 16, False

    def __init__(
        self,
        classes: int | None = 180,
        options: InceptionOptions = DEFAULT,
        shape: InputShape = UGRIZ,
    ) -> None:
        super().__init__(classes, options, shape)

    def make_stem(self, places: list[int], width: float) -> Stem:
        """Return a convolution of 5 x 5 pixels, one of 3 x 3 that saturates, and a pooling."""
        (channels,) = scaled(width, STEM)
        reddening = nn.Linear(1, channels) if self.reddened else None
        second = nn.Conv2d(channels, channels, 3, padding=1)
        rest = nn.Sequential(nn.ReLU(), second, nn.Tanh(), nn.AvgPool2d(2))
        return Stem(places, nn.Conv2d(len(places), channels, 5, padding=2), rest, reddening)

    def make_trunk(self, stamp_size: int, width: float) -> tuple[nn.Sequential, nn.Sequential, int]:
        """Return six blocks, three convolutions of which those are unpadded that leave 2 pixels, and a linear layer."""
        channels, side = len(self.seen) * scaled(width, STEM)[0], stamp_size // 2
        (wide,) = scaled(width, WIDE)
        plain, narrow = (max(1, round(share * wide)) for share in (PLAIN, NARROW))
        layers: list[Any] = []
        for number in range(BLOCKS):
            layers.append(Inception(channels, plain, narrow, wide, _relu))
            channels = layers[-1].out
            if number in POOLED:
                layers.append(nn.AvgPool2d(2))
                side //= 2
        last, hidden = scaled(width, STEM, HIDDEN)
        for _ in range(CLOSING):
            padding = 0 if side >= 4 else 1
            layers += [nn.Conv2d(channels, last, 3, padding=padding), nn.ReLU()]
            channels, side = last, side - 2 + 2 * padding
        layers.append(nn.AvgPool2d(2, 1))
        linear = nn.Sequential(nn.Linear(channels * (side - 1) ** 2 + self.joining, hidden), nn.ReLU())
        return nn.Sequential(*layers), linear, hidden
