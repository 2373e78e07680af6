"""U-Nets on the encoders of timm, by segmentation_models_pytorch (smp): ImageNet's weights may come from a file.

smp is asked for when a network is built. It is never told to fetch weights: these come from `model.weights`, a file.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Annotated, Any, Self

import torch
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.core.errors import UsageError
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.masks.mask_network import MaskNetwork, check_size
from ictconvention.networks.pictures.map_grid import MapGrid
from ictconvention.networks.pictures.on_timm import (
    EncoderOptions,
    OnTimm,
    bands_and_size,
    check_name,
    import_timm,
    names_of_heads,
)

HALVINGS = 5
DEEPER = "or model=unet, whose model.layers say how often they are halved"


@option_group
class SMPOptions(EncoderOptions):
    """Options of a U-Net on an encoder of timm.

    Parameters
    ----------
    dropout : float
        Share of the last maps that the head drops in training.
    name : str
        What timm calls the encoder, such as tf_efficientnet_lite0 or convnext_tiny.
    """

    dropout: PartialShare = 0.0
    name: Annotated[str, SHAPES] = "resnet18"


@register_network("smp", SMPOptions)
class SMPUNet(OnTimm, MaskNetwork):
    """A U-Net on an encoder of timm: on resnet18 14 331 336 parameters for four bands and eight classes.

    The decoder is smp's, with 256, 128, 64, 32 and 16 channels; the head is a convolution of 1 x 1, smp's of 3 x 3.

    Parameters
    ----------
    name : str
        What timm calls the encoder.
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands.
    stamp_size : int
        Pixels along a side, a multiple of 32.
    dropout : float
        Share of the last maps that the head drops in training.
    chosen : sequence of int, optional
        The places of the bands that the encoder sees; without it, all.

    Raises
    ------
    UsageError
        smp or timm is not installed.
    ValueError
        timm has no encoder of this name, smp cannot put a decoder on it, or the pictures cannot be halved five times.

    Examples
    --------
    >>> model = ict.SMPUNet("resnet18", classes=8, bands=4, stamp_size=32).eval()
    >>> model(torch.randn(2, 4, 32, 32), torch.ones(2, 4, dtype=torch.bool)).shape
    torch.Size([2, 8, 32, 32])
    """

    weights_prefix = "encoder.model."
    channels = 16

    def __init__(
        self,
        name: str,
        classes: int | None = 8,
        *,
        bands: int = 4,
        stamp_size: int = 64,
        dropout: float = 0.0,
        chosen: Sequence[int] | None = None,
    ):
        super().__init__()
        self.name, self.picture, self.chosen = name, (bands, stamp_size, stamp_size), chosen
        self._seen = bands if chosen is None else len(chosen)
        self.deepest = nn.Identity()
        self.encoder, self.decoder = self._build()
        self._names = frozenset(self.encoder.state_dict())
        self.feature_size, self.map_grid = self._measure_maps()
        facts = _facts(name)
        first = facts.get("first_conv")
        self.first_convolution = self.own_name(f"{first}.weight") if isinstance(first, str) else None
        self.file_heads = names_of_heads(facts)
        if classes is not None:
            self.head = self.make_head(classes, SMPOptions(kind="smp", dropout=dropout))

    @classmethod
    def make(cls, options: SMPOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        cls.check_survey(options, shape)
        return cls(options.name, None, **bands_and_size(options, shape))

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError for sizes that do not fit and residuals; see that smp is here and timm has the name."""
        super().check_pixels(options, channels, stamp)
        if stamp is not None:
            import_smp()
            check_name(import_timm(), options.name)
            check_size(stamp[0], HALVINGS, DEEPER)

    def file_state(self) -> dict[str, Tensor]:
        """Return what timm's file of the encoder has: all but the classifier, the layers after the last map too."""
        with torch.device("meta"):
            encoder = import_timm().create_model(self.name, in_chans=self._seen, num_classes=0, **self._fixed_size())
        return dict(encoder.state_dict())

    def own_name(self, name: str) -> str | None:
        """Return what the network calls a tensor of timm's file; None for one of a layer after the last map.

        Where an encoder gives all of its maps, timm may have put the stages of a sequence side by side: `stages.0` is
        then `stages_0`.
        """
        spellings = (f"model.{name}", f"model.{name.replace('.', '_', 1)}")
        return next((f"encoder.{one}" for one in spellings if one in self._names), None)

    def _build(self) -> tuple[nn.Module, nn.Module]:
        """Return encoder and decoder with new weights."""
        smp = import_smp()
        check_name(import_timm(), self.name)
        check_size(self.picture[1], HALVINGS, DEEPER)
        try:
            built = smp.Unet(f"tu-{self.name}", encoder_weights=None, in_channels=self._seen, **self._fixed_size())
        except (AssertionError, AttributeError, RuntimeError, TypeError, ValueError) as error:
            raise self._misfit(error) from error
        return built.encoder, built.decoder

    def _measure_maps(self) -> tuple[int, tuple[float, float] | None]:
        """Return the channels of the deepest map, and where its cells lie, if they lie evenly in convolutions."""
        grid = MapGrid(self.picture[1])
        with torch.no_grad(), grid.following(self.encoder):
            try:
                maps = self.eval().encode(torch.zeros(2, *self.picture), torch.ones(2, self.picture[0]) > 0)
                self.decoder(maps)
            except (AssertionError, RuntimeError, ValueError) as error:
                raise self._misfit(error) from error
        self.train()
        _, channels, height, _ = maps[-1].shape
        return channels, (grid.first, grid.step) if height == grid.side else None

    def _misfit(self, error: Exception) -> ValueError:
        found = f"smp puts no decoder on {self.name} for {self.picture[1]} pixels ({str(error).splitlines()[0]})"
        return ValueError(f"{found}: take another model.name, such as resnet18")

    def _fixed_size(self) -> dict[str, int]:
        """Return the size of the pictures for encoders that are built for one."""
        return {"img_size": self.picture[1]} if _facts(self.name).get("fixed_input_size") else {}


def import_smp() -> ModuleType:
    """Return segmentation_models_pytorch.

    Raises
    ------
    UsageError
        It is not installed.
    """
    if find_spec("segmentation_models_pytorch") is None:
        found = "the package segmentation-models-pytorch is not installed"
        fix = "install the extra: pip install -c constraints.txt '.[encoders]'; or take model=unet, which needs none"
        raise UsageError(found, "model.kind", fix, "E-PACKAGE-MISSING")
    import segmentation_models_pytorch

    return segmentation_models_pytorch


def _facts(name: str) -> dict[str, Any]:
    """Return what timm says of the published weights of an encoder; nothing where there are none."""
    facts = import_timm().models.get_pretrained_cfg(name)
    return {} if facts is None else facts.to_dict()
