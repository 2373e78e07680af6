"""cnn1 and cnn2: four convolutions, each halving the picture, and two linear layers.

After the classifiers of galaxies with and without a supernova by Dahani, Habibi and Ashraful 2025.
"""

from typing import Annotated, Any, Literal, Self, cast

from pydantic import PositiveFloat
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.picture_network import PictureNetwork, PictureOptions

CHANNELS, HIDDEN = (32, 64, 128, 256), 256
SMALLEST = 2 ** len(CHANNELS)  # pixels; of fewer the last pooling leaves nothing
Kind = Literal["cnn1", "cnn2"]


@option_group
class CNNOptions(PictureOptions):
    """Options of cnn1 and cnn2.

    Parameters
    ----------
    dropout : float
        Share of the features that the head drops in training.
    map_dropout : float
        Share that is dropped in training after the second and the fourth pooling.
    width : float
        Scales all channels, and the features.
    """

    dropout: PartialShare = 0.5
    map_dropout: PartialShare = 0.25
    width: Annotated[PositiveFloat, SHAPES] = 1.0


@register_network("cnn1", CNNOptions)
@register_network("cnn2", CNNOptions)
class PictureCNN(PictureNetwork):
    """cnn1 (2 748 482 parameters for three bands, 96 pixels and two classes) or cnn2 (2 749 442).

    cnn2 has a batch norm after each ReLU and before the pooling, as published.

    Parameters
    ----------
    kind : "cnn1" or "cnn2"
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands.
    stamp_size : int
        Pixels along a side, at least 16.
    width : float
        Scales the channels 32, 64, 128, 256, and the 256 features.
    dropout, map_dropout : float
        Shares that are dropped in training: of the features, and after the second and the fourth pooling.

    Raises
    ------
    ValueError
        The stamps are too small.

    Examples
    --------
    >>> model = ict.PictureCNN("cnn2", classes=2, bands=3, stamp_size=48, width=0.25).eval()
    >>> model(torch.randn(4, 3, 48, 48), torch.ones(4, 3, dtype=torch.bool)).shape
    torch.Size([4, 2])
    """

    first_convolution: str | None = "maps.0.weight"
    map_grid = (3.5, 8.0)  # after three poolings

    def __init__(
        self,
        kind: Kind,
        classes: int | None = 2,
        *,
        bands: int = 3,
        stamp_size: int = 96,
        width: float = 1.0,
        dropout: float = 0.5,
        map_dropout: float = 0.25,
    ):
        super().__init__()
        _check_size(stamp_size)
        channels = [max(1, round(width * one)) for one in CHANNELS]
        self.feature_size = max(1, round(width * HIDDEN))
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip([bands, *channels], channels, strict=False), start=1):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            layers += [nn.BatchNorm2d(after)] if kind == "cnn2" else []
            layers += [nn.MaxPool2d(2)]
            layers += [nn.Dropout(map_dropout)] if number % 2 == 0 else []
        self.maps = nn.Sequential(*layers)  # (B, bands, H, W) -> (B, 256, H / 16, W / 16)
        flat = channels[-1] * (stamp_size // SMALLEST) ** 2
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(flat, self.feature_size), nn.ReLU())
        self.name, self.picture = kind, (bands, stamp_size, stamp_size)
        if classes is not None:
            self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.feature_size, classes))

    @classmethod
    def make(cls, options: CNNOptions, shape: InputShape) -> Self:
        """Build the network that `options.kind` names, without its head."""
        cls.check_survey(options, shape)
        return cls(
            cast("Kind", options.kind),
            None,
            bands=len(shape.bands),
            stamp_size=shape.stamp_size,
            width=options.width,
            map_dropout=options.map_dropout,
        )

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError where stamps are too small, or come with residuals."""
        super().check_pixels(options, channels, stamp)
        if stamp is not None:
            _check_size(stamp[0])

    @property
    def map_layer(self) -> nn.Module:
        """What the last pooling is given, twice as fine as what it returns."""
        return self.maps[-3]

    def features(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return the hidden layer (B, f) of pictures (B, bands, H, W), of which some may not be present.

        Raises
        ------
        ValueError
            The pictures do not fit the network.
        """
        hidden: Tensor = self.hidden(self.maps(self.see(pictures, present)))
        return hidden


def _check_size(stamp_size: int) -> None:
    if stamp_size < SMALLEST:
        found = f"the pictures have {stamp_size} pixels along a side, and the network halves them four times"
        raise ValueError(f"{found}: take pictures of {SMALLEST} pixels or more, or another network")
