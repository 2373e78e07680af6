"""The states of a survey that has grown by nights: their names on disk, and the state that a hash names.

    survey.json        the newest state; its SHA-256 is the hash of the state. It lists all shards, all nights, and the
                       hashes of all states before, the oldest first
    states/HASH.json   the survey.json of each earlier state, byte for byte
    shard-00000 ...    what there was before the first night; no night changes it
    delta-00001        what a night has added, complete in itself:
        shard-00000 ...        its frames, an ordinary shard; a frame of an object that was known is in it too
        objects.parquet        the object table of the state: a row per object, in the survey's order
        places.parquet         a row per object: where its frames lie, `PLACES`
        frame_place.npy, band.npy ...
                               of each object with new frames that has others in earlier shards: the shard and row of
                               every frame of it in one number, in time order, and the per-frame columns
        frame_sources.parquet, photometry.parquet
                               as those of a survey, of what the night has brought

A night is written beside the survey's files, then the state before it is copied to `states`, and last survey.json is
replaced, whole: whoever is killed leaves the state before or the state after. No file of a state is changed later.
"""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from ictconvention.core.errors import SurveyError, shorten
from ictconvention.survey.format import HEADER_FILE, VERSION_GROWN, SurveyHeader, read_header, read_header_file

STATES_FOLDER, DELTA_PREFIX = "states", "delta-"
PLACES_FILE = "places.parquet"
FRAME_PLACE = "frame_place"
COMPACTED = "compacted"  # entry of the provenance: of which states a survey is the plain form, and where they are
SHORTEST_HASH = 8  # letters that name a state

# Where an object lies. `first` and `length` are of the shard's frames, or of the columns of a delta.
PLACES = pa.schema(
    [
        ("delta", pa.int32()),  # the night in which its frames were joined, from 0; -1: they lie in one shard alone
        ("shard", pa.int32()),  # the shard that had it first, and its row there: its mask is in it
        ("row", pa.int32()),
        ("first", pa.int64()),
        ("length", pa.int32()),
        ("crc32", pa.uint32()),  # of the bytes of all its frames, in time order
        ("listed", pa.bool_()),  # whether a table of objects named it: these come first
    ]
)


def delta_name(number: int) -> str:
    """Return the folder name of a night, from 1: 'delta-00001'."""
    return f"{DELTA_PREFIX}{number:05d}"


def state_file(path: Path, state: str) -> Path:
    """Return the file that keeps an earlier state of a survey, by its whole hash."""
    return path / STATES_FOLDER / f"{state}.json"


def read_state(path: Path, state: str | None = None) -> tuple[SurveyHeader, dict[str, Any]]:
    """Read the header of a survey in one of its states.

    Parameters
    ----------
    path : Path
        The survey's folder.
    state : str, optional
        Hash of the state, or its first eight letters or more; None: the newest.

    Returns
    -------
    header, entries : SurveyHeader, dict
        As of `read_header`; `lineage` are the hashes of all states that the survey is known to have had, the oldest
        first, up to its newest. `header_hash` is that of the file that was read, which of the plain form of a state is
        another one than that of the state.

    Raises
    ------
    SurveyError
        As of `read_header`; or the survey has no such state.
    """
    header, entries = read_header(path)
    if (entries["version"] == VERSION_GROWN) != ("deltas" in entries):
        found = "the header has a list of nights, or the version of a survey with nights, and not both"
        raise SurveyError(found, path / HEADER_FILE, "restore it from a copy", "E-SURVEY-DAMAGED")
    entries["header_hash"] = entries["hash"]
    told = header.provenance.get(COMPACTED)
    compacted = told if isinstance(told, dict) else {}
    before = [str(one) for known in (compacted, entries) for one in known.get("states") or ()]
    lineage = tuple(dict.fromkeys([*before, entries["hash"]]))
    if state is not None and not entries["hash"].startswith(_checked(state, path)):
        known = [one for one in lineage if one.startswith(state)]
        if len(known) != 1:
            raise _no_state(path, state, lineage)
        if known[0] in (entries.get("states") or ()):
            header, entries = _kept_state(path, known[0])
            entries["header_hash"] = entries["hash"]
        elif "deltas" not in entries and known[0] == before[-1]:
            entries["hash"] = known[0]  # the plain form of this very state
        else:
            place = path.parent / str(compacted.get("folder", ""))
            found = f"the state {known[0][:SHORTEST_HASH]} is not in this survey any more: it was compacted"
            raise SurveyError(found, path, f"open it in {place}, where it was kept", "E-SURVEY-STATE")
    entries["lineage"] = lineage
    return header, entries


def find_state(path: Path, state: str) -> str | None:
    """Return the hash of a state where a survey opens in it, whole; None where it has no such state, or is none."""
    try:
        return str(read_state(path, state)[1]["hash"])
    except SurveyError:
        return None


def _kept_state(path: Path, state: str) -> tuple[SurveyHeader, dict[str, Any]]:
    file = state_file(path, state)
    if not file.is_file():
        raise SurveyError(
            f"the state {state[:SHORTEST_HASH]} is missing", file, "restore it from a copy", "E-SURVEY-DAMAGED"
        )
    header, entries = read_header_file(file)
    if entries["hash"] != state:
        found = "this file has changed since the state was written"
        raise SurveyError(found, file, "restore it from a copy", "E-SURVEY-HASH")
    return header, entries


def _checked(state: str, path: Path) -> str:
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_HASH},64}}", state):
        found = f"state {state!r} is no hash of a survey"
        fix = f"give {SHORTEST_HASH} to 64 of the digits and letters a to f that `ictconvention check` prints"
        raise SurveyError(found, path / HEADER_FILE, fix, "E-SURVEY-STATE")
    return state


def _no_state(path: Path, state: str, lineage: tuple[str, ...]) -> SurveyError:
    names = [one[:SHORTEST_HASH] for one in lineage]
    several = [one for one in lineage if one.startswith(state)]
    found = f"{len(several)} states begin with {state}" if several else f"this survey has no state {state}"
    fix = f"choose one of {shorten(several)}" if several else f"choose one of {shorten(names)}, the oldest first"
    return SurveyError(found, path, fix, "E-SURVEY-STATE")
