"""Where the cells of an encoder's maps lie among the pixels, whatever the encoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class MapGrid:
    """Where the cells of an encoder's maps lie: the pixel of the first one, and the pixels from one to the next.

    Most encoders pad strided convolutions so that cell i of the last map is centred on pixel 32 i, and not in the
    middle of its share of the picture. What goes another way than through convolutions and poolings ends with another
    `side` than the map has.
    """

    def __init__(self, side: int):
        self.side, self.first, self.step = side, 0.0, 1.0

    @contextmanager
    def following(self, encoder: nn.Module) -> Iterator[None]:
        """Follow the pictures that are given to an encoder."""
        kinds = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
        hooks = [one.register_forward_hook(self._pass) for one in encoder.modules() if isinstance(one, kinds)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _pass(self, layer: Any, given: tuple[Tensor, ...], found: Tensor) -> None:
        before, after = given[0].shape[-1], found.shape[-1]
        if before != self.side or after == before:  # it changes no side, or stands beside one that did
            return
        kernel, stride, padding, dilation = (
            _last(getattr(layer, name, 1)) for name in ("kernel_size", "stride", "padding", "dilation")
        )
        reach = dilation * (kernel - 1)
        if not isinstance(padding, int) or (before + 2 * padding - reach - 1) // stride + 1 < after:  # pads by itself
            padding = max((after - 1) * stride + reach + 1 - before, 0) // 2
        self.first += self.step * (reach / 2 - padding)
        self.step, self.side = self.step * stride, after


def _last(value: Any) -> Any:
    return value[-1] if isinstance(value, tuple) else value
