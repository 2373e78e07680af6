"""The tensors of the published ConvEntion code: what they say of a network's sizes, and how they get into ours."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

Tensors = Mapping[str, np.ndarray[Any, Any]]
EMBEDDING, NORM, SCORE = "band_embedding.weight", "block.0.norm_attention.weight", "block.0.attention.score.weight"
STEM, CLASSIFIER = "frame_cnn.1.conv.weight", "head.2.weight"


def published_sizes(tensors: Tensors) -> tuple[dict[str, Any], torch.dtype]:
    """Return the arguments of a ConvEntion of the same sizes, and its precision.

    Raises
    ------
    ValueError
        A tensor that tells a size is missing.
    """
    if missing := [name for name in (EMBEDDING, STEM, NORM, SCORE, CLASSIFIER) if name not in tensors]:
        raise ValueError(f"the published tensors {', '.join(missing)} are missing")
    sizes = {
        "classes": tensors[CLASSIFIER].shape[0],
        "bands": 9,  # the published table has ten rows, whatever the survey
        "stamp_size": math.isqrt(tensors[EMBEDDING].shape[1]),
        "max_frames": 3 * tensors[NORM].shape[-1],
        "width": tensors[STEM].shape[0] / 64,
        "blocks": len({name.split(".")[1] for name in tensors if name.startswith("block.")}),
        "heads": tensors[SCORE].shape[0],
    }
    return sizes, torch.from_numpy(np.empty(0, tensors[EMBEDDING].dtype)).dtype


def load_published(model: nn.Module, tensors: Tensors) -> None:
    """Copy the tensors into a network of the same sizes.

    Raises
    ------
    ValueError
        A tensor is missing, unknown, of another shape or not finite; all of them are named.
    """
    state = model.state_dict()
    own = {published_name(name): x for name, x in state.items() if not name.endswith("num_batches_tracked")}
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in own]
    wrong += [f"{name} is not finite" for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    wrong += [
        f"{name} has shape {tuple(tensors[name].shape)} for {tuple(x.shape)}"
        for name, x in own.items()
        if name in tensors and tensors[name].shape != x.shape
    ]
    if wrong:
        raise ValueError("these are not the tensors of a published ConvEntion: " + "; ".join(wrong))
    for name, x in own.items():
        x.copy_(torch.from_numpy(np.ascontiguousarray(tensors[name])))


def published_name(name: str) -> str:
    """Return the published name of one of our tensors."""
    name = name.removeprefix("encoder.").replace("head.4.", "head.2.")
    for layer in "12":
        name = name.replace(f".ffn.{layer}.conv.", f".ffn.{layer}.")
    return name
