"""Where each object lies: what a night has left alone lies where it lay, and a place that is none is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.survey.growth.layout import find_unchanged, open_files
from ictconvention.survey.growth.states import PLACES_FILE
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import add_night
from tests.refusals import refused


def test_objects_without_a_new_frame_lie_where_they_lay(two: Path) -> None:
    """Those that an earlier night has joined too, although the shards before them have become more."""
    survey = add_night(two, 2).survey
    for state in survey.lineage:
        earlier = Survey.open(two, state=state)
        at = find_unchanged(survey.files, earlier.files)
        for i, id_ in enumerate(survey.ids):
            same = id_ in earlier and earlier[id_].frames.tobytes() == survey[id_].frames.tobytes()
            assert at[i] == (earlier.position(id_) if same else -1)
    before = open_files(two, state=survey.lineage[1])
    middle = find_unchanged(survey.files, before)
    joined = before.layout.holder >= len(before.shards)
    assert joined[middle[middle >= 0]].any()


@pytest.mark.parametrize(
    ("column", "value"), [("first", -1), ("length", 0), ("length", 10**6), ("shard", 9), ("delta", 5), ("row", 999)]
)
def test_a_place_where_there_is_nothing_is_refused(two: Path, column: str, value: int) -> None:
    path = two / "delta-00001" / PLACES_FILE
    places = pq.read_table(path)
    values = places.column(column).to_numpy().copy()
    values[3] = value
    place = places.column_names.index(column)
    field = places.schema.field(place)
    pq.write_table(places.set_column(place, field, pa.array(values, field.type)), path)
    with pytest.raises(SurveyError) as caught:
        open_files(two)
    assert caught.value.code == "E-SURVEY-DAMAGED"
    assert "delta-00001" in str(caught.value.where) or "survey.json" in str(caught.value.where)


def test_a_table_of_objects_and_places_of_unequal_length_are_refused(two: Path) -> None:
    path = two / "delta-00001" / PLACES_FILE
    pq.write_table(pq.read_table(path).slice(1), path)
    with refused(SurveyError, "E-SURVEY-DAMAGED", where=path):
        open_files(two)
