"""ZTF alerts become sequences: the same from every kind of file, in nanomaggies, science minus reference."""

from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from ictconvention.ingestion import side_tables
from ictconvention.survey.photometry.table import SurveyPoints
from tests.ingestion.alert_packets import (
    JD,
    SKY,
    Alert,
    alert,
    avro_bytes,
    cutout,
    detection,
    limit,
    schema,
    sky,
    source,
    write_avro,
    write_parquet,
    write_tar,
)
from tests.ingestion.commands import centroid, frame_bytes, made, refusal, write_table
from tests.refusals import check_refusal


def from_avro(tmp_path: Path, *alerts: Alert, name: str = "alerts") -> Path:
    """Write a folder with a packet for each alert."""
    folder = tmp_path / name
    folder.mkdir()
    for number, one in enumerate(alerts):
        write_avro(folder / f"{number}.avro", [one])
    return folder


def test_alerts_of_one_object_are_joined_across_files_and_formats(tmp_path: Path) -> None:
    folder = from_avro(tmp_path, alert(day=3, fid=2, counts=300), alert("ZTF18b", day=1))
    (folder / "night").mkdir()
    write_parquet(folder / "night" / "some.parquet", [alert(day=1, counts=100), alert(day=5, counts=500)])
    write_tar(folder / "night.tar.gz", {"1.avro": avro_bytes([alert(day=2, counts=200)]), "readme.txt": b"no alert"})
    write_tar(folder / "night.tar", {"2.avro": avro_bytes([alert(day=4, counts=400)])})
    result = made("ztf", folder, tmp_path / "s", "--cutout", "difference")
    assert result.said == "2 objects, 6 frames, 0 rejected"
    series = result.survey["ZTF18aaaaaaa"]
    np.testing.assert_allclose(series.mjd, 58000 + np.arange(1, 6))
    np.testing.assert_array_equal(series.band, [0, 0, 1, 0, 0])
    flux = series.frames.sum((1, 2)) / 10 ** (-0.4 * (26.0 - 22.5))
    np.testing.assert_allclose(flux, [100, 200, 300, 400, 500], rtol=1e-3)
    assert result.survey.header.bands == ("g", "r")
    assert result.survey.header.pixel_scale == 1.01
    places = ["night/some.parquet#0", "night.tar.gz[1.avro]", "0.avro", "night.tar[2.avro]", "night/some.parquet#1"]
    assert result.sources["file"][:5] == places


def test_every_format_gives_the_same_bytes(tmp_path: Path) -> None:
    alerts = [
        alert(f"ZTF18{letter}", day, 1 + day % 3, 100.0 + day, previous=[detection(-2), limit(-1)])
        for letter in "abc"
        for day in range(5)
    ]
    sources = {
        "packets": from_avro(tmp_path, *alerts),
        "avro": write_avro(tmp_path / "all.avro", alerts),
        "deflated": write_avro(tmp_path / "deflated.avro", alerts, codec="deflate"),
        "parquet": write_parquet(tmp_path / "all.parquet", alerts),
        "groups": write_parquet(tmp_path / "groups.parquet", alerts, rows_of_group=4),
        "old lists": write_parquet(tmp_path / "old.parquet", alerts, compliant=False),
        "tar": write_tar(tmp_path / "all.tar.gz", {f"{n}.avro": avro_bytes([one]) for n, one in enumerate(alerts)}),
    }
    seen: list[Any] = []
    for name, path in sources.items():
        result = made("ztf", path, tmp_path / f"s {name}", "--jobs", 2)
        photometry = {key: np.array(values) for key, values in result.photometry.items()}
        photometry = {key: np.round(v, 4) if v.dtype.kind == "f" else v for key, v in photometry.items()}
        seen.append((name, frame_bytes(result.survey), {key: v.tolist() for key, v in photometry.items()}))
        assert len(photometry["mjd"]) == 3 * (2 + 5)  # with that of each alert
        assert seen[-1][1] == seen[0][1], name
        np.testing.assert_equal(seen[-1][2], seen[0][2], name)


def test_a_difference_is_science_minus_reference_whatever_its_sign(tmp_path: Path) -> None:
    folder = from_avro(tmp_path, alert(day=0, counts=500), alert(day=1, counts=-500))
    frames = made("ztf", folder, tmp_path / "s", "--cutout", "difference").survey[0].frames
    np.testing.assert_allclose(frames[1], -frames[0], atol=1e-3)  # but for the noise
    assert frames[0].sum() > 0
    science = made("ztf", folder, tmp_path / "t").survey[0].frames  # whose sign is never changed
    assert (science.sum((1, 2)) > 0).all()


@pytest.mark.parametrize(("word", "sign"), [("t", 1), ("1", 1), ("True", 1), ("f", -1), ("0", -1)])
def test_isdiffpos_is_understood_in_each_spelling(tmp_path: Path, word: str, sign: int) -> None:
    one = alert(counts=500)
    one["candidate"]["isdiffpos"] = word
    frames = made("ztf", from_avro(tmp_path, one), tmp_path / "s", "--cutout", "difference").survey[0].frames
    assert np.sign(frames.sum()) == sign


def test_a_difference_of_unknown_sign_is_rejected(tmp_path: Path) -> None:
    one = alert()
    one["candidate"]["isdiffpos"] = "maybe"
    folder = from_avro(tmp_path, one, alert(day=1))
    result = made("ztf", folder, tmp_path / "s", "--cutout", "difference")
    assert "isdiffpos is 'maybe'" in result.rejects[0]["reason"]
    science = made("ztf", folder, tmp_path / "t")
    assert science.said == "1 object, 2 frames, 1 rejected"  # the frame needs no sign, the flux of the candidate does
    assert science.rejects[0]["file"] == "0.avro[candidate 0]"
    assert len(science.photometry["mjd"]) == 1


def test_the_zero_point_gives_nanomaggies(tmp_path: Path) -> None:
    folder = from_avro(tmp_path, *(alert(day=d, counts=1000, host=0, zero_point=z) for d, z in ((0, 22.5), (1, 25.0))))
    series = made("ztf", folder, tmp_path / "s", "--no-sky").survey[0]
    np.testing.assert_allclose(series.frames[:, 0, 0], [SKY, SKY / 10], rtol=1e-5)
    series = made("ztf", folder, tmp_path / "t").survey[0]
    np.testing.assert_allclose(series.frames.sum((1, 2)), [1000, 100], rtol=1e-4)
    assert np.isnan(series.psf_fwhm).all()  # the FWHM of a candidate is that of the object, not the seeing


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("fid", 4, "unknown band: fid is 4, not 1, 2, 3"),
        ("magzpsci", None, "no zero point: the candidate lacks magzpsci; give --zero-point"),
        ("magzpsci", -999.0, "give --zero-point"),
        ("magzpsci", 5.0, "magzpsci is 5"),
        ("jd", float("nan"), "no date"),
        ("jd", 58000.0, "is before 1858"),
        ("ra", float("nan"), None),
        ("fwhm", -999.0, None),
    ],
)
def test_a_candidate_with_a_bad_value_is_rejected_alone(
    tmp_path: Path, field: str, value: Any, reason: str | None
) -> None:
    one = alert(previous=[limit(-3)])
    one["candidate"][field] = value
    result = made("ztf", from_avro(tmp_path, one, alert(day=1)), tmp_path / "s")
    if reason is None:
        assert result.said == "1 object, 2 frames, 0 rejected"
        return
    assert result.said == "1 object, 1 frame, 1 rejected"
    row = result.rejects[0]
    assert (row["object"], row["file"]) == ("ZTF18aaaaaaa", "0.avro")
    assert reason in row["reason"]


def test_an_alert_that_came_twice_is_one_exposure(tmp_path: Path) -> None:
    folder = from_avro(tmp_path, alert(day=0), alert(day=0), alert(day=1), alert("ZTF18b", day=0), alert(day=0, fid=2))
    result = made("ztf", folder, tmp_path / "s")
    assert result.said == "2 objects, 4 frames, 0 rejected"
    assert "1 exact repeat of frames left out" in result.lines
    assert result.rejects == []


def test_photometry_of_other_times_is_kept_beside_the_frames_each_once(tmp_path: Path) -> None:
    history = [detection(-4, 1, 20.0, positive=False), limit(-3, 2, 21.0), detection(-2, 3, 22.5)]
    broken = [detection(-1, 4), detection(-1, 1, -999.0), limit(-1, 2, -999.0)]
    folder = from_avro(
        tmp_path, alert(day=0, previous=history), alert(day=1, previous=[*history, *broken]), alert("ZTF18b")
    )
    result = made("ztf", folder, tmp_path / "s")
    seen = result.photometry
    assert seen["id"] == ["ZTF18aaaaaaa"] * 7 + ["ZTF18b"]
    seen = {name: values[:5] for name, values in seen.items()}  # after them come those of the alerts themselves
    assert [round(mjd - 58000) for mjd in seen["mjd"]] == [-4, -3, -2, -1, -1]
    assert seen["band"] == ["g", "r", "i", "g", "r"]
    assert seen["kind"] == ["detection", "limit", "detection", "limit", "limit"]
    np.testing.assert_allclose(seen["flux"], [-10, np.nan, 1, np.nan, np.nan], rtol=1e-5)
    np.testing.assert_allclose(seen["error"][0], 10 * 0.1 * np.log(10) / 2.5, rtol=1e-5)
    np.testing.assert_allclose(
        seen["limit"], 10 ** (-0.4 * (np.array([20.5, 21, 20.5, 20.5, np.nan]) - 22.5)), rtol=1e-5
    )
    assert len(result.survey["ZTF18aaaaaaa"]) == 2  # photometry makes no frame


def test_the_fluxes_of_frames_are_kept_each_once_and_seen_where_they_are_asked_for(tmp_path: Path) -> None:
    """Of the newest alert too, which no later one repeats: a candidate says what its own exposure has shown."""
    first, second = alert(day=0), alert(day=4, previous=[detection(-5), detection(0), limit(2)], counts=-500.0)
    result = made("ztf", from_avro(tmp_path, first, second), tmp_path / "s")
    seen = result.photometry
    assert np.round(np.array(seen["mjd"]) - 58000, 6).tolist() == [-5, 0, 2, 4]
    assert seen["kind"] == ["detection", "detection", "limit", "detection"]
    assert seen["flux"][3] == pytest.approx(-500 * 10 ** (-0.4 * (26.0 - 22.5)), rel=1e-5)
    survey = result.survey
    days = {every: SurveyPoints(survey, of_frames=every).of(survey[0]).mjd - 58000 for every in (False, True)}
    np.testing.assert_allclose(days[False], [-5, 2])
    np.testing.assert_allclose(days[True], [-5, 0, 2, 4])


def test_a_history_without_a_date_is_left_out_alone(tmp_path: Path) -> None:
    nameless = [detection(-2) | {"jd": float("nan")}, detection(-1)]
    result = made("ztf", from_avro(tmp_path, alert(day=0, previous=nameless)), tmp_path / "s")
    assert result.said == "1 object, 1 frame, 1 rejected"
    assert result.rejects[0]["file"] == "0.avro[prv_candidates 0]"
    assert np.round(np.array(result.photometry["mjd"]) - 58000, 6).tolist() == [-1, 0]
    assert result.survey[0].metadata["first_detection"] == pytest.approx(57999)


def test_photometry_of_many_passes_is_that_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = [alert(f"ZTF{n}", day=n, previous=[detection(n - 5), limit(n - 3)]) for n in range(40)]
    folder = from_avro(tmp_path, *alerts)
    whole = made("ztf", folder, tmp_path / "one").photometry
    monkeypatch.setattr(side_tables, "MEASUREMENTS_AT_ONCE", 7)
    parts = made("ztf", folder, tmp_path / "many").photometry
    rows = [sorted(zip(*one.values(), strict=True), key=str) for one in (whole, parts)]
    assert len(rows[0]) == 120
    assert str(rows[0]) == str(rows[1])  # NaN is not equal to itself


def test_forced_photometry_is_kept_with_its_own_zero_point(tmp_path: Path) -> None:
    names = ("jd", "forcediffimflux", "forcediffimfluxunc", "magzpsci", "diffmaglim")
    fields: list[dict[str, Any]] = [{"name": name, "type": ["null", "double"]} for name in names]
    forced = {"type": "record", "name": "forced", "fields": [*fields, {"name": "fid", "type": "int"}]}
    good: dict[str, Any] = {
        "jd": JD - 3,
        "fid": 2,
        "forcediffimflux": -500.0,
        "forcediffimfluxunc": 50.0,
        "magzpsci": 25.0,
    }
    history = [good, good | {"jd": JD - 2, "forcediffimfluxunc": -99999.0, "diffmaglim": 20.0}]
    history += [
        good | {"forcediffimflux": -99999.0},
        good | {"magzpsci": -999.0},
        good | {"jd": None},
        good | {"fid": 9},
    ]
    with (tmp_path / "a.avro").open("wb") as file:
        kind = {"type": "array", "items": forced}
        fastavro.writer(file, schema(fp_hists=kind), [alert() | {"fp_hists": history}])
    every = made("ztf", tmp_path / "a.avro", tmp_path / "s").photometry
    seen = {name: values[:-1] for name, values in every.items()}  # the last is the detection of the alert
    assert (seen["kind"], seen["band"]) == (["forced"] * 2, ["r"] * 2)
    np.testing.assert_allclose(seen["mjd"], [57997, 57998])
    np.testing.assert_allclose(seen["flux"], -50)
    np.testing.assert_allclose(seen["error"], [5, np.nan])
    np.testing.assert_allclose(seen["limit"], [np.nan, 10])


def test_a_survey_without_photometry_has_no_table_of_it(tmp_path: Path) -> None:
    one = alert()
    one["candidate"]["magpsf"] = None
    result = made("ztf", from_avro(tmp_path, one), tmp_path / "s")
    assert not (result.survey.path / "photometry.parquet").exists()


def test_the_first_detection_is_the_earliest_that_alerts_and_their_candidates_show(tmp_path: Path) -> None:
    late = alert("ZTF18b", day=5)
    late["candidate"]["jdstarthist"] = 2457900.5  # perhaps another outburst
    folder = from_avro(
        tmp_path, alert(day=0, previous=[limit(-9)]), alert(day=1, previous=[detection(-3)]), late, alert("ZTF18c")
    )
    survey = made("ztf", folder, tmp_path / "s").survey
    assert [series.metadata["first_detection"] for series in survey] == [57997, 58005, 58000]


def test_cropping_and_binning_say_where_the_centre_lies(tmp_path: Path) -> None:
    folder = from_avro(tmp_path, alert(host=0))
    crop = made("ztf", folder, tmp_path / "crop")
    assert crop.survey.header.pixel_scale == 1.01
    binned = made("ztf", folder, tmp_path / "bin", "--bin")
    assert binned.survey.header.pixel_scale == 2.02
    for result in (crop, binned):
        frame = result.survey[0].frames[0]
        place = result.sources["x"][0], result.sources["y"][0]
        assert max(map(abs, place)) <= 0.5
        assert centroid(np.where(frame > 0.1, frame, 0)) == pytest.approx(place, abs=0.02)
        assert np.nansum(frame) == pytest.approx(1000 * 10 ** (-0.4 * 3.5), rel=1e-3)


def test_the_position_is_the_median_and_a_table_of_objects_adds_to_it(tmp_path: Path) -> None:
    alerts = [alert(day=day) for day in range(3)]
    for one, ra in zip(alerts, (359.9999, 0.0001, 0.0003), strict=True):
        one["candidate"]["ra"] = ra
    write_table(
        tmp_path / "o.csv", [{"id": "ZTF18aaaaaaa", "class": "SN Ia", "host": "M1"}, {"id": "no", "class": "AGN"}]
    )
    result = made("ztf", from_avro(tmp_path, *alerts), tmp_path / "s", "--objects", tmp_path / "o.csv")
    row = result.survey[0].metadata
    assert (row["class"], row["host"], row["dec"]) == ("SN Ia", "M1", 30.0)
    assert row["ra"] == pytest.approx(0.0001)
    assert result.said == "1 object, 3 frames, 0 rejected"  # what the table names beyond the alerts is no matter


@pytest.mark.parametrize("column", ["band", "mjd", "frames", "psf_fwhm", "class_name"])
def test_columns_that_a_survey_has_itself_are_refused_by_name(tmp_path: Path, column: str) -> None:
    write_table(tmp_path / "o.csv", [{"id": "ZTF18aaaaaaa", column: 1}])
    error = refusal("ztf", from_avro(tmp_path, alert()), tmp_path / "s", "--objects", tmp_path / "o.csv")
    check_refusal(error, "E-TABLE-COLUMN", f"'{column}'" if column != "class_name" else column)


def test_stamps_stand_with_north_up_and_east_left(tmp_path: Path) -> None:
    # In ZTF's cutouts right ascension falls along the rows and declination along the columns: 5 pixels west, 3 south.
    one = alert()
    one["cutoutScience"] = cutout(source(1000, x=5, y=3) + sky())
    result = made("ztf", from_avro(tmp_path, one), tmp_path / "s")
    frame = np.where(result.survey[0].frames[0] > 0.1, result.survey[0].frames[0], 0)
    x, y = centroid(frame)
    assert (x - result.sources["x"][0], y - result.sources["y"][0]) == pytest.approx((5, -3), abs=0.01)
    assert result.survey.header.orientation == "north up, east left"
