"""Which files hold a survey in one of its states, and where in them each object lies. Reads no frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors, shorten
from ictconvention.reading.id_column import IdColumn
from ictconvention.reading.parquet_file import read_parquet
from ictconvention.survey.format import HEADER_FILE, OBJECTS_FILE, STORAGE_COLUMNS, SurveyHeader
from ictconvention.survey.growth.joined import Joined, open_joined
from ictconvention.survey.growth.states import FRAME_PLACE, PLACES, PLACES_FILE, read_state
from ictconvention.survey.masks.mask_file import CHECKSUM
from ictconvention.survey.shard import RESTORE, Shard, open_listed_shards, open_shards


@dataclass(frozen=True)
class Layout:
    """Where each object lies, (n,), with its row of the object table.

    Parameters
    ----------
    objects : Table
        The object columns and those of the survey's own, without how shards store them.
    holder : array
        Which of the survey's shards, or after these of what nights have joined, holds its frames.
    first, length : array
        Its frames there.
    crc32 : array
        Of the bytes of its frames, in time order.
    shard, row : array
        The shard that had it first, and its row in the object table of that; its mask is there.
    listed : array, optional
        Whether a table of objects named it; None where the survey has not grown, and nobody knows.
    """

    objects: pa.Table
    holder: NDArray[np.integer]
    first: NDArray[np.int64]
    length: NDArray[np.int32]
    crc32: NDArray[np.uint32]
    shard: NDArray[np.integer]
    row: NDArray[np.integer]
    listed: NDArray[np.bool_] | None = None

    def take(self, rows: NDArray[np.int64]) -> "Layout":
        """Return the layout of some objects."""
        arrays: dict[str, Any] = {
            name: getattr(self, name)[rows] for name in ("holder", "first", "length", "crc32", "shard", "row")
        }
        return Layout(self.objects.take(rows), **arrays, listed=None if self.listed is None else self.listed[rows])


@dataclass(frozen=True)
class SurveyFiles:
    """The files of a survey in one state.

    Parameters
    ----------
    header : SurveyHeader
    hash : str
        Of the state.
    header_hash : str
        Of its survey.json; of the plain form of a state that was compacted another one.
    shards : tuple of Shard
    layout : Layout
    ids : IdColumn
    joined : tuple of Joined
        What each night has joined; None of a night without a frame of a known object.
    deltas : tuple of (Path, dict)
        Folder of each night, and the checksums of its files.
    lineage : tuple of str
        Hashes of all states that the survey is known to have had, the oldest first.
    """

    header: SurveyHeader
    hash: str
    header_hash: str
    shards: tuple[Shard, ...]
    layout: Layout
    ids: IdColumn
    joined: tuple[Joined | None, ...] = ()
    deltas: tuple[tuple[Path, dict[str, str]], ...] = ()
    lineage: tuple[str, ...] = ()


def open_files(path: Path, edited: bool = False, state: str | None = None) -> SurveyFiles:
    """Open the files of a survey in its newest state, or in another one; the arguments are those of `Survey.open`.

    Raises
    ------
    SurveyError
        When anything that `Survey.open` promises to check does not hold.
    """
    header, entries = read_state(path, state)
    hashes = entries["hash"], entries["header_hash"]
    if "deltas" not in entries:
        shards, ids = open_shards(path, header, entries, edited)
        return SurveyFiles(header, *hashes, tuple(shards), _plain(shards), ids, lineage=entries["lineage"])
    shards = open_listed_shards(path, header, entries)
    try:
        deltas = tuple((path / one["folder"], dict(one["checksums"])) for one in entries["deltas"])
    except (TypeError, KeyError, ValueError) as error:
        raise SurveyError("the list of nights is damaged", path / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED") from error
    joined = tuple(open_joined(folder) if f"{FRAME_PLACE}.npy" in sums else None for folder, sums in deltas)
    layout = _grown(deltas[-1][0], shards, joined)
    ids = IdColumn(layout.objects.column("id"))
    if (len(ids), int(layout.length.sum())) != (entries.get("objects"), entries.get("frames")):
        found = f"{HEADER_FILE} speaks of {entries.get('objects')} objects and {entries.get('frames')} frames, the "
        found += f"files of its nights hold {len(ids)} and {int(layout.length.sum())}"
        raise SurveyError(found, path / HEADER_FILE, RESTORE, "E-SURVEY-DAMAGED")
    if twice := ids.repeated():
        raise SurveyError(f"ids stand twice: {shorten(twice)}", deltas[-1][0] / OBJECTS_FILE, RESTORE, "E-ID-DUPLICATE")
    return SurveyFiles(header, *hashes, tuple(shards), layout, ids, joined, deltas, entries["lineage"])


def find_unchanged(files: SurveyFiles, earlier: SurveyFiles) -> NDArray[np.int64]:
    """Return the position of each object in an earlier state of a survey, (n,); -1 where its frames lay elsewhere.

    Those of objects without a new frame lie where they lay, in files that no night changes.
    """
    at: NDArray[np.int64] = earlier.ids.positions(files.ids)
    known = np.flatnonzero(at >= 0)
    now, then = (_lies(one).take(rows) for one, rows in ((files, known), (earlier, at[known])))
    same = (now.holder == then.holder) & (now.first == then.first) & (now.length == then.length)
    at[known[~same]] = -1
    return at


def _lies(files: SurveyFiles) -> Layout:
    """Return a layout whose holders are numbered alike in all states: shards from 0, and what nights joined below."""
    count, holder = len(files.shards), files.layout.holder
    return replace(files.layout, holder=np.where(holder < count, holder, count - 1 - holder))


def _plain(shards: Sequence[Shard]) -> Layout:
    """Return the layout of shards of which each object is in one alone."""
    table = pa.concat_tables([shard.objects for shard in shards], promote_options="permissive")
    sizes = [shard.objects.num_rows for shard in shards]
    shard_of = np.repeat(np.arange(len(shards)), sizes)
    numbers = {name: table.column(name).to_numpy() for name in STORAGE_COLUMNS}
    storage = [*STORAGE_COLUMNS, *([CHECKSUM] if shards[0].masks is not None else [])]
    rows = np.concatenate([np.arange(size) for size in sizes])
    return Layout(table.drop_columns(storage), shard_of, **numbers, shard=shard_of, row=rows)


def _grown(folder: Path, shards: Sequence[Shard], joined: Sequence[Joined | None]) -> Layout:
    """Return the layout that the newest night of a state has written; every place in it must exist."""
    objects, places = (_read(folder / name) for name in (OBJECTS_FILE, PLACES_FILE))
    path = folder / PLACES_FILE
    if not places.schema.equals(PLACES) or any(column.null_count for column in places.columns):
        raise SurveyError("this is no table of places", path, RESTORE, "E-SURVEY-DAMAGED")
    if objects.num_rows != places.num_rows or not objects.num_rows:
        found = f"{places.num_rows} places for {objects.num_rows} objects"
        raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED")
    at: dict[str, NDArray[Any]] = {name: places.column(name).to_numpy() for name in PLACES.names if name != "listed"}
    delta, shard = at.pop("delta"), at["shard"]
    holder = np.where(delta < 0, shard, len(shards) + delta)
    sizes = np.array([len(one.mjd) if one is not None else 0 for one in (*shards, *joined)])
    rows = np.array([one.objects.num_rows for one in shards])
    known = (holder >= 0) & (holder < len(sizes)) & (shard >= 0) & (shard < len(rows)) & (at["length"] > 0)
    known &= (at["first"] >= 0) & (at["row"] >= 0)
    if known.all():
        known &= (at["first"] + at["length"] <= sizes[holder]) & (at["row"] < rows[shard])
    if not known.all():
        id_ = objects.column("id")[int(np.flatnonzero(~known)[0])]
        found = "its frames lie where there are none"
        raise SurveyError(found, f"{path}, object {id_}", RESTORE, "E-SURVEY-DAMAGED")
    listed = np.asarray(places.column("listed").to_numpy(zero_copy_only=False), dtype=bool)
    return Layout(objects, holder, **at, listed=listed)


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise SurveyError(f"{path.name} is missing", path, RESTORE, "E-SURVEY-DAMAGED")
    try:
        with readable_os_errors("reading the table", path):
            return read_parquet(path)
    except ValueError as error:
        raise SurveyError(f"{path.name} is damaged: {error}", path, RESTORE, "E-SURVEY-DAMAGED") from error
