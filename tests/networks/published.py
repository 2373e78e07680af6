"""ConvEntion as it was published, loops and all: one pass of the CNN per frame group, one logit map per pair of tokens.

The slow reference of the tests and of `experiments/speed/model.py`; written from the description in the paper, with the
names and the axis order (out, in, H, W, time) of the published tensors. It knows nothing of the package.
"""

import math

import torch
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU over (B, C, H, W, time)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: tuple[int, int, int], stride: int, padding: int):
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels_out, kernel, stride, padding)
        self.bn = nn.BatchNorm3d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(x)))


class Attention(nn.Module):
    """Convolutional attention: a logit for each pair of tokens, head and pixel; loops over the pairs."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.score = nn.Conv2d(channels, heads, 5, padding=2)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, tokens: list[Tensor]) -> list[Tensor]:
        q, k, v = zip(*(self.qkv(token).chunk(3, dim=1) for token in tokens), strict=True)
        attended = []
        for query in q:
            logits = torch.stack([self.score(query + key) for key in k])  # (N, B, heads, H, W)
            weights = torch.softmax(logits, dim=0).repeat_interleave(v[0].shape[1] // logits.shape[2], dim=2)
            attended.append(self.out((weights * torch.stack(v)).sum(0)))
        return attended


class FeedForward(nn.Module):
    """Two 3x3 convolutions, each with ReLU and batch norm."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.BatchNorm2d(2 * channels)
        self.conv2, self.bn2 = nn.Conv2d(2 * channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(torch.relu(self.conv2(self.bn1(torch.relu(self.conv1(x))))))


class Block(nn.Module):
    """Pre-norm: attention, then the feed-forward part, each added to its input (B, C, H, W, N)."""

    def __init__(self, shape: tuple[int, int, int, int], heads: int):
        super().__init__()
        self.norm_attention, self.norm_ffn = nn.LayerNorm(shape), nn.LayerNorm(shape)
        self.attention, self.ffn = Attention(shape[0], heads), FeedForward(shape[0])

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.stack(self.attention(list(self.norm_attention(x).unbind(-1))), dim=-1)
        normed = self.norm_ffn(x)
        b, c, h, w, n = normed.shape
        y = self.ffn(normed.permute(0, 4, 1, 2, 3).reshape(b * n, c, h, w))
        return x + y.view(b, n, c, h, w).permute(0, 2, 3, 4, 1)


class PublishedConvEntion(nn.Module):
    """Frames (B, 99, 32, 32) and band ids (B, 99) -> logits (B, classes); padding takes part.

    `width` scales the channels of the CNN; 1 is the paper's.
    """

    def __init__(self, classes: int = 4, width: float = 1.0):
        super().__init__()
        wide, wider = round(64 * width), round(128 * width)
        self.band_embedding = nn.Embedding(10, 1024, padding_idx=0)
        self.frame_cnn = nn.ModuleDict(
            {
                "1": ConvNorm(2, wide, (11, 11, 3), 2, 2),
                "2": ConvNorm(wide, wider, (5, 5, 3), 1, 2),
                "3": ConvNorm(wider, wide, (3, 3, 3), 1, 0),
                "4": ConvNorm(wide, 8, (3, 3, 3), 1, 0),
            }
        )
        self.block = nn.ModuleList(Block((8, 9, 9, 33), 4) for _ in range(2))
        self.head = nn.ModuleDict({"1": nn.Linear(648, 256), "2": nn.Linear(256, classes)})
        self.dropout = nn.Dropout(0.3)
        angle = torch.arange(33)[:, None] * torch.exp(torch.arange(0, 8, 2) * (-math.log(10000.0) / 8))
        table = torch.zeros(33, 8)
        table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()
        self.position: Tensor
        self.register_buffer("position", table)

    def tokens(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return the tokens (B, 8, 9, 9, 33) after the last block."""
        image = self.band_embedding(band).view_as(frames)
        x = torch.stack([frames, image], dim=1).permute(0, 1, 3, 4, 2)  # (B, 2, H, W, M)
        tokens = []
        for start in range(0, x.shape[-1], 3):
            group = x[..., start : start + 3]
            for layer in self.frame_cnn.values():
                group = layer(group)
            tokens.append(group.squeeze(-1) + self.position[start // 3][:, None, None])
        stack = torch.stack(tokens, dim=-1)
        for block in self.block:
            stack = block(stack)
        return stack

    def features(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return the features (B, 648): the maximum over the tokens."""
        return self.tokens(frames, band).amax(-1).flatten(1)

    def forward(self, frames: Tensor, band: Tensor) -> Tensor:
        hidden = torch.relu(self.head["1"](self.dropout(self.features(frames, band))))
        logits: Tensor = self.head["2"](self.dropout(hidden))
        return logits

    def published(self, names: list[str]) -> dict[str, Tensor]:
        """Return the tensors by their published names, of which those of the feed-forward parts differ from ours."""
        own = {_published_name(name): tensor for name, tensor in self.state_dict().items()}
        return {name: own[name] for name in names}

    def published_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters by their published names."""
        return {_published_name(name): parameter for name, parameter in self.named_parameters()}


def _published_name(name: str) -> str:
    for number in "12":
        name = name.replace(f"ffn.conv{number}.", f"ffn.{number}.").replace(f"ffn.bn{number}.", f"ffn.{number}.bn.")
    return name
