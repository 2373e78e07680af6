"""Parts of a network that keep full precision under autocast: cheap ones whose rounding would cost accuracy."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

Output = TypeVar("Output")


def full_precision(part: Callable[[Tensor], Output], x: Tensor) -> Output:
    """Return `part(x)` in float32, or float64 if `x` is, whether autocast is on or not."""
    with torch.autocast(x.device.type, enabled=False):
        return part(x.to(torch.promote_types(x.dtype, torch.float32)))
