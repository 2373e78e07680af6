"""ZTF's cutouts: where the object lies in them, what their edges and gaps hold, and what may be missing beside them."""

from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest

from tests.ingestion.alert_packets import (
    JD,
    SIDE,
    SKY,
    Alert,
    alert,
    cutout,
    detection,
    limit,
    schema,
    sky,
    source,
    write_avro,
)
from tests.ingestion.commands import Made, centroid, made, refusal
from tests.refusals import check_refusal


def ingested(tmp_path: Path, alerts: list[Alert], *options: object, **fields: Any) -> Made:
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, schema(**fields), alerts)
    return made("ztf", tmp_path / "a.avro", tmp_path / "s", *options)


def science(pixels: np.ndarray[Any, Any], **candidate: Any) -> Alert:
    one = alert()
    one["cutoutScience"] = cutout(pixels)
    one["candidate"] |= candidate
    return one


@pytest.mark.parametrize(("x", "y"), [(0.3, 0.4), (-0.45, 0.2), (0.1, -0.49)])
def test_the_place_of_an_object_is_what_its_candidate_says_to_a_fraction_of_a_pixel(
    tmp_path: Path, x: float, y: float
) -> None:
    one = science(source(1000, x, y, sigma=1.2) + sky(), xpos=1500 + x, ypos=1600 + y)
    result = ingested(tmp_path, [one])
    series = result.survey[0]
    place = float(series.x[0]), float(series.y[0])
    assert centroid(np.where(series.frames[0] > 0.1, series.frames[0], 0)) == pytest.approx(place, abs=0.03)
    assert max(map(abs, place)) <= 0.5
    assert place == pytest.approx((result.sources["x"][0], result.sources["y"][0]))


@pytest.mark.parametrize(
    ("rows", "columns", "candidate"),
    [
        (slice(None), slice(1, None), {"xpos": 31.2, "ypos": 900.0}),
        (slice(None), slice(23, None), {"xpos": 8.8, "ypos": 900.0}),
        (slice(None), slice(None, 45), {"xpos": 3059.0, "ypos": 900.0}),
        (slice(7, None), slice(None), {"xpos": 900.0, "ypos": 25.0}),
        (slice(None, 60), slice(2, None), {"xpos": 30.0, "ypos": 3052.0}),
    ],
)
def test_a_cutout_cut_off_at_the_edge_of_its_chip_is_completed_on_that_side(
    tmp_path: Path, rows: slice, columns: slice, candidate: Alert
) -> None:
    whole = source(1000, x=6, y=-4) + sky(noise=1.0)
    cut = science(whole[rows, columns], **candidate)
    expected = made(
        "ztf", write_avro(tmp_path / "w.avro", [science(whole)]), tmp_path / "w", "--size", SIDE, "--no-sky"
    )
    result = ingested(tmp_path, [cut], "--size", SIDE, "--no-sky")
    frame = result.survey[0].frames[0]
    seen = np.zeros((SIDE, SIDE), dtype=bool)
    seen[rows, columns] = True
    np.testing.assert_array_equal(np.isfinite(frame), seen[::-1])
    np.testing.assert_array_equal(frame[seen[::-1]], expected.survey[0].frames[0][seen[::-1]])


@pytest.mark.parametrize("candidate", [{"xpos": 900.0}, {"xpos": None}, {"xpos": float("nan")}])
def test_a_small_cutout_whose_edge_is_not_known_is_rejected(tmp_path: Path, candidate: Alert) -> None:
    result = ingested(tmp_path, [science(sky(1.0)[:, 3:], **candidate), alert(day=1)])
    assert result.said == "1 object, 1 frame, 1 rejected"
    assert "xpos" in result.rejects[0]["reason"]


def test_a_strip_of_zeros_beside_the_chip_is_no_sky_and_leaves_the_flux_right(tmp_path: Path) -> None:
    pixels = source(5000) + sky(noise=3.0)
    pixels[:, :9] = 0  # a seventh
    result = ingested(tmp_path, [science(pixels)], "--size", SIDE)
    frame = result.survey[0].frames[0]
    assert np.isnan(frame[:, :9]).all()
    assert np.isfinite(frame[:, 9:]).all()
    middle = frame[SIDE // 2 - 6 : SIDE // 2 + 7, SIDE // 2 - 6 : SIDE // 2 + 7]
    assert middle.sum() / 10 ** (-0.4 * 3.5) == pytest.approx(5000, rel=0.03)


@pytest.mark.parametrize("value", [0.0, SKY, -999.0])
def test_a_constant_cutout_is_rejected(tmp_path: Path, value: float) -> None:
    result = ingested(tmp_path, [science(np.full((SIDE, SIDE), value)), alert(day=1)])
    assert result.said == "1 object, 1 frame, 1 rejected"


@pytest.mark.parametrize(
    "flawed",
    [
        limit(-3, magnitude=99.0),
        detection(-3) | {"isdiffpos": "-1"},
        detection(-3, fid=9),
        limit(-3) | {"jd": -1.0},
        detection(-3, magnitude=-5.0),
    ],
)
def test_a_flawed_entry_of_the_history_is_left_out_alone_and_named(tmp_path: Path, flawed: Alert) -> None:
    result = ingested(tmp_path, [alert(previous=[detection(-5), flawed, limit(-1)]), alert(day=1)])
    assert result.said == "1 object, 2 frames, 1 rejected"
    assert result.rejects[0]["file"] == "a.avro[prv_candidates 1]"
    assert result.photometry["kind"] == ["detection", "limit", "detection", "detection"]


def test_forced_photometry_says_what_its_processing_found(tmp_path: Path) -> None:
    names = ("jd", "forcediffimflux", "forcediffimfluxunc", "magzpsci", "diffmaglim")
    fields: list[Any] = [{"name": name, "type": ["null", "double"]} for name in names]
    fields += [{"name": "fid", "type": "int"}, {"name": "procstatus", "type": ["null", "string"]}]
    forced = {"type": "array", "items": {"type": "record", "name": "forced", "fields": fields}}
    measured = {"forcediffimflux": 50.0, "forcediffimfluxunc": 5.0, "magzpsci": 25.0, "fid": 1}
    history = [measured | {"jd": JD - day, "procstatus": status} for day, status in ((3, "0"), (2, "56"), (1, "61,63"))]
    result = ingested(tmp_path, [alert() | {"fp_hists": history}], fp_hists=forced)
    assert result.photometry["flag"] == ["", "procstatus 56", "procstatus 61,63", ""]


def test_alerts_of_the_first_months_take_the_zero_point_of_the_command(tmp_path: Path) -> None:
    old = alert(counts=1000, host=0)
    old["candidate"]["magzpsci"] = None
    alerts = [old, alert(day=1, counts=1000, host=0, zero_point=25.0)]
    series = ingested(tmp_path, alerts, "--zero-point", 22.5).survey[0]
    np.testing.assert_allclose(series.frames.sum((1, 2)), [1000, 100], rtol=1e-3)
    error = refusal("ztf", write_avro(tmp_path / "old.avro", [old]), tmp_path / "t")
    check_refusal(error, "E-INGEST-REJECTS", "--zero-point", where=tmp_path / "t")


@pytest.mark.parametrize("name", ["nan", "NaN", "None", "", " ", "null"])
def test_an_alert_without_a_name_is_rejected(tmp_path: Path, name: str) -> None:
    result = ingested(tmp_path, [alert(name), alert(day=1)])
    assert result.said == "1 object, 1 frame, 1 rejected"
    assert result.rejects[0]["reason"].startswith("id ")
