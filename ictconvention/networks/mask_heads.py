"""The networks of ICT on masks: an encoder and decoder with a head on every pixel, and the target that follows it."""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from ictconvention.configuration.learner_options import Head
from ictconvention.networks.heads import Branch, OnlineOutput
from ictconvention.networks.masks.mask_network import MaskNetwork
from ictconvention.networks.parts.precision import full_precision


class MaskBranch(Branch):
    """A network of masks and its head, whose outputs are those of every pixel."""

    encoder: MaskNetwork

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of pictures; arguments as of the encoder's `maps`."""
        return full_precision(self.head, self.encoder.maps(*inputs))

    def forward_padded(self, *arrays: Tensor) -> Tensor:
        """Return the same: pictures need no padding."""
        return self(*arrays)


class MaskTarget(MaskBranch):
    """A copy of a branch that learns as an average of it elsewhere. No gradients."""

    @classmethod
    def of(cls, branch: MaskBranch) -> Self:
        """Return a copy in storage of its own and in the same mode."""
        target = cls(*copy.deepcopy((branch.encoder, branch.head)))
        target.requires_grad_(False)
        return target

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of pictures."""
        return super().forward(*inputs)


class OnlineMasks(nn.Module):
    """ICT's online network for masks. It projects nothing: what is compared are the probabilities of every pixel.

    Parameters
    ----------
    encoder : MaskNetwork
        Without its head.
    classifier : Sequential
        From the encoder's maps (B, channels, H, W) to logits (B, classes, H, W), see `MaskNetwork.make_head`.
    """

    def __init__(self, encoder: MaskNetwork, classifier: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.classifier = encoder, classifier

    @property
    def inference(self) -> MaskBranch:
        """What predicts; the same modules, not copies."""
        return MaskBranch(self.encoder, self.classifier)

    def branch(self, head: Head) -> MaskBranch:
        """Return the same, the only branch that there is."""
        return self.inference

    def target(self, head: Head) -> MaskTarget:
        """Return the target network."""
        return MaskTarget.of(self.inference)

    def forward(self, *inputs: Tensor) -> OnlineOutput:
        """Return the features (B, features) of the deepest map, no projection, and the logits (B, classes, H, W)."""
        features, maps = self.encoder.features_and_maps(*inputs)
        return OnlineOutput(features, None, None, features, full_precision(self.classifier, maps))
