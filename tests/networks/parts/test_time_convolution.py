"""The convolution over a short time axis is the three-dimensional one."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.networks.parts.time_convolution import time_convolution, time_taps

# steps, channels in and out, kernel, stride, padding: the layers of the frame-group CNN, and four frames in a group
LAYERS = [(3, 2, 64, 11, 2, 2), (3, 64, 128, 5, 1, 2), (5, 128, 64, 3, 1, 0), (3, 64, 8, 3, 1, 0), (4, 2, 16, 11, 2, 2)]


def distance(found: Tensor, expected: Tensor) -> float:
    """Return the norm of the difference over the norm."""
    return float((found - expected).detach().norm() / expected.detach().norm())


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """Return the reference, which moves the time axis to the end, as published."""
    return F.conv3d(x.movedim(2, -1), weight, bias, stride, padding).movedim(-1, 2)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-14), (torch.float32, 2e-6)])
@pytest.mark.parametrize("biased", [True, False])
def test_convolving_whole_time_steps_is_conv3d(
    layer: tuple[int, ...], dtype: torch.dtype, close: float, biased: bool
) -> None:
    steps, channels_in, channels_out, kernel, stride, padding = layer
    x = torch.randn(4, channels_in, steps, 15, 15, dtype=dtype, requires_grad=True)
    weight = torch.randn(channels_out, channels_in, kernel, kernel, 3, dtype=dtype, requires_grad=True)
    bias = torch.randn(channels_out, dtype=dtype, requires_grad=True) if biased else None

    expected = conv3d(x, weight, bias, stride, padding)
    found = time_convolution(x, weight, bias, stride, padding)
    assert distance(found, expected) < close

    direction = torch.randn_like(expected)
    inputs = [x, weight] if bias is None else [x, weight, bias]
    gradients = [torch.autograd.grad(result, inputs, direction) for result in (found, expected)]
    assert all(distance(one, other) < close for one, other in zip(*gradients, strict=True))


@pytest.mark.parametrize(("steps", "padding"), [(3, 2), (5, 0)])
def test_bfloat16_sums_each_product_once(steps: int, padding: int) -> None:
    """Small whole numbers are exact in bfloat16, so that any rounding of intermediate sums of sums would show."""
    x = torch.randint(-1, 2, (2, 4, steps, 9, 9)).bfloat16()
    weight, bias = torch.randint(-1, 2, (3, 4, 3, 3, 3)).bfloat16(), torch.randint(-1, 2, (3,)).bfloat16()
    expected = conv3d(x.double(), weight.double(), bias.double(), 1, padding)
    assert expected.abs().max() < 256
    found = time_convolution(x, weight, bias, 1, padding)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found.double(), expected)


def test_which_time_steps_meet_which_taps() -> None:
    assert time_taps(3, stride=1, padding=2) == [{0: 2}, {0: 1, 1: 2}, {0: 0, 1: 1, 2: 2}, {1: 0, 2: 1}, {2: 0}]
    assert time_taps(3, stride=2, padding=2) == [{0: 2}, {0: 0, 1: 1, 2: 2}, {2: 0}]
    assert time_taps(5, stride=1, padding=0) == [{0: 0, 1: 1, 2: 2}, {1: 0, 2: 1, 3: 2}, {2: 0, 3: 1, 4: 2}]
