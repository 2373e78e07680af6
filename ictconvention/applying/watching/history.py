"""What a survey knows of the objects of a stream from before: its frames come first in their series."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from ictconvention.survey.growth.frame_sources import FrameSources
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

        An object without a frame in the bands of the stream is none that it has.

        Parameters
        ----------
        ids : sequence of str
            The objects; it need not know them.
        folder : Path
            Where the file is written.
        unit : int
            Number of the batch that it makes.
        """
        if not (known := tell_apart(ids, self._survey)):
            return None
        lines = known_frames(self._survey, FrameSources(self._survey), known).lines
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
        return NewFrames(pa.table(columns, LINES), self._points_of(lines.column("id").unique())), folder / FILE

    def _points_of(self, ids: pa.Array) -> pa.Table:
        if self._points is None:
            return MEASUREMENTS.empty_table()
        some = pc.is_in(self._points.column("id"), value_set=ids)
        return self._points.select(MEASUREMENTS.names).filter(some).cast(MEASUREMENTS)


def _check(survey: Survey, kind: AlertKind) -> None:
    """Refuse a survey whose stamps are not those of the stream."""
    header, asked = survey.header, kind.settings
    made = str(header.provenance.get(MADE_BY, ""))
    said = str(header.provenance.get("cutout", made))
    cutout = "difference" if re.search(r"\bdifference\b", said) else "science"
    sky = {True: "simulated", False: "real"}
    other = {
        f"was made by {made!r}": not re.search(rf"\bingest\W{{1,3}}{kind.name}\b", made),
        f"has stamps of {header.stamp_size} pixels, and not {kind.size}": header.stamp_size != kind.size,
        f"has pixels of {header.pixel_scale:g} arcsec, and not {kind.pixel_scale:g}": (
            abs(header.pixel_scale / kind.pixel_scale - 1) > SAME_SCALE
        ),
        f"has fluxes in {header.flux_unit}, and not {NANOMAGGY}": header.flux_unit != NANOMAGGY,
        f"has no image of {', '.join(kind.bands)}": {*header.bands}.isdisjoint(kind.bands),
        f"is of {cutout} images, and not of {asked['cutout']} ones": cutout != asked["cutout"],
        f"is of a {sky[header.simulated]} sky, and not of a {sky[bool(asked['simulated'])]} one": (
            header.simulated != bool(asked["simulated"])
        ),
        **{
            f"was made with {name} {own}, and not {asked[name]}": own != asked[name]
            for name, own in _options(made, kind).items()
        },
    }
    if wrong := [what for what, is_other in other.items() if is_other]:
        found = f"its frames are no beginning of those of the stream: the survey {'; '.join(wrong)}"
        fix = f"take a survey of `ingest {kind.name}` that was made as the training survey of the run"
        raise UsageError(found, survey.path, fix, "E-SURVEY-UNSUITED")


def _options(made: str, kind: AlertKind) -> dict[str, Any]:
    """Return how a survey was made: what its command, or its call, says of the options that the stream has too."""
    usual = {"sky": kind.name == "ztf" and kind.settings["cutout"] == "science", "rotate": True}
    found: dict[str, Any] = {}
    for name, value in usual.items():
        said = re.search(rf"--(no-)?{name}\b|\b{name}=(True|False)\b", made)
        found[name] = value if said is None else said[1] is None and said[2] != "False"
    for name, nothing in (("zero_point", None), ("min_reliability", 0.0)):
        said = re.search(rf"(?:--{name.replace('_', '-')}[ =]|\b{name}=)([-+.\deE]+)", made)
        found[name] = nothing if said is None else float(said[1])
    return {name: value for name, value in found.items() if name in kind.settings}
