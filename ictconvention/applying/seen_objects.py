"""Which objects of a survey a run has seen, so that nobody scores it on them, in another survey either."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from ictconvention.configuration.schema import parts_of
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.bands import lineage_of, origin_of
from ictconvention.survey.labels.groups import positions_of
from ictconvention.survey.survey import Survey

SAME_PLACE = 2.0  # [arcsec]; objects that are closer are one


def is_own(run: TrainedRun, survey: Survey, exactly: bool = False) -> bool:
    """Return whether a survey is that of a run: in any of its states, or `exactly` in the one that it was trained on.

    An id means the same object in all states of a survey.
    """
    known = {run.survey.get("origin"), run.survey.get("hash")}
    return not known.isdisjoint([origin_of(survey)] if exactly else lineage_of(survey))


def seen_by(run: TrainedRun, survey: Survey) -> NDArray[np.bool_]:
    """Return which objects of a survey a run has seen, (n,).

    In the run's own survey, by their ids; in another state of it, also those within `SAME_PLACE` of an object that it
    has seen, since a later night may give one a second id. In any other survey, those within `SAME_PLACE` of an object
    that it has seen; an object without a position, by its id, where the surveys have the same name.
    """
    own, exactly = is_own(run, survey), is_own(run, survey, exactly=True)
    same = np.zeros(len(survey), dtype=bool)
    ra, dec = (np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table()))
    placed = np.isfinite(ra) & np.isfinite(dec)
    if own or survey.header.name == run.survey.get("name"):
        for part in parts_of(run.options):
            places = survey.ids.positions(run.split["parts"].get(part, ()))
            same[places[places >= 0]] = True
        same &= own | ~placed
    if exactly and run.options.init_from is None:
        return same
    if (seen := RunFolder(run.folder).read_seen()) is None:
        return same
    there = np.column_stack([seen.column("ra").to_numpy(), seen.column("dec").to_numpy()])
    there = there[np.isfinite(there).all(1)]
    if len(there) and placed.any():
        known, here = SkyCoord(*there.T, unit="deg"), SkyCoord(ra[placed], dec[placed], unit="deg")
        same[placed] |= here.match_to_catalog_sky(known)[1] < SAME_PLACE * u.arcsec
    return same


def name_parts(run: TrainedRun, survey: Survey) -> list[str]:
    """Return in which part of a run's split each object of a survey is: test, extra test, validation, training or "".

    What several stages use is in the part that taught most. Of objects of another survey all that is known is which the
    run has seen, see `seen_by`: those are called seen. So is one of its own survey that is in no part that taught and
    was seen all the same, such as a second id that a later night has given.
    """
    seen = seen_by(run, survey).tolist()
    if not is_own(run, survey):
        return ["seen" if one else "" for one in seen]
    part_of: dict[str, str] = {}
    for part in (*TESTED, *sorted(parts_of(run.options), key=lambda part: not part.endswith("_validation"))):
        said = (
            part.replace("_", " ") if part in TESTED else "validation" if part.endswith("_validation") else "training"
        )
        part_of |= dict.fromkeys(run.split["parts"].get(part, ()), said)
    parts = [part_of.get(str(id_), "") for id_ in survey.ids]
    untaught = {"", *(part.replace("_", " ") for part in TESTED)}
    return ["seen" if one and part in untaught else part for one, part in zip(seen, parts, strict=True)]


def cannot_be_known(run: TrainedRun, survey: Survey) -> int:
    """Return how many objects of a survey have neither a position nor an id by which a run would know them.

    In another state of the run's survey these are objects that the run's own state did not have.
    """
    own = is_own(run, survey)
    if is_own(run, survey, exactly=True) or (not own and survey.header.name == run.survey.get("name")):
        return 0
    ra, dec = (np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table()))
    nowhere = ~np.isfinite(ra + dec)
    if own:
        known = survey.ids.positions(list(run.split["classes"]))
        nowhere[known[known >= 0]] = False
    return int(np.count_nonzero(nowhere))
