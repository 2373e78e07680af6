"""CNN+GRU and CNN+LSTM: a CNN sees each night's frame of all bands, a recurrent cell runs over the nights.

After Gomez et al. 2020 and Carrasco-Davis et al. 2019; the layers are those that give the published parameter counts.
"""

from typing import ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from ictconvention.configuration.options import ModelOptions, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.inputs.nights import NightInputs
from ictconvention.networks.network import Network, Places, Rows
from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.parts.ragged import check_lengths, check_padding, pad

Cell = Literal["gru", "lstm"]
HIDDEN = 256
LAST_MAP, MAP_GRID = 10, (6.5, 8.0)  # layer of the CNN; the pixel of its first cell, and pixels from one to the next


class NightCNN(nn.Sequential):
    """Frames of one night each (S, bands, H, W) -> (S, 512).

    Examples
    --------
    >>> NightCNN(bands=5, stamp_size=32)(torch.randn(3, 5, 32, 32)).shape
    torch.Size([3, 512])
    """

    def __init__(self, bands: int, stamp_size: int):
        side = ((stamp_size - 2) // 2 - 2) // 2 // 2
        if side < 1:
            raise ValueError(f"stamp_size is {stamp_size}; the CNN of the nights needs at least 14 pixels")
        super().__init__(
            *(nn.Conv2d(bands, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, HIDDEN, 3, padding=1), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(HIDDEN * side**2, 512), nn.ReLU()),
        )


@option_group
class RecurrentOptions(ModelOptions):
    """Options of CNN+GRU and CNN+LSTM; they have the paper's sizes."""


@register_network("cnn_gru", RecurrentOptions)
@register_network("cnn_lstm", RecurrentOptions)
class CNNRecurrent(Network):
    """CNN+GRU (1 992 836 parameters for ugriz, 1 991 684 for one band) or CNN+LSTM (2 189 956, 2 188 804).

    Parameters
    ----------
    cell : "gru" or "lstm"
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands in a night's frame; residuals count as further ones.
    stamp_size : int
        Pixels along a side of a stamp, at least 14.
    dropout : float
        Share of the hidden layer of the head that is dropped in training.

    Raises
    ------
    ValueError
        The cell is unknown, or the stamps are too small.

    Examples
    --------
    Two objects, observed in three nights and in two:

    >>> model = ict.CNNRecurrent("gru", classes=4, bands=5).eval()
    >>> model(torch.randn(5, 5, 32, 32), lengths=torch.tensor([3, 2])).shape
    torch.Size([2, 4])
    >>> model.forward_padded(torch.randn(2, 3, 5, 32, 32), lengths=torch.tensor([3, 2])).shape
    torch.Size([2, 4])
    """

    takes: ClassVar[type[Inputs]] = NightInputs
    feature_size = HIDDEN
    frames_per_map = "night"
    map_grid = MAP_GRID

    def __init__(
        self, cell: Cell, classes: int | None = 4, *, bands: int = 5, stamp_size: int = 32, dropout: float = 0.3
    ):
        super().__init__()
        self.cnn = NightCNN(bands, stamp_size)
        self.night = (bands, stamp_size, stamp_size)
        match cell:
            case "gru":
                self.rnn: nn.GRU | nn.LSTM = nn.GRU(512, HIDDEN, batch_first=True)
            case "lstm":
                self.rnn = nn.LSTM(512, HIDDEN, batch_first=True)
            case _:
                raise ValueError(f"cell is {cell!r}; take 'gru' or 'lstm'")
        if classes is not None:
            self.head = _head(classes, dropout)

    @classmethod
    def make(cls, options: ModelOptions, shape: InputShape) -> Self:
        """Build the network that `options.kind` names, without its head."""
        cell = cast("Cell", options.kind.removeprefix("cnn_"))
        return cls(cell, None, bands=len(shape.bands) * shape.channels, stamp_size=shape.stamp_size)

    @property
    def map_layer(self) -> nn.Module:
        """The last convolution of the nights."""
        return self.cnn[LAST_MAP]

    def make_head(self, outputs: int, options: ModelOptions) -> nn.Module:
        """Return a hidden layer, and the outputs."""
        return _head(outputs, options.dropout)

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return the planes of the first convolution: the bands, and their residuals after them."""
        channels = range(self.night[0] // len(places))
        planes = [None if b is None else channel * before + b for channel in channels for b in places]
        return {"cnn.0.weight": (1, planes)}

    def features(self, nights: Tensor, lengths: Tensor) -> Tensor:
        """Return the state of the cell at the last night of each object, of a ragged batch.

        Parameters
        ----------
        nights : tensor (S, bands, H, W)
            The nights of all objects, one object after the other, each in time order; a band without a frame that
            night is zero.
        lengths : integer tensor (B,)
            Number of nights of each object, at least 1; their sum is S.

        Returns
        -------
        tensor (B, 256)

        Raises
        ------
        ValueError
            The lengths do not fit the nights, or the nights not the network.
        """
        lengths = check_lengths(lengths, len(nights))
        self._check(nights)
        seen = self.cnn(nights.contiguous(memory_format=torch.channels_last))
        return self._last_state(pad(seen, lengths), lengths.to(seen.device, non_blocking=True))

    def features_padded(self, nights: Tensor, lengths: Tensor) -> Tensor:
        """Return the same of padded arrays: nights (B, S, bands, H, W), of which the first `lengths` (B,) count.

        Raises
        ------
        ValueError
            The lengths or the nights do not fit.
        """
        check_padding(lengths, nights.shape[0], nights.shape[1])
        self._check(nights[:, 0])
        lengths = lengths.to(nights.device, non_blocking=True)
        real = torch.arange(nights.shape[1], device=nights.device) < lengths[:, None]
        nights = nights.where(real[:, :, None, None, None], 0)  # rubbish in the padding must not reach a gradient
        return self._last_state(self.cnn(nights.flatten(0, 1)).unflatten(0, nights.shape[:2]), lengths)

    def _check(self, nights: Tensor) -> None:
        if nights.shape[1:] != self.night:
            raise ValueError(f"nights of shape {tuple(nights.shape[1:])} were given; the network takes {self.night}")

    def _last_state(self, steps: Tensor, lengths: Tensor) -> Tensor:
        states, _ = full_precision(self.rnn, steps)
        last = (lengths - 1)[:, None, None].expand(-1, 1, HIDDEN)
        return states.gather(1, last).squeeze(1)


def _head(outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(HIDDEN, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, outputs))
