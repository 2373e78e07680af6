"""Frames of an exposure of which there is another one: left out, and told in the order in which they were found."""

import numpy as np
import pyarrow as pa

from ictconvention.ingestion.found import REJECT_LINES, Reject, place_of
from ictconvention.ingestion.gathering.shares import in_order
from ictconvention.ingestion.growing_table import GrowingTable
from ictconvention.ingestion.rejects import Rejects, line_of

PLACED = pa.schema([*REJECT_LINES, ("unit", pa.int64()), ("row", pa.int64())])


class Doubles:
    """Rejects of frames of an object in a band and at a time of which there is another one, in little memory."""

    def __init__(self) -> None:
        self._rejects = GrowingTable(PLACED)

    def add(self, lines: pa.Table) -> None:
        """Add frames of some objects, in the order of the objects and for each as they were found.

        Parameters
        ----------
        lines : Table
            As of `FRAME_LINES`.
        """
        for line in lines.select(["id", "file", "hdu", "band", "mjd", "unit", "row"]).to_pylist():
            reason = f"duplicate exposure in band {line['band']} at MJD {line['mjd']:.5f}"
            reject = Reject(line["id"], place_of(line["file"], line["hdu"]), reason)
            self._rejects.append([*line_of(reject), line["unit"], line["row"]])

    def rejects(self) -> Rejects:
        """Return them in the order in which they were found; those that a survey had come first, by their ids."""
        table = self._rejects.table()
        old = table.column("unit").to_numpy() < 0
        before, now = table.filter(pa.array(old)), table.filter(pa.array(~old))
        by_id = np.argsort(before.column("object").to_numpy(zero_copy_only=False), kind="stable")
        ordered = pa.concat_tables([before.take(pa.array(by_id)), in_order(now, ["unit", "row"])])
        return Rejects(ordered.select(REJECT_LINES.names))
