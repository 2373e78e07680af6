"""A run's page at a tracker, beside its files. Whatever fails there is said once, and stops nothing."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ictconvention.configuration.run_groups import LoggerOptions
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import Status
from ictconvention.training.trackers.page import Page, Shown

logger = logging.getLogger(__name__)

NAMES = {"wandb": "W&B", "tensorboard": "TensorBoard", "mlflow": "MLflow"}


class Dashboard:
    """One page for one run folder, in which a run that was stopped resumes; none with `logger=csv`.

    Parameters
    ----------
    options : LoggerOptions
    folder : RunFolder
        Folder of the run; a tracker's own files go into a folder of its name there.
    status : Status
        Status of the run; keeps the id of the page.
    config : mapping
        All options of the run.
    tags : sequence of str
        Beside those of the options.
    """

    def __init__(
        self,
        options: LoggerOptions,
        folder: RunFolder,
        status: Status,
        config: Mapping[str, Any],
        tags: Sequence[str],
    ) -> None:
        self.page: Page | None = None
        self.name = NAMES.get(options.kind, "")
        self.open = True
        if options.kind == "csv":
            return
        with self._harmless():
            self.page = _open(Shown(options, folder, status, config, tags))
            logger.info(f"{self.name}: {self.page.place}")

    def log(self, stage: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add the metrics of a training epoch, counted from 1."""
        if self.page is not None and self.open:
            with self._harmless():
                self.page.log(stage, epoch, values)

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Add pictures by name."""
        if self.page is not None and self.open and pictures:
            with self._harmless():
                self.page.show(pictures)

    def show_drawn(self, stage: str, epoch: int, name: str, draw: Callable[[], Figure | None]) -> None:
        """Add the figure that a function draws after a training epoch, by name; it is called where there is a page."""
        if self.page is not None and self.open:
            with self._harmless():
                if (figure := draw()) is not None:
                    self.page.show_drawn(stage, epoch, name, figure)

    def conclude(self, scores: Mapping[str, float]) -> None:
        """Set the scores of the finished run."""
        if self.page is not None and self.open:
            with self._harmless():
                self.page.conclude(scores)

    def close(self, failed: bool) -> None:
        """End the page, as it must whatever has happened."""
        if self.page is not None:
            with self._harmless():
                self.page.close(failed)
            self.page = None

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - of whatever kind: a page must not cost a run
            self.open = False
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            logger.warning(f"{self.name} failed ({reason}); the run goes on without it")


def _open(shown: Shown) -> Page:
    """Open the page of a run; a tracker is imported where it is asked for."""
    from ictconvention.training.trackers.lightning_pages import MLflowPage, TensorBoardPage
    from ictconvention.training.trackers.wandb_page import WandbPage

    match shown.options.kind:
        case "tensorboard":
            return TensorBoardPage(shown)
        case "mlflow":
            return MLflowPage(shown)
    return WandbPage(shown)
