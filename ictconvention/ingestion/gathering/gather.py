"""Frames of some objects, found in any order: each object's in time order, duplicates out, and what they say of it."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.ingestion.gathering.shares import ObjectOrder
from ictconvention.survey.neighbours import median_position

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


def gather_frames(lines: pa.Table, order: ObjectOrder) -> tuple[GatheredFrames, pa.Table, int]:
    """Sort frames by object, time and band, and leave out all but one of each exposure.

    Parameters
    ----------
    lines : Table
        As of `FRAME_LINES`.
    order : ObjectOrder
        The order of objects.

    Returns
    -------
    frames : GatheredFrames
    twice : Table
        Lines about frames of an object in a band and at a time of which there is another, in their order; the one that
        was found first stays.
    repeats : int
        How many were left out that have the same pixels as another one of their exposure: the same file or row twice.
    """
    id_ = lines.column("id").to_numpy(zero_copy_only=False)
    place = {name: number for number, name in enumerate(sorted(set(id_), key=order.key))}
    owner = np.array([place[name] for name in id_], dtype=np.int64)
    band = np.unique(lines.column("band").to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]
    mjd = lines.column("mjd").to_numpy()
    sorted_ = np.lexsort((np.arange(len(mjd)), mjd, band, owner))
    same = (np.diff(owner[sorted_]) == 0) & (np.diff(band[sorted_]) == 0) & (np.diff(mjd[sorted_]) < REPEATED_WITHIN)
    exposure = np.cumsum(np.concatenate([[0], ~same])) if len(sorted_) else np.zeros(0, dtype=int)
    pixels = np.column_stack([exposure, lines.column("crc32").to_numpy()[sorted_]])
    new = np.unique(pixels, axis=0, return_index=True)[1]  # the first of equal frames
    again = sorted_[1:][same]
    repeats = np.delete(sorted_, new)
    kept = np.setdiff1d(np.arange(len(mjd)), again)
    kept = kept[np.lexsort((band[kept], mjd[kept], owner[kept]))]
    return GatheredFrames(lines.take(kept)), lines.take(np.setdiff1d(again, repeats)), len(repeats)


def descriptions(
    frames: GatheredFrames, objects: Mapping[str, Mapping[str, Any]], known: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Return what is known of each object, as arguments of `SurveyWriter.add`.

    A position that the table of objects does not have is the median of those of its frames, `first_detection` [MJD]
    the earliest that a frame knows, and `reliability` the median of those that its frames know. The latter two are of
    all objects or of none: `known` names those of the columns that a frame of the survey knows, by default one of
    these.
    """
    rows = []
    ra, dec, detected = (frames.number(name) for name in ("ra", "dec", "first_detection"))
    reliability = frames.number("reliability")
    if known is None:
        both = {"first_detection": detected, "reliability": reliability}
        known = [name for name, values in both.items() if np.isfinite(values).any()]
    some_detected, some_rated = "first_detection" in known, "reliability" in known
    for i, id_ in enumerate(frames.ids):
        here = slice(frames.start[i], frames.start[i + 1])
        row = dict(objects.get(id_, {}))
        placed = np.isfinite(ra[here]) & np.isfinite(dec[here])
        if row.get("ra") is None and row.get("dec") is None and placed.any():
            row["ra"], row["dec"] = median_position(ra[here][placed], dec[here][placed])
        if some_detected and row.get("first_detection") is None:
            finite = detected[here][np.isfinite(detected[here])]
            row["first_detection"] = float(finite.min()) if finite.size else None
        if some_rated and row.get("reliability") is None:
            finite = reliability[here][np.isfinite(reliability[here])]
            row["reliability"] = float(np.median(finite)) if finite.size else None
        rows.append(row)
    return rows
