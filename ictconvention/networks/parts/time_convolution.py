"""Three-dimensional convolution over a time axis of a few steps, with fewer products where that is exact and pays.

It knows neither frames nor bands.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = 3  # time steps that a kernel spans


def time_taps(steps: int, stride: int, padding: int) -> list[dict[int, int]]:
    """Return, for each output step, the input steps that it sees and the tap of the kernel that each meets.

    On a time axis of three steps most of what a kernel spans is padding: 9 of 15 taps are real where 3 steps become 5.
    """
    outputs = (steps + 2 * padding - TAPS) // stride + 1
    starts = [stride * output - padding for output in range(outputs)]
    return [{start + tap: tap for tap in range(TAPS) if 0 <= start + tap < steps} for start in starts]


# The compiler of torch 2.13 fails on these strides where the number of groups varies.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def time_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """Convolve in time, height and width; equal to `torch.nn.functional.conv3d` up to rounding.

    Parameters
    ----------
    x : tensor (G, in, T, H, W)
        Best in the memory format `channels_last_3d`.
    weight : tensor (out, in, h, w, 3)
        The kernel of a Conv3d whose last axis is time.
    bias : tensor (out,) or None
        What each output channel adds.
    stride, padding : int
        The same for all three axes.

    Returns
    -------
    tensor (G, out, T', H', W')
        The two large shapes of the frame-group CNN, 3 to 5 steps and 5 to 3, need nine products of a step with a tap.
        In full precision on a CPU they take six Conv2d instead (Karatsuba's trick). Elsewhere (bfloat16, the TF32 of a
        GPU, an exported graph) the trick would round differences of large numbers, and Conv3d serves.
    """
    full_precision = x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(x.device.type)
    if full_precision and x.device.type == "cpu" and not torch.compiler.is_exporting():
        match x.shape[2], stride, padding:
            case 3, 1, 2:
                return _every_product(x, weight, bias, padding)
            case 5, 1, 0:
                return _sliding_products(x, weight, bias)
    kernel = weight.permute(0, 4, 2, 3, 1).contiguous().permute(0, 4, 1, 2, 3)  # channels_last_3d, of one channel too
    return F.conv3d(x, kernel, bias, stride, padding)


def _every_product(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """Three steps to five: y[s + j] sums x[s] * k[j] (taps in reverse), from the products of sums.

    x0 k1 + x1 k0 = (x0 + x1)(k0 + k1) - x0 k0 - x1 k1, and so on. The bias goes in where each output gets it once.
    """
    x0, x1, x2 = x.unbind(2)
    k2, k1, k0 = weight.unbind(4)

    def product(step: Tensor, kernel: Tensor, biases: int) -> Tensor:
        return _conv2d(step, kernel, biases * bias if biases and bias is not None else None, padding)

    x0k0, x1k1, x2k2 = product(x0, k0, 1), product(x1, k1, 0), product(x2, k2, 1)
    steps = [
        x0k0,
        product(x0 + x1, k0 + k1, 2) - x0k0 - x1k1,
        product(x0 + x2, k0 + k2, 3) - x0k0 - x2k2 + x1k1,
        product(x1 + x2, k1 + k2, 2) - x1k1 - x2k2,
        x2k2,
    ]
    return _stacked(steps)


def _sliding_products(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Five steps to three: y[t] = x[t] k0 + x[t+1] k1 + x[t+2] k2, the transpose of the scheme above.

    x1 (k0 + k1) is what y0 and y1 share but for corrections by x1 k0 and x1 k1, which join other products.
    """
    x0, x1, x2, x3, x4 = x.unbind(2)
    k0, k1, k2 = weight.unbind(4)

    def product(step: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return _conv2d(step, kernel, bias, 0)

    x1k01, x2k02, x3k12 = product(x1, k0 + k1, bias), product(x2, k0 + k2), product(x3, k1 + k2)
    steps = [
        product(x0 - x1 - x2, k0) + x1k01 + x2k02,
        product(x2 - x1 - x3, k1) + x1k01 + x3k12,
        product(x4 - x3 - x2, k2, bias) + x2k02 + x3k12,
    ]
    return _stacked(steps)


def _conv2d(x: Tensor, kernel: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    return F.conv2d(x, kernel.contiguous(memory_format=torch.channels_last), bias, padding=padding)


def _stacked(steps: list[Tensor]) -> Tensor:
    """Stack steps (G, C, H, W) to (G, C, T, H, W) in channels_last_3d."""
    return torch.stack([step.permute(0, 2, 3, 1) for step in steps], dim=1).permute(0, 4, 1, 2, 3)
