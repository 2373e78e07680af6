"""A process that keeps its memory takes no new pages for what it has used before."""

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import torch
from ictconvention.experiment.memory import keep_freed_memory

kept = keep_freed_memory() if sys.argv[1] == "keep" else False
faults = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(4, 8, 1024, 1024).add(1)  # two tensors of 128 MB
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(kept, faults[-1])
"""


def pages(mode: str) -> tuple[bool, int]:
    """Return whether the setting was taken, and the page faults of a step in the steady state."""
    run = subprocess.run([sys.executable, "-c", STEPS, mode], capture_output=True, text=True, check=True)
    kept, faults = run.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the setting is glibc's")
def test_freed_memory_is_taken_again() -> None:
    tries = [pages("keep") for _ in range(3)]  # where the heap happens to have no room to grow, it cannot be kept
    assert all(kept for kept, _ in tries)
    assert min(faults for _, faults in tries) < 0.1 * pages("give back")[1]
