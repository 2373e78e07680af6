"""Write a survey: whole or not at all. One writer makes one shard; many write at once; `join_shards` makes them one."""

import platform
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from ictconvention.core.atomic import WholeFolder, whole_file
from ictconvention.core.errors import SurveyError, readable_os_errors, shorten
from ictconvention.core.growing_array import GrowingArray
from ictconvention.core.partial_file import PARTIAL
from ictconvention.survey.format import (
    FRAME_COLUMNS,
    FRAMES_FILE,
    HEADER_FILE,
    OBJECT_COLUMNS,
    OBJECTS_FILE,
    SHARD_PREFIX,
    SurveyHeader,
    read_header,
    sha256,
    write_header,
)
from ictconvention.survey.masks.mask_file import CHECKSUM, CHECKSUM_TYPE, IGNORED, MASK_DTYPE, MASKS_FILE
from ictconvention.survey.masks.mask_values import check_mask
from ictconvention.survey.shard import check_one_sky, open_shard
from ictconvention.survey.survey import Survey
from ictconvention.survey.validate import check_frames, check_object, check_value, merge_kind

SHARD_FRAMES = 32_768  # of a shard of many, or a little more


class SurveyWriter:
    """Write one survey folder, or one shard of it, object by object.

    Everything goes to a hidden folder beside the path and is renamed at the end of the `with` block: until then, and
    for ever if the block raises or the process is killed, nothing that opens is there. What a killed writer left is
    replaced by the next one; two writers on one path at once are refused.

    Parameters
    ----------
    path : str or Path
        The folder to make; it must not exist. For one shard of many: `survey/shard-00000` and so on, in any processes
        at once, then `join_shards('survey')`; a shard holds at least one object.
    header : SurveyHeader
        What holds for all objects.
    masks : bool
        Whether every object has a mask, the class of each of its pixels.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> header = ict.SurveyHeader(name="mine", bands=("g", "r"), classes=("AGN", "SN Ia"), pixel_scale=0.396)
    >>> with ict.SurveyWriter(f"{folder}/mine", header) as writer:
    ...     writer.add("7", np.zeros((2, 32, 32)), band=[0, 1], mjd=[53600.1, 53600.2], class_name="AGN")
    >>> len(ict.open(f"{folder}/mine")["7"])
    2

    Chips with masks, of which 255 is a pixel of no known class:

    >>> header = ict.SurveyHeader("chips", bands=("R",), classes=("water", "forest"), pixel_scale=1.0, stamp_size=2)
    >>> with ict.SurveyWriter(f"{folder}/chips", header, masks=True) as writer:
    ...     writer.add("a", np.zeros((1, 2, 2)), band=[0], mjd=[53600.0], mask=[[0, 1], [1, 255]])
    >>> chips = ict.open(f"{folder}/chips")
    >>> chips["a"].mask.tolist(), chips.count_pixels().tolist()
    ([[0, 1], [1, 255]], [[1, 2]])
    """

    def __init__(self, path: str | Path, header: SurveyHeader, masks: bool = False) -> None:
        software = {name: version(name) for name in ("ictconvention", "numpy", "pyarrow")}
        self.header = replace(header, software={**software, "python": platform.python_version()})
        self.path = Path(path).absolute()
        self._folder = WholeFolder(self.path, shard=self.path.name.startswith(SHARD_PREFIX))
        self._arrays: dict[str, GrowingArray] = {}
        if masks and not 1 <= len(header.classes) <= IGNORED:
            found = f"{len(header.classes)} classes for a survey with masks"
            raise SurveyError(found, "survey header", f"name 1 to {IGNORED} classes of pixels", "E-SURVEY-HEADER")
        self._masks = masks
        self._columns = OBJECT_COLUMNS | ({CHECKSUM: CHECKSUM_TYPE} if masks else {})
        self._objects: dict[str, list[Any]] = {name: [] for name in self._columns}
        self._extra: dict[str, list[Any]] = {}
        self._kinds: dict[str, type | None] = {}
        self._ids: set[str] = set()
        self._broken = False

    def __enter__(self) -> "SurveyWriter":
        """Take the path: refuse one that exists, or that another writer is at work on."""
        self._folder.take()
        try:
            with readable_os_errors("making the survey", self.path):
                size = self.header.stamp_size
                frame_dtype = np.dtype(self.header.dtype).newbyteorder("<")
                self._arrays[FRAMES_FILE] = GrowingArray(self._folder.partial / FRAMES_FILE, frame_dtype, (size, size))
                for name, dtype in FRAME_COLUMNS.items():
                    self._arrays[name] = GrowingArray(self._folder.partial / f"{name}.npy", dtype, ())
                if self._masks:
                    self._arrays[MASKS_FILE] = GrowingArray(self._folder.partial / MASKS_FILE, MASK_DTYPE, (size, size))
        except BaseException:
            self._close()
            raise
        return self

    def add(
        self,
        id: str,
        frames: ArrayLike,
        *,
        band: ArrayLike,
        mjd: ArrayLike,
        psf_fwhm: ArrayLike | None = None,
        sky_sigma: ArrayLike | None = None,
        x: ArrayLike | None = None,
        y: ArrayLike | None = None,
        gain: ArrayLike | None = None,
        class_name: str | None = None,
        label_source: str | None = None,
        redshift: float | None = None,
        ra: float | None = None,
        dec: float | None = None,
        mask: ArrayLike | None = None,
        **columns: str | float | bool | None,
    ) -> None:
        """Add one object; it is checked first and, when refused, leaves no trace, so the next may be added.

        Parameters
        ----------
        id : str
            Its name, unique in the survey.
        frames : array (n, H, W)
            Sky-subtracted flux [flux_unit] in time order, any byte order; NaN where there is no pixel.
        band : array (n,)
            Position of each frame's passband in the header's bands.
        mjd : array (n,)
            Modified Julian date of each frame, never decreasing [days].
        psf_fwhm, sky_sigma : array (n,), optional
            Seeing [arcsec] and noise of a pixel of empty sky [flux_unit]; NaN or left out where unknown.
        x, y : array (n,), optional
            Where the object lies, to the right of and above the stamp's centre [pixels]; NaN or left out where unknown.
        gain : array (n,), optional
            Electrons that make one flux_unit; NaN or left out where unknown.
        class_name : str, optional
            One of the header's classes; None for an unlabelled object.
        label_source : str, optional
            'spectroscopic', 'photometric' or None.
        redshift, ra, dec : float, optional
            Redshift; position, ICRS [deg].
        mask : array (H, W), whole numbers
            Where the survey has masks: the class of each pixel, as a position in the header's classes, 255 where it
            is unknown; row 0 as in the frames. 255 everywhere for an unlabelled chip.
        **columns : str, float, int, bool or None
            Columns of the survey's own, such as `true_class` of a simulated one.

        Raises
        ------
        SurveyError
            When the object breaks the format.
        FileSystemError
            When the disk is full; the survey is then given up.
        """
        if not self._folder.taken or self._broken:
            raise SurveyError(
                "this writer is closed", self.path, "add objects inside the `with` block", "E-SURVEY-CLOSED"
            )
        where = f"{self.path}, object {id if isinstance(id, str) and id.isprintable() else repr(id)}"
        given = {"band": band, "mjd": mjd, "psf_fwhm": psf_fwhm, "sky_sigma": sky_sigma, "x": x, "y": y, "gain": gain}
        arrays = check_frames(self.header, where, frames, given)
        if id in self._ids:
            raise SurveyError(
                f"id {id!r} was added before", where, "give each object an id of its own", "E-ID-DUPLICATE"
            )
        row = {"id": id, "class": class_name, "label_source": label_source, "redshift": redshift, "ra": ra, "dec": dec}
        row = check_object(self.header, where, row)
        kinds = dict(self._kinds)
        for name, value in columns.items():
            columns[name] = value = check_value(name, value, where)
            kinds[name] = merge_kind(name, kinds.get(name), value, where)
        pixels = arrays.pop(FRAMES_FILE)
        row |= {"first": len(self._arrays[FRAMES_FILE]), "length": len(pixels), "crc32": zlib.crc32(pixels.data)}
        if self._masks:
            if CHECKSUM in columns:
                found = f"column {CHECKSUM!r} is the format's own"
                raise SurveyError(found, where, "choose another name", "E-TABLE-COLUMN")
            stored = check_mask(mask, self.header.classes, self.header.stamp_size, where)
            row[CHECKSUM] = zlib.crc32(stored.data)
            arrays[MASKS_FILE] = stored[np.newaxis]
        elif mask is not None:
            fix = "open the writer with SurveyWriter(..., masks=True)"
            raise SurveyError("a mask for an object of a survey without masks", where, fix, "E-SURVEY-MASKS")
        self._broken = True  # until every part of the object is written
        with readable_os_errors("writing an object", where):
            self._arrays[FRAMES_FILE].append(pixels)
            for name, array in arrays.items():
                self._arrays[name].append(array)
        for name in columns:  # in the order given, so that equal surveys have equal bytes
            self._extra.setdefault(name, [None] * len(self._ids))
        for name, values in self._extra.items():
            values.append(columns.get(name))
        for name, value in row.items():
            self._objects[name].append(value)
        self._kinds = kinds
        self._ids.add(id)
        self._broken = False

    def copy_beside(self, path: Path) -> None:
        """Copy a table that the header's provenance names beside the frames, inside the `with` block."""
        with readable_os_errors("copying a table", path):
            shutil.copyfile(path, self._folder.partial / path.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the survey under its own name, or leave nothing."""
        try:
            if kind is None:
                if not self._ids or self._broken:
                    found = "an object was written in part" if self._broken else "no object was added"
                    raise SurveyError(found, self.path, "add at least one whole object", "E-SURVEY-EMPTY")
                with readable_os_errors("finishing the survey", self.path):
                    self._finish()
        finally:
            self._close()

    def _finish(self) -> None:
        for array in self._arrays.values():
            array.close()
        folder = self._folder.partial
        columns = {name: pa.array(self._objects[name], dtype) for name, dtype in self._columns.items()}
        for name, values in self._extra.items():
            columns[name] = pa.array(values, _ARROW[self._kinds[name]])
        pq.write_table(pa.table(columns), folder / OBJECTS_FILE)
        small = [OBJECTS_FILE, *(f"{name}.npy" for name in FRAME_COLUMNS)]
        entries = {
            "objects": len(self._ids),
            "frames": len(self._arrays[FRAMES_FILE]),
            "checksums": {name: sha256(folder / name) for name in small},  # frames and masks: crc32 of each object
        }
        write_header(folder / HEADER_FILE, self.header, entries, self._masks)
        self._folder.complete()

    def _close(self) -> None:
        for array in self._arrays.values():
            array.abandon()
        self._folder.discard()


def shard_name(number: int) -> str:
    """Return the folder name of a shard, from 0: 'shard-00000'."""
    return f"{SHARD_PREFIX}{number:05d}"


def shard_folders(path: Path) -> list[Path]:
    """Return the folders of the shards below a path, in the order of their numbers: 100000 comes after 99999."""
    folders = (folder for folder in path.glob(f"{SHARD_PREFIX}*") if folder.is_dir())
    return sorted(folders, key=lambda folder: (len(folder.name), folder.name))


def join_shards(path: str | Path, count: int | None = None, more: Mapping[str, Any] | None = None) -> Survey:
    """Make one survey of the shards `path/shard-00000` and so on, and open it; call it again after more were added.

    Parameters
    ----------
    path : str or Path
        The folder that holds the shards.
    count : int, optional
        How many there must be. Without it a gap in the numbers is seen, but not a missing end.
    more : mapping, optional
        Entries of the provenance that no shard knew, such as checksums of tables beside them.

    Raises
    ------
    SurveyError
        When one is missing or unfinished, two disagree in bands, classes, scale or unit, or share an id.

    Examples
    --------
    >>> import numpy as np
    >>> header = ict.SurveyHeader(name="many", bands=("g",), classes=("AGN",), pixel_scale=0.396)
    >>> for number in range(2):  # in two processes, or on two machines
    ...     with ict.SurveyWriter(folder / "many" / f"shard-{number:05d}", header) as writer:
    ...         writer.add(f"object {number}", np.zeros((1, 32, 32)), band=[0], mjd=[53600.0])
    >>> len(ict.join_shards(folder / "many", count=2))
    2
    """
    path = Path(path)
    before = read_header(path)[1] if (path / HEADER_FILE).is_file() else {"shards": []}
    if "deltas" in before:
        found = "nights were added to this survey, and joining its shards anew would lose them"
        fix = "add what is new by `ictconvention ingest KIND SOURCE --into SURVEY`"
        raise SurveyError(found, path, fix, "E-SURVEY-SHARDS")
    if "shards" not in before:
        found = "this survey is one shard itself, and joining shards below it would lose it"
        raise SurveyError(
            found,
            path,
            f"move it to a new folder as {shard_name(0)}, beside the others, and join there",
            "E-SURVEY-SHARDS",
        )
    unfinished = sorted(folder.name for folder in path.glob(f".{SHARD_PREFIX}*{PARTIAL}"))
    if unfinished:
        fix = "wait for their writers; if none is at work, write these shards again or remove these folders"
        raise SurveyError(f"unfinished shards: {shorten(unfinished)}", path, fix, "E-SURVEY-UNFINISHED")
    folders = shard_folders(path)
    names = {folder.name for folder in folders}
    expected = {shard_name(number) for number in range(max(len(folders), 1) if count is None else count)}
    if missing := sorted(expected - names):
        fix = f"write them, numbered {shard_name(0)}, {shard_name(1)} and so on, then join again"
        raise SurveyError(f"missing shards: {shorten(missing)}; there are {len(names)}", path, fix, "E-SURVEY-SHARDS")
    if extra := sorted(names - expected):
        raise SurveyError(
            f"more shards than expected: {shorten(extra)}",
            path,
            "move them away, or give their count",
            "E-SURVEY-SHARDS",
        )
    shards = [open_shard(folder) for folder in folders]
    check_one_sky(shards[0].header, shards)
    entries = {
        "objects": sum(shard.objects.num_rows for shard in shards),
        "frames": sum(len(shard.frames) for shard in shards),
        "shards": [{"folder": folder.name, "sha256": sha256(folder / HEADER_FILE)} for folder in folders],
    }
    header = replace(shards[0].header, provenance={**shards[0].header.provenance, **(more or {})})
    with whole_file(path / HEADER_FILE, "joining the shards", record=True) as partial:
        write_header(partial, header, entries, masks=shards[0].masks is not None)
    return Survey.open(path)


_ARROW: dict[type | None, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    None: pa.null(),
}
