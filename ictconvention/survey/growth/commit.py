"""The next state of a survey: a night that lies in its folder becomes part of it, at once or not at all."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ictconvention.core.atomic import WholeFolder, whole_file
from ictconvention.core.errors import SurveyError, readable_os_errors
from ictconvention.core.plain_file import read_plain
from ictconvention.survey.format import HEADER_FILE, OBJECTS_FILE, SHARD_PREFIX, read_header, sha256, write_header
from ictconvention.survey.growth.states import PLACES_FILE, STATES_FOLDER, delta_name, state_file
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import shard_folders

NIGHTS = "nights"  # entry of the provenance: how each night was made


def take_delta(survey: Survey) -> WholeFolder:
    """Reserve the folder of the next night of a survey, which the caller has locked.

    One that a process has finished and was killed before it became part of the survey is removed.
    """
    folder = WholeFolder(survey.path / delta_name(len(survey.files.deltas) + 1), shard=True)
    folder.take(replacing=True)
    return folder


def write_state(folder: WholeFolder, objects: pa.Table, places: pa.Table) -> tuple[int, int]:
    """Write the object table and the places of a new state, see `growth.states`, to the folder of its night.

    Returns
    -------
    objects, frames : int
        How many the survey has then.
    """
    pq.write_table(objects, folder.partial / OBJECTS_FILE)
    pq.write_table(places, folder.partial / PLACES_FILE)
    return objects.num_rows, int(pc.sum(places.column("length")).as_py())


def commit_delta(
    survey: Survey,
    folder: WholeFolder,
    size: tuple[int, int],
    made: Mapping[str, Any],
    classes: Sequence[str],
) -> Survey:
    """Make a filled folder the newest night of a survey.

    Parameters
    ----------
    survey : Survey
        The survey in its newest state, whole.
    folder : WholeFolder
        As `take_delta` gave it, with its shards and all else.
    size : tuple of int
        Objects and frames of the new state, as of `write_state`.
    made : mapping
        How the night was made, for the provenance.
    classes : sequence of str
        Those of the new state.

    Raises
    ------
    SurveyError
        The survey was changed by another way meanwhile.
    FileSystemError
        The disk does not allow it; the survey is as it was.
    """
    shards = [path.name for path in shard_folders(folder.partial)]
    listed = [
        {"folder": f"{folder.path.name}/{name}", "sha256": sha256(folder.partial / name / HEADER_FILE)}
        for name in shards
    ]
    own = sorted(path.name for path in folder.partial.iterdir() if path.is_file())
    checksums = {name: sha256(folder.partial / name) for name in own}
    path, text = survey.path / HEADER_FILE, read_plain(survey.path / HEADER_FILE)
    if hashlib.sha256(text).hexdigest() != survey.hash:
        fix = "give the command again"
        raise SurveyError("the survey was changed while the night was read", survey.path, fix, "E-SURVEY-CHANGED")
    header, entries = read_header(survey.path)
    nights = [*header.provenance.get(NIGHTS, ()), dict(made)]
    header = replace(header, classes=tuple(classes), provenance={**header.provenance, NIGHTS: nights})
    new = {
        "objects": size[0],
        "frames": size[1],
        "shards": [*entries["shards"], *listed],
        "deltas": [*entries.get("deltas", ()), {"folder": folder.path.name, "checksums": checksums}],
        "states": [*entries.get("states", ()), survey.hash],
    }
    folder.complete()
    with readable_os_errors("keeping the state before", survey.path):
        (survey.path / STATES_FOLDER).mkdir(exist_ok=True)
    with whole_file(state_file(survey.path, survey.hash), "keeping the state before", record=True) as kept:
        kept.write_bytes(text)
    with whole_file(path, "adding the night", record=True) as partial:
        write_header(partial, header, new, grown=True)
    return Survey.open(survey.path)


def check_may_grow(path: Path) -> None:
    """Refuse a survey that no night can be added to, since it is one shard itself.

    Raises
    ------
    SurveyError
        It is one shard, or none at all.
    """
    if "shards" not in read_header(path)[1]:
        fix = f"move it into a new folder as {SHARD_PREFIX}00000 and call join_shards there; what ingest makes can grow"
        raise SurveyError("this survey is one shard itself, which no night is added to", path, fix, "E-SURVEY-SHARDS")
