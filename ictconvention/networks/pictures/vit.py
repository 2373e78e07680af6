"""vit: a vision transformer on the pixels alone, small enough for pictures of 32 to 64 pixels; the direct baseline.

After Dosovitskiy et al. 2021, by timm. An encoder of timm's own sizes is `model=timm model.name=vit_...`.
"""

from typing import Annotated, Any, Self

from pydantic import PositiveInt, model_validator

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.on_timm import EncoderOptions, bands_and_size, import_timm
from ictconvention.networks.pictures.timm_encoder import TimmEncoder

ARCHITECTURE = "vit_tiny_patch16_224"  # timm's, whose sizes are replaced


@option_group
class ViTOptions(EncoderOptions):
    """Sizes of the transformer.

    Parameters
    ----------
    patch : int
        Pixels along a side of what becomes a token; it divides the stamps.
    size, layers, heads : int
        Numbers of a token, layers, and heads of the attention; heads divide the size.
    """

    patch: Annotated[PositiveInt, SHAPES] = 8
    size: Annotated[PositiveInt, SHAPES] = 192
    layers: Annotated[PositiveInt, SHAPES] = 6
    heads: Annotated[PositiveInt, SHAPES] = 3

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size % self.heads:
            raise ValueError(f"model.size {self.size} is not a multiple of model.heads {self.heads}")
        return self


DEFAULT = ViTOptions(kind="vit")
UGRIZ = InputShape(("u", "g", "r", "i", "z"))


@register_network("vit", ViTOptions)
class ViT(TimmEncoder):
    """A vision transformer, and one linear layer: 2 735 042 parameters for ugriz, 32 pixels and two classes.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    options : ViTOptions
        Sizes, and which bands it sees.
    shape : InputShape
        Bands and stamps.

    Raises
    ------
    UsageError
        timm is not installed, or a band that it is to see is not there.
    ValueError
        The patches do not divide the stamps.

    Examples
    --------
    >>> shape = ict.InputShape(("u", "g", "r", "i", "z"), stamp_size=32)
    >>> model = ict.ViT(2, shape=shape).eval()
    >>> model(torch.randn(4, 5, 32, 32), torch.ones(4, 5, dtype=torch.bool)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        classes: int | None = 2,
        options: ViTOptions = DEFAULT,
        shape: InputShape = UGRIZ,
    ) -> None:
        self.check_survey(options, shape)
        _check_patch(options.patch, shape.stamp_size)
        super().__init__(
            ARCHITECTURE,
            classes,
            **bands_and_size(options, shape),
            dropout=options.dropout,
            patch_size=options.patch,
            embed_dim=options.size,
            depth=options.layers,
            num_heads=options.heads,
        )
        self.name = "vit"

    @classmethod
    def make(cls, options: ViTOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        return cls(None, options, shape)

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError for stamps with residuals, or that the patches do not divide."""
        super(TimmEncoder, cls).check_pixels(options, channels, stamp)
        if stamp is not None:
            import_timm()
            _check_patch(options.patch, stamp[0])

    @property
    def fetch_command(self) -> None:
        """None: nobody has published weights of such sizes."""
        return None


def _check_patch(patch: int, stamp_size: int) -> None:
    if stamp_size % patch:
        fits = [str(side) for side in range(2, stamp_size // 2 + 1) if stamp_size % side == 0]
        found = f"the pictures have {stamp_size} pixels along a side, which patches of {patch} pixels do not divide"
        raise ValueError(f"{found}: take model.patch={' or '.join(fits[-4:]) or stamp_size}")
