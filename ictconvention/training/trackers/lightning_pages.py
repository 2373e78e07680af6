"""Pages by Lightning's loggers: TensorBoard, and MLflow. Both are files in the folder of the run, and need no network.

A number stands at the training epoch that it is of; the scores of the finished run at 0.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ictconvention.training.trackers.page import PlainNames, Shown


class TensorBoardPage:
    """Events for `tensorboard --logdir FOLDER`; see `Page`.

    Parameters
    ----------
    shown : Shown
    """

    def __init__(self, shown: Shown) -> None:
        from lightning.pytorch.loggers import TensorBoardLogger

        self.logger = TensorBoardLogger(shown.folder.path, name="tensorboard", version="", default_hp_metric=False)
        self.logger.log_hyperparams(dict(shown.config))
        self.names = PlainNames()
        self.place = f"tensorboard --logdir {self.logger.log_dir}"

    def log(self, stage: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add a row of metrics."""
        self.logger.log_metrics(self.names.rename(values), step=epoch)

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Add pictures by name."""
        import numpy as np
        from PIL import Image

        for name, path in pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self.logger.experiment.add_image(name, pixels, dataformats="HWC")

    def show_drawn(self, stage: str, epoch: int, name: str, figure: Figure) -> None:
        """Add a figure."""
        self.logger.experiment.add_figure(f"{stage}/{name}", figure, global_step=epoch, close=False)

    def conclude(self, scores: Mapping[str, float]) -> None:
        """Set the scores."""
        self.logger.log_metrics(self.names.rename(scores), step=0)

    def close(self, failed: bool) -> None:
        """End the page."""
        self.logger.finalize("failed" if failed else "success")
        self.logger.experiment.close()


class MLflowPage:
    """A run of MLflow, in the folder `mlflow` of the run or at `logger.uri`; see `Page`.

    Parameters
    ----------
    shown : Shown
    """

    def __init__(self, shown: Shown) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it is local, until `logger.uri` says otherwise
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # from 3.10 on it asks for this
        from lightning.pytorch.loggers import MLFlowLogger

        options, status, known = shown.options, shown.status, shown.status.content.get("mlflow")
        uri = options.uri or f"file:{(shown.folder.path / 'mlflow').absolute()}"
        self.logger = MLFlowLogger(
            options.project,
            run_name=shown.folder.title,
            tracking_uri=uri,
            tags={"group": shown.group, "tags": ", ".join([*shown.tags, *options.tags])},
            run_id=known,
        )
        if known is None:
            self.logger.log_hyperparams(dict(shown.config))
            status.set(mlflow=self.logger.run_id)
        else:
            self.logger.experiment.update_run(known, status="RUNNING")
        self.names = PlainNames()
        self.place = uri

    def log(self, stage: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add a row of metrics."""
        self.logger.log_metrics(self.names.rename(values), step=epoch)

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Add pictures by name."""
        for path in pictures.values():
            self.logger.experiment.log_artifact(str(self.logger.run_id), str(path), "figures")

    def show_drawn(self, stage: str, epoch: int, name: str, figure: Figure) -> None:
        """Add a figure."""
        file = f"figures/{stage}-{name}-epoch{epoch}.png"
        self.logger.experiment.log_figure(str(self.logger.run_id), figure, file)

    def conclude(self, scores: Mapping[str, float]) -> None:
        """Set the scores."""
        self.logger.log_metrics(self.names.rename(scores), step=0)

    def close(self, failed: bool) -> None:
        """End the page."""
        self.logger.finalize("failed" if failed else "success")
