"""Frames that stay, of whole objects in the order of a survey: on the disk, cut where the survey's shards begin."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ictconvention.core.errors import UsageError
from ictconvention.ingestion.found import FRAME_LINES
from ictconvention.ingestion.gathering.gather import GatheredFrames
from ictconvention.ingestion.gathering.table_file import FilePart, TableFile
from ictconvention.ingestion.rejects import Rejects
from ictconvention.survey.format import NANOMAGGY
from ictconvention.survey.writer import SHARD_FRAMES


class KeptFrames:
    """Lines about frames that wait in a file, and what is known of all of them together.

    Iteration yields the frames of some objects after those of others.

    Parameters
    ----------
    file : TableFile
        Where they wait; empty, of `FRAME_LINES` or more columns.

    Attributes
    ----------
    objects : int
        How many there are.
    bands : set of str
        Their bands.
    known : set of str
        The columns of numbers in which one at least is finite.
    normalised : bool
        Whether all of them are.
    lines : TableFile
        The file.
    objects_of_shards : list of int
        How many there are in each shard.
    """

    def __init__(self, file: TableFile) -> None:
        self.objects = 0
        self.bands: set[str] = set()
        self.known: set[str] = set()
        self.normalised = True
        self.lines = file
        self.objects_of_shards: list[int] = []
        self._shards: list[list[int]] = []  # the batches of each
        self._shard = -1  # its number if none were left out, as is one in which no object begins
        self._numbers = [one.name for one in FRAME_LINES if pa.types.is_floating(one.type)]

    def __len__(self) -> int:
        return self.lines.rows

    @property
    def schema(self) -> pa.Schema:
        """The schema of the lines."""
        return self.lines.schema

    def __iter__(self) -> Iterator[GatheredFrames]:
        return map(GatheredFrames, self.lines.tables())

    def append(self, frames: GatheredFrames) -> None:
        """Add the frames of objects that come after all others."""
        if not len(frames):
            return
        self.objects += len(frames.ids)
        self.bands |= frames.bands
        self.known |= {name for name in self._numbers if np.isfinite(frames.number(name)).any()}
        self.normalised &= bool(frames.lines.column("normalised").to_numpy().all())
        shard = (len(self) + frames.start[:-1]) // SHARD_FRAMES
        first = np.flatnonzero(np.diff(shard, prepend=-1)).tolist()
        for begin, end in zip(first, [*first[1:], len(frames.ids)], strict=True):
            if shard[begin] != self._shard:
                self._shards.append([])
                self.objects_of_shards.append(0)
                self._shard = int(shard[begin])
            self.objects_of_shards[-1] += end - begin
            begins, ends = int(frames.start[begin]), int(frames.start[end])
            self._shards[-1].append(self.lines.append(frames.lines.slice(begins, ends - begins)))

    def shards(self) -> list[FilePart]:
        """Return the frames of each shard, as another process reads them."""
        self.lines.sync()
        return [self.lines.part(batches) for batches in self._shards]

    def ids(self) -> Iterator[list[str]]:
        """Yield the ids of the objects of each shard."""
        for batches in self._shards:
            yield GatheredFrames(self.lines.read(batches)).ids


@dataclass
class Gathered:
    """What became of the frames of a source.

    Parameters
    ----------
    kept : KeptFrames
        Those that stay; of a night with the earlier ones of the same objects.
    frames : TableFile
        Lines with the id of each object that the source has a frame of, such as those about its frames.
    doubles : Rejects
        Frames of an exposure of which there is another one.
    repeats : int
        How many were left out that are equal to another one.
    read, listed : set of str
        The objects that the user's table names of which a frame was read, and of which one stays.
    """

    kept: KeptFrames
    frames: TableFile
    doubles: Rejects = field(default_factory=lambda: Rejects.of(()))
    repeats: int = 0
    read: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)

    def ids(self) -> set[str]:
        """Return the ids of all objects of which a frame was read: much memory."""
        return {id_ for table in self.frames.tables() for id_ in table.column("id").unique().to_pylist()}


def check_fluxes(flux_unit: str, frames: KeptFrames, where: str) -> None:
    """Refuse pixels that were all normalised and yet are claimed to be fluxes.

    Raises
    ------
    UsageError
        Naming the option that says so.
    """
    if flux_unit == NANOMAGGY and len(frames) and frames.normalised:
        found = "every stamp has a length or a maximum of exactly 1: these pixels were normalised, and are no fluxes"
        raise UsageError(
            found, where, "give the fluxes, or say that there is no unit: --flux-unit none", "E-VALUE-UNITS"
        )
