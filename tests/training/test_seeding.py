"""Every batch draws from a seed of its own."""

from typing import Any

import numpy as np
import torch

from ictconvention.training.seeding import BatchSeeds


def drawn(batch: int, before: int = 0, rank: int = 1) -> list[float]:
    """Return what a batch draws after some numbers were drawn before it."""
    place: Any = type("Place", (), {"current_epoch": 2, "global_rank": rank})
    torch.rand(before)
    BatchSeeds(3, "pretrain").on_train_batch_start(place, place, None, batch)
    return [float(x) for x in torch.rand(4)]


def test_a_batch_draws_the_same_whatever_was_drawn_before_and_no_two_draw_alike() -> None:
    assert drawn(7) == drawn(7, before=5)
    assert len({tuple(drawn(batch, rank=rank)) for batch in (7, 8) for rank in (0, 1)}) == 4


def test_its_numbers_are_those_of_torchs_own_seed() -> None:
    words = [3, *b"pretrain", 2, 7, 1]
    torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    expected = [float(x) for x in torch.rand(4)]
    assert drawn(7) == expected
