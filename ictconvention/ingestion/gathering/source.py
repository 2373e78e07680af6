"""What is said of a whole source while its units are read: the lines about frames go to a file, the rest is small."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ictconvention.ingestion.found import FRAME_LINES, MASK_LINES, REJECT_LINES
from ictconvention.ingestion.gathering.shares import ObjectOrder, Shares, in_groups, in_order
from ictconvention.ingestion.gathering.table_file import TableFile, WaitingTables
from ictconvention.ingestion.growing_table import GrowingTable
from ictconvention.ingestion.rejects import Rejects, line_of
from ictconvention.ingestion.unit_reading import UnitReading, masks_file

LINES_OF_BATCH = 4096
FRAMES_AT_ONCE = 4096
REJECTS_OF_UNITS = REJECT_LINES.append(pa.field("unit", pa.int64()))


@dataclass
class SourceReading:
    """A source that was read.

    Parameters
    ----------
    lines : TableFile
        A line about each frame, as of `FRAME_LINES`, of the units in any order.
    rejects : Rejects
        What was left out, in the order of the units.
    masks : Table
        As of `MASK_LINES`.
    bands : set of str
        As the source names them.
    """

    lines: TableFile
    rejects: Rejects
    masks: pa.Table
    bands: set[str] = field(default_factory=set)

    def shares(self, order: ObjectOrder, waiting: WaitingTables) -> Iterator[pa.Table]:
        """Yield the lines about some objects after those about others, those of each in the order of the units.

        No file has them any more after the last.
        """
        shares = Shares(self.lines.tables, self.lines.rows, order, FRAMES_AT_ONCE)
        dealt = waiting.new("shares", FRAME_LINES)
        for table in shares.deal(self.lines.tables, dealt):
            if len(shares) > 1:
                self.lines.remove()  # all of them are dealt before the first share
            yield in_order(table, ["unit", "row"])
        self.lines.remove()
        dealt.remove()

    def mask_places(self, scratch: Path) -> dict[str, tuple[Path, int]]:
        """Return the file and row of each mask, by the id of its object."""
        ids, units, rows = (self.masks.column(name).to_pylist() for name in MASK_LINES.names)
        return {id_: (masks_file(scratch, unit), row) for id_, unit, row in zip(ids, units, rows, strict=True)}


def collect(readings: Iterable[tuple[int, UnitReading]], lines: TableFile) -> SourceReading:
    """Return what is said of all units, whatever the order in which they were read."""
    rejects, masks, bands = GrowingTable(REJECTS_OF_UNITS), dict[int, pa.Table](), set[str]()

    def each() -> Iterable[pa.Table]:
        for number, reading in readings:
            bands.update(reading.bands)
            for one in reading.rejects:
                rejects.append([*line_of(one), number])
            if reading.masks.num_rows:
                masks[number] = reading.masks
            yield from reading.lines()

    for table in in_groups(each(), LINES_OF_BATCH):
        lines.append(table)
    of_masks = pa.concat_tables([MASK_LINES.empty_table(), *(masks[number] for number in sorted(masks))])
    left_out = in_order(rejects.table(), ["unit"]).select(REJECT_LINES.names)
    return SourceReading(lines, Rejects(left_out), of_masks, bands)
