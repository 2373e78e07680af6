"""Weights on disk: whole or not at all, plain tensors and numbers only, and in words where they cannot be read."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from pydantic import InstanceOf, NonNegativeInt, ValidationError
from torch import Tensor, nn

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import FileSystemError, UsageError, readable_os_errors, shorten
from ictconvention.core.plain_file import open_plain
from ictconvention.reading.json_file import ABSENT, Shape
from ictconvention.runs.published.weights import ENDING, read_published_weights

FIX = "restore it from a copy, or remove the folder of its run and train it again"
ANEW = "remove this file: its stage then trains anew"  # true of a run that is not finished
REQUEUED = "hpc_ckpt"  # begins the name of what Lightning saves at Slurm's signal, in the middle of a training epoch


class OptimiserShape(Shape):
    """The types of the state of an optimiser."""

    state: dict[int, dict[str, Any]]
    param_groups: list[dict[str, Any]]


class CheckpointShape(Shape):
    """The types of what a checkpoint holds: the weights, and what Lightning needs to resume."""

    state_dict: dict[str, InstanceOf[Tensor]]
    domain: dict[str, InstanceOf[Tensor]] = ABSENT
    task: dict[str, Any] = ABSENT
    optimizer_states: list[OptimiserShape] = ABSENT
    lr_schedulers: list[dict[str, Any]] = ABSENT
    loops: dict[str, Any] = ABSENT
    callbacks: dict[str, Any] = ABSENT
    epoch: NonNegativeInt = ABSENT
    global_step: NonNegativeInt = ABSENT


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, of which a full disk or a kill leaves the one before.

    Lightning writes to the system's temporary folder and moves the file from there, which copies it piece by piece
    where that is another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save a checkpoint; not the one of a job that Slurm requeues, which another stage would take for its own."""
        if Path(path).name.startswith(REQUEUED):  # the run resumes after its last completed training epoch
            return
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with whole_file(Path(path), "saving the weights", record=True) as partial:
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Callable[..., Any] | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Load a checkpoint of plain tensors, numbers and text."""
        content = load_checkpoint(path)
        loop = content.get("loops", {}).get("fit_loop", {}).get("state_dict", {})
        loop.pop("combined_loader", None)  # a place in a training epoch, of an earlier version: always its end
        return content


class RelocatableCheckpoint(ModelCheckpoint):
    """Lightning's choice of a training epoch, which stands by it where the folder of the run has moved.

    Lightning keeps absolute paths; after a move it would forget the best epoch, or remove the file of a copy.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with a choice made before, in the present folder."""
        here = Path(str(self.dirpath))

        def moved(path: str) -> str:
            return str(here / Path(path).name) if path else path

        state = dict(state_dict) | {"dirpath": str(here)}
        for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
            state[name] = moved(state[name])
        state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(state)


def load_checkpoint(path: str | Path, fix: str = FIX) -> dict[str, Any]:
    """Load a checkpoint to the processor's memory, without running any code that it may hold.

    Parameters
    ----------
    path : str or Path
        Path of its file, which may also be that of a published run.
    fix : str
        What to do about a damaged one: a stage that is yet to train makes another, a finished run does not.

    Raises
    ------
    FileSystemError
        It cannot be read.
    UsageError
        It is damaged, or holds more than tensors and plain values.
    """
    try:
        with readable_os_errors("reading the weights", path), open_plain(path) as file:
            content: dict[str, Any]
            if Path(path).suffix == ENDING:
                content = read_published_weights(Path(path))
            else:
                _check_sums(file)
                content = torch.load(file, map_location="cpu", weights_only=True)
    except FileSystemError:
        raise
    except Exception as error:  # rubbish may break the reader anywhere
        raise UsageError(
            "these weights are damaged, or no checkpoint of plain tensors", path, fix, "E-WEIGHTS-DAMAGED"
        ) from error
    try:
        CheckpointShape.model_validate(content)
    except ValidationError as error:
        flaw = error.errors()[0]
        found = f"this file holds no checkpoint: {'.'.join(map(str, flaw['loc'])) or 'it'}: {flaw['msg']}"
        raise UsageError(found, path, fix, "E-WEIGHTS-DAMAGED") from None
    for name, value in _tensors(content):
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            found = f"{name} is {_form(value)}, and a network has plain numbers: it was converted after training"
            raise UsageError(found, path, fix, "E-WEIGHTS-MISMATCH")
    return content


def _check_sums(file: BinaryIO) -> None:
    """Refuse a checkpoint of which a tensor has not the checksum that lies beside it: torch does not compare them."""
    with zipfile.ZipFile(file) as packed:
        if (damaged := packed.testzip()) is not None:
            raise ValueError(f"{damaged} has another checksum")
    file.seek(0)


def check_weights(own: Mapping[str, Tensor], checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Refuse weights that torch would convert without a word, and those that are no number.

    Parameters
    ----------
    own : mapping of str to Tensor
        The `state_dict` of the learner that is to have them.
    checkpoint : mapping
        As `load_checkpoint` returns it, with or without the state of an optimiser.
    path : str or Path
        Path of its file.

    Raises
    ------
    UsageError
        Naming the tensor, and its type.
    """
    for name, value in checkpoint["state_dict"].items():
        if name in own and value.dtype != own[name].dtype:
            found = f"the weights {name} are {_type(value)}, and the network has {_type(own[name])}"
            raise UsageError(f"{found}: they were converted after training", path, FIX, "E-WEIGHTS-MISMATCH")
        if value.is_floating_point() and not value.isfinite().all():
            raise UsageError(f"the weights {name} hold what is no finite number", path, FIX, "E-NETWORK-NAN")
    for optimiser in checkpoint.get("optimizer_states", ()):
        for state in optimiser["state"].values():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.dtype != torch.float32:
                    found = f"the optimiser's {name} is {_type(value)}, not {_type(torch.ones(1))}"
                    raise UsageError(found, path, FIX, "E-WEIGHTS-MISMATCH")


def _tensors(content: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested dicts and lists, each with its place, such as state_dict.head.bias."""
    if isinstance(content, Tensor):
        yield place.removesuffix("."), content
    elif isinstance(content, dict | list | tuple):
        for name, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from _tensors(value, f"{place}{name}.")


def _form(value: Tensor) -> str:
    return "quantised" if value.is_quantized else "on no device" if value.is_meta else "sparse"


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def take_weights(learner: nn.Module, checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Give a learner the weights of a checkpoint; errors as of `check_weights`, also where names or shapes differ."""
    own, there = learner.state_dict(), checkpoint["state_dict"]
    check_weights(own, checkpoint, path)
    missing, extra = own.keys() - there.keys(), there.keys() - own.keys()
    for word, names in (("lack", missing), ("have more than the network:", extra)):
        if names:
            raise UsageError(f"these weights {word} {shorten(sorted(names), 3)}", path, FIX, "E-WEIGHTS-MISMATCH")
    for name, value in own.items():
        if value.shape != there[name].shape:
            shapes = f"{tuple(there[name].shape)}, and the network has {tuple(value.shape)}"
            raise UsageError(f"the weights {name} have the shape {shapes}", path, FIX, "E-WEIGHTS-MISMATCH")
    learner.load_state_dict(checkpoint["state_dict"])


def weights_hash(path: str | Path) -> str:
    """Return the SHA-256 of the weights in a checkpoint, whatever else it holds; errors as of `load_checkpoint`."""
    found = hashlib.sha256()
    for name, value in sorted(load_checkpoint(path)["state_dict"].items()):
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
