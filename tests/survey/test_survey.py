"""Reading a survey gives back what was written, as views, in any layout of shards."""

import hashlib
import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.format import SINCE_VERSION_2, read_header
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused

Objects = list[dict[str, Any]]


def assert_holds(survey: Survey, objects: Objects) -> None:
    assert len(survey) == len(objects)
    for series, given in zip(survey, objects, strict=True):
        assert series.id == given["id"]
        for name in ("frames", "band", "mjd"):
            np.testing.assert_array_equal(getattr(series, name), given[name])
        for name in ("psf_fwhm", "sky_sigma"):
            np.testing.assert_array_equal(getattr(series, name), given[name].astype(np.float32))
        assert series.metadata["class"] == given["class_name"]
        for name in ("label_source", "redshift", "ra", "dec"):
            assert series.metadata[name] == given[name]


def test_objects_come_back_as_written(survey: Survey, objects: Objects) -> None:
    assert_holds(survey, objects)
    assert survey.header.bands == HEADER.bands
    assert survey.lengths.tolist() == [3, 40, 1, 17, 99, 8]


def test_an_object_is_found_by_position_and_by_id(survey: Survey, objects: Objects) -> None:
    for position in (4, -2):
        np.testing.assert_array_equal(survey[position].frames, objects[4]["frames"])
    np.testing.assert_array_equal(survey["sn0004"].frames, objects[4]["frames"])
    assert "sn0004" in survey
    assert "sn9999" not in survey
    with pytest.raises(IndexError, match="position 6 of a survey of 6 objects, which count from 0"):
        survey[6]
    with pytest.raises(TypeError):
        survey[1.5]  # type: ignore[call-overload]
    with refused(SurveyError, "E-ID-UNKNOWN", "sn0004", where="/tiny"):
        survey["sn004"]


def test_frames_are_read_only_views_of_one_memory_map(survey: Survey) -> None:
    first, again = survey[1], survey[1]
    assert np.shares_memory(first.frames, again.frames)
    for name in ("frames", "band", "mjd", "psf_fwhm", "sky_sigma"):
        array = getattr(first, name)
        assert not array.flags.owndata
        assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        first.frames[0, 0, 0] = 1.0


def test_a_selection_keeps_its_order_and_shares_the_maps(survey: Survey, objects: Objects) -> None:
    ids = ["sn0004", "sn0000"]
    assert_holds(survey.select(ids), [objects[4], objects[0]])
    assert_holds(survey.select([o["id"] in ids for o in objects]), [objects[0], objects[4]])
    chained = survey.select(["sn0004", "sn0000", "sn0003"]).select([False, True, True])
    assert_holds(chained, [objects[0], objects[3]])
    assert np.shares_memory(chained["sn0003"].frames, survey["sn0003"].frames)
    assert_holds(survey[1:5:2], [objects[1], objects[3]])
    assert_holds(survey[::-1], objects[::-1])
    assert_holds(survey.select(id_ for id_ in ids), [objects[4], objects[0]])
    assert len(survey.select([])) == 0
    assert list(survey.select([])) == []


@pytest.mark.parametrize(
    ("typed", "near"), [("spira/001", "spiral/001"), ("001", "spiral/001"), ("42", "0042"), ("ring/7x", "ring/7")]
)
def test_an_unknown_id_is_answered_with_near_ones(typed: str, near: str, tmp_path: Path) -> None:
    ids = ("spiral/001", "spiral/002", "ring/7", "0042")
    survey = write_survey(tmp_path / "s", [image_series(n, 3) | {"id": id_} for n, id_ in enumerate(ids)])
    with refused(SurveyError, "E-ID-UNKNOWN", repr(typed), f"such as {near}", where=survey.path):
        survey.position(typed)


def test_an_id_unlike_all_is_answered_with_examples_that_count_no_rest(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [image_series(n, 3) for n in range(9)])
    with refused(SurveyError, "E-ID-UNKNOWN", "its 9 ids", where=survey.path) as caught:
        survey.position("qqqqq")
    assert "more" not in caught.value.fix


def test_a_folder_of_pictures_is_answered_with_the_command_that_makes_a_survey_of_them(tmp_path: Path) -> None:
    (folder := tmp_path / "my pictures" / "spiral").mkdir(parents=True)
    (folder / "a.PNG").touch()
    for path in (folder, folder.parent):
        with refused(SurveyError, "E-SURVEY-FORMAT", f"ingest images '{path}' SURVEY --size N", where=path):
            Survey.open(path)
    (folder.parent / "config.yaml").touch()  # a run, whose figures these are
    with refused(SurveyError, "E-SURVEY-FORMAT", "check the path", where=folder.parent):
        Survey.open(folder.parent)


def test_a_wrong_selection_is_refused(survey: Survey) -> None:
    with refused(SurveyError, "E-ID-UNKNOWN", "sn9999", where="/tiny"):
        survey.select(["sn0001", "sn9999"])
    with refused(SurveyError, "E-SURVEY-SELECTION", "sn0001", where="/tiny"):
        survey.select(["sn0001", "sn0001"])
    with refused(SurveyError, "E-SURVEY-SELECTION", where="/tiny"):
        survey.select([True, False])
    with refused(SurveyError, "E-SURVEY-SELECTION", where="/tiny"):
        survey.select(np.array([0, 1]))
    with refused(SurveyError, "E-SURVEY-SELECTION", where="/tiny"):
        survey.select("sn0001")


def test_many_shards_read_as_one_survey(tmp_path: Path, objects: Objects) -> None:
    for number, part in enumerate((objects[:2], objects[2:5], objects[5:])):
        write_survey(tmp_path / "many" / f"shard-{number:05d}", part)
    survey = join_shards(tmp_path / "many")
    assert_holds(survey, objects)
    assert_holds(Survey.open(tmp_path / "many"), objects)
    assert_holds(survey.select(["sn0005", "sn0002"]), [objects[5], objects[2]])
    assert_holds(Survey.open(tmp_path / "many" / "shard-00001"), objects[2:5])  # each complete in itself


def test_shards_are_appended_by_joining_again(tmp_path: Path, objects: Objects) -> None:
    write_survey(tmp_path / "many" / "shard-00000", objects[:2])
    before = join_shards(tmp_path / "many")
    hash_before = before.hash
    write_survey(tmp_path / "many" / "shard-00001", objects[2:])
    assert_holds(Survey.open(tmp_path / "many"), objects[:2])  # readers see what was joined, no more
    assert_holds(join_shards(tmp_path / "many"), objects)
    assert Survey.open(tmp_path / "many").hash != hash_before


def test_a_pickled_survey_maps_the_same_files(survey: Survey, objects: Objects) -> None:
    assert len(pickle.dumps(survey)) < 2000  # a path and a selection, no frames
    assert_holds(pickle.loads(pickle.dumps(survey)), objects)
    chosen = survey.select(["sn0003", "sn0001"])
    assert_holds(pickle.loads(pickle.dumps(chosen)), [objects[3], objects[1]])


def test_a_survey_replaced_meanwhile_is_not_unpickled(tmp_path: Path, survey: Survey, objects: Objects) -> None:
    data = pickle.dumps(survey)
    survey.path.rename(tmp_path / "old")
    write_survey(survey.path, objects[:3])
    with refused(SurveyError, "E-SURVEY-CHANGED", where=tmp_path / "tiny"):
        pickle.loads(data)


def test_a_selection_of_a_survey_replaced_meanwhile_is_not_unpickled(tmp_path: Path, objects: Objects) -> None:
    survey = write_survey(tmp_path / "s", objects)
    chosen = survey.select(["sn0002"])
    hash_before = survey.hash
    survey.path.rename(tmp_path / "old")
    write_survey(tmp_path / "s", [image_series(7, 3), image_series(8, 3), image_series(9, 3)])
    assert chosen.hash == survey.hash == hash_before  # of what was opened
    data = pickle.dumps(chosen)
    with refused(SurveyError, "E-SURVEY-CHANGED", where=tmp_path / "s"):
        pickle.loads(data)


def test_a_survey_opened_by_a_relative_path_is_found_from_elsewhere(
    survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: Objects
) -> None:
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(Survey.open("tiny"))
    monkeypatch.chdir("/")
    assert_holds(pickle.loads(data), objects)


def test_a_pickled_object_carries_its_row_and_not_the_table(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [image_series(n, 1) for n in range(200)])
    back = pickle.loads(pickle.dumps(survey[17]))
    assert dict(back.metadata) == dict(survey[17].metadata)
    assert len(pickle.dumps(survey[17].metadata)) < 1000


def test_equal_content_has_an_equal_hash(tmp_path: Path, survey: Survey, objects: Objects) -> None:
    assert write_survey(tmp_path / "again", objects).hash == survey.hash
    objects[3]["frames"][0, 0, 0] += 1
    assert write_survey(tmp_path / "other", objects).hash != survey.hash


def test_unknown_values_stay_unknown(tmp_path: Path) -> None:
    bare = {name: image_series(1, 4)[name] for name in ("id", "frames", "band", "mjd")}
    with SurveyWriter(tmp_path / "bare", HEADER) as writer:
        writer.add(**bare)
        writer.add("x", bare["frames"], band=bare["band"], mjd=bare["mjd"], redshift=float("nan"), ra=10, dec=0)
    survey = Survey.open(tmp_path / "bare")
    assert np.isnan(survey[0].psf_fwhm).all()
    assert np.isnan(survey[0].sky_sigma).all()
    assert [survey[0].metadata[name] for name in ("class", "label_source", "redshift", "ra")] == [None] * 4
    table = survey.object_table()
    assert table["class"].mask.all()
    assert np.isnan(table["redshift"]).all()
    assert table["ra"][1] == 10.0


def test_columns_of_ones_own_are_kept(tmp_path: Path) -> None:
    with SurveyWriter(tmp_path / "own", HEADER) as writer:
        writer.add(**image_series(0, 2), true_class="SN Ia", peak=1, extra_test=True)
        writer.add(**image_series(1, 2), peak=2.5)
        writer.add(**image_series(2, 2), true_class="AGN", late=3)
    survey = Survey.open(tmp_path / "own")
    assert [s.metadata["true_class"] for s in survey] == ["SN Ia", None, "AGN"]
    assert [s.metadata["peak"] for s in survey] == [1.0, 2.5, None]
    assert [s.metadata["late"] for s in survey] == [None, None, 3]
    assert [s.metadata["extra_test"] for s in survey] == [True, None, None]
    assert list(survey[0].metadata)[-4:] == ["true_class", "peak", "extra_test", "late"]  # in the order of coming
    with pytest.raises(KeyError):
        survey[0].metadata["no such column"]


def test_shards_may_differ_in_the_columns_of_ones_own(tmp_path: Path) -> None:
    own: list[dict[str, Any]] = [{"peak": 1, "note": None}, {"peak": 2.5}, {"note": "late"}]
    for number, columns in enumerate(own):
        with SurveyWriter(tmp_path / "s" / f"shard-{number:05d}", HEADER) as writer:
            writer.add(**image_series(number, 2), **columns)
    survey = join_shards(tmp_path / "s")
    assert [s.metadata["peak"] for s in survey] == [1.0, 2.5, None]
    assert [s.metadata["note"] for s in survey] == [None, None, "late"]
    assert survey.object_table()["note"].tolist() == [None, None, "late"]


def test_tables_hold_every_object_and_frame(survey: Survey, objects: Objects) -> None:
    table = survey.object_table()
    assert table["id"].tolist() == [o["id"] for o in objects]
    assert table["frames"].tolist() == [len(o["frames"]) for o in objects]
    assert str(table["ra"].unit) == "deg"
    table.write(survey.path.parent / "objects.fits")  # without a warning
    frames = survey.select(["sn0001", "sn0003"]).frame_table()
    assert len(frames) == 40 + 17
    np.testing.assert_array_equal(frames["mjd"], np.concatenate([objects[1]["mjd"], objects[3]["mjd"]]))
    assert frames["id"].tolist() == ["sn0001"] * 40 + ["sn0003"] * 17
    assert frames["band"].tolist() == [HEADER.bands[b] for i in (1, 3) for b in objects[i]["band"]]


def test_big_endian_and_float16_frames_are_stored_right(tmp_path: Path) -> None:
    given = image_series(5, 6)
    write_survey(
        tmp_path / "big", [given | {"frames": given["frames"].astype(">f8"), "mjd": given["mjd"].astype(">f8")}]
    )
    stored = Survey.open(tmp_path / "big")[0]
    np.testing.assert_array_equal(stored.frames, given["frames"])
    assert stored.frames.dtype == np.dtype("<f4")
    half = write_survey(tmp_path / "half", [given], replace(HEADER, dtype="float16"))
    assert half[0].frames.dtype == np.float16
    np.testing.assert_array_equal(half[0].frames, given["frames"].astype(np.float16))


@pytest.mark.parametrize("size", [1, 21, 63])
def test_other_stamp_sizes(tmp_path: Path, size: int) -> None:
    header = replace(HEADER, stamp_size=size, bands=("clear",))
    given = image_series(1, 4, header)
    np.testing.assert_array_equal(write_survey(tmp_path / "s", [given], header)[0].frames, given["frames"])


def test_a_survey_of_version_1_opens_as_it_is_and_knows_no_places_or_gains(survey: Survey) -> None:
    header, entries = read_header(survey.path)
    for name in SINCE_VERSION_2:
        (survey.path / f"{name}.npy").unlink()
        del entries["checksums"][f"{name}.npy"]
    kept = {name: entries[name] for name in ("objects", "frames", "checksums")}
    content = {"format": "ictconvention survey", "version": 1, **asdict(header), **kept}
    del content["orientation"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (survey.path / "survey.json").write_text(json.dumps({**content, "sha256": digest}))
    old = Survey.open(survey.path)
    assert old.header.orientation == "unknown"
    assert not audit_survey(survey.path).flaws
    assert all(np.isnan(getattr(old[3], name)).all() for name in SINCE_VERSION_2)
    np.testing.assert_array_equal(old[3].frames, survey[3].frames)
    assert len(pickle.loads(pickle.dumps(old))[3].x) == len(old[3])


def test_places_and_gains_come_back_as_they_were_given(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "x": np.array([0.25, -0.5]),
        "y": np.array([np.nan, 3.0]),
        "gain": np.array([940.0, np.nan]),
    }
    with SurveyWriter(tmp_path / "s", HEADER) as writer:
        writer.add("a", np.ones((2, 32, 32)), band=[0, 1], mjd=[53600.0, 53601.0], **given)
    series = Survey.open(tmp_path / "s")["a"]
    for name, values in given.items():
        np.testing.assert_array_equal(getattr(series, name), values)


@pytest.mark.parametrize(("name", "value"), [("x", 17.0), ("y", -16.5), ("gain", 0.0), ("gain", np.inf)])
def test_an_impossible_place_or_gain_is_refused(tmp_path: Path, name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: [value]}
    with SurveyWriter(tmp_path / "s", HEADER) as writer:
        with refused(SurveyError, "E-VALUE-RANGE", name, where="/s, object a"):
            writer.add("a", np.ones((1, 32, 32)), band=[0], mjd=[53600.0], **wrong)
        writer.add("b", np.ones((1, 32, 32)), band=[0], mjd=[53600.0])
