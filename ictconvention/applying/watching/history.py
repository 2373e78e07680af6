"""What a survey knows of the objects of a stream from before: its frames come first in their series."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import open_memmap

from ictconvention.applying.watching.kind import MADE_BY, SAME_SCALE, AlertKind
from ictconvention.applying.watching.series import CANDIDATE, LINES, RECALLED, NewFrames
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.ingestion.found import FRAME_LINES
from ictconvention.ingestion.growing.known import known_frames, tell_apart
from ictconvention.survey.format import NANOMAGGY
from ictconvention.survey.growth.side_tables import read_photometry
from ictconvention.survey.photometry.table import MEASUREMENTS
from ictconvention.survey.survey import Survey

FILE = "history.npy"  # in the folder of the batch at hand


class History:
    """Frames and photometry of a survey, asked for object by object.

    Parameters
    ----------
    survey : Survey
        It may grow meanwhile: its state is that of now.
    kind : AlertKind
        What the stamps of the stream are.

    Raises
    ------
    UsageError
        Its stamps are of another kind.
    """

    def __init__(self, survey: Survey, kind: AlertKind) -> None:
        _check(survey, kind)
        self._survey, self._bands = survey, pa.array(kind.bands, pa.string())
        self._points = read_photometry(survey)

    def of_objects(self, ids: Sequence[str], folder: Path, unit: int) -> tuple[NewFrames, Path] | None:
        """Return what the survey has of some objects, and the file of the pixels; None where it has nothing.

        Parameters
        ----------
        ids : sequence of str
            The objects; it need not know them.
        folder : Path
            Where the file is written.
        unit : int
            Number of the batch that it makes.
        """
        known = tell_apart(ids, self._survey)
        lines = known_frames(self._survey, known).lines
        lines = lines.filter(pc.is_in(lines.column("band"), value_set=self._bands))
        if not lines.num_rows:
            return None
        shard, row = -1 - lines.column("unit").to_numpy(), lines.column("row").to_numpy()
        size, count = self._survey.header.stamp_size, lines.num_rows
        crc = np.zeros(count, dtype=np.int64)
        with readable_os_errors("keeping the frames of the survey", folder):
            pixels = open_memmap(folder / FILE, "w+", np.float32, (count, size, size))
            for place, (at, number) in enumerate(zip(shard.tolist(), row.tolist(), strict=True)):
                pixels[place] = self._survey.shards[at].frames[number]
                crc[place] = zlib.crc32(np.ascontiguousarray(pixels[place]).data)
            pixels.flush()
        new = {"unit": np.full(count, unit), "row": np.arange(count), "crc32": crc}
        columns = {
            one.name: pa.array(new[one.name], one.type) if one.name in new else lines.column(one.name)
            for one in FRAME_LINES
        }
        columns[CANDIDATE] = pa.array(np.full(count, RECALLED), pa.int64())
        return NewFrames(pa.table(columns, LINES), self._points_of(known)), folder / FILE

    def _points_of(self, ids: Sequence[str]) -> pa.Table:
        if self._points is None:
            return MEASUREMENTS.empty_table()
        some = pc.is_in(self._points.column("id"), value_set=pa.array(ids, pa.string()))
        return self._points.select(MEASUREMENTS.names).filter(some).cast(MEASUREMENTS)


def _check(survey: Survey, kind: AlertKind) -> None:
    """Refuse a survey whose stamps are not those of the stream."""
    header = survey.header
    said = str(header.provenance.get("cutout", header.provenance.get(MADE_BY, "")))
    cutout = "difference" if re.search(r"\bdifference\b", said) else "science"
    simulated = bool(kind.settings["simulated"])
    other = {
        f"stamps of {header.stamp_size} pixels, and not {kind.size}": header.stamp_size != kind.size,
        f"pixels of {header.pixel_scale:g} arcsec, and not {kind.pixel_scale:g}": abs(
            header.pixel_scale / kind.pixel_scale - 1
        )
        > SAME_SCALE,
        f"fluxes in {header.flux_unit}, and not {NANOMAGGY}": header.flux_unit != NANOMAGGY,
        f"{cutout} images, and not {kind.settings['cutout']} images": cutout != kind.settings["cutout"],
        f"a {'simulated' if header.simulated else 'real'} sky, and not a {'simulated' if simulated else 'real'} one": (
            header.simulated != simulated
        ),
    }
    if wrong := [what for what, is_other in other.items() if is_other]:
        found = f"its frames are no beginning of those of the stream: it has {'; '.join(wrong)}"
        fix = f"take a survey of `ingest {kind.name}` that is like the training survey of the run"
        raise UsageError(found, survey.path, fix, "E-SURVEY-UNSUITED")
