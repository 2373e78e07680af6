"""What a page of a tracker takes, and the names that its numbers have there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from ictconvention.configuration.run_groups import LoggerOptions
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import Status

SPECIAL = re.compile(r"[^-/.\w]", re.ASCII)  # what the name of a number must not hold at some tracker


@dataclass(frozen=True)
class Shown:
    """What a page is about.

    Parameters
    ----------
    options : LoggerOptions
    folder : RunFolder
        Folder of the run; a tracker's own files go into a folder of its name there.
    status : Status
        Status of the run; keeps the id of the page, in which a run that was stopped resumes.
    config : mapping
        All options of the run.
    tags : sequence of str
        Beside those of the options.
    """

    options: LoggerOptions
    folder: RunFolder
    status: Status
    config: Mapping[str, Any]
    tags: Sequence[str]

    @property
    def group(self) -> str:
        """Name by which runs stand together."""
        return self.options.group or self.folder.path.parent.name


class Page(Protocol):
    """One page of a tracker. What it raises is of any kind; `Dashboard` says it once, and the run goes on."""

    place: str

    def log(self, stage: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add the metrics of a training epoch, counted from 1."""

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Add the pictures of these files, by name."""

    def show_drawn(self, stage: str, epoch: int, name: str, figure: Figure) -> None:
        """Add a figure that was drawn after a training epoch."""

    def conclude(self, scores: Mapping[str, float]) -> None:
        """Set the scores of the finished run."""

    def close(self, failed: bool) -> None:
        """End the page."""


class PlainNames:
    """Names of letters, digits and `_-./` for numbers of any name; two numbers never share one."""

    def __init__(self) -> None:
        self._plain: dict[str, str] = {}

    def rename(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values by their plain names."""
        return {self._name(name): value for name, value in values.items()}

    def _name(self, name: str) -> str:
        if name not in self._plain:
            plain, taken = SPECIAL.sub("_", name), set(self._plain.values())
            tries = [plain, *(f"{plain}_{number}" for number in range(2, len(taken) + 3))]
            self._plain[name] = next(one for one in tries if one not in taken)
        return self._plain[name]
