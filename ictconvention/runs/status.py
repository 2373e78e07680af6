"""How far a run is, in `status.json` and `metrics.csv`: whole at any moment, and taken up again after a kill."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeFloat, NonNegativeInt

from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stage_of, stages_of
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.core.plain_file import open_plain
from ictconvention.reading.json_file import ABSENT, JsonRecord, Shape

AGAIN = "remove it, and give the command again that trained the run, which writes it anew"
State = Literal["running", "finished", "stopped", "failed"]


def write_json(path: Path, content: object) -> None:
    """Write plain values to a JSON file of a run or a sweep, whole."""
    with whole_file(path, f"saving {path.name}", record=True) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


class StatusShape(Shape):
    """The types of what `status.json` says."""

    state: State = ABSENT
    stage: str = ABSENT
    epochs: dict[str, NonNegativeInt] = ABSENT
    seconds: dict[str, NonNegativeFloat] = ABSENT
    core_seconds: dict[str, NonNegativeFloat] = ABSENT
    hashes: dict[str, str] = ABSENT
    survey: str | None = ABSENT
    survey_hash: str = ABSENT
    error: str | None = ABSENT
    wandb: str = ABSENT
    mlflow: str = ABSENT


SHIFT, TEACHER = "shift", "teacher"  # beside the stages, what an answer to a shift costs, and what asking a teacher
STATUS = JsonRecord(StatusShape, UsageError, "E-RUN-DAMAGED", AGAIN, "a status of a run")


def survey_of(status: Mapping[str, Any]) -> Path | None:
    """Return the folder of the survey that a run says it had, where it still is."""
    path = status.get("survey")
    return Path(path) if path is not None and Path(path).is_dir() else None


class Status:
    """What `status.json` of a run says.

    `state` (running, finished, stopped, failed; a killed run still says running), `stage` and `epochs` (how many each
    stage has trained), `seconds` (of each stage's training, validation included), `core_seconds` (the CPU time of the
    same, and of measuring an answer to a shift or asking a teacher, where one process did it all without a GPU),
    `hashes` (of the run, and of its pre-training), and what else is put there.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {"state": "running", "epochs": {}, "seconds": {}, "hashes": {}}
        if os.path.lexists(self.path):
            self.content |= STATUS.read(self.path)

    def set(self, **entries: object) -> None:
        """Set entries, and save."""
        self.content |= entries
        write_json(self.path, self.content)

    def measure(self, what: str, core_seconds: float) -> None:
        """Note the CPU time of what was measured before the stages: `SHIFT` or `TEACHER`."""
        self.set(core_seconds={**self.content.get("core_seconds", {}), what: round(core_seconds, 3)})

    def end_epoch(self, stage: str, epoch: int, seconds: float, core_seconds: float | None = None) -> None:
        """Note that a training epoch, counted from 1, has ended, how long it took, and its CPU time where known."""
        spent, cores = self.content["seconds"], dict(self.content.get("core_seconds", {}))
        before = spent.get(stage, 0.0) if epoch > 1 else 0.0
        earlier = cores.pop(stage, None)
        known = earlier if epoch > 1 else 0.0
        if known is not None and core_seconds is not None:  # no sum where a training epoch is not known
            cores[stage] = round(known + core_seconds, 3)
        self.set(
            stage=stage,
            epochs=self.content["epochs"] | {stage: epoch},
            seconds=spent | {stage: round(before + seconds, 3)},
            core_seconds=cores,
        )


class MetricsTable:
    """`metrics.csv` of a run: a row for each training epoch of each stage, a column for each metric.

    A training epoch that is repeated after a kill replaces its row.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[str, int], dict[str, str | float]] = {}
        if os.path.lexists(path):
            try:
                with (
                    readable_os_errors("reading the metrics", path),
                    open_plain(path) as content,
                    io.TextIOWrapper(content, encoding="utf-8", newline="") as file,
                ):
                    for row in csv.DictReader(file):
                        key = (row.pop("stage"), int(row.pop("epoch")))
                        self.rows[key] = {name: value for name, value in row.items() if value}
            except (KeyError, TypeError, ValueError, csv.Error) as error:
                fix = "remove it: the training epochs to come make a new one"
                raise UsageError("this is not a table of metrics", path, fix, "E-RUN-DAMAGED") from error

    def add(self, stage: str, epoch: int, metrics: dict[str, float]) -> None:
        """Add the row of a training epoch, counted from 1, and save."""
        self.rows[stage, epoch] = dict(metrics)
        self.save()

    def take(self, other: "MetricsTable", stage: str) -> None:
        """Take over the rows of a stage that another run has trained, and save."""
        self.rows |= {key: row for key, row in other.rows.items() if key[0] == stage}
        self.save()

    def save(self) -> None:
        """Write the file, whole."""
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        with (
            whole_file(self.path, "saving the metrics", record=True) as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, ["stage", "epoch", *columns])
            writer.writeheader()
            for (stage, epoch), row in self.rows.items():
                writer.writerow({"stage": stage, "epoch": epoch, **row})


@dataclass(frozen=True)
class KeptEpoch:
    """The training epoch whose weights a stage ended with.

    Parameters
    ----------
    stage : str
    epoch, epochs : int
        Which, counted from 1, of how many that were trained.
    metric : str, optional
        The metric of validation whose least value chose it; None: it is the last.
    value : float, optional
        That value.
    """

    stage: str
    epoch: int
    epochs: int
    metric: str | None = None
    value: float | None = None

    def __str__(self) -> str:
        which = "the last" if self.metric is None else f"the lowest {self.metric} ({self.value:.3f})"
        return f"training epoch {self.epoch} of {self.epochs}, {which}"


def find_kept(metrics: MetricsTable, options: RunOptions, monitor: str) -> list[KeptEpoch]:
    """Return which training epoch each stage of a run has kept; a stage whose metrics are not all there is left out.

    Parameters
    ----------
    metrics : MetricsTable
        Of a run whose stages are finished.
    options : RunOptions
        The run's.
    monitor : str
        The metric of validation whose least value chooses, see `Task.monitor`.
    """
    found = []
    for stage in stages_of(options):
        rows = {epoch: row for (name, epoch), row in sorted(metrics.rows.items()) if name == stage}
        if not rows or list(rows) != list(range(1, len(rows) + 1)):
            continue
        if stage_of(options, stage).keep == "last":
            found.append(KeptEpoch(stage, len(rows), len(rows)))
            continue
        values = {epoch: float(row.get(f"{stage}/val/{monitor}", "nan")) for epoch, row in rows.items()}
        if known := {epoch: value for epoch, value in values.items() if isfinite(value)}:
            best = min(known, key=lambda epoch: known[epoch])  # the first of equal ones, as the checkpoint is
            found.append(KeptEpoch(stage, best, len(rows), f"val/{monitor}", known[best]))
    return found


def describe_kept(kept: Sequence[KeptEpoch]) -> str:
    """Return in one line which training epoch each stage has kept, and by which metric."""
    return "kept: " + "; ".join(f"{one.stage}, {one}" if len(kept) > 1 else str(one) for one in kept)
