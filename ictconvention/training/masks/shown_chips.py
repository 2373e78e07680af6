"""Estimated masks of a few validation chips on a run's W&B page, every few training epochs."""

import lightning

from ictconvention.configuration.options import Stage
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision, rank_zero
from ictconvention.training.dashboard import Dashboard
from ictconvention.training.masks.figures import draw_validation_chips

PICTURES = 8  # of a stage, about


class ChipsOnPage(lightning.Callback):
    """Shows the same chips of the validation part after the first, the last and some training epochs between.

    A run without a page draws nothing. Training goes on as it would: the chips are predicted in eval mode.

    Parameters
    ----------
    stage : str
        Begins the name of the picture.
    data : SeriesDataModule
        Data of the stage.
    dashboard : Dashboard
        The page.
    precision : "32-true" or "bf16-mixed"
        As in training.
    """

    def __init__(self, stage: Stage, data: SeriesDataModule, dashboard: Dashboard, precision: Precision) -> None:
        self.stage, self.data, self.dashboard, self.precision = stage, data, dashboard, precision

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the chips, where it is time."""
        epoch, last = trainer.current_epoch + 1, trainer.max_epochs or 0
        due = epoch in (1, last) or epoch % max(last // PICTURES, 1) == 0 or trainer.should_stop
        if due and rank_zero() and isinstance(pl_module, Learner):
            learner = pl_module
            self.dashboard.show_drawn(
                self.stage, epoch, "masks", lambda: draw_validation_chips(learner, self.data, self.precision)
            )
