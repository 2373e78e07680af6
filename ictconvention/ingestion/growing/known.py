"""What a survey knows of the objects that a night has frames of: lines about their frames, and their rows."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.ingestion.found import FRAME_LINES, UNKNOWN
from ictconvention.ingestion.gathering.gather import REPEATED_WITHIN, GatheredFrames, descriptions
from ictconvention.survey.growth.frame_sources import FrameSources, numbers_of
from ictconvention.survey.survey import Survey

DETECTED = "first_detection"
MEASURED = ("ra", "dec", "reliability")  # of an object, from those of its frames where no table says them
AT_ONCE = 1024  # objects that are asked for
NO_CRC = -1  # of a frame whose pixels nothing is compared with


@dataclass(frozen=True)
class KnownFrames:
    """The frames that a survey has of some of its objects.

    Parameters
    ----------
    lines : Table
        As of `FRAME_LINES`, the frames of an object together and in time order: `unit` is the shard, counted down from
        -1, and `row` the row in it.
    rows : mapping
        What is known of each object, by id, as arguments of `SurveyWriter.add`, without what its frames say.
    positions : mapping
        Of the objects in the survey, by id.
    """

    lines: pa.Table
    rows: dict[str, dict[str, Any]]
    positions: dict[str, int]


def known_frames(survey: Survey, sources: FrameSources, ids: Sequence[str]) -> KnownFrames:
    """Return what a survey, with the sources of its frames, has of some ids, each of which it knows.

    A position or reliability that is the median of what its frames say, to the last bit, is not in the rows: the frames
    of the night will count in it. The first detection that is known is that of the object's first line.
    """
    tables, rows = [FRAME_LINES.empty_table()], dict[str, dict[str, Any]]()
    positions = survey.positions(ids)
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        lines, own = _lines(survey, sources, some, positions[begin : begin + AT_ONCE])
        for id_, known, measured in zip(some, own, descriptions(GatheredFrames(lines), {}), strict=True):
            if known["ra"] == measured.get("ra") and known["dec"] == measured.get("dec"):
                known["ra"] = known["dec"] = None
            if known.get("reliability") == measured.get("reliability"):
                known.pop("reliability", None)
            rows[id_] = known
        tables.append(lines)
    return KnownFrames(pa.concat_tables(tables), rows, dict(zip(ids, positions.tolist(), strict=True)))


def _lines(
    survey: Survey, sources: FrameSources, ids: Sequence[str], positions: NDArray[np.int64]
) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the lines about the frames of some objects, and the row of each."""
    places = [survey.frame_places(position) for position in positions.tolist()]
    columns_of = [survey.frame_columns(position) for position in positions.tolist()]
    shard, row = (np.concatenate([place[i] for place in places]).astype(np.int64) for i in (0, 1))
    own = {name: np.concatenate([one[name] for one in columns_of]) for name in columns_of[0]}
    taken, count, lengths = sources.take(shard, row), len(row), survey.lengths[positions]
    table = survey.metadata_table.take(pa.array(positions))
    rows = [_arguments(known) for known in table.to_pylist()]
    detected = np.full(count, UNKNOWN)
    detected[np.cumsum([0, *lengths[:-1]])] = [known.pop(DETECTED, None) or UNKNOWN for known in rows]
    columns: dict[str, Any] = {name: np.full(count, np.nan) for name in FRAME_LINES.names}
    columns |= {name: values.astype(np.float64) for name, values in own.items() if name != "band"}
    columns |= {name: numbers_of(taken, name, count) for name in MEASURED}
    columns |= {"id": np.repeat(np.array(ids, dtype=object), lengths), "crc32": np.full(count, NO_CRC)}
    columns |= {"band": np.array(survey.header.bands, dtype=object)[own["band"]], DETECTED: detected}
    columns |= {"normalised": np.zeros(count, bool), "unit": -1 - shard, "row": row}
    for name in ("file", "hdu"):
        columns[name] = [""] * count if taken is None else taken.column(name).to_pylist()
    arrays = {one.name: pa.array(columns[one.name], one.type) for one in FRAME_LINES}
    return pa.table(arrays, FRAME_LINES), rows


def _arguments(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the object table as arguments of `SurveyWriter.add`."""
    known = dict(row)
    known.pop("id")
    return {"class_name": known.pop("class"), **known}


def compare_pixels(survey: Survey, known: pa.Table, new: pa.Table, scratch: Path | None) -> tuple[pa.Table, pa.Table]:
    """Return both tables of lines with checksums of pixels as a survey stores them, where exposures are the same.

    The frames of the survey are read where the night has one of the same object and band at the same time; without a
    `scratch`, as in a dry run, those of the night stay as they were read.
    """
    moments = _moments(new)
    keys = {key for _, near in moments for key in near}
    old_crc = known.column("crc32").to_numpy().copy()
    clashing = set[tuple[str, str, int]]()
    for line, (own, near) in enumerate(_moments(known)):
        if own in keys:
            clashing.update(near)
            shard, row = -1 - known.column("unit")[line].as_py(), known.column("row")[line].as_py()
            old_crc[line] = _crc(survey.shards[shard].frames[row])
    new_crc = new.column("crc32").to_numpy().copy()
    if scratch is not None and survey.header.dtype != "float32" and clashing:
        for line, (own, _) in enumerate(moments):
            if own in clashing:
                unit, row = new.column("unit")[line].as_py(), new.column("row")[line].as_py()
                pixels = np.load(scratch / f"{unit}.npy", mmap_mode="r")[row]
                new_crc[line] = _crc(pixels.astype(survey.header.dtype))
    place = known.column_names.index("crc32")
    compared = known.set_column(place, "crc32", pa.array(old_crc, pa.int64()))
    return compared, new.set_column(place, "crc32", pa.array(new_crc, pa.int64()))


def _crc(pixels: NDArray[np.floating]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels, dtype="<f4").data)


def _moments(lines: pa.Table) -> list[tuple[tuple[str, str, int], list[tuple[str, str, int]]]]:
    """Return the object, band and moment of each line, and those keys with which it may be one exposure."""
    found = []
    moment = np.round(lines.column("mjd").to_numpy() / REPEATED_WITHIN).astype(np.int64)
    rows = zip(lines.column("id").to_pylist(), lines.column("band").to_pylist(), moment.tolist(), strict=True)
    for id_, band, at in rows:
        found.append(((id_, band, at), [(id_, band, at + step) for step in (-1, 0, 1)]))
    return found


def tell_apart(ids: Collection[str], survey: Survey) -> list[str]:
    """Return those of some ids that a survey knows, in alphabetical order."""
    ordered = sorted(ids)
    places = survey.ids.positions(ordered)
    return [ordered[place] for place in np.flatnonzero(places >= 0).tolist()]


COLUMN_OF = {"class_name": "class"}  # of the object table, by the argument of the writer
