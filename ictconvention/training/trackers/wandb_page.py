"""A page on Weights & Biases; offline without a key: `wandb sync` uploads it later."""

import logging
import os
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from matplotlib.figure import Figure

from ictconvention.training.trackers.page import Shown

logger = logging.getLogger(__name__)


class WandbPage:
    """See `Page`.

    Parameters
    ----------
    shown : Shown
    """

    def __init__(self, shown: Shown) -> None:
        import wandb

        options, status = shown.options, shown.status
        mode: Any = "offline" if options.offline else os.environ.get("WANDB_MODE") or self._reachable(wandb)
        if "wandb" not in status.content:
            status.set(wandb=uuid4().hex[:12])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, of which a user of ours can fix none
            self.run = wandb.init(
                project=options.project,
                entity=options.entity,
                group=shown.group,
                tags=[*shown.tags, *options.tags],
                name=shown.folder.title,
                id=status.content["wandb"],
                resume="allow",
                config=dict(shown.config),
                dir=shown.folder.path,
                mode=mode,
                settings=wandb.Settings(silent=True, console="off", init_timeout=60),
            )
        for stage in ("pretrain", "finetune"):
            self.run.define_metric(f"{stage}/*", step_metric=f"{stage}/epoch")
        place = f"offline; upload it by: wandb sync {self.run.dir}" if mode == "offline" else self.run.url or mode
        self.place = str(place).removesuffix("/files")

    def _reachable(self, wandb: Any) -> str:
        try:
            return "online" if wandb.login(prompt=False) else "offline"
        except wandb.Error as error:
            logger.warning(f"W&B does not answer ({str(error).splitlines()[0]})")
            return "offline"

    def log(self, stage: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add a row of metrics."""
        self.run.log({f"{stage}/epoch": epoch, **values})

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Add pictures by name."""
        import wandb

        self.run.log({name: wandb.Image(str(path)) for name, path in pictures.items()})

    def show_drawn(self, stage: str, epoch: int, name: str, figure: Figure) -> None:
        """Add a figure."""
        import wandb
        from PIL import Image

        file = BytesIO()
        figure.savefig(file, format="png")
        self.run.log({f"{stage}/epoch": epoch, f"{stage}/{name}": wandb.Image(Image.open(file))})

    def conclude(self, scores: Mapping[str, float]) -> None:
        """Set what stands in the table of runs."""
        self.run.summary.update(dict(scores))

    def close(self, failed: bool) -> None:
        """End the page."""
        self.run.finish(exit_code=int(failed))
