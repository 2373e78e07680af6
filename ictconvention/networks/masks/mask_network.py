"""What the networks of masks share: an encoder's maps, a decoder that brings them back to pixels, and two heads."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ictconvention.configuration.options import ModelOptions
from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.pictures.picture_network import PictureNetwork

Shares = Literal["mask", "direct", "both"]


class MaskNetwork(PictureNetwork):
    """A network of pictures (B, bands, H, W) that gives each pixel a logit per class, (B, classes, H, W).

    One builds an `encoder`, from pictures to a list of maps, the deepest last; a `decoder`, from that list to as many
    pixels as the pictures have; and `deepest`, an `nn.Identity` that the deepest map passes, so that it can be looked
    at. It says how many `channels` the decoder gives, and `feature_size`, those of the deepest map.

    With `shares = "direct"` it gives the shares of the classes at once, (B, classes), from the mean of the deepest map.
    """

    gives_masks: ClassVar[bool] = True  # what fits task=mask
    encoder: nn.Module
    decoder: nn.Module
    deepest: nn.Module
    channels: int
    _shares: Shares = "mask"

    @property
    def shares(self) -> Shares:
        """How the network comes to the shares of a chip; set it before `make_head`.

        "mask" and "both" give masks. "direct" gives shares, and leaves out the decoder, which would learn nothing.
        """
        return self._shares

    @shares.setter
    def shares(self, shares: Shares) -> None:
        if shares == "direct" and self._shares != "direct":
            del self.decoder
            self.file_heads = (*self.file_heads, "decoder")
        elif shares != "direct" and self._shares == "direct":
            raise ValueError("the decoder was left out for direct shares: build the network anew")
        self._shares = shares

    def make_head(self, outputs: int, options: ModelOptions) -> nn.Module:
        """Return a 1 x 1 convolution of the maps to the outputs; of direct shares, a linear layer of the features."""
        last = (
            nn.Linear(self.feature_size, outputs) if self.shares == "direct" else nn.Conv2d(self.channels, outputs, 1)
        )
        return nn.Sequential(nn.Dropout(options.dropout), last)

    def encode(self, pictures: Tensor, present: Tensor) -> list[Tensor]:
        """Return the encoder's maps (B, channels, h, w) of pictures (B, bands, H, W), the deepest last.

        Raises
        ------
        ValueError
            The pictures do not fit the network.
        """
        seen = self.see(pictures, present).contiguous(memory_format=torch.channels_last)  # faster on a CPU
        *finer, deepest = self.encoder(seen)
        return [*finer, self.deepest(deepest)]

    def features(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return the mean (B, feature_size) of the deepest map of pictures (B, bands, H, W); errors as of `encode`."""
        return _mean(self.encode(pictures, present)[-1])

    def maps(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return the decoder's maps (B, channels, H, W), which the head sees; errors as of `encode`."""
        decoded: Tensor = self.decoder(self.encode(pictures, present))
        return decoded

    def features_and_maps(self, pictures: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, feature_size) and maps (B, channels, H, W) of one pass of the encoder."""
        maps = self.encode(pictures, present)
        return _mean(maps[-1]), self.decoder(maps)

    def forward(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return logits (B, classes, H, W), or (B, classes) of direct shares; errors as of `encode`."""
        seen = self.features if self.shares == "direct" else self.maps
        return full_precision(self.head, seen(pictures, present))

    def forward_padded(self, pictures: Tensor, present: Tensor) -> Tensor:
        """Return the same as `forward`: pictures need no padding."""
        return self.forward(pictures, present)

    def seen_and_outputs(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        """Return the features (B, feature_size), and the logits (B, classes, H, W).

        Of direct shares, what the last layer sees (B, n), and the logits (B, classes).
        """
        if self.shares == "direct":
            return super().seen_and_outputs(*inputs)
        features, maps = self.features_and_maps(*inputs)
        return features, full_precision(self.head, maps)

    @property
    def map_layer(self) -> nn.Module:
        """The deepest map, whose mean the features are."""
        return self.deepest

    def freeze(self) -> None:
        """Let the encoder rest: no gradients, and batch norms whose statistics do not move. The decoder learns."""
        self.frozen = True
        self.encoder.requires_grad_(False).eval()


def _mean(maps: Tensor) -> Tensor:
    """Return the mean (B, channels) over the places of maps (B, channels, h, w)."""
    return full_precision(lambda full: full.mean((2, 3)), maps)


def check_size(stamp_size: int, halvings: int, deeper: str) -> None:
    """Raise a ValueError, with sizes that fit, where pictures cannot be halved so many times; `deeper` is a way out."""
    step = 2**halvings
    if stamp_size % step:
        below, above = stamp_size - stamp_size % step, stamp_size + step - stamp_size % step
        fitting = f"{below} or {above}" if below else str(above)
        found = f"the pictures have {stamp_size} pixels along a side, which cannot be halved {halvings} times"
        raise ValueError(f"{found}: take pictures of {fitting} pixels, {deeper}")
