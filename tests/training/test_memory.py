"""A process that keeps its memory takes no new pages for what it has used before."""

import subprocess
import sys

import pytest

STEPS = """
import resource
import torch
from ictconvention.training.memory import keep_freed_memory

def faults():
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(4, 4, 1024, 1024).add(1)  # two tensors of 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), keep_freed_memory(), faults())
"""


def pages() -> tuple[int, bool, int]:
    """Return the page faults of a step before, whether the setting was taken, and those after it, in a new process."""
    run = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    before, kept, after = run.stdout.split()
    return int(before), kept == "True", int(after)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the setting is glibc's")
def test_freed_memory_is_taken_again() -> None:
    for _ in range(15):  # where the heap happens to have no room to grow, it cannot be kept
        before, kept, after = pages()
        assert kept
        if after < 0.1 * before:
            return
    pytest.fail(f"a step takes {after} new pages, and took {before}")
