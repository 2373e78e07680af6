"""inception_p19: redshifts from pictures in five bands, of 64 pixels, as a PDF over 180 bins.

After Pasquet et al. 2019 (A&A 621 A26): a convolution, five inception blocks, two hidden layers. What is fed differs:
fluxes are scaled as `pixels.scaling` says, where the published network saw them as they are.
"""

from typing import Any

from torch import nn

from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.inception import UGRIZ, Inception, InceptionNetwork, InceptionOptions, Stem, scaled

STEM, HIDDEN = 64, 1096
BLOCKS = ((48, 64), (64, 92), (92, 128), (92, 128), (92, 128))  # narrow and wide channels
POOLED = (1, 3)  # blocks that a pooling follows
DEFAULT = InceptionOptions(kind="inception_p19")


@register_network("inception_p19", InceptionOptions)
class InceptionP19(InceptionNetwork):
    """The inception network of Pasquet et al.: 27 596 372 parameters for ugriz, E(B-V), 64 pixels and 180 bins.

    With nine bands 27 602 772, with eleven 27 605 972. E(B-V) joins the flattened maps.

    Parameters
    ----------
    classes, options, shape
        As of `InceptionNetwork`.

    Examples
    --------
    >>> shape = ict.InputShape(("u", "g", "r", "i", "z"), stamp_size=32, reddening=True)
    >>> model = ict.InceptionP19(180, shape=shape)
    >>> model(torch.randn(4, 5, 32, 32), torch.ones(4, 5, dtype=torch.bool), torch.rand(4)).shape
    torch.Size([4, 180])
    """

    smallest, reddening_joins = 8, True

    def __init__(
        self,
        classes: int | None = 180,
        options: InceptionOptions = DEFAULT,
        shape: InputShape = UGRIZ,
    ) -> None:
        super().__init__(classes, options, shape)

    def make_stem(self, places: list[int], width: float) -> Stem:
        """Return a convolution of 5 x 5 pixels, and a pooling."""
        (channels,) = scaled(width, STEM)
        first = nn.Conv2d(len(places), channels, 5, padding=2)
        return Stem(places, first, nn.Sequential(nn.PReLU(channels), nn.AvgPool2d(2)))

    def make_trunk(self, stamp_size: int, width: float) -> tuple[nn.Sequential, nn.Sequential, int]:
        """Return five blocks, of which the last has no 5 x 5 convolution, and two linear layers."""
        channels = len(self.seen) * scaled(width, STEM)[0]
        layers: list[Any] = []
        for number, sizes in enumerate(BLOCKS):
            narrow, wide = scaled(width, *sizes)
            kernels = (5, 3) if number < len(BLOCKS) - 1 else (3,)
            layers.append(Inception(channels, wide, narrow, wide, nn.PReLU, kernels))
            channels = layers[-1].out
            layers += [nn.AvgPool2d(2)] if number in POOLED else []
        (hidden,) = scaled(width, HIDDEN)
        flat = channels * (stamp_size // 8) ** 2 + self.joining
        linear = nn.Sequential(nn.Linear(flat, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        return nn.Sequential(*layers), linear, hidden
