"""A run's page on Weights & Biases, beside its files. Whatever fails there is said once, and stops nothing."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from matplotlib.figure import Figure

from ictconvention.configuration.schema import LoggerOptions
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import Status

logger = logging.getLogger(__name__)


class Dashboard:
    """One W&B run for one run folder, in which a run that was stopped resumes; none with `logger=csv`.

    Without a key it is offline: `wandb sync` uploads it later.

    Parameters
    ----------
    options : LoggerOptions
    folder : RunFolder
        Folder of the run; W&B's own files go into its folder `wandb`.
    status : Status
        Status of the run; keeps the id.
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
        self.page: Any = None
        self.open = True
        if options.kind == "csv":
            return
        with self._harmless():
            self._open(options, folder, status, config, tags)

    def _open(
        self, options: LoggerOptions, folder: RunFolder, status: Status, config: Mapping[str, Any], tags: Sequence[str]
    ) -> None:
        import wandb

        mode: Any = "offline" if options.offline else os.environ.get("WANDB_MODE") or self._reachable(wandb)
        if "wandb" not in status.content:
            status.set(wandb=uuid4().hex[:12])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, of which a user of ours can fix none
            self.page = wandb.init(
                project=options.project,
                entity=options.entity,
                group=options.group or folder.path.parent.name,
                tags=[*tags, *options.tags],
                name=folder.title,
                id=status.content["wandb"],
                resume="allow",
                config=dict(config),
                dir=folder.path,
                mode=mode,
                settings=wandb.Settings(silent=True, console="off", init_timeout=60),
            )
        for stage in ("pretrain", "finetune"):
            self.page.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        place = f"offline; upload it by: wandb sync {self.page.dir}" if mode == "offline" else self.page.url or mode
        logger.info(f"W&B: {str(place).removesuffix('/files')}")

    def _reachable(self, wandb: Any) -> str:
        try:
            return "online" if wandb.login(prompt=False) else "offline"
        except wandb.Error as error:
            logger.warning(f"W&B does not answer ({str(error).splitlines()[0]})")
            return "offline"

    def log(self, values: Mapping[str, object]) -> None:
        """Add a row of metrics."""
        if self.page is not None and self.open:
            with self._harmless():
                self.page.log(dict(values))

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Add pictures by name."""
        if self.page is not None and self.open and pictures:
            with self._harmless():
                import wandb

                self.page.log({name: wandb.Image(str(path)) for name, path in pictures.items()})

    def show_drawn(self, stage: str, epoch: int, name: str, draw: Callable[[], Figure | None]) -> None:
        """Add the figure that a function draws after a training epoch, by name; it is called where there is a page."""
        if self.page is not None and self.open:
            with self._harmless():
                import wandb
                from PIL import Image

                if (figure := draw()) is not None:
                    file = BytesIO()
                    figure.savefig(file, format="png")
                    picture = wandb.Image(Image.open(file))
                    self.page.log({f"{stage}/epoch": epoch, f"{stage}/{name}": picture})

    def conclude(self, scores: Mapping[str, object]) -> None:
        """Set what stands in the table of runs."""
        if self.page is not None and self.open:
            with self._harmless():
                self.page.summary.update(dict(scores))

    def close(self, failed: bool) -> None:
        """End the page, as it must whatever has happened."""
        if self.page is not None:
            with self._harmless():
                self.page.finish(exit_code=int(failed))
            self.page = None

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - of whatever kind: a page must not cost a run
            self.open = False
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            logger.warning(f"W&B failed ({reason}); the run goes on without it")
