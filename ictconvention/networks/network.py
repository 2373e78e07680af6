"""What a network must offer, so that learners, sweeps, `predict`, export and first weights can work with it."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self

from torch import Tensor, nn

from ictconvention.configuration.options import ModelOptions
from ictconvention.core.errors import UsageError
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.token_subsets import Subsets

Places = list[int | None]
Rows = dict[str, tuple[int, Places]]  # tensor: dimension, and for each new place along it the old one


class Network(nn.Module, ABC):
    """From the frames of some objects to features, and by a head to outputs.

    A network of one's own is one class, and `register_network` gives it a name. It must have

    - `takes`: what it is fed, such as `FrameInputs`: frames, their bands from 1, and the length of each object;
    - `__init__(options, shape)`: builds all but the head, for bands and stamps of this `InputShape`;
    - `feature_size`: how many features an object has;
    - `features`: from the ragged arguments that `takes` makes of a batch to features (B, feature_size).

    It may have

    - `make_head`: the layers after the features, the outputs last; by default a single linear layer;
    - `features_padded`: the same features of padded arrays, in which alone `torch.export` can trace it. Without it the
      network does not export;
    - `place_bands`: which of its weights belong to a band. Without it, first weights come from the same bands only;
    - `check_shape`: refuses data that it was not built for;
    - `gives_masks`, true where it gives each pixel a logit per class, for task=mask; see `MaskNetwork`;
    - `features_of_subsets`, with `has_tokens` true: the features of random subsets of an object's tokens, see
      `draw_subsets`;
    - `map_layer`, with `frames_per_map` and `map_grid`: the layer whose output is its last map, for
      `ictconvention explain`;
    - `check_pixels`: refuses options that ask for what the pixels will not have, before a run or sweep begins;
    - `check_survey`: refuses options that ask for what the survey has not, such as a band, before a run begins.

    ICT puts heads of its own on the features, and never calls `make_head`. Its target network is a copy whose dropout
    is switched by module: use `nn.Dropout`, not `F.dropout(x, training=self.training)`. What changes in training must
    be a parameter or a persistent buffer, or neither the target nor a resumed run has it.

    Examples
    --------
    >>> class MeanFrame(ict.Network):
    ...     takes = ict.FrameInputs
    ...     feature_size = 1024
    ...
    ...     def features(self, frames, band, lengths):
    ...         return torch.stack([one.mean(0).flatten() for one in frames.split(lengths.tolist())])
    >>> MeanFrame().features(torch.zeros(5, 32, 32), torch.ones(5), torch.tensor([2, 3])).shape
    torch.Size([2, 1024])
    """

    takes: ClassVar[type[Inputs]]
    feature_size: int
    has_tokens: ClassVar[bool] = False  # whether it gives features of subsets of an object's tokens
    frames_per_map: int | Literal["night"] | None = None  # frames in a row, or of a night, that share a map; None: all
    map_grid: tuple[float, float] | None = None  # the pixel of a map's first cell, and pixels to the next; None: even
    head: nn.Module  # set where the network predicts by itself

    @classmethod
    def make(cls, options: Any, shape: InputShape) -> Self:
        """Build the network, without its head, from its options."""
        return cls(options, shape)

    @classmethod
    def check_pixels(cls, options: Any, channels: int, stamp: tuple[int, float] | None = None) -> None:
        """Raise a ValueError where the options ask for what the pixels have not.

        Parameters
        ----------
        options : ModelOptions
            Of this network.
        channels : int
            Of a frame: 1, or 2 with the residual.
        stamp : int, float, optional
            Pixels along a side of a stamp, and the size of one [arcsec]; none before the survey is known.
        """

    @classmethod
    def check_survey(cls, options: Any, shape: InputShape) -> None:
        """Raise a ValueError, or a UsageError, where the options ask for what data of this shape have not."""

    @abstractmethod
    def features(self, *inputs: Any, **named: Any) -> Tensor:
        """Return the features (B, feature_size) of a ragged batch; arguments as of `takes.arguments`."""

    def features_padded(self, *arrays: Any, **named: Any) -> Tensor:
        """Return the features (B, feature_size) of padded arrays; arguments as of `takes.padded`.

        Raises
        ------
        UsageError
            The network does not export.
        """
        name = type(self).__name__
        raise UsageError(
            f"{name} takes no padded arrays, and so does not export",
            name,
            "give it features_padded",
            "E-EXPORT-NETWORK",
        )

    def features_of_subsets(self, subsets: Subsets, *inputs: Any) -> Tensor:
        """Return the features (V * B, feature_size) of V subsets of the tokens of B objects, subset by subset.

        Raises
        ------
        ValueError
            The network has no tokens to choose among.
        """
        raise ValueError(f"{type(self).__name__} has no tokens to choose among: set learner.token_subsets=0")

    def make_head(self, outputs: int, options: ModelOptions) -> nn.Module:
        """Return the layers from the features to the outputs, the layer that gives these last."""
        return nn.Sequential(nn.Dropout(options.dropout), nn.Linear(self.feature_size, outputs))

    def place_bands(self, places: Places, before: int) -> Rows | None:
        """Return where the bands stand in the weights, or None where nobody knows.

        Parameters
        ----------
        places : list of int
            For each band of this network its place among those of another, None for a band that is new.
        before : int
            How many bands the other has.

        Returns
        -------
        dict
            By the name of each tensor that has weights for bands: its dimension, and for each place along that
            dimension the other network's.
        """
        return None

    def check_shape(self, shape: InputShape) -> None:
        """Raise a ValueError where data of this shape do not fit the network."""

    @property
    def map_layer(self) -> nn.Module | None:
        """The layer whose output is the last map (n, channels, H, W), which still knows places; None without one."""
        return None

    @property
    def trunk(self) -> "Network":
        """What gives the features, without the head; the same modules, not copies."""
        return self

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        """Return the outputs (B, outputs) of a ragged batch."""
        return full_precision(self.head, self.features(*inputs, **named))

    def forward_padded(self, *arrays: Any, **named: Any) -> Tensor:
        """Return the outputs (B, outputs) of padded arrays."""
        return full_precision(self.head, self.features_padded(*arrays, **named))

    def seen_and_outputs(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        """Return what the last layer of the head sees (B, n), and the outputs (B, outputs) that it makes of it."""
        return full_precision(self.last_step, self.features(*inputs))

    def last_step(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the last layer of the head sees of features (B, n), and the outputs (B, outputs)."""
        if not isinstance(self.head, nn.Sequential):
            return features, self.head(features)
        seen = self.head[:-1](features)
        return seen, self.head[-1](seen)


def output_layer(head: nn.Module, prefix: str) -> str:
    """Return the name of the layer of a head that gives the outputs: the last one with weights of its own."""
    names = [name for name, part in head.named_modules() if next(part.parameters(recurse=False), None) is not None]
    if not names:
        raise ValueError(f"{prefix} has no layer with weights")
    return f"{prefix}.{names[-1]}".removesuffix(".")
