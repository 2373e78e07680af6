"""ConvEntion up to the features: groups of frames become tokens, the tokens of an object attend to each other."""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.network import Network, Places, Rows
from ictconvention.networks.parts.attention import Attention, Block
from ictconvention.networks.parts.frame_cnn import BAND_ROWS, TOKEN_CHANNELS, TOKEN_GRID, FrameCNN, token_size
from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.parts.ragged import check_lengths, group_frames

Padding = Literal["paper", "masked"]


class ConvEntionEncoder(Network):
    """ConvEntion up to the features, `feature_size` of them (648 for the paper's sizes).

    Parameters
    ----------
    bands : int
        Number of bands of the survey, at most 9; band ids are 1 to `bands`, and 0 means "no frame".
    stamp_size : int
        Pixels along a side of a stamp, at least 15.
    max_frames, frames_per_group : int
        M and K: an object has at most M frames; K of them make a token. K divides M.
    width : float
        Scales the channels of the frame-group CNN; 1 is the paper's.
    frame_channels : int
        Channels of a frame: 1 (the paper's), or 2 where the residual to a median frame comes along.
    blocks, heads : int
        Number L of attention blocks, number T of heads in each (a divisor of 8).
    attention : "pooled" or "query"
        The published attention in its exact O(N) form, or one whose weights depend on the query.
    padding : "paper" or "masked"
        What the tokens of missing groups do: take part as one constant token, or stay out of the norms, the attention
        and the maximum, so that in eval mode a result depends on the object's own frames alone.

    Raises
    ------
    ValueError
        A number is outside its range.

    Examples
    --------
    >>> encoder = ConvEntionEncoder(max_frames=12, width=0.25)
    >>> encoder(torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), lengths=torch.tensor([7, 4])).shape
    torch.Size([2, 648])
    """

    takes: ClassVar[type[Inputs]] = FrameInputs

    def __init__(
        self,
        *,
        bands: int = 5,
        stamp_size: int = 32,
        max_frames: int = 99,
        frames_per_group: int = 3,
        width: float = 1.0,
        frame_channels: int = 1,
        blocks: int = 2,
        heads: int = 4,
        attention: Attention = "pooled",
        padding: Padding = "paper",
    ):
        super().__init__()
        if not 1 <= bands < BAND_ROWS:
            raise ValueError(f"bands is {bands}; the band embedding holds 1 to {BAND_ROWS - 1}")
        if frame_channels < 1:
            raise ValueError(f"frame_channels is {frame_channels}; take at least 1")
        self.frame_cnn = FrameCNN(frames_per_group, width, frame_channels)
        if max_frames < 1 or max_frames % frames_per_group:
            raise ValueError(f"max_frames is {max_frames}; take a multiple of frames_per_group, {frames_per_group}")
        if blocks < 1:
            raise ValueError(f"blocks is {blocks}; take at least 1")
        if heads < 1 or TOKEN_CHANNELS % heads:
            raise ValueError(f"heads is {heads}; take a divisor of the {TOKEN_CHANNELS} channels of a token")
        if attention not in ("pooled", "query"):
            raise ValueError(f"attention is {attention!r}; take 'pooled' or 'query'")
        if padding not in ("paper", "masked"):
            raise ValueError(f"padding is {padding!r}; take 'paper' or 'masked'")
        size, slots = token_size(stamp_size), max_frames // frames_per_group
        self.bands, self.stamp_size, self.max_frames = bands, stamp_size, max_frames
        stamp = (stamp_size, stamp_size)
        self.frame_shape = stamp if frame_channels == 1 else (frame_channels, *stamp)
        self.frames_per_group, self.slots, self.padding = frames_per_group, slots, padding
        self.frames_per_map, self.map_grid = frames_per_group, TOKEN_GRID
        self.token_maps = nn.Identity()  # where the tokens of all slots can be looked at
        self.feature_size = TOKEN_CHANNELS * size**2
        self.band_embedding = nn.Embedding(BAND_ROWS, stamp_size**2, padding_idx=0)
        self.block = nn.ModuleList(Block(TOKEN_CHANNELS, size, slots, heads, attention) for _ in range(blocks))
        self.position: Tensor
        self.register_buffer("position", position_table(slots, TOKEN_CHANNELS), persistent=False)

    def forward(self, frames: Tensor, band: Tensor, lengths: Tensor) -> Tensor:
        """Return the features (B, feature_size) of a ragged batch; arguments as of `features`."""
        return self.features(frames, band, lengths)

    def features(self, frames: Tensor, band: Tensor, lengths: Tensor) -> Tensor:
        """Encode a ragged batch.

        Parameters
        ----------
        frames : tensor (F, H, W)
            The frames of all objects, one object after the other, each in time order; scaled flux, every pixel finite.
            With several channels, (F, frame_channels, H, W).
        band : integer tensor (F,)
            Band ids, 1 to `bands`: one more than the positions that a survey stores.
        lengths : integer tensor (B,)
            Number of frames of each object, 1 to `max_frames`; their sum is F. Best on the CPU: its values are read.

        Returns
        -------
        tensor (B, feature_size)

        Raises
        ------
        ValueError
            Lengths, shapes or bands do not fit each other or the network, or a pixel is not finite. Bands and pixels
            are looked at on the CPU only: elsewhere that would wait for the device.
        """
        lengths = check_lengths(lengths, len(frames), self.max_frames)
        self._check(frames, band, lowest=1)
        k = self.frames_per_group
        slot = torch.arange(self.slots) < ((lengths + k - 1) // k)[:, None]  # (B, N)
        return self.pooled(*self.tokens(group_frames(frames, lengths, k), group_frames(band, lengths, k), slot))

    def forward_padded(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return the features (B, feature_size) of padded arrays; arguments as of `features_padded`."""
        return self.features_padded(frames, band)

    def features_padded(self, frames: Tensor, band: Tensor) -> Tensor:
        """Encode padded arrays: frames (B, m, H, W) and band ids (B, m), 0 where there is no frame; m <= max_frames.

        With several channels, frames are (B, m, frame_channels, H, W). Padding belongs at the end: every K-th position
        begins a group, so that a gap within the sequence shifts the groups. The pixels of missing frames do not count.

        Raises
        ------
        ValueError
            As of `features`, or an object has no frame.
        """
        frames, band = self._whole_sequences(frames, band)
        present = (band > 0).any(2)
        if torch.compiler.is_exporting():  # a graph of fixed shape convolves the empty groups too, to the same effect
            tokens = self._convolved(frames.flatten(0, 1), band.flatten(0, 1)).unflatten(0, present.shape)
            return self.pooled(tokens, present if self.padding == "masked" else torch.ones_like(present))
        self._check(self._real(frames, band).flatten(0, 2), band.flatten(), lowest=0)
        if not present.any(1).all():
            raise ValueError(
                f"object {int(present.any(1).int().argmin())} of the batch has no frame (band is 0 everywhere)"
            )
        return self.pooled(*self.tokens(frames[present], band[present], present))

    def check_shape(self, shape: InputShape) -> None:
        """Raise a ValueError that says where data of this shape do not fit the encoder."""
        own, stamp, wrong = self.frame_shape, (shape.stamp_size, shape.stamp_size), []
        if self.max_frames < shape.max_frames:
            wrong.append(f"max_frames is {self.max_frames}, sequences have up to {shape.max_frames}")
        if self.bands < len(shape.bands):
            wrong.append(f"bands is {self.bands}, the survey has {len(shape.bands)}")
        if own != (stamp if shape.channels == 1 else (shape.channels, *stamp)):
            found = f"frame_channels is {1 if len(own) == 2 else own[0]} and stamp_size {own[-1]}"
            wrong.append(f"{found}, the frames have {shape.channels} of {shape.stamp_size} pixels")
        if wrong:
            raise ValueError(f"the encoder does not fit the data: {'; '.join(wrong)}")

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return the rows of the band embedding, of which the first means that there is no frame."""
        rows = [0, *(None if b is None else b + 1 for b in places)]
        return {"band_embedding.weight": (0, rows + [None] * (BAND_ROWS - len(rows)))}

    def tokens(self, frames: Tensor, band: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve the groups that exist and put their tokens into slots.

        Parameters
        ----------
        frames : tensor (G, K, H, W) or (G, K, frame_channels, H, W)
            The groups' frames.
        band : integer tensor (G, K)
            Their band ids.
        present : boolean tensor (B, N)
            The slots of the groups, in their order. Best on the CPU: its values are read.

        Returns
        -------
        tensors (B, N, 8, h, w), (B, N)
            Tokens, and the mask of those that count, where `present` is: in padding "paper" every slot does.
        """
        tokens = self._convolved(frames, band)
        slot = present.flatten().nonzero().squeeze(1).to(frames.device, non_blocking=True)
        if self.padding == "masked":
            empty, mask = tokens.new_zeros(1, *tokens.shape[1:]), present
        else:
            nothing = frames.new_zeros(1, *frames.shape[1:])
            empty, mask = self._convolved(nothing, band.new_zeros(1, band.shape[1]), True), torch.ones_like(present)
        # On a clone: torch.compile of torch 2.13 gives wrong numbers for an index_copy onto an expanded tensor.
        tokens = empty.expand(present.numel(), -1, -1, -1).clone().index_copy_(0, slot, tokens)
        return self.token_maps(tokens).unflatten(0, present.shape), mask

    @property
    def map_layer(self) -> nn.Module:
        """What the tokens (B * N, 8, h, w) go through: a map for each group of frames."""
        return self.token_maps

    def pooled(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the features (B, feature_size): position, blocks, and the maximum over the tokens that count.

        In full precision under autocast too: the blocks are a few per cent of the work, and the maximum turns small
        errors into other tokens' gradients. In training the mask is best on the CPU: its values are read.
        """
        return full_precision(lambda x: self._attended(x, mask), tokens)

    def _attended(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = tokens + self.position[:, :, None, None]
        real = None  # batch norm takes each token by itself, but for training: the others do no harm
        if self.training:
            real = mask.flatten().nonzero().squeeze(1).to(x.device, non_blocking=True)
        mask = mask.to(x.device, non_blocking=True)
        for block in self.block:
            x = block(x, mask, real)
        return x.masked_fill(~mask[:, :, None, None, None], -torch.inf).amax(1).flatten(1)

    def _convolved(self, frames: Tensor, band: Tensor, frozen: bool = False) -> Tensor:
        images = self.band_embedding.weight.unflatten(1, (self.stamp_size, self.stamp_size))
        return self.frame_cnn(self._real(frames, band), band, images, frozen)

    def _real(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return the frames, zero where the band says that there is none."""
        return frames.where((band > 0).reshape(*band.shape, *(1 for _ in self.frame_shape)), 0)

    def _check(self, frames: Tensor, band: Tensor, lowest: int) -> None:
        """Refuse frames (F, *frame_shape) and band ids (F,) that the network cannot take."""
        if frames.shape[1:] != self.frame_shape or band.shape != frames.shape[:1]:
            raise ValueError(
                f"frames {tuple(frames.shape)} and band {tuple(band.shape)} were given; take "
                f"(F, {', '.join(map(str, self.frame_shape))}) and (F,)"
            )
        if frames.device.type != "cpu":
            return
        if band.is_floating_point() or not lowest <= int(band.min()) <= int(band.max()) <= self.bands:
            raise ValueError(
                f"band ids of {band.dtype} from {band.min()} to {band.max()} were given; take whole numbers from "
                f"{lowest} to {self.bands} (a survey counts its bands from 0: add 1)"
            )
        if not frames.isfinite().all():
            raise ValueError("a pixel is NaN or infinite; replace missing pixels, by 0 for example")

    def _whole_sequences(self, frames: Tensor, band: Tensor) -> tuple[Tensor, Tensor]:
        """Check the shapes, and pad to (B, N, K, H, W) and (B, N, K)."""
        if frames.shape[:2] != band.shape or frames.shape[2:] != self.frame_shape:
            raise ValueError(
                f"frames {tuple(frames.shape)} and band {tuple(band.shape)} were given; take "
                f"(B, m, {', '.join(map(str, self.frame_shape))}) and (B, m)"
            )
        if (missing := self.max_frames - frames.shape[1]) < 0:
            raise ValueError(f"{frames.shape[1]} frames were given; the network takes max_frames={self.max_frames}")
        groups = (self.slots, self.frames_per_group)
        frames = nn.functional.pad(frames, (0, 0) * len(self.frame_shape) + (0, missing)).unflatten(1, groups)
        return frames, nn.functional.pad(band, (0, missing)).unflatten(1, groups)


def position_table(slots: int, channels: int) -> Tensor:
    """Return the sinusoidal positions (slots, channels): sine and cosine in turn, base 10 000, float32 as published."""
    frequency = torch.exp(torch.arange(0, channels, 2) * (-math.log(10000.0) / channels))
    angle = torch.arange(slots)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
