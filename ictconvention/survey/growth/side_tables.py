"""Tables beside the frames of a survey, of all its nights: where each frame came from, and photometry.

    frame_sources.parquet   a row for each frame, in the order of the survey's
    photometry.parquet      a row for each measurement, those of an object together and in time order

A survey that has grown has one of each for what there was before, and one for each night; they are merged here. One
that was compacted or written anew after it was opened has others at its place, and is refused.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors
from ictconvention.core.plain_file import read_plain
from ictconvention.survey.format import HEADER_FILE, ORIGIN, TABLES, SurveyHeader
from ictconvention.survey.growth.states import state_file
from ictconvention.survey.shard import RESTORE
from ictconvention.survey.survey import Survey

FRAME_SOURCES_FILE, PHOTOMETRY_FILE = "frame_sources.parquet", "photometry.parquet"
SAME = ["id", "band", "kind", "moment"]  # in these, two measurements are one
IN_ORDER = [(name, "ascending") for name in ("id", "mjd", "band", "kind")]


def side_files(survey: Survey, name: str) -> dict[Path, str]:
    """Return the files of a table beside a survey, the oldest first, with their checksums; none where it has no table.

    Raises
    ------
    SurveyError
        One is missing, or belongs to another state than the one that was opened.
    """
    tables = [(survey.path, listed_tables(survey.header)), *survey.files.deltas]
    files = {folder / name: sums[name] for folder, sums in tables if name in sums}
    check_unchanged(survey)
    for path in files:
        if not path.is_file():
            fix = f"{RESTORE}; `ictconvention check {survey.path}` names all that is missing"
            raise SurveyError(f"{name} is missing", path, fix, "E-SURVEY-DAMAGED")
    return files


def listed_tables(header: SurveyHeader) -> dict[str, str]:
    """Return the tables beside the frames of a survey, its nights apart, with their checksums."""
    tables = header.provenance.get(TABLES)
    listed = dict(tables) if isinstance(tables, dict) else {}
    if ORIGIN in header.provenance:  # a survey of some bands names those of the whole survey, which stayed there
        listed.pop(FRAME_SOURCES_FILE, None)
    return listed


def check_unchanged(survey: Survey) -> None:
    """Refuse a survey at whose place there is another one by now: its tables are of other frames, in another order.

    A night that was added meanwhile changes no file of an earlier state.

    Raises
    ------
    SurveyError
        It was compacted or written anew since it was opened.
    """
    for path in (survey.path / HEADER_FILE, state_file(survey.path, survey.files.header_hash)):
        with readable_os_errors("reading the header", path):
            if path.is_file() and hashlib.sha256(read_plain(path)).hexdigest() == survey.files.header_hash:
                return
    found = "the survey has changed since it was opened: it was compacted, or written anew"
    raise SurveyError(found, survey.path, "open it again, and start again with it as it is now", "E-SURVEY-CHANGED")


def read_photometry(survey: Survey) -> pa.Table | None:
    """Return the measurements of a survey's objects without frames, as its photometry.parquet has them.

    Each once, in the order of id, time and band; of frames' own exposures too.

    Parameters
    ----------
    survey : Survey
        A survey, or a selection of it.

    Returns
    -------
    Table or None
        id, band, kind, flag, mjd [d], flux, error and limit [flux_unit]; None where the survey has none.

    Raises
    ------
    SurveyError
        As of `side_files`.
    """
    if not (files := side_files(survey, PHOTOMETRY_FILE)):
        return None
    tables = [
        table.filter(pc.is_in(table.column("id"), value_set=_plain(survey))) for table in map(pq.read_table, files)
    ]
    check_unchanged(survey)
    if len(files) == 1 and not survey.files.deltas:
        return tables[0]
    return merge_measurements(pa.concat_tables(tables))


def exposures(survey: Survey) -> pa.Table:
    """Return the id, band and time [d] of every frame of a survey, or of a selection, in their order."""
    bands, mjd = [np.zeros(0, np.uint8)], [np.zeros(0)]
    for position in range(len(survey)):
        series = survey.frame_columns(position)
        bands.append(series["band"])
        mjd.append(series["mjd"])
    names = pa.array(survey.header.bands, pa.string()).take(pa.array(np.concatenate(bands)))
    ids = _plain(survey).take(pa.array(np.repeat(np.arange(len(survey)), survey.lengths)))
    return pa.table({"id": ids, "band": names, "mjd": np.concatenate(mjd)})


def _plain(survey: Survey) -> pa.Array:
    return survey.ids.column.combine_chunks()


def merge_measurements(table: pa.Table) -> pa.Table:
    """Return measurements, as of photometry.parquet, each once, see `each_once`, in order."""
    return each_once(table).sort_by(IN_ORDER)


def each_once(table: pa.Table) -> pa.Table:
    """Return a table with one of equal measurements alone, in its order: the first that its source has nothing against.

    Where all have a flag, the first of them.
    """
    count = table.num_rows
    order = np.arange(count) + np.where(_flagged(table), count, 0)
    ordered = with_moment(table).append_column("order", pa.array(order))
    best = ordered.group_by(SAME).aggregate([("order", "min")]).column("order_min").to_numpy()
    return table.take(np.sort(best % count if count else best))


def without_known(table: pa.Table, files: Sequence[Path]) -> pa.Table:
    """Return the measurements that some files, such as those of earlier nights, do not have, or have with a flag alone.

    Of the latter only those without a flag: together with the files `each_once` finds what it would find of all.
    """
    if not files or not table.num_rows:
        return table
    ids = pc.unique(table.column("id"))
    ends, id_ = pc.min_max(ids), pc.field("id")
    within = (id_ >= ends["min"]) & (id_ <= ends["max"])  # of rows in the order of ids, groups are passed over by it
    known = ds.dataset(files).to_table(columns=["id", "band", "kind", "flag", "mjd"], filter=within & id_.isin(ids))
    numbered = with_moment(table).append_column("number", pa.array(np.arange(table.num_rows)))
    flagged, clean = _flagged(table), with_moment(known.filter(pa.array(~_flagged(known))))
    parts = []
    for some, there in ((flagged, with_moment(known)), (~flagged, clean)):
        mine = numbered.filter(pa.array(some)).select([*SAME, "number"])
        parts.append(mine.join(there.select(SAME), SAME, join_type="left anti").column("number").to_numpy())
    return table.take(np.sort(np.concatenate(parts)))


def _flagged(table: pa.Table) -> NDArray[np.bool_]:
    """Return against which measurements (n,) their source has something."""
    flagged = pc.fill_null(pc.not_equal(table.column("flag"), ""), False)
    return np.asarray(flagged.to_numpy(), dtype=bool)


def with_moment(table: pa.Table) -> pa.Table:
    """Return a table with the time as a whole number of microdays: a key."""
    return table.append_column("moment", pc.round(pc.multiply(table.column("mjd"), 1e6)).cast(pa.int64()))
