"""Encoders of timm (PyTorch Image Models): ResNets, EfficientNets, ConvNeXts, vision transformers and many more."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

import torch
from torch import Tensor, nn

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.map_grid import MapGrid
from ictconvention.networks.pictures.on_timm import (
    EncoderOptions,
    OnTimm,
    bands_and_size,
    check_name,
    import_timm,
    names_of_heads,
)
from ictconvention.networks.pictures.picture_network import choose_bands


@option_group
class TimmOptions(EncoderOptions):
    """Options of an encoder of timm.

    Parameters
    ----------
    name : str, optional
        What timm calls it, such as convnext_tiny or vit_small_patch14_dinov2; without it the `kind`.
    """

    name: Annotated[str | None, SHAPES] = None


@register_network("timm", TimmOptions)
@register_network("resnet18", TimmOptions)
@register_network("resnet50", TimmOptions)
@register_network("efficientnet_b0", TimmOptions)
@register_network("tf_efficientnet_lite0", TimmOptions)
class TimmEncoder(OnTimm):
    """An encoder of timm, and one linear layer: resnet18 has 11 177 538 parameters for three bands and two classes.

    resnet50 has 23 512 130 and efficientnet_b0 4 010 110. The parameters of ResNets have the names of torchvision's.

    Parameters
    ----------
    name : str
        What timm calls the encoder.
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands.
    stamp_size : int
        Pixels along a side.
    dropout : float
        Share of the features that the head drops in training.
    chosen : sequence of int, optional
        The places of the bands that the encoder sees; without it, all.
    **sizes
        What timm's function of this name takes besides, such as `patch_size`.

    Raises
    ------
    UsageError
        timm is not installed.
    ValueError
        It has no encoder of this name, or that one takes no pictures of this size.

    Examples
    --------
    >>> model = ict.TimmEncoder("resnet18", classes=2, bands=5, stamp_size=48).eval()
    >>> model(torch.randn(4, 5, 48, 48), torch.ones(4, 5, dtype=torch.bool)).shape
    torch.Size([4, 2])
    """

    weights_prefix = "encoder."

    def __init__(
        self,
        name: str,
        classes: int | None = 2,
        *,
        bands: int = 3,
        stamp_size: int = 96,
        dropout: float = 0.2,
        chosen: Sequence[int] | None = None,
        **sizes: int,
    ):
        super().__init__()
        self.name, self.picture, self.chosen = name, (bands, stamp_size, stamp_size), chosen
        self.encoder = _make(name, bands if chosen is None else len(chosen), stamp_size, sizes)
        self.maps = nn.Identity()  # where the last map can be looked at, whatever the encoder calls it
        facts = self.encoder.pretrained_cfg
        first = facts.get("first_conv")
        self.first_convolution = f"encoder.{first}.weight" if isinstance(first, str) else None
        self.file_heads = names_of_heads(facts)
        grid = MapGrid(stamp_size)
        with torch.no_grad(), grid.following(self.encoder):
            try:
                maps, features = self.eval()._maps_and_features(choose_bands(torch.zeros(2, *self.picture), chosen))
            except (AssertionError, RuntimeError, ValueError) as error:
                found = f"{name} takes no pictures of {stamp_size} pixels ({str(error).splitlines()[0]})"
                raise ValueError(f"{found}: take larger ones, or another network") from error
        self.train()
        self.feature_size = features.shape[1]
        self._has_map = maps.ndim == 4 and maps.shape[2] == maps.shape[3]
        self.map_grid = (grid.first, grid.step) if self._has_map and maps.shape[2] == grid.side else None
        if classes is not None:
            self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.feature_size, classes))

    @classmethod
    def make(cls, options: Any, shape: InputShape) -> Self:
        """Build the network, without its head."""
        cls.check_survey(options, shape)
        return cls(options.name or options.kind, None, **bands_and_size(options, shape))

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError for stamps with residuals; before a run begins, see that timm is here and has the name."""
        super().check_pixels(options, channels, stamp)
        if stamp is not None:
            check_name(import_timm(), options.name or options.kind)

    @property
    def map_layer(self) -> nn.Module | None:
        """The last map before it is averaged; a transformer of patches has none."""
        return self.maps if self._has_map else None

    def features(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return the features (B, f) of pictures (B, bands, H, W), of which some may not be present.

        Raises
        ------
        ValueError
            The pictures do not fit the network.
        """
        return self._maps_and_features(self.see(pictures, present))[1]

    def _maps_and_features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        maps: Tensor = self.maps(self.encoder.forward_features(pictures))
        return maps, self.encoder.forward_head(maps, pre_logits=True)


def _make(name: str, bands: int, stamp_size: int, sizes: dict[str, int]) -> Any:
    """Return an encoder without its classifier, with new weights."""
    timm = import_timm()
    check_name(timm, name)
    facts = timm.models.get_pretrained_cfg(name)
    fixed = {"img_size": stamp_size} if facts is not None and facts.fixed_input_size else {}
    try:
        encoder = timm.create_model(name, pretrained=False, in_chans=bands, num_classes=0, **fixed, **sizes)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        found = f"timm builds no {name} for {bands} bands of {stamp_size} pixels ({str(error).splitlines()[0]})"
        raise ValueError(f"{found}: take another model.name, or pictures of another size") from error
    side, _ = getattr(getattr(encoder, "patch_embed", None), "patch_size", (1, 1))
    if stamp_size % side:
        found = f"{name} sees patches of {side} pixels, and would not see the edge of pictures of {stamp_size} pixels"
        raise ValueError(f"{found}: take pictures of a multiple of {side}, or another network")
    return encoder
