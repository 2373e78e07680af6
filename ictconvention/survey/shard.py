"""Open the shards of a survey: map the files and make the checks that cost nothing. Reads no frame."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors, shorten
from ictconvention.reading.id_column import IdColumn
from ictconvention.reading.mapped_array import map_array
from ictconvention.reading.parquet_file import read_parquet
from ictconvention.survey.format import (
    FRAME_COLUMNS,
    FRAMES_FILE,
    HEADER_FILE,
    LABEL_SOURCES,
    OBJECT_COLUMNS,
    OBJECTS_FILE,
    VERSION_WITH_MASKS,
    SurveyHeader,
    read_header,
    sha256,
    stored_columns,
    unknown_class,
)
from ictconvention.survey.masks.mask_file import MASKS_FILE, map_masks
from ictconvention.survey.masks.mask_values import describe_unknown
from ictconvention.survey.masks.pixel_counts import count_classes

JOIN_AGAIN = "restore it from a copy, or call join_shards again"
RESTORE = "restore the file from a copy, or write the survey again"
NOT_BY_HAND = f"{RESTORE}: nothing in it is changed by hand, since its files and all runs on it go by its hash"


@dataclass(frozen=True)
class Shard:
    """One shard, its arrays mapped read-only; shapes as in `survey.format`."""

    folder: Path
    header: SurveyHeader
    intact: bool  # whether its survey.json is as it was written
    checksums: dict[str, str]
    objects: pa.Table
    frames: NDArray[np.floating]
    band: NDArray[np.uint8]
    mjd: NDArray[np.float64]
    psf_fwhm: NDArray[np.float32]
    sky_sigma: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    gain: NDArray[np.float32]

    version: int  # of the format
    masks: NDArray[np.uint8] | None = None  # (N, H, W), None where the shard has none

    @cached_property
    def ids(self) -> IdColumn:
        """Ids of its objects."""
        return IdColumn(self.objects.column("id"))

    @cached_property
    def class_pixels(self) -> NDArray[np.int64]:
        """Known pixels of each class in each object, (N, classes); all masks are read when it is first asked for.

        Raises
        ------
        SurveyError
            A mask holds a number that is no class.
        """
        if self.masks is None:
            return np.zeros((self.objects.num_rows, len(self.header.classes)), dtype=np.int64)
        counts, unknown = count_classes(self.masks, len(self.header.classes))
        if (bad := np.flatnonzero(unknown)).size:
            where = f"{self.folder / MASKS_FILE}, object {self.ids[int(bad[0])]}"
            raise SurveyError(
                describe_unknown(self.masks[bad[0]], self.header.classes), where, RESTORE, "E-SURVEY-MASKS"
            )
        return counts

    @property
    def small_files(self) -> list[str]:
        """The files that the header has a checksum of: all but frames and masks, with one for each object."""
        return [OBJECTS_FILE, *(f"{name}.npy" for name in stored_columns(self.version))]


def open_shards(
    path: Path, header: SurveyHeader, entries: dict[str, Any], edited: bool = False
) -> tuple[list[Shard], IdColumn]:
    """Open the shards of a survey that has not grown (itself, where it is one shard); return them, and all ids.

    Parameters
    ----------
    path : Path
        The folder.
    header, entries : SurveyHeader, dict
        As of `read_header`.
    edited : bool
        Whether one shard whose `survey.json` has changed since it was written opens all the same.

    Raises
    ------
    SurveyError
        When anything that `Survey.open` promises to check does not hold.
    """
    if "shards" not in entries:
        one = _shard(path, header, entries, edited)
        return [one], one.ids
    shards = open_listed_shards(path, header, entries)
    return shards, check_one_sky(header, shards)


def open_listed_shards(path: Path, header: SurveyHeader, entries: dict[str, Any]) -> list[Shard]:
    """Open the shards that the header of a survey lists, each as it was when it was listed.

    Those of a survey that has grown lie in the folders of its nights too, and have objects in common.

    Raises
    ------
    SurveyError
        One is missing, damaged or another one, or they make no survey.
    """
    if not entries["intact"]:
        raise SurveyError(
            f"{HEADER_FILE} has changed since it was written", path / HEADER_FILE, JOIN_AGAIN, "E-SURVEY-HASH"
        )
    grown, shards = "deltas" in entries, []
    try:
        listed = {entry["folder"]: entry["sha256"] for entry in entries["shards"]}
    except (TypeError, KeyError) as error:
        raise SurveyError("the list of shards is damaged", path / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED") from error
    for name, checksum in listed.items():
        folder = path / str(name)
        if folder.parent != path and not (grown and folder.parent.parent == path and ".." not in folder.parts):
            raise SurveyError(
                f"shard {name!r} lies outside its survey", path / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED"
            )
        if not (folder / HEADER_FILE).is_file():
            raise SurveyError(
                f"shard {name} is missing or incomplete", folder, "restore the folder from a copy", "E-SURVEY-DAMAGED"
            )
        if sha256(folder / HEADER_FILE) != checksum:
            again = f"call join_shards({str(path)!r}) if you wrote the shard anew, else restore it from a copy"
            fix = RESTORE if grown else again
            raise SurveyError(
                f"shard {name} has changed since the shards were joined", folder / HEADER_FILE, fix, "E-SURVEY-HASH"
            )
        shards.append(open_shard(folder))
    if not shards:
        raise SurveyError("the list of shards is empty", path / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED")
    if grown:
        check_one_header(header, shards, grown=True)
    return shards


def open_shard(folder: Path) -> Shard:
    """Open one shard and check its shapes, types, offsets, ids and classes.

    Raises
    ------
    SurveyError
        With the file, the object and the fix.
    """
    return _shard(folder, *read_header(folder))


def _shard(folder: Path, header: SurveyHeader, entries: dict[str, Any], edited: bool = False) -> Shard:
    checksums = entries.get("checksums")
    if not isinstance(checksums, dict):
        raise SurveyError("the header has no checksums", folder / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED")
    size = header.stamp_size
    frames = _map(folder / FRAMES_FILE, np.dtype(header.dtype).newbyteorder("<"), (size, size))
    stored = stored_columns(entries["version"])
    columns = {name: _map(folder / f"{name}.npy", FRAME_COLUMNS[name], ()) for name in stored}
    unknown = np.broadcast_to(np.float32(np.nan), len(frames))
    columns = {name: columns.get(name, unknown) for name in FRAME_COLUMNS}
    for name, column in columns.items():
        if len(column) != len(frames):
            found = f"{len(column)} values for {len(frames)} frames"
            raise SurveyError(found, folder / f"{name}.npy", RESTORE, "E-SURVEY-DAMAGED")
    objects = _read_objects(folder / OBJECTS_FILE)
    shard = Shard(folder, header, entries["intact"], checksums, objects, frames, **columns, version=entries["version"])
    if (objects.num_rows, len(frames)) != (entries.get("objects"), entries.get("frames")):
        found = (
            f"{HEADER_FILE} speaks of {entries.get('objects')} objects and {entries.get('frames')} frames, the files"
        )
        found += f" hold {objects.num_rows} and {len(frames)}"
        raise SurveyError(found, folder / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED")
    _check_objects(shard)
    if shard.version == VERSION_WITH_MASKS:
        shard = replace(shard, masks=map_masks(folder, objects, size))
    if not (shard.intact or edited):  # last: what else is wrong says more
        raise edited_header_error(folder)
    return shard


def edited_header_error(folder: Path) -> SurveyError:
    """Return the error for a `survey.json` that its own checksum does not fit any more."""
    return SurveyError(
        f"{HEADER_FILE} has changed since it was written", folder / HEADER_FILE, NOT_BY_HAND, "E-SURVEY-HASH"
    )


def check_one_header(header: SurveyHeader, shards: list[Shard], grown: bool = False) -> None:
    """Refuse shards that make no survey: other bands, classes, scale or unit, or columns of another type.

    A survey that has `grown` may have more classes than its earlier shards.
    """
    for shard in shards:
        differs = shard.header.differences(header, ("classes",) if grown and shard.masks is None else ())
        differs += ["classes"] if not differs and not {*shard.header.classes} <= {*header.classes} else []
        if differs:
            found = f"this shard's {', '.join(differs)} differ from those of the survey"
            raise SurveyError(
                found, shard.folder / HEADER_FILE, "write it again with the header of the others", "E-SURVEY-SHARDS"
            )
    if len({shard.masks is None for shard in shards}) > 1:
        without = [shard.folder.name for shard in shards if shard.masks is None]
        found = f"some shards have masks, and some do not: {shorten(without)}"
        fix = "write all of them with SurveyWriter(..., masks=True), or none"
        raise SurveyError(found, shards[0].folder.parent, fix, "E-SURVEY-SHARDS")
    try:
        pa.unify_schemas([shard.objects.schema for shard in shards], promote_options="permissive")
    except pa.ArrowException as error:
        fix = "write the shards again with one type per column"
        raise SurveyError(
            f"the shards' columns do not fit together: {error}", shards[0].folder.parent, fix, "E-SURVEY-SHARDS"
        ) from error


def check_one_sky(header: SurveyHeader, shards: list[Shard]) -> IdColumn:
    """Return all ids, and refuse shards that make no survey: other bands, classes, scale or unit, or a common id."""
    check_one_header(header, shards)
    ids = IdColumn(pa.chunked_array([chunk for shard in shards for chunk in shard.ids.column.chunks], pa.string()))
    if twice := ids.repeated():
        holders = [shard.folder.name for shard in shards if twice[0] in shard.ids]
        found = f"ids stand in two shards: {shorten(twice)}; the first in {' and '.join(holders)}"
        raise SurveyError(
            found, shards[0].folder.parent, "write one of the shards again without them", "E-ID-DUPLICATE"
        )
    return ids


def _map(path: Path, dtype: np.dtype[Any], tail: tuple[int, ...]) -> NDArray[Any]:
    """Map one of the shard's arrays, of the given type and shape (any, *tail)."""
    if not path.is_file():
        raise SurveyError(f"{path.name} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
    with readable_os_errors("mapping the file", path):
        try:
            return map_array(path, dtype, tail)
        except ValueError as error:
            raise SurveyError(str(error), path, RESTORE, "E-SURVEY-DAMAGED") from error


def _read_objects(path: Path) -> pa.Table:
    if not path.is_file():
        raise SurveyError(f"{path.name} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
    try:
        with readable_os_errors("reading the object table", path):
            table = read_parquet(path)
    except ValueError as error:
        raise SurveyError(f"{path.name} is damaged: {error}", path, RESTORE, "E-SURVEY-DAMAGED") from error
    for name, dtype in OBJECT_COLUMNS.items():
        if name not in table.column_names:
            raise SurveyError(f"column {name!r} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
        if table.schema.field(name).type != dtype:
            found = f"column {name!r} is of type {table.schema.field(name).type}, not {dtype}"
            raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED")
    return table


def _check_objects(shard: Shard) -> None:
    path = shard.folder / OBJECTS_FILE
    table = shard.objects
    if not table.num_rows:
        raise SurveyError("the object table is empty", path, RESTORE, "E-SURVEY-DAMAGED")
    for name in ("id", "first", "length", "crc32"):
        if table.column(name).null_count:
            raise SurveyError(f"column {name!r} has nulls", path, RESTORE, "E-SURVEY-DAMAGED")
    if twice := shard.ids.repeated():
        raise SurveyError(
            f"ids stand twice: {shorten(twice)}", path, "write the survey again with each id once", "E-ID-DUPLICATE"
        )
    _check_offsets(shard)
    for name, known in (("class", shard.header.classes), ("label_source", LABEL_SOURCES)):
        for value in table.column(name).unique().to_pylist():
            if value is None or value in known:
                continue
            id_ = shard.ids[table.column(name).to_pylist().index(value)]
            if name == "class":
                raise unknown_class(value, shard.header, f"{path}, object {id_}")
            found = f"label_source {value!r} is none of {', '.join(LABEL_SOURCES)}"
            raise SurveyError(found, f"{path}, object {id_}", "correct it, or leave it null", "E-SURVEY-DAMAGED")


def _check_offsets(shard: Shard) -> None:
    """Refuse objects that overlap, leave a gap, or reach beyond the frames: each frame belongs to one object."""
    path, ids = shard.folder / OBJECTS_FILE, shard.ids
    first = shard.objects.column("first").to_numpy()
    length = shard.objects.column("length").to_numpy().astype(np.int64)
    if (bad := np.flatnonzero(length < 1)).size:
        raise SurveyError(f"{length[bad[0]]} frames", f"{path}, object {ids[bad[0]]}", RESTORE, "E-SURVEY-DAMAGED")
    if (bad := np.flatnonzero((first < 0) | (first > len(shard.frames) - length))).size:
        i = bad[0]
        found = f"{length[i]} frames from {first[i]} overrun the {len(shard.frames)} of {FRAMES_FILE}"
        raise SurveyError(found, f"{path}, object {ids[i]}", RESTORE, "E-SURVEY-DAMAGED")
    order = np.argsort(first, kind="stable")
    start, end = first[order], (first + length)[order]
    if (bad := np.flatnonzero(start[1:] < end[:-1])).size:
        i, j = order[bad[0]], order[bad[0] + 1]
        raise SurveyError(
            "the frames of two objects overlap", f"{path}, objects {ids[i]} and {ids[j]}", RESTORE, "E-SURVEY-DAMAGED"
        )
    if length.sum() != len(shard.frames):
        found = f"the objects own {length.sum()} frames, {FRAMES_FILE} holds {len(shard.frames)}"
        raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED")
