"""Pre-trainings that runs share: each finished one in a folder of its own below that of all runs, by its hash.

A run looks at its own pre-training's folder and at no other run. What is damaged there is left alone: the stage trains.
"""

import os
import shutil
from pathlib import Path

from ictconvention.configuration.options import Stage
from ictconvention.core.atomic import WholeFolder, whole_file
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.reading.json_file import JsonRecord
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import MetricsTable, write_json

STAGE: Stage = "pretrain"
RECORD = "pretraining.json"  # hash of the weights, and title of the run that has trained them
PRETRAINING = JsonRecord(
    dict[str, str], UsageError, "E-RUN-DAMAGED", "remove its folder", "a record of a shared pre-training"
)


class Pretraining:
    """The folder of a shared pre-training: its weights and its rows of metrics, as in a run, and their record.

    Parameters
    ----------
    runs : Path
        Folder of all runs.
    hash_ : str
        Hash of all that decides the pre-training.
    """

    def __init__(self, runs: Path, hash_: str) -> None:
        self.folder = RunFolder(runs / "pretrained" / hash_)

    def keep(self, run: RunFolder) -> None:
        """Put the finished pre-training of a run here, whole or not at all, unless there is one.

        Raises
        ------
        IctConventionError
            Another run is putting it, the disk does not allow it, or the run has lost its weights or metrics.
        """
        place = WholeFolder(self.folder.path)
        if self.folder.path.exists():
            place.remove_old_lock()
            return
        rows = run.open_metrics()
        _check_rows(rows)
        place.take()
        try:
            made = RunFolder(place.partial)
            with readable_os_errors("sharing the pre-training", self.folder.path):
                made.checkpoints.mkdir()
                _link_or_copy(run.weights(STAGE), made.weights(STAGE))
                made.open_metrics().take(rows, STAGE)
                record = {"weights": weights_hash(made.weights(STAGE)), "run": run.title}
                write_json(place.partial / RECORD, record)
                place.complete()
        finally:
            place.discard()

    def take(self, run: RunFolder, metrics: MetricsTable) -> str | None:
        """Give a run the weights and the metrics, where they are here and the run has none.

        Returns
        -------
        str or None
            Title of the run that has trained them, where they were taken.

        Raises
        ------
        UsageError
            What is here is damaged; the run is as before.
        FileSystemError
            The disk does not allow it.
        """
        own, weights = run.weights(STAGE), self.folder.weights(STAGE)
        if own.exists() or not self.folder.path.exists():
            return None
        if not (self.folder.path / RECORD).exists():
            raise UsageError("a file of it is lost", self.folder.path, "remove this folder", "E-RUN-DAMAGED")
        record = PRETRAINING.read(self.folder.path / RECORD)
        if not weights.exists() or weights_hash(weights) != record.get("weights"):
            raise UsageError(
                "its weights are not those that were put there", weights, "remove this folder", "E-RUN-DAMAGED"
            )
        rows = self.folder.open_metrics()
        _check_rows(rows)
        metrics.take(rows, STAGE)
        own.parent.mkdir(exist_ok=True)
        with whole_file(own, "taking the weights of the same pre-training", record=True) as partial:
            shutil.copyfile(weights, partial)
        return str(record.get("run"))


def _check_rows(table: MetricsTable) -> None:
    if not any(stage == STAGE for stage, _ in table.rows):
        raise UsageError("its metrics are lost", table.path, "remove this folder, and run it again", "E-RUN-DAMAGED")


def _link_or_copy(file: Path, path: Path) -> None:
    """Give a file a second name, which takes no room, or make a copy where the disk knows no second names."""
    try:
        os.link(file, path)
    except OSError:
        shutil.copyfile(file, path)
