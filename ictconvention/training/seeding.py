"""Random numbers of training that do not depend on what came before: a resumed run draws what the whole one did."""

from typing import Any

import lightning
import numpy as np
import torch


class BatchSeeds(lightning.Callback):
    """Seed torch anew for every batch, from (seed, stage, training epoch, batch, process): what dropout draws.

    Parameters
    ----------
    seed : int
        Seed of the run.
    stage : str
        Stage of the run.
    """

    def __init__(self, seed: int, stage: str) -> None:
        self.key = [seed, *stage.encode()]

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the batch."""
        words = [*self.key, trainer.current_epoch, batch_idx, trainer.global_rank]
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:  # the same, without a note of the whole stack for each device that is not there
            torch.default_generator.manual_seed(seed)
