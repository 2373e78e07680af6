"""What networks on an encoder of timm have in common: options, the bands that it sees, and what timm says of it.

timm is asked for when a network is built. It is never told to fetch weights: these come from `model.weights`, a file.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Annotated, Any, Literal

from torch import Tensor

from ictconvention.configuration.identity import ADDED, SHAPES
from ictconvention.configuration.options import PartialShare, option_group
from ictconvention.core.errors import UsageError, did_you_mean
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.network import Places, Rows
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


class OnTimm(PictureNetwork):
    """A network whose encoder is timm's, called `name`; it sees all bands, or those at the places `chosen`."""

    name: str
    chosen: Sequence[int] | None

    @classmethod
    def check_survey(cls, options: Any, shape: InputShape) -> None:
        """Raise a UsageError for bands that the survey has not."""
        super().check_survey(options, shape)
        bands_and_size(options, shape)

    @property
    def fetch_command(self) -> str | None:
        """A command that writes the published weights of the encoder to a file, on a machine with a network."""
        return command_to_fetch(self.name)

    def see(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return what the encoder sees of pictures (B, bands, H, W); errors as of `PictureNetwork.see`."""
        return choose_bands(super().see(pictures, present), self.chosen)

    def place_bands(self, places: Places, before: int) -> Rows | None:
        """Return the planes of the first convolution; nothing moves where the bands that it sees go by name."""
        return super().place_bands(places, before) if self.chosen is None else {}


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


def check_name(timm: ModuleType, name: str) -> None:
    """Raise a ValueError where timm has no encoder of a name, or would fetch it."""
    if name == "timm":
        raise ValueError("model=timm needs a name of timm's: set model.name, such as model.name=convnext_tiny")
    if ":" in name or "/" in name or not timm.is_model(name):  # the former would be fetched from the network
        near = did_you_mean(name, timm.list_models())
        raise ValueError(f"model.name is {name!r}, which timm {timm.__version__} has not{near}: take another")
