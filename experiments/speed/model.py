"""How fast ConvEntion trains: forward and backward, against a plain transcription of the published loops.

    python experiments/speed/model.py [--batch 16] [--repeats 7] [--warm-up 2] [--threads N] [--plain-allocator]

Full objects of 99 frames, so that nothing is gained by leaving padding out; the paper's sizes; interleaved repeats in
one process; medians, and ratios of the same round. The transcription is `tests/networks/published.py`. Both run with
memory kept between steps (`ictconvention.training.memory`), as in training, unless --plain-allocator is given.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ictconvention.networks.convention import ConvEntion
from ictconvention.training.memory import keep_freed_memory

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the clone: the transcription lives with the tests
from tests.networks.published import PublishedConvEntion

FRAMES = 99


def seconds(model: nn.Module, logits: Callable[[], Tensor], label: Tensor, bf16: bool) -> float:
    """Return the time of one forward and backward pass [s]."""
    model.zero_grad()
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = nn.functional.cross_entropy(logits().float(), label)
    torch.autograd.backward(loss)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before, which fill the caches and the allocator")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--plain-allocator", action="store_true", help="give freed memory back to the system")
    arguments = parser.parse_args()
    if min(arguments.batch, arguments.repeats, arguments.threads) < 1:
        parser.error("--batch, --repeats and --threads take whole numbers from 1")
    if arguments.warm_up < 0:
        parser.error("--warm-up takes a whole number from 0")
    kept = not arguments.plain_allocator and keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    batch = arguments.batch
    frames, label = torch.randn(batch, FRAMES, 32, 32), torch.randint(0, 4, (batch,))
    band = torch.randint(1, 6, (batch, FRAMES))
    lengths = torch.full((batch,), FRAMES)
    published, ours = PublishedConvEntion(), ConvEntion()
    passes: dict[str, Callable[[], float]] = {
        "published loops, float32": lambda: seconds(published, lambda: published(frames, band), label, False),
        "ConvEntion, float32": lambda: seconds(
            ours, lambda: ours(frames.flatten(0, 1), band.flatten(), lengths), label, False
        ),
        "ConvEntion, bfloat16": lambda: seconds(
            ours, lambda: ours(frames.flatten(0, 1), band.flatten(), lengths), label, True
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in passes}
    for number in range(arguments.warm_up + arguments.repeats):
        for name, one_pass in passes.items():
            elapsed = one_pass()
            if number >= arguments.warm_up:
                times[name].append(elapsed)

    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    print(
        f"torch {torch.__version__}, {arguments.threads} threads, {amx}, freed memory "
        f"{'kept' if kept else 'given back'}; {batch} objects of {FRAMES} frames, {arguments.repeats} rounds"
    )
    base = times["published loops, float32"]
    print(f"{'':28}{'seconds, median':>16}{'least to most':>18}{'times as fast':>16}{'least to most':>18}")
    for name, own in times.items():
        ratios = [b / o for b, o in zip(base, own, strict=True)]
        print(
            f"{name:28}{statistics.median(own):16.2f}{f'{min(own):.2f} to {max(own):.2f}':>18}"
            f"{statistics.median(ratios):16.2f}{f'{min(ratios):.2f} to {max(ratios):.2f}':>18}"
        )


if __name__ == "__main__":
    main()
