"""Frames of one object in several shards: places in one number, frames in their order whatever shard they lie in."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictconvention.core.errors import SurveyError
from ictconvention.survey.growth.joined import gather, open_joined, pack, unpack
from ictconvention.survey.growth.states import FRAME_PLACE
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import add_night
from tests.refusals import refused


@given(st.lists(st.tuples(st.integers(0, 2**22), st.integers(0, 2**40 - 1)), min_size=1, max_size=20))
def test_a_place_in_one_number_is_its_shard_and_row(places: list[tuple[int, int]]) -> None:
    shard, row = np.array(places).T
    found = unpack(pack(shard, row))
    assert np.array_equal(found[0], shard)
    assert np.array_equal(found[1], row)


def test_frames_come_in_the_order_that_is_asked_for(two: Path) -> None:
    survey = add_night(two, 2).survey
    rng = np.random.default_rng(0)
    shard = rng.integers(0, len(survey.shards), 50)
    row = np.array([rng.integers(len(survey.shards[s].frames)) for s in shard])
    expected = [survey.shards[s].frames[r] for s, r in zip(shard, row, strict=True)]
    np.testing.assert_array_equal(gather(survey.shards, pack(shard, row)), np.stack(expected))


def test_the_joined_frames_of_an_object_are_in_time_order_and_read_only(two: Path) -> None:
    survey = Survey.open(two)
    (joined,) = survey.files.joined
    assert joined is not None
    several = [i for i in range(len(survey)) if len(np.unique(survey.frame_places(i)[0])) > 1]
    assert len(several) > 3
    for i in several:
        series = survey[i]
        assert (np.diff(series.mjd) >= 0).all()
        assert not series.frames.flags.writeable


@pytest.mark.parametrize("harm", ["missing", "short", "type"])
def test_a_damaged_column_of_a_night_is_refused(two: Path, harm: str) -> None:
    path = two / "delta-00001" / "mjd.npy"
    values = np.load(path)
    path.unlink()
    if harm != "missing":
        np.save(path, values[:-1] if harm == "short" else values.astype(np.float32))
    with refused(SurveyError, "E-SURVEY-DAMAGED", where=path):
        open_joined(path.parent)
    assert (path.parent / f"{FRAME_PLACE}.npy").is_file()
