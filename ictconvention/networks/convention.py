"""ConvEntion: groups of frames become tokens, the tokens of an object attend to each other, and their maximum decides.

After Bairouk et al. 2023, with the published parameters. Frames come ragged: no padding is ever convolved.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import ModelOptions, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.network import Network, Places, Rows
from ictconvention.networks.parts.attention import Attention
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder, Padding
from ictconvention.networks.published_weights import load_published, published_sizes


@option_group
class ConvEntionOptions(ModelOptions):
    """The sizes of ConvEntion, see `ConvEntionEncoder`; the defaults are the paper's."""

    width: Annotated[PositiveFloat, SHAPES] = 1.0
    blocks: Annotated[PositiveInt, SHAPES] = 2
    heads: Annotated[Literal[1, 2, 4, 8], SHAPES] = 4
    attention: Annotated[Attention, SHAPES] = "pooled"
    padding: Annotated[Padding, SHAPES] = "paper"


@register_network("convention", ConvEntionOptions)
class ConvEntion(Network):
    """ConvEntion with its classifier: 1 253 108 parameters for four classes at the paper's sizes.

    In eval mode it is the published network. In training the published code normed the groups of each position in the
    sequence by themselves, padding included; here all groups that exist are normed together.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    dropout : float
        Share of the features, and of the hidden layer, that is dropped in training.
    **encoder
        Arguments of `ConvEntionEncoder`.

    Examples
    --------
    Two objects, with seven and four frames:

    >>> model = ict.ConvEntion(classes=4, padding="masked", max_frames=12, width=0.25).eval()
    >>> frames, band = torch.randn(11, 32, 32), torch.randint(1, 6, (11,))
    >>> model(frames, band, lengths=torch.tensor([7, 4])).shape
    torch.Size([2, 4])

    Padded arrays do too; band 0 stands where there is no frame:

    >>> model.forward_padded(torch.randn(2, 12, 32, 32), torch.randint(1, 6, (2, 12))).shape
    torch.Size([2, 4])
    """

    takes: ClassVar[type[Inputs]] = FrameInputs

    def __init__(self, classes: int | None = 4, *, dropout: float = 0.3, **encoder: Any):
        super().__init__()
        self.encoder = ConvEntionEncoder(**encoder)
        self.feature_size = self.encoder.feature_size
        self.frames_per_map, self.map_grid = self.encoder.frames_per_map, self.encoder.map_grid
        if classes is not None:
            self.head = _head(self.feature_size, classes, dropout)

    @classmethod
    def make(cls, options: ConvEntionOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        return cls(
            None,
            bands=len(shape.bands),
            stamp_size=shape.stamp_size,
            max_frames=shape.max_frames,
            frames_per_group=shape.frames_per_group,
            width=options.width,
            frame_channels=shape.channels,
            blocks=options.blocks,
            heads=options.heads,
            attention=options.attention,
            padding=options.padding,
        )

    def make_head(self, outputs: int, options: ModelOptions) -> nn.Module:
        """Return the published head: a hidden layer, and the outputs."""
        return _head(self.feature_size, outputs, options.dropout)

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return those of the encoder."""
        return {f"encoder.{name}": rows for name, rows in self.encoder.place_bands(places, before).items()}

    def check_shape(self, shape: InputShape) -> None:
        """Raise a ValueError that says where data of this shape do not fit the encoder."""
        self.encoder.check_shape(shape)

    @property
    def map_layer(self) -> nn.Module:
        """That of the encoder."""
        return self.encoder.map_layer

    @property
    def trunk(self) -> Network:
        """The encoder."""
        return self.encoder

    def features(self, frames: Tensor, band: Tensor, lengths: Tensor) -> Tensor:
        """Return the features of a ragged batch; arguments as of `ConvEntionEncoder.features`."""
        return self.encoder.features(frames, band, lengths)

    def features_padded(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return the features of padded arrays; arguments as of `ConvEntionEncoder.features_padded`."""
        return self.encoder.features_padded(frames, band)

    @classmethod
    def from_published(cls, tensors: Mapping[str, np.ndarray[Any, Any]], padding: Padding = "paper") -> Self:
        """Build the network from the tensors of the published code.

        Parameters
        ----------
        tensors : mapping of names to arrays
            Names such as "frame_cnn.1.conv.weight", in the published axis order (out, in, H, W, time). Sizes and the
            number of classes are read from their shapes, the precision from their dtype.
        padding : "paper" or "masked"
            "paper" gives the published logits.

        Returns
        -------
        ConvEntion
            In eval mode.

        Raises
        ------
        ValueError
            A tensor is missing, unknown, of another shape or not finite; all of them are named.
        """
        tensors = {name: np.asarray(tensor) for name, tensor in tensors.items()}
        sizes, dtype = published_sizes(tensors)
        model = cls(padding=padding, **sizes).to(dtype)
        load_published(model, tensors)
        return model.eval()


def _head(features: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(features, 256), nn.ReLU(), nn.Dropout(dropout), nn.Linear(256, outputs)
    )
