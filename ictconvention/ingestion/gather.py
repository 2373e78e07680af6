"""The frames of all objects, found in any order: each object's in time order, duplicates out, written in shards."""

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.core.parallel import run_parallel
from ictconvention.ingestion.found import Reject, place_of
from ictconvention.survey.format import FRAME_COLUMNS, NANOMAGGY, SurveyHeader
from ictconvention.survey.neighbours import median_position
from ictconvention.survey.writer import SHARD_FRAMES, SurveyWriter, shard_name

MOST_OPEN = 500  # files of pixels at once
REPEATED_WITHIN = 1e-6  # [days]; frames of one band that are closer are one exposure


class GatheredFrames:
    """Lines about frames, the frames of each object together and in time order.

    Parameters
    ----------
    lines : Table
        As of `FRAME_LINES`.
    """

    def __init__(self, lines: pa.Table) -> None:
        self.lines = lines
        id_ = lines.column("id").to_numpy(zero_copy_only=False)
        new = np.flatnonzero(np.concatenate([[True], id_[1:] != id_[:-1]])) if len(id_) else np.zeros(0, dtype=int)
        self.start: NDArray[np.int64] = np.append(new, len(id_))
        self.ids: list[str] = id_[new].tolist()

    def __len__(self) -> int:
        return int(self.lines.num_rows)

    @cached_property
    def bands(self) -> set[str]:
        """Names of the bands."""
        return set(self.lines.column("band").unique().to_pylist())

    def number(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers, (frames,)."""
        return np.asarray(self.lines.column(name).to_numpy())


def gather_frames(lines: pa.Table, first: Sequence[str]) -> tuple[GatheredFrames, list[Reject], int]:
    """Sort frames by object, time and band, and leave out all but one of each exposure.

    Parameters
    ----------
    lines : Table
        As of `FRAME_LINES`.
    first : sequence of str
        Objects that come first, in this order; the others follow by their ids.

    Returns
    -------
    frames : GatheredFrames
    rejects : list of Reject
        Frames of an object in a band and at a time of which there is another; the one that was found first stays.
    repeats : int
        How many were left out that have the same pixels as another one of their exposure: the same file or row twice.
    """
    id_ = lines.column("id").to_numpy(zero_copy_only=False)
    place = {name: number for number, name in enumerate(first)}
    for name in sorted(set(id_) - place.keys()):
        place[name] = len(place)
    owner = np.array([place[name] for name in id_], dtype=np.int64)
    band = np.unique(lines.column("band").to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]
    mjd = lines.column("mjd").to_numpy()
    order = np.lexsort((np.arange(len(mjd)), mjd, band, owner))
    same = (np.diff(owner[order]) == 0) & (np.diff(band[order]) == 0) & (np.diff(mjd[order]) < REPEATED_WITHIN)
    exposure = np.cumsum(np.concatenate([[0], ~same])) if len(order) else np.zeros(0, dtype=int)
    pixels = np.column_stack([exposure, lines.column("crc32").to_numpy()[order]])
    new = np.unique(pixels, axis=0, return_index=True)[1]  # the first of equal frames
    twice = order[1:][same]
    repeats = np.delete(order, new)
    rejects = []
    for line in lines.take(np.setdiff1d(twice, repeats)).to_pylist():
        where = place_of(line["file"], line["hdu"])
        rejects.append(Reject(line["id"], where, f"duplicate exposure in band {line['band']} at MJD {line['mjd']:.5f}"))
    kept = np.setdiff1d(np.arange(len(mjd)), twice)
    kept = kept[np.lexsort((band[kept], mjd[kept], owner[kept]))]
    return GatheredFrames(lines.take(kept)), rejects, len(repeats)


def check_fluxes(flux_unit: str, frames: GatheredFrames, where: str) -> None:
    """Refuse pixels that were all normalised and yet are claimed to be fluxes.

    Raises
    ------
    UsageError
        Naming the option that says so.
    """
    normalised = frames.lines.column("normalised").to_numpy(zero_copy_only=False)
    if flux_unit == NANOMAGGY and len(frames) and normalised.all():
        found = "every stamp has a length or a maximum of exactly 1: these pixels were normalised, and are no fluxes"
        raise UsageError(
            found, where, "give the fluxes, or say that there is no unit: --flux-unit none", "E-VALUE-UNITS"
        )


def descriptions(frames: GatheredFrames, objects: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is known of each object, as arguments of `SurveyWriter.add`.

    A position that the table of objects does not have is the median of those of its frames, `first_detection` [MJD]
    the earliest that a frame knows, and `reliability` the median of those that its frames know.
    """
    rows = []
    ra, dec, detected = (frames.number(name) for name in ("ra", "dec", "first_detection"))
    reliability = frames.number("reliability")
    some_detected, some_rated = (np.isfinite(values).any() for values in (detected, reliability))
    for i, id_ in enumerate(frames.ids):
        here = slice(frames.start[i], frames.start[i + 1])
        row = dict(objects.get(id_, {}))
        known = np.isfinite(ra[here]) & np.isfinite(dec[here])
        if row.get("ra") is None and row.get("dec") is None and known.any():
            row["ra"], row["dec"] = median_position(ra[here][known], dec[here][known])
        if some_detected and row.get("first_detection") is None:
            finite = detected[here][np.isfinite(detected[here])]
            row["first_detection"] = float(finite.min()) if finite.size else None
        if some_rated and row.get("reliability") is None:
            finite = reliability[here][np.isfinite(reliability[here])]
            row["reliability"] = float(np.median(finite)) if finite.size else None
        rows.append(row)
    return rows


def write_shards(
    folder: Path,
    header: SurveyHeader,
    frames: GatheredFrames,
    rows: Sequence[Mapping[str, Any]],
    scratch: Path,
    jobs: int,
    masks: Mapping[str, tuple[Path, int]] | None = None,
) -> int:
    """Write the shards of a survey, side by side; return their number.

    Parameters
    ----------
    folder : Path
        Folder of the survey.
    header : SurveyHeader
        Header of the survey.
    frames : GatheredFrames
        Frames of all objects.
    rows : sequence of mapping
        What is known of each object.
    scratch : Path
        Folder of the pixels.
    jobs : int
        Processes.
    masks : mapping, optional
        The file and row of each object's mask, by id; None where there are none.
    """
    shard = frames.start[:-1] // SHARD_FRAMES
    first = np.flatnonzero(np.diff(shard, prepend=-1))
    tasks = []
    for number, (begin, end) in enumerate(zip(first.tolist(), [*first[1:].tolist(), len(frames.ids)], strict=True)):
        start = frames.start[begin : end + 1]
        lines = frames.lines.slice(start[0], start[-1] - start[0])
        here = slice(begin, end)
        ids, path = frames.ids[here], folder / shard_name(number)
        of_masks = None if masks is None else [masks[id_] for id_ in ids]
        tasks.append((path, header, lines, start - start[0], ids, rows[here], scratch, of_masks))
    for _ in run_parallel(_write_shard, tasks, jobs, folder):
        pass
    return len(tasks)


def _write_shard(
    path: Path,
    header: SurveyHeader,
    lines: pa.Table,
    start: NDArray[np.int64],
    ids: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    scratch: Path,
    masks: Sequence[tuple[Path, int]] | None,
) -> None:
    number = {name: i for i, name in enumerate(header.bands)}
    band = np.array([number[name] for name in lines.column("band").to_pylist()], dtype=np.uint8)
    unit, row = lines.column("unit").to_numpy(), lines.column("row").to_numpy()
    known = {name: lines.column(name).to_numpy() for name in FRAME_COLUMNS if name != "band"}
    opened: dict[Path, NDArray[Any]] = {}

    def read(file: Path, row: int) -> NDArray[Any]:
        if file not in opened:
            if len(opened) > MOST_OPEN:
                opened.clear()
            opened[file] = np.load(file, mmap_mode="r").view(np.ndarray)
        return np.asarray(opened[file][row])

    shutil.rmtree(path, ignore_errors=True)  # of a worker that was lost before it could say that it had written it
    with SurveyWriter(path, header, masks=masks is not None) as writer:
        for i, id_ in enumerate(ids):
            here = slice(start[i], start[i + 1])
            places = zip(unit[here].tolist(), row[here].tolist(), strict=True)
            pixels = [read(scratch / f"{u}.npy", r) for u, r in places]
            own = dict(rows[i])
            if masks is not None:
                own["mask"] = read(*masks[i])
            writer.add(
                id_,
                np.stack(pixels),
                band=band[here],
                **{name: values[here] for name, values in known.items()},
                **own,
            )
