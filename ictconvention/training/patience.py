"""When a stage ends before its last training epoch: its validation has found no better one for some time."""

import logging

import lightning
from lightning.pytorch.callbacks import EarlyStopping

from ictconvention.configuration.options import Stage
from ictconvention.core.errors import pluralize

logger = logging.getLogger(__name__)


class Patience(EarlyStopping):
    """Ends a stage after some training epochs without a better one, by the metric that chooses the best.

    Its count is in the checkpoints. All processes see the same metric, and stop where any of them would.

    Parameters
    ----------
    stage : str
    monitor : str
        Metric whose least value is the best.
    patience : int
        Training epochs.
    """

    def __init__(self, stage: Stage, monitor: str, patience: int) -> None:
        # a value that is no number is not better: the choice of the best training epoch takes it so too
        super().__init__(monitor, patience=patience, check_finite=False, check_on_train_epoch_end=True)
        self.stage = stage

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Train no more where the run was killed after the training epoch that ended the stage."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Count a training epoch, and say where it is the last."""
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.should_stop:
            epoch = trainer.current_epoch + 1
            without = f"{pluralize(self.wait_count, 'training epoch')} without a better {self.monitor}"
            logger.info(
                f"{self.stage}: ends after training epoch {epoch}: {without} than training epoch "
                f"{epoch - self.wait_count} has"
            )
