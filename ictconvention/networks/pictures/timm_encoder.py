"""Encoders of timm (PyTorch Image Models): ResNets, EfficientNets, ConvNeXts, vision transformers and many more.

timm is asked for when a network is built. It is never told to fetch weights: these come from `model.weights`, a file.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Annotated, Any, Literal, Self

import torch
from torch import Tensor, nn

from ictconvention.configuration.identity import ADDED, SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.core.errors import UsageError, did_you_mean
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.network import Places, Rows
from ictconvention.networks.pictures.map_grid import MapGrid
from ictconvention.networks.pictures.picture_network import PictureNetwork, PictureOptions, choose_bands, find_bands


@option_group
class EncoderOptions(PictureOptions):
    """What every encoder of timm has.

    Parameters
    ----------
    dropout : float
        Share of the features that the head drops in training.
    bands_to_rgb : "adapt" or three bands
        How the bands come to an encoder that has learned R, G and B: "adapt", its first convolution takes them all, see
        `adapt_bands`; or the bands that stand for R, G and B, such as [i,r,g], and the others are not seen.
    """

    dropout: PartialShare = 0.2
    bands_to_rgb: Annotated[Literal["adapt"] | tuple[str, str, str], SHAPES | ADDED] = "adapt"


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
class TimmEncoder(PictureNetwork):
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
                maps, features = self.eval()._maps_and_features(self._choose(torch.zeros(2, *self.picture)))
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
    def check_survey(cls, options: Any, shape: InputShape) -> None:
        """Raise a UsageError for bands that the survey has not."""
        super().check_survey(options, shape)
        bands_and_size(options, shape)

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError for stamps with residuals; before a run begins, see that timm is here and has the name."""
        super().check_pixels(options, channels, stamp)
        if stamp is not None:
            check_name(import_timm(), options.name or options.kind)

    @property
    def fetch_command(self) -> str | None:
        """A command that writes the published weights of the encoder to a file, on a machine with a network."""
        return command_to_fetch(self.name)

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
        return self._maps_and_features(self._choose(self.see(pictures, present)))[1]

    def place_bands(self, places: Places, before: int) -> Rows | None:
        """Return the planes of the first convolution; nothing moves where the bands that it sees go by name."""
        return super().place_bands(places, before) if self.chosen is None else {}

    def _choose(self, pictures: Tensor) -> Tensor:
        return choose_bands(pictures, self.chosen)

    def _maps_and_features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        maps: Tensor = self.maps(self.encoder.forward_features(pictures))
        return maps, self.encoder.forward_head(maps, pre_logits=True)


def import_timm() -> ModuleType:
    """Return timm.

    Raises
    ------
    UsageError
        It is not installed.
    """
    if find_spec("timm") is None:
        fix = "install the extra: pip install -c constraints.txt '.[encoders]'; or take model=cnn2, which needs none"
        raise UsageError("the package timm is not installed", "model.kind", fix, "E-PACKAGE-MISSING")
    import timm

    return timm


def bands_and_size(options: EncoderOptions, shape: InputShape) -> dict[str, Any]:
    """Return the arguments of an encoder that say what it sees."""
    rgb = options.bands_to_rgb
    chosen = None if rgb == "adapt" else find_bands(rgb, shape.bands, "model.bands_to_rgb")
    return {"bands": len(shape.bands), "stamp_size": shape.stamp_size, "chosen": chosen}


def command_to_fetch(name: str) -> str:
    """Return a command that writes timm's published weights to a file, on a machine with a network."""
    made = f"timm.create_model('{name}', pretrained=True).state_dict()"
    return f"python -c \"import timm, torch; torch.save({made}, '{name}.pth')\""


def names_of_heads(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what files call the classifiers of an encoder, by what timm says of its published weights."""
    heads = facts.get("classifier")
    return (heads,) if isinstance(heads, str) else tuple(heads or ())


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


def check_name(timm: ModuleType, name: str) -> None:
    """Raise a ValueError where timm has no encoder of a name, or would fetch it."""
    if name == "timm":
        raise ValueError("model=timm needs a name of timm's: set model.name, such as model.name=convnext_tiny")
    if ":" in name or "/" in name or not timm.is_model(name):  # the former would be fetched from the network
        near = did_you_mean(name, timm.list_models())
        raise ValueError(f"model.name is {name!r}, which timm {timm.__version__} has not{near}: take another")
