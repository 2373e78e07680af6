"""The blocks of ConvEntion: norm over an object, convolutional attention over its tokens, and a feed-forward part.

Tokens stand in slots (B, N, 8, h, w) with a mask (B, N) that says which are real; what the others hold has no effect on
the real ones as long as it is finite. All of it is meant to run in full precision.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Attention = Literal["pooled", "query"]


class ObjectNorm(nn.Module):
    """Layer norm over all real tokens of an object, with a weight and a bias for each slot, channel and pixel.

    Parameters
    ----------
    channels, size, slots : int
        Shape of an object's tokens: `slots` tokens of (channels, size, size).

    Examples
    --------
    >>> mask = torch.tensor([[True, True, False]])  # one object, two real tokens
    >>> ObjectNorm(channels=8, size=9, slots=3)(torch.randn(1, 3, 8, 9, 9), mask).shape
    torch.Size([1, 3, 8, 9, 9])
    """

    def __init__(self, channels: int, size: int, slots: int, eps: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, size, size, slots))
        self.bias = nn.Parameter(torch.zeros(channels, size, size, slots))
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the normed tokens (B, N, C, h, w)."""
        real = mask[:, :, None, None, None].to(x.dtype)
        pixels = real.sum((1, 2, 3, 4), keepdim=True) * x[0, 0].numel()
        centred = (x - (x * real).sum((1, 2, 3, 4), keepdim=True) / pixels) * real
        variance = centred.square().sum((1, 2, 3, 4), keepdim=True) / pixels
        return centred * (variance + self.eps).rsqrt() * self.weight.permute(3, 0, 1, 2) + self.bias.permute(3, 0, 1, 2)


class ConvolutionalAttention(nn.Module):
    """Attention with one logit per head and pixel, from a 5x5 convolution of query plus key.

    Parameters
    ----------
    kind : "pooled" or "query"
        "pooled" is the published attention in its exact O(N) form: the logit conv(q_i + k_j) is linear, the query's
        share is the same for every key, and the softmax over the keys removes it; each query gets the same map.
        "query" puts a ReLU before the convolution, so that the query counts: O(N^2), the same parameters.

    Examples
    --------
    >>> tokens, mask = torch.randn(2, 5, 8, 9, 9), torch.ones(2, 5, dtype=torch.bool)
    >>> ConvolutionalAttention(channels=8, heads=4, kind="pooled")(tokens, mask).shape
    torch.Size([2, 1, 8, 9, 9])
    >>> ConvolutionalAttention(channels=8, heads=4, kind="query")(tokens, mask).shape
    torch.Size([2, 5, 8, 9, 9])
    """

    def __init__(self, channels: int, heads: int, kind: Attention):
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.score = nn.Conv2d(channels, heads, 5, padding=2)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)
        self.kind = kind

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the attended maps: (B, 1, C, h, w) the same for every token if pooled, else (B, N, C, h, w)."""
        weights, value = self._weights_and_values(x, mask)
        value = value.unflatten(2, (weights.shape[3], -1)).unsqueeze(1)  # (B, 1, N, heads, C / heads, h, w)
        attended = (weights.unsqueeze(4) * value).sum(dim=2).flatten(2, 3)
        batch = mask.shape[0]  # the len of a tensor would be a constant in an export
        return self.out(attended.flatten(0, 1)).unflatten(0, (batch, -1))

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return how much each token counts: (B, queries, N, heads, h, w), one query if pooled; the sum over N is 1."""
        return self._weights_and_values(x, mask)[0]

    def _weights_and_values(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        batch, slots = mask.shape
        match self.kind:
            case "pooled":
                channels = x.shape[2]
                weight, bias = self.qkv.weight[channels:], self.qkv.bias
                keys_values = nn.functional.conv2d(
                    x.flatten(0, 1), weight, bias[channels:] if bias is not None else bias
                )
                key, value = keys_values.unflatten(0, (batch, slots)).chunk(2, dim=2)
                logits = self.score(key.flatten(0, 1)).view(batch, 1, slots, -1, *x.shape[3:])
            case "query":
                query, key, value = self.qkv(x.flatten(0, 1)).unflatten(0, (batch, slots)).chunk(3, dim=2)
                pairs = torch.relu(query.unsqueeze(2) + key.unsqueeze(1))  # (B, query, key, C, h, w)
                logits = self.score(pairs.flatten(0, 2)).view(batch, slots, slots, -1, *x.shape[3:])
        logits = logits.masked_fill(~mask[:, None, :, None, None, None], -torch.inf)
        return logits.softmax(dim=2), value  # (B, queries, N, heads, h, w), (B, N, C, h, w)


class FeedForward(nn.ModuleDict):
    """Two 3x3 convolutions, each followed by ReLU and batch norm; token by token.

    Examples
    --------
    >>> FeedForward(channels=8)(torch.randn(2, 5, 8, 9, 9)).shape
    torch.Size([2, 5, 8, 9, 9])
    """

    def __init__(self, channels: int):
        super().__init__({"1": _ConvReLUNorm(channels, 2 * channels), "2": _ConvReLUNorm(2 * channels, channels)})

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the changed tokens (B, N, C, h, w): those at the places `real` (n,) among the B * N, or all."""
        tokens = x.flatten(0, 1)
        if real is None:
            return self["2"](self["1"](tokens)).view_as(x)
        changed = self["2"](self["1"](tokens[real]))
        return torch.zeros_like(tokens, dtype=changed.dtype).index_copy(0, real, changed).view_as(x)


class _ConvReLUNorm(nn.Module):
    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(torch.relu(self.conv(x)))


class Block(nn.Module):
    """Pre-norm: attention, then the feed-forward part, each added to its input; (B, N, C, h, w) and mask (B, N).

    Examples
    --------
    >>> block = Block(channels=8, size=9, slots=5, heads=4, kind="pooled")
    >>> block(torch.randn(2, 5, 8, 9, 9), torch.ones(2, 5, dtype=torch.bool)).shape
    torch.Size([2, 5, 8, 9, 9])
    """

    def __init__(self, channels: int, size: int, slots: int, heads: int, kind: Attention):
        super().__init__()
        self.norm_attention = ObjectNorm(channels, size, slots)
        self.attention = ConvolutionalAttention(channels, heads, kind)
        self.norm_ffn = ObjectNorm(channels, size, slots)
        self.ffn = FeedForward(channels)

    def forward(self, x: Tensor, mask: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the tokens (B, N, C, h, w) after both parts; the second is that of the tokens `real`, or of all."""
        x = x + self.attention(self.norm_attention(x, mask), mask)
        return x + self.ffn(self.norm_ffn(x, mask), real)
