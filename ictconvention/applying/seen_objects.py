"""Which objects of a survey a run has seen, so that nobody scores it on them, in another survey either."""

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from ictconvention.configuration.stages import parts_of
from ictconvention.evaluation.shift.known_sample import KnownSample
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.bands import lineage_of, origin_of
from ictconvention.survey.labels.groups import positions_of
from ictconvention.survey.split import UNLABELLED_PART
from ictconvention.survey.survey import Survey

Names = NDArray[np.str_]
Places = tuple[NDArray[np.float64], NDArray[np.float64]]  # ra and dec [deg], NaN where not known
SAME_PLACE = 2.0  # [arcsec]; objects that are closer are one


def is_own(run: TrainedRun, survey: Survey, exactly: bool = False) -> bool:
    """Return whether a survey is that of a run: in any of its states, or `exactly` in the one that it was trained on.

    An id means the same object in all states of a survey.
    """
    known = {run.survey.get("origin"), run.survey.get("hash")}
    return not known.isdisjoint([origin_of(survey)] if exactly else lineage_of(survey))


def seen_by(run: TrainedRun, survey: Survey, by_label: bool = False) -> NDArray[np.bool_]:
    """Return which objects of a survey a run has seen, (n,); or `by_label`, those whose label it has used.

    In the run's own survey, by their ids; in another state of it, also those within `SAME_PLACE` of an object that it
    has seen, since a later night may give one a second id. In any other survey, those within `SAME_PLACE` of an object
    that it has seen; an object without a position, by its id, where the surveys have the same name. What runs before it
    and its teachers have seen, it has seen too.
    """
    taught = run.options.learner.teacher is not None
    own, exactly = is_own(run, survey), is_own(run, survey, exactly=True)
    same = np.zeros(len(survey), dtype=bool)
    ra, dec = (np.asarray(column, dtype=np.float64) for column in positions_of(survey.object_table()))
    placed = np.isfinite(ra) & np.isfinite(dec)
    if own or survey.header.name == run.survey.get("name"):
        for part in parts_of(run.options):
            if by_label and part == UNLABELLED_PART:
                continue
            places = survey.ids.positions(run.split["parts"].get(part, ()))
            same[places[places >= 0]] = True
        same &= own | ~placed
    if exactly and run.options.init_from is None and not taught:
        return same
    if (seen := RunFolder(run.folder).read_seen()) is None:
        return same
    if by_label:
        seen = seen.filter(pc.field("part") != UNLABELLED_PART)
    known = (seen.column("ra").to_numpy(), seen.column("dec").to_numpy())
    if taught and (own or survey.header.name == run.survey.get("name")):  # its teachers are of its own survey
        unplaced = seen.filter(pa.array(~np.isfinite(known[0] + known[1])))
        places = survey.ids.positions(unplaced.column("id").to_pylist())
        places = places[places >= 0]
        same[places[~placed[places]]] = True
    return np.asarray(same | (match_places((ra, dec), known) >= 0))


def match_places(here: Places, known: Places) -> NDArray[np.int64]:
    """Return which of m known places is within `SAME_PLACE` of each of n others, (n,); -1 where none is."""
    match = np.full(len(here[0]), -1)
    placed, there = (np.flatnonzero(np.isfinite(ra + dec)) for ra, dec in (here, known))
    if len(placed) and len(there):
        ours, theirs = (
            SkyCoord(one[0][rows], one[1][rows], unit="deg") for one, rows in ((here, placed), (known, there))
        )
        nearest, apart, _ = ours.match_to_catalog_sky(theirs)
        match[placed] = np.where(apart < SAME_PLACE * u.arcsec, there[nearest], -1)
    return match


def name_objects(run: TrainedRun, survey: Survey, rows: NDArray[np.int64], known: KnownSample) -> tuple[Names, Names]:
    """Return a name for each known object (m,) and for each object at some rows of a survey (n,): one object, one name.

    Which objects are one is as of `seen_by`: in the run's own survey those of one id, in any other those within
    `SAME_PLACE`; an object without a position, by its id, where the surveys have the same name.
    """
    ra, dec = (np.asarray(column, dtype=np.float64)[rows] for column in positions_of(survey.object_table()))
    by_id = is_own(run, survey) | ((survey.header.name == run.survey.get("name")) & ~np.isfinite(ra + dec))
    ours = np.array([f"known {id_}" for id_ in known.ids.tolist()])
    ids = [str(survey.ids[row]) for row in rows.tolist()]
    theirs = np.array([f"{'known' if same else 'here'} {id_}" for id_, same in zip(ids, by_id, strict=True)])
    match = match_places((ra, dec), (known.ra, known.dec))
    return ours, np.where(match >= 0, ours[match], theirs)


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
