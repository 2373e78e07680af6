"""Read a survey: ragged image time series, memory-mapped, from one shard or many. Knows nothing of labels' use."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, find_repeated, near_names, pluralize, readable_os_errors, shorten
from ictconvention.core.progress import facts_html
from ictconvention.reading.id_column import IdColumn
from ictconvention.survey.format import FRAME_COLUMNS
from ictconvention.survey.growth.joined import unpack
from ictconvention.survey.growth.layout import SurveyFiles, open_files
from ictconvention.survey.labels.chosen import check_chosen, keep_labels
from ictconvention.survey.labels.groups import MASKS, STATES
from ictconvention.survey.labels.redshifts import find_facts
from ictconvention.survey.masks.survey_masks import Positions, SurveyMasks
from ictconvention.survey.neighbours import linking_length
from ictconvention.survey.series import DRAWING, ImageSeries, ObjectRow
from ictconvention.survey.shard import Shard

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Survey:
    """A survey on disk, or a selection of its objects.

    `survey[3]` and `survey['1032']` are an `ImageSeries`, `survey[:10]` is a selection; iteration goes over all of them
    in order. Frames stay on disk until they are touched. A survey pickles as its path and selection, so worker
    processes map the same files.

    Use `Survey.open`; the constructor serves `open` and `select`.

    Attributes
    ----------
    path : Path
        Its folder.
    header : SurveyHeader
        What holds for all objects.
    ids : sequence of str
        In the order of the objects; reads as a tuple, and equals one.
    shards : tuple of Shard
        The files behind it.
    files : SurveyFiles
        What was opened, and where in it each object lies.
    hash : str
        SHA-256 of its survey.json, which holds the checksums, as it was opened: surveys with equal hashes have equal
        content. A selection has the hash of the whole, and so has one `with_classes`.
    lineage : tuple of str
        Hashes of all states that the survey is known to have had, the oldest first; one, where no night was added.
    chosen_classes, left_out : tuple of str or None, tuple of str
        Classes that were chosen by `with_classes`, None: all; and those of which it reads no labels.

    Examples
    --------
    >>> survey
    <Survey 'miniature (simulated)': 60 objects, 479 frames at ...>
    >>> survey.select(survey.lengths > 11).ids[:2], len(survey[:10])
    (('sn0007', 'sn0015'), 10)
    >>> figure = survey.show()
    """

    def __init__(
        self,
        path: Path,
        files: SurveyFiles,
        rows: NDArray[np.int64] | None,
        classes: tuple[str, ...] | None = None,
        ids: IdColumn | None = None,
    ) -> None:
        self.path, self.files = path, files
        header = files.header
        self.chosen_classes = classes
        self.header = header if classes is None else replace(header, classes=classes)
        self.left_out = tuple(name for name in header.classes if name not in self.header.classes)
        self.shards, self.hash, self.lineage = files.shards, files.hash, files.lineage
        self._rows = rows
        layout = files.layout if rows is None else files.layout.take(rows)
        self._layout, self._length, self._first = layout, layout.length, layout.first
        self._objects = layout.objects if classes is None else keep_labels(layout.objects, classes)
        self._holders: tuple[Any, ...] = (*files.shards, *files.joined)  # of the per-frame columns
        self._masks: SurveyMasks | None = None
        if self.shards[0].masks is not None:
            self._masks = SurveyMasks(self.shards, self.places, classes)
        self.ids = IdColumn(self._objects.column("id")) if ids is None else ids

    @classmethod
    def open(cls, path: str | Path, edited: bool = False, state: str | None = None) -> "Survey":
        """Open a survey folder.

        Cheap, whatever the size: checks the header's checksum, versions, shapes, types, sizes, offsets, ids and
        classes, and reads no frame. `verify_survey` compares all other checksums; the command `ictconvention check`
        reads everything.

        Parameters
        ----------
        path : str or Path
            The folder.
        edited : bool
            Whether a survey of one shard opens although its `survey.json` has changed since it was written; to look
            for what is wrong with it, never to compute.
        state : str, optional
            Hash of the state to open, or eight of its letters, of a survey that nights have been added to; by default
            the newest.

        Raises
        ------
        SurveyError
            When the folder is not a survey or breaks the format; the message names file, object and fix.
        """
        path = Path(path).absolute()
        with readable_os_errors("opening the survey", path):
            files = open_files(path, edited, state)
            return cls(path, files, None, ids=files.ids)

    def __len__(self) -> int:
        return len(self._length)

    @overload
    def __getitem__(self, key: int | str) -> ImageSeries: ...
    @overload
    def __getitem__(self, key: slice) -> "Survey": ...
    def __getitem__(self, key: int | str | slice) -> "ImageSeries | Survey":
        """Return one object by position (from 0; negative counts from the end) or by id; a slice is a selection.

        Raises
        ------
        IndexError
            When the position is out of range.
        SurveyError
            When no object has the id.
        """
        if isinstance(key, slice):
            return self._at(np.arange(len(self))[key])
        i = self.position(key) if isinstance(key, str) else operator.index(key)
        if not -len(self) <= i < len(self):
            raise IndexError(f"position {i} of a survey of {pluralize(len(self), 'object')}, which count from 0")
        i = i % len(self)
        holder, at = self._place(i)
        frames = holder.frames[at] if isinstance(holder, Shard) else holder.frames(self.shards, at)
        columns = {name: getattr(holder, name)[at] for name in FRAME_COLUMNS}
        row, mask = ObjectRow(self._objects, i), None if self._masks is None else self._masks.read_one(i)
        return ImageSeries(self.ids[i], frames, **columns, metadata=row, header=self.header, mask=mask)

    def __iter__(self) -> Iterator[ImageSeries]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and id_ in self.ids

    def __repr__(self) -> str:
        name, frames = self.header.full_name, self._length.sum()
        masks = ", masks" if self.has_masks else ""
        return f"<Survey {name!r}: {len(self)} objects, {frames} frames{masks} at {self.path}>"

    def _repr_html_(self) -> str:
        header = self.header
        counts = Counter(name or "unlabelled" for name in self._objects.column("class").to_pylist())
        side = f", {header.stamp_size * header.pixel_scale:.1f} arcsec wide" if header.has_scale else ""
        of_redshifts = find_facts(self.object_table()).said
        masks = {"masks": f"a class for each pixel: {', '.join(header.classes)}"} if self.has_masks else {}
        facts = {
            "objects": f"{len(self)}: {', '.join(f'{count} {name}' for name, count in counts.most_common())}",
            "frames": f"{self._length.sum()}, of {', '.join(header.bands)}",
            "time": self._span(),
            "stamps": f"{header.stamp_size} pixels{side}, in {header.flux_words}",
            **of_redshifts,
            **masks,
            "folder": self.path,
        }
        return facts_html(header.full_name, facts)

    def show(self) -> "Figure":
        """Draw some objects of each class, a row for each class; a notebook shows the figure."""
        figure: Figure = import_module(f"{DRAWING}.class_sheet").draw_class_sheet(self)
        return figure

    def _span(self) -> str:
        """Return the first and the last time of its frames in words."""
        ends: list[float] = []
        for number, holder in enumerate(self._holders):
            here = self._layout.holder == number
            first, length = self._first[here], self._length[here]
            if holder is not None:
                ends += [*holder.mjd[first].tolist(), *holder.mjd[first + length - 1].tolist()]  # in time order
        return f"MJD {min(ends):.2f} to {max(ends):.2f}, {max(ends) - min(ends):.1f} d" if ends else "none"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.hash, self._rows, self.chosen_classes)

    @property
    def places(self) -> NDArray[np.int64]:
        """Which shard each object is in, and its row there, (2, len(self)); the first shard that had it, of several."""
        return np.stack([self._layout.shard, self._layout.row]).astype(np.int64)

    @property
    def checksums(self) -> NDArray[np.uint32]:
        """CRC-32 of the bytes of the frames of each object, in time order, (len(self),)."""
        return self._layout.crc32

    def folder_of(self, position: int) -> Path:
        """Return the folder whose files say where the frames of an object lie: its shard, or that of a night."""
        folder: Path = self._holders[self._layout.holder[position]].folder
        return folder

    def _place(self, position: int) -> tuple[Any, slice]:
        """Return the shard or the night that has the per-frame columns of an object, and where in them it lies."""
        first = self._first[position]
        return self._holders[self._layout.holder[position]], slice(first, first + self._length[position])

    def frame_columns(self, position: int) -> dict[str, NDArray[Any]]:
        """Return the per-frame columns of an object, (n,) in time order; no pixel is read."""
        holder, at = self._place(position)
        return {name: getattr(holder, name)[at] for name in FRAME_COLUMNS}

    @property
    def metadata_table(self) -> pa.Table:
        """A row per object as it is stored: the object columns and those of the survey's own; see `object_table`."""
        return self._objects

    def frame_places(self, position: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the shard of each frame of an object, and its row there, (n,) in time order."""
        holder, at = self._place(position)
        if isinstance(holder, Shard):
            rows = np.arange(at.start, at.stop)
            return np.full(len(rows), self._layout.holder[position]), rows
        return unpack(holder.frame_place[at])

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Number of frames of each object, (len(self),)."""
        return self._length

    @property
    def has_masks(self) -> bool:
        """Whether each object has a mask: the class of each of its pixels."""
        return self._masks is not None

    @property
    def masks(self) -> SurveyMasks:
        """The masks of its objects, to be read some at a time.

        Raises
        ------
        SurveyError
            It has none.
        """
        if self._masks is None:
            fix = "write it with SurveyWriter(..., masks=True), or make one: ictconvention ingest chips"
            raise SurveyError("this survey has no masks", self.path, fix, "E-SURVEY-MASKS")
        return self._masks

    def read_masks(self, positions: Positions = slice(None)) -> NDArray[np.uint8]:
        """Return the masks of objects by their positions (n, H, W), read-only; `IGNORED`, 255: of no known class.

        Neighbours in one shard are a view of its file, read where it is touched; others are copied into memory. Of a
        survey with chosen classes the pixels of the others are ignored, and its masks are copies. `masks.blocks()`
        goes over many.

        Parameters
        ----------
        positions : array of int, list or slice
            Which objects; all of them by default.

        Raises
        ------
        SurveyError
            It has no masks.
        """
        return self.masks.read(positions)

    def count_pixels(self) -> NDArray[np.int64]:
        """Return the known pixels of each class in each object, (len(self), classes); read once, in blocks.

        Raises
        ------
        SurveyError
            It has no masks, or one holds a number that is no class.
        """
        return self.masks.counts

    def position(self, id_: str) -> int:
        """Return the position of an object by its id; a `SurveyError` names near ids where there is none."""
        if (place := self.ids.position(id_)) is None:
            raise self._unknown(id_)
        return place

    def positions(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the positions of objects by their ids (m,), (m,); errors as of `position`, for the first of them."""
        ids = ids if isinstance(ids, Sequence) else list(ids)
        places = self.ids.positions(ids)
        if (unknown := np.flatnonzero(places < 0)).size:
            raise self._unknown(str(ids[int(unknown[0])]))
        return places

    def _unknown(self, id_: str) -> SurveyError:
        near = near_names(id_, self.ids.near(id_))
        fix = f"choose one of its {pluralize(len(self), 'id')}, such as {', '.join((near or self.ids[:3])[:3])}"
        found = f"no object has the id {id_!r}" + (f" (did you mean {near[0]}?)" if near else "")
        return SurveyError(found, self.path, fix, "E-ID-UNKNOWN")

    def select(self, which: Iterable[bool] | Iterable[str] | NDArray[Any]) -> "Survey":
        """Return the survey of the chosen objects, on the same memory maps.

        Parameters
        ----------
        which : bools or strs
            A mask with one value per object, or ids, whose order is kept.

        Raises
        ------
        SurveyError
            When an id is unknown or named twice, or the mask has another length than the survey.
        """
        if isinstance(which, str):
            raise SurveyError(
                f"a selection of {which!r}", self.path, f"give a list of ids: [{which!r}]", "E-SURVEY-SELECTION"
            )
        chosen = np.asarray(which if isinstance(which, np.ndarray) else list(which))
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                found = f"a mask of shape {chosen.shape} for a survey of {pluralize(len(self), 'object')}"
                raise SurveyError(
                    found, self.path, "give one value per object, in the survey's order", "E-SURVEY-SELECTION"
                )
            return self._at(np.flatnonzero(chosen))
        if chosen.size and (chosen.ndim != 1 or chosen.dtype.kind not in "UOT"):
            found = f"a selection of {chosen.dtype} values"
            raise SurveyError(
                found,
                self.path,
                "give a mask of booleans or a list of ids; for positions take a slice",
                "E-SURVEY-SELECTION",
            )
        places = self.positions(which if isinstance(which, IdColumn) else chosen.tolist())
        if np.bincount(places).max(initial=0) > 1:
            twice = shorten(find_repeated(map(str, chosen.tolist())))
            raise SurveyError(f"chosen twice: {twice}", self.path, "name each id once", "E-SURVEY-SELECTION")
        return self._at(places)

    def _at(self, positions: NDArray[np.int64]) -> "Survey":
        rows = positions if self._rows is None else self._rows[positions]
        return Survey(self.path, self.files, rows, self.chosen_classes)

    def with_classes(self, classes: Sequence[str]) -> "Survey":
        """Return the survey with the labels of some classes, in this order; the objects of the others have none.

        Parameters
        ----------
        classes : sequence of str
            Among those of its header.

        Raises
        ------
        SurveyError
            It has no such class, one is named twice, or none is named.

        Examples
        --------
        >>> some = survey.with_classes(["SN Ia", "AGN"])
        >>> some.header.classes, some.left_out, len(some) == len(survey)
        (('SN Ia', 'AGN'), ('Variable', 'SN Other'), True)
        """
        chosen = check_chosen(classes, self.header.classes, self.path)
        return Survey(self.path, self.files, self._rows, chosen, self.ids)

    def object_table(self) -> Table:
        """Return one row per object as an astropy Table: the object columns, `frames`, their number, and their `crc32`.

        Objects with equal checksums have the same pixels; a split keeps them together.
        """
        table = Table({name: _column(self._objects.column(name)) for name in self._objects.column_names})
        table["frames"], table["crc32"] = self._length, self.checksums
        table["ra"].unit = table["dec"].unit = "deg"
        table.meta.update(self._meta)
        return table

    def frame_table(self) -> Table:
        """Return one row per frame as an astropy Table: id, band, and the columns of an `ImageSeries`.

        mjd [d], psf_fwhm [arcsec], sky_sigma [flux_unit], x and y [pix], gain [electrons per flux_unit].
        """
        series = list(self)
        columns: dict[str, NDArray[Any]] = {
            name: np.concatenate([np.zeros(0, dtype), *(getattr(s, name) for s in series)])
            for name, dtype in FRAME_COLUMNS.items()
        }
        columns["band"] = np.array(self.header.bands)[columns["band"]]
        table = Table({"id": np.repeat(np.array(self.ids, dtype=str), self._length), **columns})
        table["mjd"].unit, table["psf_fwhm"].unit = "d", "arcsec"
        table["x"].unit = table["y"].unit = "pix"
        table.meta.update(self._meta)
        return table

    @property
    def _meta(self) -> dict[str, Any]:
        """What every table says of its survey, in names that fit a FITS header; LINKING is in arcsec."""
        header = self.header
        reach = linking_length(header.stamp_size, header.pixel_scale)
        facts = {"SURVEY": header.name, "SIMULATD": header.simulated, "FLUXUNIT": header.flux_unit, "LINKING": reach}
        states = {STATES: len(self.lineage)} if len(self.lineage) > 1 else {}
        return facts | states | ({MASKS: True} if self.has_masks else {})


def _reopen(
    path: Path, expected: str, rows: NDArray[np.int64] | None, classes: tuple[str, ...] | None = None
) -> Survey:
    """Open a pickled survey in another process; it must still have the state that it had."""
    try:
        survey = Survey.open(path, state=expected)
    except SurveyError as error:
        if error.code != "E-SURVEY-STATE":
            raise
        raise SurveyError(
            "the survey has changed since it was opened", path, "start again with it as it is now", "E-SURVEY-CHANGED"
        ) from None
    return Survey(path, survey.files, rows, classes, survey.ids if rows is None else None)


def _column(values: pa.ChunkedArray) -> Any:
    """Turn a Parquet column into one of astropy: nulls become NaN in floats and masked elsewhere."""
    if pa.types.is_floating(values.type):
        return values.to_numpy()
    missing = values.is_null().to_numpy()
    text = pa.types.is_string(values.type) or pa.types.is_null(values.type)
    blank: Any = "" if text else False if pa.types.is_boolean(values.type) else 0
    filled = np.array([blank if value is None else value for value in values.to_pylist()], dtype=str if text else None)
    return MaskedColumn(filled, mask=missing) if missing.any() else filled
