"""The frame transformer without stamps: a token for each measured flux."""

from typing import Annotated, ClassVar, Self

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import ModelOptions, PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.inputs.tokens import PhotometryTokenInputs
from ictconvention.networks.network import Network, Places, Rows
from ictconvention.networks.parts.object_numbers import OBJECT_FEATURES, ObjectFeatures
from ictconvention.networks.parts.photometry_token import PHOTOMETRY, PointTokens, photometry_numbers
from ictconvention.networks.parts.ragged import check_lengths, pad, pad_given
from ictconvention.networks.parts.transformer import SeriesTransformer, hidden_head


@option_group
class LightCurveTransformerOptions(ModelOptions):
    """What is known of a light curve, and the sizes of the transformer.

    Parameters
    ----------
    course : bool
        Beside the fluxes, numbers of the light curve in each band.
    size, layers, heads : int
        Numbers of a token, layers of the transformer, and heads of its attention; heads divide the size.
    token_dropout : float
        Share that the transformer drops in training.
    """

    course: Annotated[bool, SHAPES] = True
    size: Annotated[PositiveInt, SHAPES] = 96
    layers: Annotated[PositiveInt, SHAPES] = 2
    heads: Annotated[PositiveInt, SHAPES] = 4
    token_dropout: PartialShare = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size % self.heads:
            raise ValueError(f"size {self.size} is not a multiple of heads {self.heads}")
        return self


DEFAULT = LightCurveTransformerOptions(kind="light_curve_transformer")


@register_network("light_curve_transformer", LightCurveTransformerOptions)
class LightCurveTransformer(Network):
    """A token for each flux of a light curve, attention over them, and a pool: 231 332 parameters for ugriz.

    Where a run has `sequence.photometry`, fluxes that were measured at other times are tokens too: 247 552.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands.
    options : LightCurveTransformerOptions
        Sizes.
    points : bool
        Whether fluxes without pixels come along.

    Examples
    --------
    Two objects, of seven fluxes and of four:

    >>> model = ict.LightCurveTransformer(classes=4, bands=2).eval()
    >>> band, days, photometry = torch.randint(1, 3, (11,)), torch.arange(11.0), torch.rand(11, 2)
    >>> model(band, days, photometry, lengths=torch.tensor([7, 4])).shape
    torch.Size([2, 4])
    """

    takes: ClassVar[type[Inputs]] = PhotometryTokenInputs

    def __init__(
        self,
        classes: int | None = 4,
        *,
        bands: int = 5,
        options: LightCurveTransformerOptions = DEFAULT,
        points: bool = False,
    ) -> None:
        super().__init__()
        self.bands = bands
        self.numbers = nn.Linear(PHOTOMETRY, options.size)
        self.series = SeriesTransformer(
            options.size, options.layers, options.heads, options.token_dropout, bands, band=True, days=True
        )
        self.feature_size = self.series.feature_size
        self.object: ObjectFeatures | None = None
        if options.course:
            self.feature_size += OBJECT_FEATURES
            self.object = ObjectFeatures(bands, True, None, options.token_dropout)
        self.points: PointTokens | None = None
        if points:
            self.points = PointTokens(options.size, bands, options.course, options.token_dropout)
            self.feature_size += OBJECT_FEATURES * options.course
        if classes is not None:
            self.head = self.make_head(classes, options)

    @classmethod
    def make(cls, options: LightCurveTransformerOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        return cls(None, bands=len(shape.bands), options=options, points=shape.points)

    def make_head(self, outputs: int, options: ModelOptions) -> nn.Module:
        """Return a hidden layer, and the outputs."""
        return hidden_head(self.feature_size, outputs, options.dropout)

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return the rows of the embedding, and of the numbers of each band."""
        rows: Rows = {"series.band.weight": (0, [0, *(None if place is None else place + 1 for place in places)])}
        if self.object is not None:
            rows |= self.object.place_bands("object", places, before)
        return rows if self.points is None else rows | self.points.place_bands("points", places, before)

    def features(
        self,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        lengths: Tensor,
        point_band: Tensor | None = None,
        point_days: Tensor | None = None,
        point_photometry: Tensor | None = None,
        point_lengths: Tensor | None = None,
    ) -> Tensor:
        """Return the features of a ragged batch.

        Parameters
        ----------
        band : integer tensor (F,)
            Bands from 1, of all objects' frames, one object after the other in time order.
        days : tensor (F,)
            Days since the object's first frame.
        photometry : tensor (F, 2)
            Flux and error in units of the band's scale; NaN where unknown.
        lengths : integer tensor (B,)
            Number of frames of each object, at least 1; their sum is F.
        point_band, point_days, point_photometry, point_lengths : tensors, optional
            As of `FrameTransformer.features`.

        Returns
        -------
        tensor (B, feature_size)

        Raises
        ------
        ValueError
            The lengths do not fit the frames, or there are no points where the network has them.
        """
        lengths = check_lengths(lengths, len(band))
        points = pad_given(point_lengths, point_band, point_days, point_photometry)
        return self.features_padded(*(pad(x, lengths) for x in (band, days, photometry)), *points)

    def features_padded(
        self,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        point_band: Tensor | None = None,
        point_days: Tensor | None = None,
        point_photometry: Tensor | None = None,
    ) -> Tensor:
        """Return the same of padded arrays (B, S), (B, S, 2), (B, P) ..., in which band is 0 where there is none."""
        with torch.autocast(days.device.type, enabled=False):
            tokens = self.numbers(photometry_numbers(photometry, band, self.bands))
            more: tuple[Tensor, Tensor] | None = None
            features: list[Tensor] = [] if self.object is None else [self.object(photometry, band, days)]
            if self.points is not None:
                if point_band is None or point_days is None or point_photometry is None:
                    raise ValueError("the network has points without pixels: give point_band and the others")
                more = self.points.tokens(point_photometry, point_band, point_days, self.series)
                features += self.points.features(point_photometry, point_band, point_days)
            return torch.cat([self.series(tokens, band, days, more), *features], dim=1)
