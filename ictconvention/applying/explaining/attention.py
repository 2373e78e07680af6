"""How much each epoch of an object counts in the attention of a network, read while it predicts.

It is read of the blocks of ConvEntion and of our transformers' layers and pool; another network has none to show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ictconvention.networks.network import Network
from ictconvention.networks.parts.attention import ConvolutionalAttention
from ictconvention.networks.parts.transformer import AttentionPool, TransformerLayer

Readable = ConvolutionalAttention | TransformerLayer | AttentionPool
NAMES: dict[type[nn.Module], str] = {
    ConvolutionalAttention: "block",
    TransformerLayer: "layer",
    AttentionPool: "pool",
}
ONE_FOR_ALL = "one weighting for all queries, as the published logits leave no other"


@dataclass(frozen=True, eq=False)
class EpochAttention:
    """How much each frame of one object counts.

    Parameters
    ----------
    weights : dict of str to arrays (F,)
        Of each stage, "block 1", "layer 2" or "pool": the mean over heads, pixels and queries. A group's is shared out
        among its frames. They sum to 1 with what goes to tokens of no frame.
    said : str
        Whose weights these are.
    """

    weights: dict[str, NDArray[np.float64]]
    said: str


def read_attention(trunk: Network, arguments: Sequence[Tensor], frames: int) -> EpochAttention | None:
    """Return the attention of a network over the frames of one object; None where it has none that can be read.

    Parameters
    ----------
    trunk : Network
        In eval mode.
    arguments : sequence of tensors
        Of its `features`, of a batch of one object.
    frames : int
        How many frames these hold.
    """
    readable = [part for part in trunk.modules() if isinstance(part, Readable)]
    if not readable:
        return None
    seen: list[tuple[nn.Module, Tensor]] = []

    def read(part: nn.Module, given: tuple[Any, ...]) -> None:
        seen.append((part, _token_weights(part, *given[:2])))

    hooks = [part.register_forward_pre_hook(read) for part in readable]
    try:
        with torch.no_grad():
            trunk.features(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    share = trunk.frames_per_map if isinstance(readable[0], ConvolutionalAttention) else 1
    assert isinstance(share, int)  # for the types: ConvEntion's groups are
    own = np.arange(frames) // share
    size = np.bincount(own)[own]
    weights: dict[str, NDArray[np.float64]] = {}
    for part, of_token in seen:
        name = NAMES[type(part)]
        number = sum(key.startswith(name) for key in weights) + 1
        weights[name if name == "pool" else f"{name} {number}"] = of_token.double().numpy()[own] / size
    return EpochAttention(weights, _describe(readable[0], share))


def _token_weights(part: nn.Module, tokens: Tensor, real: Tensor) -> Tensor:
    """Return the mean weight (N,) of each token of one object over heads, pixels and the queries that exist."""
    with torch.no_grad():
        match part:
            case ConvolutionalAttention():
                weights = part.weights(tokens, real)[0].mean((2, 3, 4))  # (queries, N)
                return weights.mean(0) if len(weights) == 1 else weights[real[0]].mean(0)
            case TransformerLayer():
                return part.weights(tokens, real)[0].mean(0)[real[0]].mean(0)
            case AttentionPool():
                return part.weights(tokens, real)[0].mean(1)
    raise TypeError(f"{type(part).__name__} has no weights")


def _describe(part: nn.Module, share: int) -> str:
    if not isinstance(part, ConvolutionalAttention):
        return "attention over frames: mean of heads and queries; the pool takes the maximum besides"
    how = ONE_FOR_ALL if part.kind == "pooled" else "mean over the queries"
    return f"attention over groups of {share} frames, shared out among them: {how}"
