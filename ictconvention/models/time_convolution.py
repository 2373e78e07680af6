"""Three-dimensional convolution over a time axis of a few steps, as two-dimensional convolutions of whole time steps.

Most of the arithmetic of a Conv3d over three frames meets the zero padding of the time axis. Here only products of a
real time step with a real tap are computed. It knows neither frames nor bands.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = 3  # time steps that a kernel spans


def time_taps(steps: int, stride: int, padding: int) -> list[list[tuple[int, int]]]:
    """Return, for each output step, the pairs (input step, tap of the kernel) that a zero-padded axis makes real."""
    outputs = (steps + 2 * padding - TAPS) // stride + 1
    starts = [stride * output - padding for output in range(outputs)]
    return [[(start + tap, tap) for tap in range(TAPS) if 0 <= start + tap < steps] for start in starts]


def time_convolution(
    x: Sequence[Tensor], weight: Tensor, bias: Tensor | None, stride: int, padding: int
) -> list[Tensor]:
    """Convolve in time, height and width; equal to `torch.nn.functional.conv3d` up to rounding.

    Parameters
    ----------
    x : sequence of T tensors (G, in, H, W)
        The time steps, each best in the memory format `channels_last`.
    weight : tensor (out, in, h, w, 3)
        The kernel of a Conv3d whose last axis is time.
    bias : tensor (out,) or None
        What each output channel adds.
    stride, padding : int
        The same for all three axes.

    Returns
    -------
    list of T' tensors (G, out, H', W')
        One Conv2d per output step over its real taps, or per input step where steps get fewer. The two large shapes of
        the frame-group CNN, 3 to 5 steps and 5 to 3, need six products of a step with a tap, not nine (Karatsuba's
        trick), in full precision on a CPU. Elsewhere (bfloat16, the TF32 of a GPU) the nine are kept, since the trick
        would round differences of large numbers.
    """
    kernels = weight.permute(4, 0, 1, 2, 3).unbind(0)
    full_precision = x[0].dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(x[0].device.type)
    if full_precision and x[0].device.type == "cpu":
        match len(x), stride, padding:
            case 3, 1, 2:
                return _every_product(x, kernels, bias, padding)
            case 5, 1, 0:
                return _sliding_products(x, kernels, bias)
    taps = time_taps(len(x), stride, padding)
    if len(x) > len(taps) > 1:
        return _by_input_step(x, kernels, bias, taps, stride, padding)
    outputs = []
    for pairs in taps:
        steps = torch.cat([x[step] for step, _ in pairs], dim=1)
        kernel = torch.cat([kernels[tap] for _, tap in pairs], dim=1)
        outputs.append(_conv2d(steps, kernel, bias, stride, padding))
    return outputs


def _by_input_step(
    x: Sequence[Tensor],
    kernels: Sequence[Tensor],
    bias: Tensor | None,
    taps: list[list[tuple[int, int]]],
    stride: int,
    padding: int,
) -> list[Tensor]:
    """One convolution of each input step for all outputs that it reaches, then sums: copies less where steps shrink."""
    outputs: dict[int, Tensor] = {}
    for number, step in enumerate(x):
        reached = {output: tap for output, pairs in enumerate(taps) for source, tap in pairs if source == number}
        first = [bias * (output not in outputs) for output in reached] if bias is not None else None
        kernel = torch.cat([kernels[tap] for tap in reached.values()])
        convolved = _conv2d(step, kernel, torch.cat(first) if first else None, stride, padding)
        for output, part in zip(reached, convolved.chunk(len(reached), dim=1), strict=True):
            outputs[output] = outputs[output] + part if output in outputs else part
    return [outputs[output] for output in range(len(taps))]


def _every_product(x: Sequence[Tensor], kernels: Sequence[Tensor], bias: Tensor | None, padding: int) -> list[Tensor]:
    """Three steps to five: y[s + j] sums x[s] * k[j] (taps in reverse), from the products of sums.

    x0 k1 + x1 k0 = (x0 + x1)(k0 + k1) - x0 k0 - x1 k1, and so on. The bias goes in where each output gets it once.
    """
    k2, k1, k0 = kernels

    def product(step: Tensor, kernel: Tensor, biases: int) -> Tensor:
        return _conv2d(step, kernel, biases * bias if biases and bias is not None else None, 1, padding)

    x0k0, x1k1, x2k2 = product(x[0], k0, 1), product(x[1], k1, 0), product(x[2], k2, 1)
    return [
        x0k0,
        product(x[0] + x[1], k0 + k1, 2) - x0k0 - x1k1,
        product(x[0] + x[2], k0 + k2, 3) - x0k0 - x2k2 + x1k1,
        product(x[1] + x[2], k1 + k2, 2) - x1k1 - x2k2,
        x2k2,
    ]


def _sliding_products(x: Sequence[Tensor], kernels: Sequence[Tensor], bias: Tensor | None) -> list[Tensor]:
    """Five steps to three: y[t] = x[t] k0 + x[t+1] k1 + x[t+2] k2, the transpose of the scheme above.

    x1 (k0 + k1) is what y0 and y1 share but for corrections by x1 k0 and x1 k1, which join other products.
    """
    k0, k1, k2 = kernels

    def product(step: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return _conv2d(step, kernel, bias, 1, 0)

    x1k01, x2k02, x3k12 = product(x[1], k0 + k1, bias), product(x[2], k0 + k2), product(x[3], k1 + k2)
    return [
        product(x[0] - x[1] - x[2], k0) + x1k01 + x2k02,
        product(x[2] - x[1] - x[3], k1) + x1k01 + x3k12,
        product(x[4] - x[3] - x[2], k2, bias) + x2k02 + x3k12,
    ]


def _conv2d(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    kernel = kernel.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # channels_last, for one input channel too
    return F.conv2d(x, kernel, bias, stride, padding)
