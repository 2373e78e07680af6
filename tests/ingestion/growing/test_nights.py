"""A survey grows by nights: as one ingest of all, in states that stay, or not at all."""

import hashlib
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import FileSystemError, SurveyError, UsageError
from ictconvention.ingestion.found import Found, Reject
from ictconvention.ingestion.pipeline import ingest
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.bands import lineage_of, select_bands
from ictconvention.survey.format import FRAMES_FILE, OBJECTS_FILE
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.growth.frame_sources import FrameSources
from ictconvention.survey.growth.side_tables import read_photometry
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from ictconvention.survey.writer import SurveyWriter, join_shards
from tests.conftest import HEADER, image_series
from tests.ingestion.growing.nights import NIGHTS, TABLE, add_night, content, found, options
from tests.refusals import refused


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Make a survey of all nights at once."""
    return add_night(tmp_path_factory.mktemp("one") / "s", *range(NIGHTS)).survey


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Add the same nights one by one."""
    out = tmp_path_factory.mktemp("grown") / "s"
    for night in range(NIGHTS):
        add_night(out, night)
    return Survey.open(out)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Make a survey of two nights, to be changed."""
    out = tmp_path / "s"
    add_night(out, 0)
    add_night(out, 1)
    return out


def listing(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def sources_of(survey: Survey) -> str:
    places = [survey.frame_places(position) for position in range(len(survey))]
    taken = FrameSources(survey).take(*(np.concatenate([place[i] for place in places]) for i in (0, 1)))
    return repr(taken.to_pylist() if taken is not None else None)


def test_ten_nights_one_by_one_are_one_ingest_of_all(one: Survey, grown: Survey) -> None:
    assert content(grown) == content(one)
    measured = read_photometry(grown)
    assert measured is not None
    assert repr(measured.to_pylist()) == repr(pq.read_table(one.path / "photometry.parquet").to_pylist())
    assert sources_of(grown) == repr(pq.read_table(one.path / "frame_sources.parquet").to_pylist())
    points, of_one = SurveyPoints(grown), SurveyPoints(one)
    assert all(repr(points.of(series)) == repr(of_one.of(series)) for series in grown)
    assert sum(len(points.of(series)) for series in grown) > 50
    assert [series.id for series in grown][:3] == ["o04", "o11", "o03"]  # as the table names them
    assert grown.frame_table().pformat() == one.frame_table().pformat()
    assert grown.object_table().pformat() == one.object_table().pformat()


def test_what_has_grown_is_sound_and_keeps_all_that_it_was(grown: Survey) -> None:
    assert verify_survey(grown, True)
    report = audit_survey(grown.path)
    assert not report.flaws
    assert report.lineage == grown.lineage
    assert sum(report.classes.values()) == len(grown)
    assert len({*grown.lineage}) == NIGHTS
    assert grown.lineage[-1] == grown.hash
    sizes = [int(Survey.open(grown.path, state=state).lengths.sum()) for state in grown.lineage]
    assert sizes == sorted(sizes)
    some = Survey.open(grown.path, state=grown.lineage[3][:8]).select(["o03", "o07"])
    again = pickle.loads(pickle.dumps(some))
    assert (again.hash, content(again)) == (grown.lineage[3], content(some))


def test_an_old_survey_stays_as_it_was_when_nights_are_added(tmp_path: Path) -> None:
    add_night(tmp_path / "s", 0)
    before, hash_ = listing(tmp_path / "s"), Survey.open(tmp_path / "s").hash
    first = content(Survey.open(tmp_path / "s"))
    add_night(tmp_path / "s", 1)
    after = listing(tmp_path / "s")
    assert {name for name, digest in before.items() if after[name] != digest} == {"survey.json"}
    assert after[f"states/{hash_}.json"] == before["survey.json"] == hash_
    assert content(Survey.open(tmp_path / "s", state=hash_)) == first


def test_the_compact_form_is_that_of_one_ingest(one: Survey, grown: Survey, tmp_path: Path) -> None:
    shutil.copytree(grown.path, tmp_path / "s")
    made = compact(tmp_path / "s")
    assert content(made.survey) == content(one)
    for name in (FRAMES_FILE, "mjd.npy", "band.npy"):
        assert (made.survey.path / "shard-00000" / name).read_bytes() == (one.path / "shard-00000" / name).read_bytes()
    for name in ("photometry.parquet", "frame_sources.parquet"):
        assert repr(pq.read_table(made.survey.path / name).to_pylist()) == repr(
            pq.read_table(one.path / name).to_pylist()
        )
    assert not made.survey.files.deltas
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", f"s-{grown.hash[:8]}"]
    assert Survey.open(made.before).lineage == grown.lineage
    assert Survey.open(tmp_path / "s", state=grown.hash).hash == grown.hash  # the same content, so of the same name
    with refused(SurveyError, "E-SURVEY-STATE", str(made.before), where=tmp_path / "s"):
        Survey.open(tmp_path / "s", state=grown.lineage[2])
    add_night(tmp_path / "s", NIGHTS)
    assert len(Survey.open(tmp_path / "s").lineage) == NIGHTS + 2
    with refused(SurveyError, "E-SURVEY-STATE", where=one.path):
        compact(one.path)


@pytest.mark.parametrize("name", ["shard-00000/frames.npy", "delta-00001/photometry.parquet", "photometry.parquet"])
@pytest.mark.parametrize("missing", [False, True])
def test_damage_is_not_written_anew_with_checksums_of_its_own(
    name: str, missing: bool, grown: Survey, tmp_path: Path
) -> None:
    path = shutil.copytree(grown.path, tmp_path / "s") / name
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.unlink()
    if not missing:
        path.write_bytes(data)
    with pytest.raises(SurveyError) as raised:
        compact(tmp_path / "s")
    assert raised.value.code in ("E-SURVEY-DAMAGED", "E-SURVEY-HASH")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["s"]


def test_a_band_of_what_has_grown_is_a_survey_with_all_its_photometry(grown: Survey, tmp_path: Path) -> None:
    green = select_bands(grown, ["g"], tmp_path / "g")
    assert lineage_of(green) >= {*grown.lineage}
    measured, of_all = read_photometry(green), read_photometry(grown)
    assert measured is not None
    assert of_all is not None
    assert repr(measured.to_pylist()) == repr(of_all.to_pylist())
    assert verify_survey(green, True)
    points, of_grown = SurveyPoints(green), SurveyPoints(grown)
    found, expected = ([one.of(series).photometry for series in green] for one in (points, of_grown))
    assert sum(map(len, found)) > 50
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))


def test_a_night_that_is_read_twice_adds_nothing(two: Path) -> None:
    before, hash_ = listing(two), Survey.open(two).hash
    result = add_night(two, 1)
    assert result.survey.hash == hash_
    assert any("nothing new" in line for line in result.said)
    assert listing(two) == before
    assert not [path for path in two.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("night", [[], [Found]])
def test_a_night_without_a_sound_frame_is_refused(two: Path, night: list[Any]) -> None:
    before = listing(two)
    with refused(SurveyError, "E-INGEST-REJECTS", where=two):
        ingest(options(two, into=True), broken, night, {})
    assert listing(two) == before


def broken(unit: object) -> list[Found]:
    return [Reject("", "x", "unreadable")]


@pytest.mark.parametrize(
    ("own", "fact"),
    [
        ({"bands": ("g",)}, "--bands g,r"),
        ({"size": 9}, "--size 8"),
        ({"pixel_scale": 0.5}, "--pixel-scale 1.0"),
        ({"name": "other"}, "--name nights"),
        ({"simulated": True}, "no --simulated"),
        ({"flux_unit": "count"}, "nanomaggy"),
        ({"classes": ("AGN", "SN II")}, "SN Ia"),
    ],
)
def test_a_night_that_does_not_fit_is_refused(two: Path, own: dict[str, Any], fact: str) -> None:
    before = listing(two)
    with refused(UsageError, "E-INGEST-UNFIT", fact, where=two):
        ingest(replace(options(two, into=True), **own), found, [2], TABLE)
    assert listing(two) == before


def test_a_band_that_the_survey_has_not_is_left_out_and_counted(two: Path) -> None:
    result = ingest(options(two, into=True, rename_band={"r": "i"}), found, [2], TABLE)
    assert result.survey.header.bands == ("g", "r")
    assert {reject.reason.split(":")[0] for reject in result.rejects if not reject.flaw} == {"unknown band 'i'"}


def test_labels_that_come_later_are_taken_and_others_are_refused(two: Path) -> None:
    state = Survey.open(two).hash
    changed = {**TABLE, "o03": {**TABLE["o03"], "class_name": "AGN"}, "o07": {"class_name": "AGN", "redshift": 0.5}}
    with refused(UsageError, "E-INGEST-CHANGED", "o03", "SN Ia", "AGN", "--relabel"):
        add_night(two, 2, objects=changed)
    assert Survey.open(two).hash == state
    survey = add_night(two, 1, objects=changed, relabel=True).survey  # no frame of it is new
    assert [survey[id_].metadata["class"] for id_ in ("o03", "o04", "o07")] == ["AGN", "AGN", "AGN"]
    assert survey["o07"].metadata["redshift"] == 0.5
    assert Survey.open(two, state=state)["o03"].metadata["class"] == "SN Ia"
    assert survey["o03"].metadata["mine"] == 3
    assert [id_ for id_ in survey.ids if id_ in changed] == [id_ for id_ in changed if id_ in survey]
    with refused(UsageError, "E-INGEST-CHANGED", "o04", "AGN", "SLSN"):
        add_night(two, 2, objects={"o04": {"class_name": "SLSN"}})
    new = {"o08": {"class_name": "SLSN"}}
    unlabelled = add_night(two, 2, objects=new)
    assert unlabelled.survey["o08"].metadata["class"] is None
    assert any("SLSN" in line for line in unlabelled.said)
    labelled = add_night(two, 3, objects=new, classes=("AGN", "SN Ia", "SLSN")).survey
    assert labelled["o08"].metadata["class"] == "SLSN"
    assert not audit_survey(two).flaws


def test_a_column_of_another_kind_is_refused_and_leaves_the_survey_as_it_was(two: Path) -> None:
    """Of objects without a new frame too; `mine` is a number in the survey."""
    before = listing(two)
    table = {"o04": {**TABLE["o04"], "mine": "four"}}
    with refused(SurveyError, "E-VALUE-TYPE", where=two):
        add_night(two, 1, objects=table, relabel=True)
    assert listing(two) == before


def test_two_writers_at_once_are_refused_and_readers_are_not(two: Path) -> None:
    with folder_lock(two):
        with refused(FileSystemError, "E-FILES-LOCKED", where=two):
            add_night(two, 2)
        assert len(Survey.open(two))
    reader = Survey.open(two)
    add_night(two, 2)
    assert content(pickle.loads(pickle.dumps(reader))) == content(reader)


def test_shards_are_not_joined_anew_where_nights_were_added(two: Path) -> None:
    with refused(SurveyError, "E-SURVEY-SHARDS", where=two):
        join_shards(two)


def test_a_survey_that_is_one_shard_cannot_grow(tmp_path: Path) -> None:
    with SurveyWriter(tmp_path / "s", HEADER) as writer:
        writer.add(**image_series(0, 3))
    with refused(SurveyError, "E-SURVEY-SHARDS", where=tmp_path / "s"):
        add_night(tmp_path / "s", 1)


@pytest.mark.parametrize("name", [OBJECTS_FILE, "places.parquet", "frame_place.npy", "photometry.parquet"])
def test_a_changed_file_of_a_night_is_seen(two: Path, name: str) -> None:
    path = two / "delta-00001" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SurveyError) as caught:
        verify_survey(Survey.open(two), True)
    assert str(path) in str(caught.value.where)
