"""A transformer over the tokens that exist, and how an object's tokens become one vector."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PERIODS = (2.0, 400.0)  # of the shortest and the longest sine [days]
SINES = 12
HIDDEN = 128  # of a head
LONG = 50.0  # [days] that count as 1


class TransformerLayer(nn.Module):
    """Attention and two linear layers, each after a norm and added to what came in.

    Parameters
    ----------
    size, heads : int
        Numbers of a token; heads of the attention, which divide them.
    dropout : float
        Share that is dropped of what is added, in training.
    """

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.query_key_value, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.wide = nn.Sequential(
            nn.Linear(size, 2 * size), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * size, size), nn.Dropout(dropout)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Let tokens (B, S, size) attend to those that are real (B, S); each object has at least one."""
        query, key, value = self._query_key_value(tokens)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=real[:, None, None, :])
        tokens = tokens + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        mixed: Tensor = tokens + self.wide(self.norm(tokens))
        return mixed

    def weights(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return how much each token counts for each (B, heads, S, S), queries first; the sum over the last is 1."""
        query, key, _ = self._query_key_value(tokens)
        logits = query @ key.transpose(2, 3) / math.sqrt(key.shape[3])
        return logits.masked_fill(~real[:, None, None, :], -torch.inf).softmax(3)

    def _query_key_value(self, tokens: Tensor) -> tuple[Tensor, ...]:
        split = self.query_key_value(self.attention_norm(tokens)).unflatten(2, (3, self.heads, -1))
        return split.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, S, size / heads) each


class AttentionPool(nn.Module):
    """The means of an object's tokens as learned queries weigh them, and the maximum: (queries + 1) * size numbers."""

    def __init__(self, size: int, queries: int = 4) -> None:
        super().__init__()
        self.norm, self.query = nn.LayerNorm(size), nn.Linear(size, queries)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Pool tokens (B, S, size) of which some are real (B, S)."""
        weight = self.weights(tokens, real)
        tokens = self.norm(tokens)
        means = weight.transpose(1, 2) @ tokens
        return torch.cat([means.flatten(1), tokens.masked_fill(~real[..., None], -torch.inf).amax(1)], dim=1)

    def weights(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Return how much each token counts (B, S, queries); the sum over the tokens is 1."""
        return self.query(self.norm(tokens)).masked_fill(~real[..., None], -torch.inf).softmax(1)


class Days(nn.Module):
    """Times as sines and cosines of 12 periods from 2 to 400 days, and the days themselves, made a token."""

    frequency: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        shortest, longest = PERIODS
        periods = torch.logspace(math.log10(shortest), math.log10(longest), SINES)
        self.register_buffer("frequency", 2 * math.pi / periods, persistent=False)
        self.linear = nn.Linear(2 * SINES + 1, size)

    def forward(self, days: Tensor) -> Tensor:
        """Return tokens (B, S, size) of days since the first frame (B, S)."""
        phase = days[..., None] * self.frequency
        token: Tensor = self.linear(torch.cat([phase.sin(), phase.cos(), days[..., None] / LONG], dim=-1))
        return token


class SeriesTransformer(nn.Module):
    """What a token of an object's frame has besides itself, its band and its day; then attention, and a pool.

    Parameters
    ----------
    size, layers, heads : int
        Numbers of a token; layers; heads of their attention.
    dropout : float
        Share that the layers drop in training.
    bands : int
        Number of bands.
    band, days : bool
        Whether a token is told them.
    """

    def __init__(self, size: int, layers: int, heads: int, dropout: float, bands: int, band: bool, days: bool) -> None:
        super().__init__()
        self.band = nn.Embedding(1 + bands, size, padding_idx=0) if band else None
        self.days = Days(size) if days else None
        self.layers = nn.ModuleList(TransformerLayer(size, heads, dropout) for _ in range(layers))
        self.pool = AttentionPool(size)
        self.feature_size = (self.pool.query.out_features + 1) * size

    def forward(self, tokens: Tensor, band: Tensor, days: Tensor, more: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return the features (B, feature_size) of tokens (B, S, size).

        Parameters
        ----------
        tokens : tensor (B, S, size)
            What each frame has.
        band : integer tensor (B, S)
            Bands from 1; 0 where there is no frame.
        days : tensor (B, S)
            Days since the first frame.
        more : tensors (B, n, size), (B, n), optional
            Tokens of no frame, and which of them there are.
        """
        real = band > 0
        if self.band is not None:
            tokens = tokens + self.band(band)
        if self.days is not None:
            tokens = tokens + self.days(days.where(real, 0))  # 0 times NaN is a gradient of NaN
        if more is not None:
            tokens, real = torch.cat([tokens, more[0]], dim=1), torch.cat([real, more[1]], dim=1)
        tokens = tokens.where(real[..., None], 0)  # rubbish in the padding must not reach a gradient
        for layer in self.layers:
            tokens = layer(tokens, real)
        features: Tensor = self.pool(tokens, real)
        return features


def hidden_head(features: int, outputs: int, dropout: float) -> nn.Sequential:
    """Return a hidden layer between two dropouts, and the outputs."""
    hidden = nn.Dropout(dropout), nn.Linear(features, HIDDEN), nn.ReLU(), nn.Dropout(dropout)
    return nn.Sequential(*hidden, nn.Linear(HIDDEN, outputs))
