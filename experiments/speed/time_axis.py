"""What the short time axis costs: forms of the two large layers of the frame-group CNN, forward and backward.

    python experiments/speed/time_axis.py [--groups 528] [--repeats 7] [--threads N]

Conv3d with the time axis last (as published) and first, one dense block-Toeplitz Conv2d over channels x time, one
Conv2d per output time over its real taps, and the form that the package takes. Random input in
channels_last_3d (the published form pays for its own layout), interleaved repeats in one process; medians, in
milliseconds a group.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.networks.parts.time_convolution import time_convolution, time_taps
from ictconvention.training.memory import keep_freed_memory

LAYERS = {"64 -> 128, 5x5, 3 -> 5 times": (3, 64, 128, 5, 2), "128 -> 64, 3x3, 5 -> 3 times": (5, 128, 64, 3, 0)}
Form = Callable[[Tensor, Tensor, int], Tensor]


def conv3d(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    return F.conv3d(x.movedim(2, -1).contiguous(), weight, padding=padding)


def conv3d_time_first(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    kernel = weight.movedim(-1, 2).contiguous(memory_format=torch.channels_last_3d)
    return F.conv3d(x, kernel, padding=padding)


def toeplitz(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    kernels = weight.permute(4, 0, 1, 2, 3)
    zero, steps = torch.zeros_like(kernels[0]), x.shape[2]
    rows = [
        torch.cat([kernels[taps[step]] if step in taps else zero for step in range(steps)], dim=1)
        for taps in time_taps(steps, 1, padding)
    ]
    kernel = torch.cat(rows).contiguous(memory_format=torch.channels_last)
    return F.conv2d(torch.cat(x.unbind(2), dim=1), kernel, padding=padding)


def real_taps(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    outputs = []
    for taps in time_taps(x.shape[2], 1, padding):
        steps = torch.cat([x[:, :, step] for step in taps], dim=1)
        kernel = torch.cat([weight[..., tap] for tap in taps.values()], dim=1)
        outputs.append(F.conv2d(steps, kernel.contiguous(memory_format=torch.channels_last), padding=padding))
    return torch.cat(outputs)


def taken(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    return time_convolution(x, weight, None, 1, padding)


FORMS: dict[str, Form] = {
    "Conv3d, time last": conv3d,
    "Conv3d, time first": conv3d_time_first,
    "dense Toeplitz Conv2d": toeplitz,
    "Conv2d over real taps": real_taps,
    "as the package does": taken,
}


def seconds(form: Form, x: Tensor, weight: Tensor, padding: int) -> float:
    start = time.perf_counter()
    result = form(x, weight, padding)
    forward = time.perf_counter() - start
    gradient = torch.randn_like(result)
    start = time.perf_counter()
    torch.autograd.backward(result, gradient)
    return forward + time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, default=528, help="a batch of 16 objects of 99 frames")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.groups} groups, {options.repeats} rounds")
    for layer, (steps, channels_in, channels_out, kernel, padding) in LAYERS.items():
        times: dict[tuple[str, torch.dtype], list[float]] = {}
        for number in range(options.repeats + 2):
            for dtype in (torch.float32, torch.bfloat16):
                x = torch.randn(options.groups, channels_in, steps, 13, 13).to(dtype)
                x = x.contiguous(memory_format=torch.channels_last_3d).requires_grad_()
                weight = torch.randn(channels_out, channels_in, kernel, kernel, 3, requires_grad=True)
                for name, form in FORMS.items():
                    elapsed = seconds(form, x, weight.to(dtype), padding)
                    if number > 1:  # the first two rounds fill the caches and the allocator
                        times.setdefault((name, dtype), []).append(elapsed / options.groups * 1e3)
        print(f"\n{layer:32}{'float32':>10}{'bfloat16':>10}")
        for name in FORMS:
            medians = [statistics.median(times[name, dtype]) for dtype in (torch.float32, torch.bfloat16)]
            print(f"{name:32}" + "".join(f"{median:10.2f}" for median in medians))


if __name__ == "__main__":
    main()
