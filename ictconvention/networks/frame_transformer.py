"""A token for each frame, of its pixels and of what is measured in them, and a transformer over the frames that exist.

Ours, not a published network.
"""

from typing import Annotated, ClassVar, Self

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import ModelOptions, PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.inputs.tokens import FrameTokenInputs
from ictconvention.networks.network import Network, Places, Rows
from ictconvention.networks.parts.apertures import RADII, Apertures
from ictconvention.networks.parts.object_numbers import OBJECT_FEATURES, HostNumbers, ObjectFeatures
from ictconvention.networks.parts.photometry_token import (
    CONDITIONS,
    PHOTOMETRY,
    PointTokens,
    condition_numbers,
    photometry_numbers,
)
from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.parts.ragged import check_lengths, pad, pad_given
from ictconvention.networks.parts.stamp_cnn import MAP_GRID, StampCNN
from ictconvention.networks.parts.transformer import SeriesTransformer, hidden_head
from ictconvention.networks.token_subsets import Subsets


@option_group
class FrameTransformerOptions(ModelOptions):
    """What a token holds, and the sizes of the transformer.

    Parameters
    ----------
    pixels : bool
        What a CNN sees in the stamp.
    fluxes : bool
        Fluxes within circles of the stamp, measured by fixed weights in the network.
    photometry : bool
        Flux and error of the frame, corrected for its seeing, as the light-curve RNN has them.
    conditions : bool
        Seeing and sky noise of the frame.
    days : bool
        When it was taken, after the first frame.
    band : bool
        Which band it has.
    course : bool
        Beside the frames, numbers of the light curve in each band.
    host : bool
        Beside the frames, of each band the median stamp as a token, and its brightness and shape; needs
        pixels.channels=direct+residual. In training it is the median of all frames of the object, also those that a
        view leaves out; `predict --first-days` has that of the first days' frames.
    size, layers, heads : int
        Numbers of a token, layers of the transformer, and heads of its attention; heads divide the size.
    token_dropout : float
        Share that the transformer drops in training.
    """

    pixels: Annotated[bool, SHAPES] = True
    fluxes: Annotated[bool, SHAPES] = True
    photometry: Annotated[bool, SHAPES] = True
    conditions: Annotated[bool, SHAPES] = True
    days: Annotated[bool, SHAPES] = True
    band: Annotated[bool, SHAPES] = True
    course: Annotated[bool, SHAPES] = True
    host: Annotated[bool, SHAPES] = True
    size: Annotated[PositiveInt, SHAPES] = 96
    layers: Annotated[PositiveInt, SHAPES] = 2
    heads: Annotated[PositiveInt, SHAPES] = 4
    token_dropout: PartialShare = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size % self.heads:
            raise ValueError(f"size {self.size} is not a multiple of heads {self.heads}")
        if not (self.pixels or self.fluxes or self.photometry):
            raise ValueError("pixels, fluxes and photometry are all off: nothing is seen of a frame")
        return self


DEFAULT = FrameTransformerOptions(kind="frame_transformer")
UGRIZ = InputShape(("u", "g", "r", "i", "z"), channels=2, pixel_scale=0.396)


@register_network("frame_transformer", FrameTransformerOptions)
class FrameTransformer(Network):
    """A token for each frame, two layers of attention over the frames, and a pool: 272 052 parameters for ugriz.

    A token is the sum of what a small CNN sees in the stamp and in its residual to the median stamp, of fluxes measured
    in the network, of photometry, seeing and noise, of the band, and of the days since the first frame. With `host`
    the median stamps are tokens as well, and their brightness and shape join the features. Where a run has
    `sequence.photometry`, fluxes without pixels are tokens too, with numbers of their own light curve: 288 272 in all.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    options : FrameTransformerOptions, optional
        What a token holds, and sizes.
    shape : InputShape, optional
        Bands, stamps and channels; `pixel_scale` is needed for fluxes and host.

    Raises
    ------
    ValueError
        The host is asked for without median stamps, the pixel scale is not known, or the stamps are too small.

    Examples
    --------
    Two objects, of seven frames and of four:

    >>> shape = ict.InputShape(("g", "r"), max_frames=12, channels=2, pixel_scale=0.396)
    >>> model = ict.FrameTransformer(classes=4, shape=shape).eval()
    >>> frames, fluxes, medians = torch.randn(11, 2, 32, 32), torch.randn(11, 2, 32, 32), torch.randn(2, 2, 32, 32)
    >>> band, days = torch.randint(1, 3, (11,)), torch.arange(11.0)
    >>> known = band, days, torch.rand(11, 2), torch.rand(11, 2), torch.tensor([7, 4])
    >>> model(frames, fluxes, *known, medians, medians).shape
    torch.Size([2, 4])
    """

    takes: ClassVar[type[Inputs]] = FrameTokenInputs
    has_tokens: ClassVar[bool] = True

    def __init__(
        self,
        classes: int | None = 4,
        *,
        options: FrameTransformerOptions = DEFAULT,
        shape: InputShape = UGRIZ,
    ) -> None:
        super().__init__()
        size, channels = options.size, shape.channels
        self.check_pixels(options, channels)
        if (options.fluxes or options.host) and shape.pixel_scale is None:
            raise ValueError("it is not known how large a pixel is: take model.fluxes=false and model.host=false")
        self.shape, self.bands, self.size = shape, len(shape.bands), size
        stamp = shape.stamp_size, shape.pixel_scale or 1.0
        self.cnn = StampCNN(channels, size) if options.pixels else None
        self.frames_per_map, self.map_grid = 1, MAP_GRID
        self.apertures = Apertures(*stamp) if options.fluxes else None
        self.of_photometry, self.of_conditions = options.photometry, options.conditions
        numbers = 2 * channels * len(RADII) * options.fluxes
        numbers += PHOTOMETRY * options.photometry + CONDITIONS * options.conditions
        self.numbers = nn.Linear(numbers, size) if numbers else None
        self.series = SeriesTransformer(
            size, options.layers, options.heads, options.token_dropout, self.bands, options.band, options.days
        )
        self.feature_size = self.series.feature_size
        self.host = options.host
        if options.host:
            self.is_median = nn.Parameter(0.02 * torch.randn(size))
        self.object: ObjectFeatures | None = None
        if options.course or options.host:
            of_host = stamp if options.host else None
            self.object = ObjectFeatures(self.bands, options.course, of_host, options.token_dropout)
            self.feature_size += OBJECT_FEATURES
        self.points: PointTokens | None = None
        if shape.points:
            self.points = PointTokens(size, self.bands, options.course, options.token_dropout)
            self.feature_size += OBJECT_FEATURES * options.course
        if classes is not None:
            self.head = self.make_head(classes, options)

    @classmethod
    def make(cls, options: FrameTransformerOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        return cls(None, options=options, shape=shape)

    @classmethod
    def check_pixels(
        cls, options: FrameTransformerOptions, channels: int, stamp: tuple[int, float] | None = None
    ) -> None:
        """Raise a ValueError where the host is asked for without median stamps, or a stamp is too small."""
        if options.host and channels == 1:
            raise ValueError(
                "model.host needs median stamps: take pixels.channels=direct+residual, or model.host=false"
            )
        for name, measure in (("fluxes", Apertures), ("host", HostNumbers)):
            try:
                if stamp is not None and getattr(options, name):
                    measure(*stamp)
            except ValueError as error:
                raise ValueError(f"{error}: take model.{name}=false, or a survey with larger stamps") from None

    @property
    def map_layer(self) -> nn.Module | None:
        """The convolutions that see the stamps, then the medians; None without pixels."""
        return None if self.cnn is None else self.cnn.layers

    def make_head(self, outputs: int, options: ModelOptions) -> nn.Module:
        """Return a hidden layer, and the outputs."""
        return hidden_head(self.feature_size, outputs, options.dropout)

    def check_shape(self, shape: InputShape) -> None:
        """Raise a ValueError where data of this shape do not fit."""
        for name in ("channels", "stamp_size", "pixel_scale", "points"):
            built, given = getattr(self.shape, name), getattr(shape, name)
            if built != given:
                raise ValueError(f"{name} of the data is {given}; the network was built for {built}")
        if len(shape.bands) != self.bands:
            raise ValueError(f"the data have {len(shape.bands)} bands; the network was built for {self.bands}")

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return the rows of the embedding, and the numbers of each band's host."""
        rows: Rows = {}
        if self.series.band is not None:
            rows["series.band.weight"] = 0, [0, *(None if place is None else place + 1 for place in places)]
        if self.object is not None:
            rows |= self.object.place_bands("object", places, before)
        return rows if self.points is None else rows | self.points.place_bands("points", places, before)

    def features(
        self,
        frames: Tensor,
        fluxes: Tensor,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        conditions: Tensor,
        lengths: Tensor,
        medians: Tensor | None = None,
        host: Tensor | None = None,
        point_band: Tensor | None = None,
        point_days: Tensor | None = None,
        point_photometry: Tensor | None = None,
        point_lengths: Tensor | None = None,
    ) -> Tensor:
        """Return the features of a ragged batch.

        Parameters
        ----------
        frames : tensor (F, channels, H, W)
            Scaled stamps of all objects, one object after the other in time order, and their scaled residuals.
        fluxes : tensor (F, channels, H, W)
            The same, not turned, as fluxes in units of the band's scale; NaN where a pixel is missing.
        band : integer tensor (F,)
            Bands from 1.
        days : tensor (F,)
            Days since the object's first frame.
        photometry : tensor (F, 2)
            Flux and error in units of the band's scale; NaN where unknown.
        conditions : tensor (F, 2)
            Seeing [arcsec], and sky noise in units of the band's scale; NaN where unknown.
        lengths : integer tensor (B,)
            Number of frames of each object, at least 1; their sum is F.
        medians, host : tensors (B, bands, H, W), optional
            Median stamps, scaled, and not turned in units of the band's scale; `host` is zero where a band has none.
        point_band, point_days, point_photometry : tensors (P,), (P,), (P, 2), optional
            As of frames, of points without pixels, where the network was built for them. The flux of a limit is NaN,
            and its error a fifth of it, or NaN.
        point_lengths : integer tensor (B,), optional
            Number of points of each object, from 0; their sum is P.

        Returns
        -------
        tensor (B, feature_size)

        Raises
        ------
        ValueError
            The lengths do not fit the frames, or there is no host, or are no points, where the network has them.
        """
        lengths = check_lengths(lengths, len(band))
        seen, of_medians = self._see(frames, medians, host)
        rows = seen, self._measure(fluxes), band, days, photometry, conditions
        points = pad_given(point_lengths, point_band, point_days, point_photometry)
        return self._of_series([pad(x, lengths) for x in rows], of_medians, host, points)

    def features_of_subsets(
        self,
        subsets: Subsets,
        frames: Tensor,
        fluxes: Tensor,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        conditions: Tensor,
        lengths: Tensor,
        medians: Tensor | None = None,
        host: Tensor | None = None,
    ) -> Tensor:
        """Return the features (V * B, feature_size) of V subsets of the frames; the CNN sees each stamp once."""
        check_lengths(lengths, len(band))
        seen, of_medians = self._see(frames, medians, host)
        rows = seen, self._measure(fluxes), band, days, photometry, conditions
        chosen, times = subsets.rows.to(band.device, non_blocking=True), subsets.times
        if of_medians is not None:
            of_medians = of_medians[0].repeat(times, 1, 1), of_medians[1].repeat(times, 1)
        host = None if host is None else host.repeat(times, 1, 1, 1)
        return self._of_series([pad(x[chosen], subsets.lengths) for x in rows], of_medians, host, [])

    def features_padded(
        self,
        frames: Tensor,
        fluxes: Tensor,
        band: Tensor,
        days: Tensor,
        photometry: Tensor,
        conditions: Tensor,
        medians: Tensor | None = None,
        host: Tensor | None = None,
        point_band: Tensor | None = None,
        point_days: Tensor | None = None,
        point_photometry: Tensor | None = None,
    ) -> Tensor:
        """Return the same of padded arrays (B, S, ...), (B, P, ...), in which band is 0 where there is none."""
        real = (band > 0)[..., None, None, None]
        frames, fluxes = (x.where(real, 0).flatten(0, 1) for x in (frames, fluxes))
        seen, of_medians = self._see(frames, medians, host)
        of_stamps = (x.unflatten(0, band.shape) for x in (seen, self._measure(fluxes)))
        given = point_band, point_days, point_photometry
        points = [x for x in given if x is not None]
        return self._of_series([*of_stamps, band, days, photometry, conditions], of_medians, host, points)

    def _see(
        self, frames: Tensor, medians: Tensor | None, host: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return what the CNN sees of each stamp (F, size); and a token of each median (B, bands, size), if it is one.

        Together, since batch norm has one mean for them in the evaluation: it must have one in training.
        """
        if not self.host:
            return frames.new_zeros(frames.shape[0], 0) if self.cnn is None else self.cnn(frames), None
        if medians is None or host is None:
            raise ValueError("the network has model.host: give medians and host")
        there = (host != 0).flatten(2).any(2)  # a scaled median has an offset: it is not 0 where there is none
        tokens = self.is_median.expand(*medians.shape[:2], -1)
        if self.series.band is not None:
            tokens = tokens + self.series.band.weight[1:]
        if self.cnn is None:
            return frames.new_zeros(frames.shape[0], 0), (tokens, there)
        direct = medians.where(there[..., None, None], 0).flatten(0, 1)
        residual = torch.zeros_like(direct)  # none to themselves
        seen = self.cnn(torch.cat([frames, torch.stack([direct, residual], dim=1)]))
        of_frames, of_medians = seen[: frames.shape[0]], seen[frames.shape[0] :]
        return of_frames, (tokens + of_medians.to(tokens.dtype).unflatten(0, medians.shape[:2]), there)

    def _measure(self, fluxes: Tensor) -> Tensor:
        """Return what is measured in each stamp (F, n)."""
        if self.apertures is None:
            return fluxes.new_zeros(fluxes.shape[0], 0)
        return full_precision(self._fluxes_and_seen, fluxes)

    def _fluxes_and_seen(self, fluxes: Tensor) -> Tensor:
        assert self.apertures is not None
        flux, seen = self.apertures(fluxes.flatten(0, 1))
        of_channel = torch.cat([(3 * flux / self.apertures.noise).asinh() / 3, seen], dim=1)
        return of_channel.unflatten(0, fluxes.shape[:2]).flatten(1)

    def _of_series(
        self,
        rows: list[Tensor],
        medians: tuple[Tensor, Tensor] | None,
        host: Tensor | None,
        points: list[Tensor],
    ) -> Tensor:
        if self.points is not None and len(points) < 3:
            raise ValueError("the network has points without pixels: give point_band and the others")
        seen, measured, band, days, photometry, conditions = rows
        with torch.autocast(seen.device.type, enabled=False):
            seen = seen.to(torch.promote_types(seen.dtype, torch.float32))
            columns = [measured]
            if self.of_photometry:
                columns.append(photometry_numbers(photometry, band, self.bands))
            if self.of_conditions:
                columns.append(condition_numbers(conditions))
            tokens = seen.new_zeros(*band.shape, self.size) if self.cnn is None else seen
            if self.numbers is not None:
                tokens = tokens + self.numbers(torch.cat(columns, dim=2).to(seen.dtype))
            more = [] if medians is None else [medians]
            features: list[Tensor] = []
            if self.points is not None:
                point_band, point_days, fluxes = points
                more.append(self.points.tokens(fluxes, point_band, point_days, self.series))
                features = self.points.features(fluxes, point_band, point_days)
            if self.object is not None:
                features.insert(0, self.object(photometry, band, days, host))
            joined = tuple(torch.cat(parts, dim=1) for parts in zip(*more, strict=True)) if more else None
            return torch.cat([self.series(tokens, band, days, joined), *features], dim=1)
