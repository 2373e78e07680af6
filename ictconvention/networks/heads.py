"""The heads of ICT-ConvEntion on an encoder, and the three networks they make: online, target and inference.

The online network classifies and projects; the target network only projects, and learns as an average of the online one
elsewhere; inference is the part that predicts.
"""

import copy
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from ictconvention.configuration.learner_options import Head, Projection
from ictconvention.networks.network import Network
from ictconvention.networks.parts.precision import full_precision

HIDDEN, PROJECTED = 256, 128


class OnlineOutput(NamedTuple):
    """What the online network says of a batch.

    Parameters
    ----------
    features : tensor (B, features)
        From the encoder.
    projection : tensor (B, 128) or None
        z of eq. 1; None in a network that does not project.
    prediction : tensor (B, 128) or None
        What is compared with the target's projection: the predictor's output, or the projection itself.
    class_features : tensor (B, 128), or (B, 256) of a trunk
        What the classifier sees.
    logits : tensor (B, classes)
    """

    features: Tensor
    projection: Tensor | None
    prediction: Tensor | None
    class_features: Tensor
    logits: Tensor


class Branch(nn.Module):
    """A network's trunk, here called the encoder, and one head on its features.

    Examples
    --------
    >>> from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
    >>> branch = Online(ConvEntionEncoder(max_frames=12, width=0.25)).branch("projection")
    >>> branch(torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])).shape
    torch.Size([2, 128])
    """

    def __init__(self, encoder: Network, head: nn.Sequential):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the head's output of a ragged batch; arguments as of the encoder's `features`."""
        return full_precision(self.head, self.encoder.features(*inputs))

    def forward_padded(self, *arrays: Tensor) -> Tensor:
        """Return the head's output of padded arrays; arguments as of the encoder's `features_padded`."""
        return full_precision(self.head, self.encoder.features_padded(*arrays))


class Online(nn.Module):
    """ICT's online network: encoder g, projector f_theta, class projector f_beta and classifier q_beta.

    1 484 532 parameters with the paper's encoder and four classes.

    Parameters
    ----------
    encoder : Network
        Any network's trunk; the paper's is that of ConvEntion.
    classes : int
    projection : "separate", "shared" or "trunk"
        "separate" (the paper): two projectors 648 -> 256 -> 128, one for the target and one for the classifier.
        "shared": one for both. "trunk": a shared layer 648 -> 256, then 256 -> 128 for the target and 256 -> classes.
    predictor : bool
        Put BYOL's predictor, 128 -> 256 -> 128 with batch norm, after the projector of the online network alone.
    project : bool
        Whether there is anything to compare with a target's projection; otherwise only what classifies is built.
    dropout : float
        Share that is dropped in training after each first layer.

    Raises
    ------
    ValueError
        The projection is unknown, or a predictor has nothing to predict from.

    Examples
    --------
    >>> from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
    >>> online = Online(ConvEntionEncoder(max_frames=12, width=0.25), classes=4).eval()
    >>> frames, band, lengths = torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])
    >>> output = online(frames, band, lengths)
    >>> output.features.shape, output.projection.shape, output.logits.shape
    (torch.Size([2, 648]), torch.Size([2, 128]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        encoder: Network,
        classes: int = 4,
        *,
        projection: Projection = "separate",
        predictor: bool = False,
        project: bool = True,
        dropout: float = 0.3,
    ):
        super().__init__()
        if projection not in ("separate", "shared", "trunk"):
            raise ValueError(f"projection is {projection!r}; take 'separate', 'shared' or 'trunk'")
        if predictor and not project:
            raise ValueError("a predictor was asked for without a projection; leave it out")
        features = encoder.feature_size
        self.encoder = encoder
        self.projection = projection
        self.project = project
        projector = _projector(features, dropout)
        if projection == "trunk" and not project:
            projector = _trunk(projector)
        self.projector = projector if project or projection != "separate" else None
        self.own_class_projector = _projector(features, dropout) if projection == "separate" else None
        self.classifier = nn.Linear(HIDDEN if projection == "trunk" else PROJECTED, classes)
        self.predictor = _predictor() if predictor else None

    @property
    def class_projector(self) -> nn.Sequential:
        """f_beta, from the features to what the classifier sees; its own, the projector, or the projector's trunk."""
        own = self.own_class_projector if self.own_class_projector is not None else self.projector
        assert own is not None  # for the types: one of them always is
        return _trunk(own) if self.projection == "trunk" else own

    def head(self, which: Head) -> nn.Sequential:
        """Return the modules after the features that project, or those that classify; not copies."""
        if which == "classes":
            return nn.Sequential(*self.class_projector, self.classifier)
        if self.projector is None or not self.project:
            raise ValueError("this network does not project; build it with project=True")
        return self.projector

    def branch(self, head: Head) -> Branch:
        """Return the encoder with one head; the same modules, not copies."""
        return Branch(self.encoder, self.head(head))

    def target(self, head: Head) -> "Target":
        """Return the target network of one head."""
        return Target.of(self, head)

    @property
    def inference(self) -> "Inference":
        """What predicts; the same modules, not copies."""
        return Inference.of(self)

    def forward(self, *inputs: Tensor) -> OnlineOutput:
        """Return features, projections and logits of a ragged batch; arguments as of the encoder's `features`."""
        return self.of_features(self.encoder.features(*inputs))

    def of_features(self, features: Tensor) -> OnlineOutput:
        """Return features, projections and logits of what the encoder gives (B, features)."""
        return full_precision(self._projected_and_classified, features)

    def _projected_and_classified(self, features: Tensor) -> OnlineOutput:
        class_features = self.class_projector(features)
        logits = self.classifier(class_features)
        if self.projector is None or not self.project:
            return OnlineOutput(features, None, None, class_features, logits)
        match self.projection:
            case "separate":
                projected = self.projector(features)
            case "shared":
                projected = class_features
            case "trunk":
                projected = self.projector[-1](class_features)
        prediction = projected if self.predictor is None else self.predictor(projected)
        return OnlineOutput(features, projected, prediction, class_features, logits)


class Target(Branch):
    """ICT's target network, encoder and projector: 1 284 976 parameters with the paper's encoder. No gradients.

    `Target.of(online)` copies the online network's; to move it towards the online weights is the learner's part.

    Examples
    --------
    >>> from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
    >>> target = Target.of(Online(ConvEntionEncoder(max_frames=12, width=0.25)))
    >>> target(torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])).shape
    torch.Size([2, 128])
    """

    @classmethod
    def of(cls, online: Online, head: Head = "projection") -> Self:
        """Return a copy of the online network's encoder and of one head, in storage of its own and in the same mode."""
        target = cls(*copy.deepcopy((online.encoder, online.head(head))))
        target.requires_grad_(False)
        return target

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        """Return projections (B, 128), or logits, of a ragged batch; arguments as of the encoder's `features`."""
        return super().forward(*inputs)


class Inference(Branch):
    """What predicts, encoder, class projector and classifier: 1 285 492 parameters with the paper's encoder.

    Examples
    --------
    >>> from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
    >>> inference = Inference.of(Online(ConvEntionEncoder(max_frames=12, width=0.25), classes=4)).eval()
    >>> inference(torch.randn(11, 32, 32), torch.randint(1, 6, (11,)), torch.tensor([7, 4])).shape
    torch.Size([2, 4])
    """

    @classmethod
    def of(cls, online: Online) -> Self:
        """Return the predicting part of an online network, sharing its modules, modes and all."""
        return cls(online.encoder, online.head("classes"))


def _projector(features: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, PROJECTED))


def _trunk(projector: nn.Sequential) -> nn.Sequential:
    """Return the layers of a projector up to its hidden ones."""
    return nn.Sequential(*list(projector)[:3])


def _predictor() -> nn.Sequential:
    return nn.Sequential(nn.Linear(PROJECTED, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PROJECTED))
