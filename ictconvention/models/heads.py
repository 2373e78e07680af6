"""The heads of ICT-ConvEntion on an encoder, and the three networks they make: online, target and inference.

The online network classifies and projects; the target network only projects, and learns as an average of the online one
elsewhere; inference is the part that predicts.
"""

import copy
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from ictconvention.models.convention import ConvEntionEncoder
from ictconvention.models.precision import full_precision

Projection = Literal["separate", "shared", "trunk"]
HIDDEN, PROJECTED = 256, 128


class OnlineOutput(NamedTuple):
    """What the online network says of a batch: projections (B, 128) for the target, and logits (B, classes)."""

    projection: Tensor
    logits: Tensor


class Online(nn.Module):
    """ICT's online network: encoder g, projector f_theta, class projector f_beta and classifier q_beta.

    1 484 532 parameters with the paper's encoder and four classes.

    Parameters
    ----------
    encoder : ConvEntionEncoder
    classes : int
    projection : "separate", "shared" or "trunk"
        "separate" (the paper): two projectors 648 -> 256 -> 128, one for the target and one for the classifier.
        "shared": one for both. "trunk": a shared layer 648 -> 256, then 256 -> 128 for the target and 256 -> classes.
    predictor : bool
        Put BYOL's predictor, 128 -> 256 -> 128 with batch norm, behind the projector of the online network alone.
    dropout : float
        Share that is dropped in training behind each first layer.

    Raises
    ------
    ValueError
        The projection is unknown.

    Examples
    --------
    >>> online = Online(ConvEntionEncoder(max_frames=12, width=0.25), classes=4).eval()
    >>> frames, band, lengths = torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])
    >>> projection, logits = online(frames, band, lengths)
    >>> projection.shape, logits.shape
    (torch.Size([2, 128]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        encoder: ConvEntionEncoder,
        classes: int = 4,
        *,
        projection: Projection = "separate",
        predictor: bool = False,
        dropout: float = 0.3,
    ):
        super().__init__()
        if projection not in ("separate", "shared", "trunk"):
            raise ValueError(f"projection is {projection!r}; take 'separate', 'shared' or 'trunk'")
        features = encoder.features
        self.encoder = encoder
        self.projection = projection
        self.projector = _projector(features, dropout)
        self.own_class_projector = _projector(features, dropout) if projection == "separate" else None
        self.classifier = nn.Linear(HIDDEN if projection == "trunk" else PROJECTED, classes)
        self.predictor = _predictor() if predictor else None

    @property
    def class_projector(self) -> nn.Sequential:
        """f_beta, from the features to what the classifier sees; its own, the projector, or the projector's trunk."""
        if self.own_class_projector is not None:
            return self.own_class_projector
        return self.projector if self.projection == "shared" else nn.Sequential(*list(self.projector)[:-1])

    def forward(self, frames: Tensor, band: Tensor, lengths: Tensor) -> OnlineOutput:
        """Return projections and logits of a ragged batch; arguments as of the encoder."""
        return full_precision(self._projected_and_classified, self.encoder(frames, band, lengths))

    def _projected_and_classified(self, features: Tensor) -> OnlineOutput:
        class_features = self.class_projector(features)
        match self.projection:
            case "separate":
                projected = self.projector(features)
            case "shared":
                projected = class_features
            case "trunk":
                projected = self.projector[-1](class_features)
        if self.predictor is not None:
            projected = self.predictor(projected)
        return OnlineOutput(projected, self.classifier(class_features))


class Target(nn.Module):
    """ICT's target network, encoder and projector: 1 284 976 parameters with the paper's encoder. No gradients.

    `Target.of(online)` copies the online network's; to move it towards the online weights is the learner's part.

    Examples
    --------
    >>> target = Target.of(Online(ConvEntionEncoder(max_frames=12, width=0.25)))
    >>> target(torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])).shape
    torch.Size([2, 128])
    """

    def __init__(self, encoder: ConvEntionEncoder, projector: nn.Sequential):
        super().__init__()
        self.encoder, self.projector = encoder, projector
        self.requires_grad_(False)

    @classmethod
    def of(cls, online: Online) -> Self:
        """Return a copy of the online network's encoder and projector, in storage of its own and in the same mode."""
        return cls(copy.deepcopy(online.encoder), copy.deepcopy(online.projector))

    @torch.no_grad()
    def forward(self, frames: Tensor, band: Tensor, lengths: Tensor) -> Tensor:
        """Return projections (B, 128) of a ragged batch; arguments as of the encoder."""
        return full_precision(self.projector, self.encoder(frames, band, lengths))


class Inference(nn.Module):
    """What predicts, encoder, class projector and classifier: 1 285 492 parameters with the paper's encoder.

    Examples
    --------
    >>> inference = Inference.of(Online(ConvEntionEncoder(max_frames=12, width=0.25), classes=4)).eval()
    >>> inference(torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])).shape
    torch.Size([2, 4])
    """

    def __init__(self, encoder: ConvEntionEncoder, class_projector: nn.Sequential, classifier: nn.Linear):
        super().__init__()
        self.encoder, self.head = encoder, nn.Sequential(*class_projector, classifier)

    @classmethod
    def of(cls, online: Online) -> Self:
        """Return the predicting part of an online network, sharing its modules, modes and all."""
        return cls(online.encoder, online.class_projector, online.classifier)

    def forward(self, frames: Tensor, band: Tensor, lengths: Tensor) -> Tensor:
        """Return logits (B, classes) of a ragged batch; arguments as of the encoder."""
        return full_precision(self.head, self.encoder(frames, band, lengths))

    def forward_padded(self, frames: Tensor, band: Tensor) -> Tensor:
        """Return logits (B, classes) of padded arrays; arguments as of the encoder's `forward_padded`."""
        return full_precision(self.head, self.encoder.forward_padded(frames, band))


def _projector(features: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, PROJECTED))


def _predictor() -> nn.Sequential:
    return nn.Sequential(nn.Linear(PROJECTED, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PROJECTED))
