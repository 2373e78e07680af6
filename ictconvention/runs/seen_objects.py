"""Which objects a run has seen, kept with it, so that nobody scores it on them, in another survey either."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.bands import origin_of
from ictconvention.survey.split import Split, positions_of
from ictconvention.survey.survey import Survey

SEEN_FILE = "seen_objects.parquet"  # id, ra, dec [deg] of what trained or validated; first, what a run before has seen
SAME_PLACE = 2.0  # [arcsec]; objects that are closer are one


def save_seen(folder: Path, survey: Survey, split: Split, init_from: str | None) -> None:
    """Write which objects trained or validated a run, and the runs that gave it its first weights."""
    used = sorted({id_ for part, ids in split.parts.items() if "test" not in part for id_ in ids})
    table = survey.object_table()
    at = [survey.position(id_) for id_ in used]
    ra, dec = (np.asarray(column, dtype=np.float64)[at] for column in positions_of(table))
    seen = pa.table({"id": used, "ra": ra, "dec": dec})
    if init_from is not None and (before := Path(init_from) / SEEN_FILE).exists():
        seen = pa.concat_tables([_read(before), seen])
    with whole_file(folder / SEEN_FILE, "saving which objects were seen", record=True) as partial:
        pq.write_table(seen, partial)


def seen_by(run: TrainedRun, survey: Survey) -> NDArray[np.bool_]:
    """Return which objects of a survey a run has seen, (n,).

    In the run's own survey, by their ids. In any other, those within `SAME_PLACE` of an object that it has seen; an
    object without a position, by its id, where the surveys have the same name.
    """
    used = {id_ for part, ids in run.split["parts"].items() if "test" not in part for id_ in ids}
    own = origin_of(survey) in (run.survey.get("origin"), run.survey.get("hash"))
    same = np.zeros(len(survey), dtype=bool)
    ra, dec = (np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table()))
    placed = np.isfinite(ra) & np.isfinite(dec)
    if own or survey.header.name == run.survey.get("name"):
        same = np.array([id_ in used for id_ in survey.ids]) & (own | ~placed)
    path = run.folder / SEEN_FILE
    if (own and run.options.init_from is None) or not path.exists():
        return same
    seen = _read(path)
    there = np.column_stack([seen.column("ra").to_numpy(), seen.column("dec").to_numpy()])
    there = there[np.isfinite(there).all(1)]
    if len(there) and placed.any():
        known, here = SkyCoord(*there.T, unit="deg"), SkyCoord(ra[placed], dec[placed], unit="deg")
        same[placed] |= here.match_to_catalog_sky(known)[1] < SAME_PLACE * u.arcsec
    return same


def cannot_be_known(run: TrainedRun, survey: Survey) -> int:
    """Return how many objects of a survey have neither a position nor an id by which a run would know them."""
    if origin_of(survey) in (run.survey.get("origin"), run.survey.get("hash")):
        return 0
    if survey.header.name == run.survey.get("name"):
        return 0
    ra, dec = (np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table()))
    return int(np.count_nonzero(~np.isfinite(ra + dec)))


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, columns=["id", "ra", "dec"])
    except (pa.ArrowException, OSError) as error:
        fix = "restore it from a copy, or train the run again"
        raise UsageError(f"this list of objects is damaged: {error}", path, fix) from error
