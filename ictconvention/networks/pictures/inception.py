"""What the two published inception networks share: stems for sets of bands, the inception block, and further numbers.

A stem sees some bands and halves the picture. With `modalities` there are several stems, and their maps are joined,
after Ait Ouahmed et al. 2024 (A&A 683 A26): colours of neighbouring bands are found before all bands meet.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import PositiveFloat, model_validator
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.core.errors import UsageError, shorten
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.inputs.pictures import ReddenedPictureInputs
from ictconvention.networks.network import Places, Rows
from ictconvention.networks.pictures.picture_network import PictureNetwork, PictureOptions, find_bands

UGRIZ: InputShape = InputShape(("u", "g", "r", "i", "z"), stamp_size=64, reddening=True)
KEY = "model.modalities"


@option_group
class InceptionOptions(PictureOptions):
    """Options of the inception networks.

    Parameters
    ----------
    dropout : float
        Share of the features that the head drops in training (published: none).
    width : float
        Scales all channels and features (published: 1).
    modalities : tuple of tuple of str, optional
        Sets of bands, each with a stem of its own; every band is in one at least. Without them one stem sees all.
    reddening : bool
        Let E(B-V) of the Milky Way join, where the survey has it (column `ebv`).
    present : bool
        Let the bands that an object has join the features, for surveys in which some are missing (published: false).
    """

    dropout: PartialShare = 0.0
    width: Annotated[PositiveFloat, SHAPES] = 1.0
    modalities: Annotated[tuple[tuple[str, ...], ...] | None, SHAPES] = None
    reddening: Annotated[bool, SHAPES] = True
    present: Annotated[bool, SHAPES] = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.modalities is not None and not (self.modalities and all(self.modalities)):
            raise ValueError(f"{KEY} names no band; write sets of bands, such as [[u,g,r],[r,i,z]], or null")
        return self


class InceptionNetwork(PictureNetwork):
    """Stems, a trunk of inception blocks, and layers on the flattened maps.

    A network says what a stem is, what the trunk is, and what follows it; see `InceptionP19`.

    Parameters
    ----------
    classes : int, optional
        Number of outputs; without it there is no head.
    options : InceptionOptions
        Sizes, sets of bands, and which further numbers join.
    shape : InputShape
        Bands and stamps, and whether E(B-V) is known.

    Raises
    ------
    ValueError
        The stamps are too small, or a band is in no modality.
    UsageError
        A modality names a band that is not there.
    """

    takes: ClassVar[type[Inputs]] = ReddenedPictureInputs
    map_grid = (3.5, 8.0)  # after three poolings
    smallest: ClassVar[int]  # pixels along a side
    reddening_joins: ClassVar[bool]  # whether E(B-V) joins the flat maps; otherwise the stems take it

    def __init__(self, classes: int | None, options: InceptionOptions, shape: InputShape) -> None:
        super().__init__()
        self.check_survey(options, shape)
        self._check_size(shape.stamp_size)
        self.name, self.picture = options.kind, (len(shape.bands), shape.stamp_size, shape.stamp_size)
        self.seen = [find_bands(names, shape.bands, KEY) for names in options.modalities or (shape.bands,)]
        self.reddened, self.told_present = options.reddening and shape.reddening, options.present
        self.joining = int(self.reddened and self.reddening_joins) + options.present * len(shape.bands)
        self.first_convolution = None if options.modalities else "stems.0.first.weight"
        self.stems = nn.ModuleList(self.make_stem(places, options.width) for places in self.seen)
        self.maps, self.hidden, self.feature_size = self.make_trunk(shape.stamp_size, options.width)
        _draw_weights(self)
        if classes is not None:
            self.head = self.make_head(classes, options)

    @classmethod
    def make(cls, options: InceptionOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        return cls(None, options, shape)

    @abstractmethod
    def make_stem(self, places: list[int], width: float) -> "Stem":
        """Return a stem for the bands at these places."""

    @abstractmethod
    def make_trunk(self, stamp_size: int, width: float) -> tuple[nn.Sequential, nn.Sequential, int]:
        """Return what joined maps of the stems go through, what flat maps and numbers go through, and its features."""

    @classmethod
    def check_survey(cls, options: Any, shape: InputShape) -> None:
        """Raise a UsageError for bands that the survey has not, and where a band would be seen by no stem."""
        super().check_survey(options, shape)
        if options.modalities is None:
            return
        seen = {place for names in options.modalities for place in find_bands(names, shape.bands, KEY)}
        if without := [name for place, name in enumerate(shape.bands) if place not in seen]:
            rest = f"[{','.join(name for name in shape.bands if name not in without)}]"
            fix = f"put them into one, or leave them out of the survey: survey.bands={rest}"
            raise UsageError(f"bands in no modality: {shorten(without)}", KEY, fix, "E-CONFIG-CONFLICT")

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError where stamps are too small, or come with residuals."""
        super().check_pixels(options, channels, stamp)
        if stamp is not None:
            cls._check_size(stamp[0])

    @classmethod
    def _check_size(cls, stamp_size: int) -> None:
        if stamp_size < cls.smallest:
            found = f"the pictures have {stamp_size} pixels along a side, and the network halves them three times"
            raise ValueError(f"{found}: take pictures of {cls.smallest} pixels or more, or another network")

    @property
    def map_layer(self) -> nn.Module:
        """The last inception block."""
        return [layer for layer in self.maps if isinstance(layer, Inception)][-1]

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return the planes of the one stem, and which bands are present among what the first linear layer sees."""
        rows: Rows = {} if self.first_convolution is None else {self.first_convolution: (1, places)}
        if self.told_present:
            flat = next(self.hidden.parameters()).shape[1] - self.joining
            present: Places = [None if place is None else flat + place for place in places]
            ebv = [flat + before] if self.reddened and self.reddening_joins else []
            rows["hidden.0.weight"] = (1, [*range(flat), *present, *ebv])
        return rows

    def features(self, pictures: Tensor, present: Tensor, reddening: Tensor | None = None) -> Tensor:
        """Return the features (B, f).

        Parameters
        ----------
        pictures : tensor (B, bands, H, W)
            Scaled.
        present : boolean tensor (B, bands)
            Which bands they have; what the others hold does not count.
        reddening : tensor (B,), optional
            E(B-V) [mag], where the network takes it.

        Raises
        ------
        ValueError
            The pictures do not fit the network, or E(B-V) is not known.
        """
        pictures, ebv = self.see(pictures, present), None
        if self.reddened:
            if reddening is None:
                raise ValueError("E(B-V) of the objects is not given, and the network takes it")
            ebv = reddening[:, None]
        joined = [self.maps(torch.cat([stem(pictures, ebv) for stem in self.stems], dim=1)).flatten(1)]
        joined += [present] if self.told_present else []
        joined += [ebv] if ebv is not None and self.reddening_joins else []
        features: Tensor = self.hidden(torch.cat([numbers.to(joined[0].dtype) for numbers in joined], dim=1))
        return features

    def features_padded(self, pictures: Tensor, present: Tensor, reddening: Tensor | None = None) -> Tensor:
        """Return the same as `features`: pictures need no padding."""
        return self.features(pictures, present, reddening)


class Stem(nn.Module):
    """Pictures (B, bands, H, W), of which it sees some bands -> (B, channels, H / 2, W / 2).

    Parameters
    ----------
    places : list of int
        Of the bands that it sees.
    first : Conv2d
        What sees them.
    rest : Sequential
        What follows.
    reddening : Linear, optional
        From E(B-V) to a number that is added in each channel of the first convolution.
    """

    def __init__(
        self, places: list[int], first: nn.Conv2d, rest: nn.Sequential, reddening: nn.Linear | None = None
    ) -> None:
        super().__init__()
        self.places, self.first, self.rest, self.reddening = places, first, rest, reddening

    def forward(self, pictures: Tensor, reddening: Tensor | None) -> Tensor:
        """Return maps; `reddening` is E(B-V) (B, 1) [mag], or None where it is not known."""
        if self.places != list(range(pictures.shape[1])):
            pictures = torch.cat([pictures[:, place, None] for place in self.places], dim=1)
        maps = self.first(pictures.contiguous(memory_format=torch.channels_last))  # faster on a CPU
        if self.reddening is not None and reddening is not None:
            maps = maps + self.reddening(reddening.to(maps.dtype))[:, :, None, None]
        joined: Tensor = self.rest(maps)
        return joined


class Inception(nn.Module):
    """Four branches on the same maps, side by side: (B, channels, H, W) -> (B, out, H, W).

    One is a convolution of 1 x 1 pixels; two are that, narrower, and one of 5 x 5 or 3 x 3 pixels; the last is that,
    and the mean of 2 x 2 pixels, of those that exist.

    Parameters
    ----------
    channels : int
        Of the maps that are given.
    plain, narrow, wide : int
        Channels of the first branch, of the 1 x 1 convolutions of the others, and of what follows these.
    activation : callable
        From a number of channels to the layer after each convolution.
    kernels : sequence of int
        Pixels of the wide convolutions.

    Examples
    --------
    >>> Inception(64, 16, 12, 20, nn.PReLU)(torch.randn(2, 64, 8, 8)).shape
    torch.Size([2, 68, 8, 8])
    """

    def __init__(
        self,
        channels: int,
        plain: int,
        narrow: int,
        wide: int,
        activation: Callable[[int], nn.Module],
        kernels: Sequence[int] = (5, 3),
    ) -> None:
        super().__init__()
        self.sizes = [plain, *[narrow] * len(kernels), narrow]
        self.out = plain + wide * len(kernels) + narrow
        self.narrow = nn.Sequential(nn.Conv2d(channels, sum(self.sizes), 1), activation(sum(self.sizes)))  # at once
        self.wide = nn.ModuleList(
            nn.Sequential(nn.Conv2d(narrow, wide, kernel, padding=kernel // 2), activation(wide)) for kernel in kernels
        )
        self.pool = nn.Sequential(nn.ReplicationPad2d((0, 1, 0, 1)), nn.AvgPool2d(2, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the joined branches."""
        plain, *narrow, last = self.narrow(maps).split(self.sizes, dim=1)
        wide = [convolution(one) for convolution, one in zip(self.wide, narrow, strict=True)]
        return torch.cat([plain, *wide, self.pool(last)], dim=1)


def scaled(width: float, *sizes: int) -> list[int]:
    """Return sizes scaled by a width, each at least 1."""
    return [max(1, round(width * size)) for size in sizes]


def _draw_weights(network: nn.Module) -> None:
    """Draw weights that keep the spread of what ReLUs pass on (He et al. 2015): nothing else does, without norms."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
