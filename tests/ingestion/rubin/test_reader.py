"""Rubin alerts become sequences: the same from every kind of file, in nanomaggies, north up, in TAI."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from tests.ingestion.alert_packets import alert as ztf_alert
from tests.ingestion.alert_packets import write_avro as write_ztf
from tests.ingestion.commands import centroid, frame_bytes, made, refusal, rejects_of
from tests.ingestion.rubin_packets import (
    MJD,
    NANOJANSKY,
    OBJECT,
    SCALE,
    Alert,
    alert,
    cutout,
    earlier,
    forced,
    write_alerts,
    write_table,
)
from tests.refusals import check_refusal


def visits() -> list[Alert]:
    """Return alerts of one object, whose star lies off its place, at another angle in each."""
    return [
        alert(day=day, band=band, angle=angle, at=(0.6, -0.8), middle=(0.4, -0.3), noise=1.0, seed=day)
        for day, (band, angle) in enumerate(zip("ugrizy", (0, 41, 90, 155, 222, 318), strict=True))
    ]


def test_every_visit_shows_the_star_in_one_pixel_with_one_flux(tmp_path: Path) -> None:
    result = made("rubin", write_alerts(tmp_path / "a.avro", visits()), tmp_path / "s", "--size", 25)
    assert result.said == "1 object, 6 frames, 0 rejected"
    survey = result.survey
    assert survey.header.bands == ("u", "g", "r", "i", "z", "y")
    assert survey.header.pixel_scale == SCALE
    assert survey.header.orientation == "north up, east left"
    assert "TAI" in str(survey.header.provenance["mjd"])
    series = survey[str(OBJECT)]
    np.testing.assert_allclose(series.mjd, MJD + np.arange(6), atol=1e-9)
    for frame in series.frames:
        light = np.where(np.nan_to_num(frame) > 0.01, frame, 0)
        assert centroid(light) == pytest.approx((-0.6 / SCALE, -0.8 / SCALE), abs=0.05)
        assert np.nansum(frame) == pytest.approx(10_000 * NANOJANSKY, rel=0.01)
    np.testing.assert_allclose(series.x, 0)
    np.testing.assert_allclose(series.sky_sigma, NANOJANSKY, rtol=0.15)  # 1 nJy, less by the interpolation
    difference = np.abs(series.frames - series.frames[0])
    assert np.nanmax(difference) < 0.02 * np.nanmax(series.frames)


def test_without_rotation_the_pixels_stay_and_the_cost_is_said(tmp_path: Path) -> None:
    source = write_alerts(tmp_path / "a.avro", visits())
    result = made("rubin", source, tmp_path / "s", "--no-rotate", "--size", 20)
    assert result.survey.header.orientation == "as given"
    assert any("residual" in line and "--no-rotate" in line for line in result.lines)
    series = result.survey[0]
    assert np.abs(series.frames[2] - series.frames[0]).max() > 0.3 * series.frames.max()
    np.testing.assert_allclose(series.x, [0.4] * 6, atol=0.01)
    np.testing.assert_allclose(series.y, [-0.3] * 6, atol=0.01)
    for frame, angle in zip(series.frames, (0, 41, 90, 155, 222, 318), strict=True):
        assert frame.sum() == pytest.approx(10_000 * NANOJANSKY, rel=0.01), angle


@pytest.mark.parametrize("side", [30, 32, 45, 46])
@pytest.mark.parametrize("options", [(), ("--no-rotate",)])
def test_cutouts_of_other_sizes_are_cropped_or_padded(tmp_path: Path, side: int, options: tuple[str, ...]) -> None:
    source = write_alerts(tmp_path / "a.avro", [alert(side=side)])
    series = made("rubin", source, tmp_path / "s", "--size", 40, *options).survey[0]
    frame = series.frames[0]
    shown = np.isfinite(frame).sum(0).max()
    assert frame.shape == (40, 40)
    assert min(side, 40) - 2 <= shown <= min(side, 40)
    light = np.where(np.nan_to_num(frame) > 0.05, frame, 0)
    assert centroid(light) == pytest.approx((series.x[0], series.y[0]), abs=0.2)
    assert abs(series.x[0]) <= 0.5


def test_two_by_two_pixels_can_be_summed(tmp_path: Path) -> None:
    result = made("rubin", write_alerts(tmp_path / "a.avro", [alert(angle=30)]), tmp_path / "s", "--bin", "--size", 14)
    assert result.survey.header.pixel_scale == 2 * SCALE
    assert np.nansum(result.survey[0].frames[0]) == pytest.approx(10_000 * NANOJANSKY, rel=0.05)


def test_every_format_and_schema_gives_the_same_survey(tmp_path: Path) -> None:
    alerts = [one | {"prvDiaSources": [earlier(-3)]} for one in visits()[:3]]
    sources = [
        write_alerts(tmp_path / "ten.avro", alerts),
        write_alerts(tmp_path / "seven.avro", [one | {"prvDiaNondetectionLimits": None} for one in alerts], version=7),
        write_table(tmp_path / "a.parquet", alerts),
    ]
    with tarfile.open(tmp_path / "night.tar.gz", "w:gz") as archive:
        archive.add(sources[0], "one/alerts.avro")
    seen = []
    for source in [*sources, tmp_path / "night.tar.gz"]:
        result = made("rubin", source, tmp_path / f"s {source.name}")
        assert result.said == "1 object, 3 frames, 0 rejected"
        seen.append((frame_bytes(result.survey), result.photometry))
    assert all(one == seen[0] for one in seen)


def test_moving_sources_are_counted_apart(tmp_path: Path) -> None:
    alerts = [alert(), alert(None, day=1), alert(0, day=2)]
    for source in (write_alerts(tmp_path / "a.avro", alerts), write_table(tmp_path / "a.parquet", alerts)):
        result = made("rubin", source, tmp_path / f"s {source.name}", "--max-rejects", 0)
        assert result.said == "1 object, 1 frame, 0 rejected"
        assert any("2 alerts of moving sources" in line for line in result.lines)


def test_an_id_keeps_all_digits_of_its_64_bits(tmp_path: Path) -> None:
    alerts = [alert(), alert(None, day=1)]
    assert int(float(OBJECT)) != OBJECT
    exact = write_table(tmp_path / "a.parquet", alerts)  # as brokers do: diaObject's column holds doubles
    for one in alerts:
        one["diaObject"] = {"diaObjectId": float(OBJECT), "ra": 150.0, "dec": -40.0}
    rounded = write_table(tmp_path / "b.parquet", alerts[:1])
    for source in (exact, rounded):
        assert made("rubin", source, tmp_path / f"s {source.name}").survey.ids == (str(OBJECT),)
    alerts[0]["diaSource"]["diaObjectId"] = str(OBJECT)  # as in JSON, where numbers are doubles
    text = write_table(tmp_path / "d.parquet", alerts[:1])
    assert made("rubin", text, tmp_path / "text").survey.ids == (str(OBJECT),)
    alerts[0]["diaSource"]["diaObjectId"] = float(OBJECT)
    error = refusal("rubin", write_table(tmp_path / "c.parquet", alerts[:1]), tmp_path / "s")
    check_refusal(error, "E-INGEST-REJECTS", "double", where=tmp_path / "s")


def test_a_detection_that_its_survey_flags_is_rejected_with_the_flag(tmp_path: Path) -> None:
    flagged = [
        alert(day=1, psfFlux_flag=True),
        alert(day=2, centroid_flag=True, pixelFlags_offimage=True),
        alert(day=3, pixelFlags_saturatedCenter=True),
        alert(day=4, pixelFlags_nodataCenter=True),
        alert(day=5, timeWithdrawnMjdTai=MJD + 6),
        alert(day=6, pixelFlags_injectedCenter=True),
    ]
    result = made("rubin", write_alerts(tmp_path / "a.avro", [alert(), *flagged]), tmp_path / "s", "--max-rejects", 1)
    reasons = [row["reason"] for row in result.rejects]
    words = ["psfFlux_flag", "centroid_flag and pixelFlags_offimage", "saturatedCenter", "nodataCenter", "withdrawn"]
    words += ["injectedCenter"]
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


def test_reliability_is_a_column_and_bounds_what_is_taken(tmp_path: Path) -> None:
    alerts = [alert(day=day, reliability=value) for day, value in enumerate((0.2, 0.6, 0.7, None))]
    source = write_alerts(tmp_path / "a.avro", alerts)
    result = made("rubin", source, tmp_path / "all")
    assert result.sources["reliability"][:3] == [0.2, 0.6, 0.7]
    assert result.survey[0].metadata["reliability"] == 0.6
    result = made("rubin", source, tmp_path / "some", "--min-reliability", 0.5, "--max-rejects", 0)
    assert result.said == "1 object, 2 frames, 2 rejected"
    assert result.survey[0].metadata["first_detection"] == pytest.approx(MJD + 1)
    error = refusal("rubin", source, tmp_path / "s", "--min-reliability", 5)
    check_refusal(error, "E-COMMAND-VALUE", "min-reliability", "5")


def test_the_photometry_of_other_times_is_kept_beside_the_frames(tmp_path: Path) -> None:
    before = [
        earlier(-9, timeWithdrawnMjdTai=MJD),
        earlier(-7, psfFlux_flag=True),
        earlier(-5, flux=-3630.780547701),
        earlier(-1, band="w"),
    ]
    dark = [forced(-8), forced(-6, timeWithdrawnMjdTai=MJD), forced(-4, None)]
    one = alert() | {"prvDiaSources": before, "prvDiaForcedSources": dark}
    result = made("rubin", write_alerts(tmp_path / "a.avro", [one, one | {"diaSourceId": 5}]), tmp_path / "s")
    assert "1 object, 1 frame" in result.said  # the same alert twice is one
    assert any("unknown band: 'w'" in row["reason"] for row in rejects_of(tmp_path / "s"))
    rows = list(zip(*result.photometry.values(), strict=True))
    table = [dict(zip(result.photometry, row, strict=True)) for row in rows]
    assert [(one["mjd"] - MJD, one["kind"], one["flag"]) for one in table] == [
        (-8, "forced", ""),
        (-7, "detection", "psfFlux_flag"),
        (-5, "detection", ""),
        (0, "detection", ""),  # of the alert itself
    ]
    assert table[2]["flux"] == pytest.approx(-1)  # 3630.78 nJy are a nanomaggy
    assert table[0]["limit"] == pytest.approx(500 * NANOJANSKY)
    assert result.survey[0].metadata["first_detection"] == pytest.approx(MJD - 5)  # withdrawn and flagged ones are none


def test_limits_of_schema_7_are_kept_and_their_noise_not_interpreted(tmp_path: Path) -> None:
    limits = [{"ccdVisitId": 1, "midpointMjdTai": MJD - 2, "band": "z", "diaNoise": 12.5}]
    source = write_alerts(tmp_path / "a.avro", [alert() | {"prvDiaNondetectionLimits": limits}], version=7)
    seen = made("rubin", source, tmp_path / "s").photometry
    assert seen["kind"] == ["limit", "detection"]
    assert (seen["band"][0], seen["flag"][0]) == ("z", "diaNoise 12.5")
    assert np.isnan([seen["limit"][0], seen["flux"][0]]).all()


def test_a_damaged_cutout_costs_its_alert_alone(tmp_path: Path) -> None:
    flat = cutout(np.zeros((30, 30)))
    damaged = [
        alert(day=1) | {"cutoutScience": alert()["cutoutScience"][:3000]},
        alert(day=2) | {"cutoutScience": flat},
    ]
    damaged += [alert(day=3) | {"cutoutScience": None}, alert(day=4, band="w")]
    result = made("rubin", write_alerts(tmp_path / "a.avro", [alert(), *damaged]), tmp_path / "s", "--max-rejects", 0.9)
    assert result.said == "1 object, 1 frame, 4 rejected"
    assert {row["object"] for row in result.rejects} == {str(OBJECT)}


def test_each_command_names_the_other_for_its_alerts(tmp_path: Path) -> None:
    ours, theirs = write_alerts(tmp_path / "r.avro", [alert()]), write_ztf(tmp_path / "z.avro", [ztf_alert()])
    check_refusal(refusal("ztf", ours, tmp_path / "s"), "E-INGEST-REJECTS", "ictconvention ingest rubin")
    check_refusal(refusal("rubin", theirs, tmp_path / "s"), "E-INGEST-REJECTS", "ictconvention ingest ztf")


def test_stamps_of_the_usual_size_hold_what_a_flux_is_made_of(tmp_path: Path) -> None:
    alerts = [alert(day=day, angle=45 * day, middle=(1.4, -1.3), noise=1.0) for day in range(5)]
    result = made("rubin", write_alerts(tmp_path / "a.avro", alerts), tmp_path / "s")
    recipe = photometry_recipe(SCALE, result.survey.header.stamp_size, tmp_path)
    flux = measure_photometry(result.survey[0], recipe)[:, 0]
    np.testing.assert_allclose(flux, flux[0], rtol=0.005)
    np.testing.assert_allclose(flux, 10_000 * NANOJANSKY, rtol=0.1)  # of a Gaussian, and a Moffat was taken
