"""The table of photometry beside a survey: `photometry.parquet`, read once, as points of each object."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, UsageError, readable_os_errors
from ictconvention.survey.format import NANOMAGGY, sha256
from ictconvention.survey.growth.side_tables import PHOTOMETRY_FILE as PHOTOMETRY_FILE
from ictconvention.survey.growth.side_tables import check_unchanged, listed_tables, read_photometry, side_files
from ictconvention.survey.photometry.points import ONE_EXPOSURE, SIGMAS, Points
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.shard import RESTORE
from ictconvention.survey.survey import Survey
from ictconvention.survey.values import flaw_of_times

MEASUREMENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "band", "kind", "flag")),
        *((name, pa.float64()) for name in ("mjd", "flux", "error", "limit")),
    ]
)
ROWS_AT_ONCE = 65_536  # of a merged table
KINDS = ("forced", "detection", "limit")  # of several at one time the first counts
WITHOUT = "leave out sequence.photometry"
HOW = f"ingest alerts (ztf or rubin), whose other measurements become {PHOTOMETRY_FILE}, or {WITHOUT}"


def has_photometry(survey: Survey) -> bool:
    """Return whether a table of photometry lies beside the frames of a survey."""
    tables = [listed_tables(survey.header), *(sums for _, sums in survey.files.deltas)]
    return any(PHOTOMETRY_FILE in sums for sums in tables)


def check_photometry(survey: Survey) -> None:
    """Refuse a survey without photometry beside its frames, or whose frames are in another unit.

    Raises
    ------
    UsageError
        With the fix.
    """
    if not has_photometry(survey):
        found = f"this survey has no {PHOTOMETRY_FILE}, and sequence.photometry reads it"
        raise UsageError(found, survey.path, HOW, "E-SURVEY-UNSUITED")
    if survey.header.flux_unit != NANOMAGGY:
        found = f"{PHOTOMETRY_FILE} is in nanomaggies, and the frames of this survey are in {survey.header.flux_words}"
        raise UsageError(found, survey.path, WITHOUT, "E-SURVEY-UNSUITED")


class SurveyPoints:
    """The points of every object of a survey: `points.of(series)`.

    The whole table is in memory, 21 bytes a measurement; a copy in another process reads it anew.

    A measurement that its source has something against (`flag`) is left out, and so is one of an exposure of which
    there is a frame, unless they are asked for. Of a forced flux, a detection and a limit of one exposure the first
    counts. A flux without an error is a limit where that is known, and else left out; what is called a limit is
    one, whatever flux stands beside it.

    Parameters
    ----------
    survey : Survey
        The survey, or a selection of it.
    of_frames : bool
        Whether those of the frames' own exposures count: what differs from the reference in them.

    Raises
    ------
    UsageError
        It has no photometry, or in another unit, see `check_photometry`.
    SurveyError
        The table has changed since it was written, or holds what cannot be.
    """

    def __init__(self, survey: Survey, of_frames: bool = False) -> None:
        check_photometry(survey)
        self._survey, self.of_frames = survey, of_frames
        self._points, self._starts = _read(survey)

    def of(self, series: ImageSeries) -> Points:
        """Return the points of an object of the survey, without those of its frames where these do not count."""
        position = self._survey.position(series.id)
        found = self._points[self._starts[position] : self._starts[position + 1]]
        return found if self.of_frames else found.without_frames(series.band, series.mjd)

    def __getstate__(self) -> dict[str, Any]:
        return {"_survey": self._survey, "of_frames": self.of_frames}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_survey"], state["of_frames"])  # type: ignore[misc]


@contextmanager
def photometry_file(survey: Survey) -> Iterator[Path]:
    """Yield a file with the table of a survey: its own, or a merged one for a while where nights were added."""
    if not survey.files.deltas:
        yield next(iter(side_files(survey, PHOTOMETRY_FILE)))
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / PHOTOMETRY_FILE
        pq.write_table(_table(survey), path)
        yield path


def _table(survey: Survey) -> pa.Table:
    """Return the measurements of what there was before the nights and of all nights, merged."""
    merged = read_photometry(survey)
    assert merged is not None  # it has files
    return merged.select(MEASUREMENTS.names)


def _read(survey: Survey) -> tuple[Points, NDArray[np.int64]]:
    """Return the points of all objects, in the order of the survey, and where those of each begin (n + 1,)."""
    for path, checksum in side_files(survey, PHOTOMETRY_FILE).items():
        with readable_os_errors("reading the photometry", path):
            if sha256(path) != checksum:
                raise SurveyError(f"{path.name} has changed since it was written", path, RESTORE, "E-SURVEY-HASH")
    path = survey.path / PHOTOMETRY_FILE
    with readable_os_errors("reading the photometry", path):
        try:
            grown = bool(survey.files.deltas)
            batches = (
                _table(survey).to_batches(ROWS_AT_ONCE)
                if grown
                else pq.ParquetFile(path).iter_batches(columns=MEASUREMENTS.names)
            )
            parts = [_part(batch, survey) for batch in batches]
            check_unchanged(survey)
        except (pa.ArrowException, KeyError, ValueError) as error:
            found = f"{path.name} is damaged: {str(error).splitlines()[0]}"
            raise SurveyError(found, path, RESTORE, "E-SURVEY-DAMAGED") from error
    owner, rank, band, mjd, flux, error_bar = (
        np.concatenate([np.zeros(0, kind), *column])
        for kind, column in zip("iBBdff", zip(*parts, strict=True) if parts else [()] * 6, strict=True)
    )
    if (flaw := flaw_of_times(mjd)) is not None:
        raise SurveyError(flaw.found, path, RESTORE, "E-SURVEY-DAMAGED")
    order = np.lexsort((mjd, band, owner))
    owner, rank, band, mjd, flux, error_bar = (x[order] for x in (owner, rank, band, mjd, flux, error_bar))
    new = np.ones(len(owner), bool)
    new[1:] = (np.diff(owner) != 0) | (np.diff(band.astype(int)) != 0) | (np.diff(mjd) >= ONE_EXPOSURE)
    exposure = np.cumsum(new)
    best = np.lexsort((rank, exposure))
    best = best[np.diff(exposure[best], prepend=0) > 0]
    best = best[np.lexsort((band[best], mjd[best], owner[best]))]
    points = Points(band[best], mjd[best], flux[best], error_bar[best])
    return points, np.searchsorted(owner[best], np.arange(len(survey) + 1))


def _part(batch: pa.RecordBatch, survey: Survey) -> tuple[NDArray[Any], ...]:
    """Return owner, rank of the kind, band, time, flux and error of what counts of some rows of the table."""
    owner = _places(batch.column("id"), survey.ids.positions)
    names, bands = list(KINDS), list(survey.header.bands)
    rank = _places(batch.column("kind"), lambda kinds: np.array([*map(_rank, kinds)], int))
    band = _places(
        batch.column("band"), lambda given: np.array([bands.index(b) if b in bands else -1 for b in given], int)
    )
    flawed = _places(batch.column("flag"), lambda flags: np.array([bool(flag) for flag in flags], int))
    mjd, flux, error, limit = (
        batch.column(name).to_numpy(zero_copy_only=False).astype(float) for name in ("mjd", "flux", "error", "limit")
    )
    of_limit = rank == names.index("limit")
    measured = np.isfinite(flux) & np.isfinite(error) & (error > 0) & ~of_limit
    limits = np.isfinite(limit) & (limit > 0)
    flux, error = np.where(measured, flux, np.nan), np.where(measured, error, np.where(limits, limit / SIGMAS, np.nan))
    keep = (owner >= 0) & (band >= 0) & (of_limit | ((flawed <= 0) & (measured | limits)))
    rank = np.where(measured, rank, names.index("limit"))
    types: list[type] = [np.int64, np.uint8, np.uint8, np.float64, np.float32, np.float32]
    columns = (owner, rank, band, mjd, flux, error)
    return tuple(column[keep].astype(kind) for column, kind in zip(columns, types, strict=True))


def _rank(kind: str) -> int:
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    return KINDS.index(kind)


def _places(column: pa.Array, place: Any) -> NDArray[np.int64]:
    """Return a number for each text of a column (rows,), worked out once for each text that there is."""
    coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    texts = coded.dictionary.to_pylist()
    numbers = np.asarray(place(texts), dtype=np.int64) if texts else np.zeros(0, np.int64)
    codes = coded.indices.fill_null(-1).to_numpy()
    found: NDArray[np.int64] = np.append(numbers, -1)[codes]
    return found
