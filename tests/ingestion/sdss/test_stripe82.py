"""From a list of objects and an archive on this machine to a survey: places, fluxes, times, noise, and failures."""

import errno
import hashlib
import signal
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ictconvention as ict
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.ingestion.sdss.candidates import read_candidates
from tests.ingestion.commands import centroid, made, refusal, spoken, write_table
from tests.ingestion.sdss.archive_server import COUNT, DARK, GAIN, PSF, SKY, MadeField, fields_table
from tests.ingestion.sdss.conftest import FIRST, LATER, OTHER, STAR, Night
from tests.refusals import refused

GR = ("--bands", "g,r", "--size", 16)


def test_stamps_stand_north_up_with_their_flux_time_seeing_noise_and_gain(night: Night) -> None:
    result = made("sdss", night.objects, night.out, *night.options(*GR))
    assert result.said.startswith("2 objects, 8 frames")  # a field of each of two runs, two bands
    survey = result.survey
    assert (survey.header.bands, survey.header.orientation) == (("g", "r"), "north up, east left")
    assert survey.header.provenance["mjd"] == "TAI, middle of the exposure of the object's row"
    series = survey["star"]
    assert [survey.header.bands[band] for band in series.band] == ["r", "g", "r", "g"]
    row = (STAR[0] - FIRST.ra) / (0.396 / 3600)  # right ascension runs along the rows
    tai = FIRST.tai - 53.907456 / 2 + row * 0.026322
    np.testing.assert_allclose(series.mjd[:2] * 86400, [tai, tai + 4 * 71.7], atol=0.02, rtol=0)
    assert series.mjd[2] - series.mjd[0] == pytest.approx(3, abs=1e-6)
    column = (STAR[1] - FIRST.dec) / (0.396 / 3600)
    sky = SKY + (column + 0.5) / 8 - 0.5
    np.testing.assert_allclose(series.sky_sigma, COUNT * np.sqrt(sky / GAIN + DARK), rtol=2e-4)
    np.testing.assert_allclose(series.gain, GAIN / COUNT, rtol=1e-6)
    np.testing.assert_allclose(series.psf_fwhm, [PSF[2], PSF[1]] * 2, rtol=1e-4)
    pair = {name: survey[name] for name in ("star", "other")}
    for name, (_, _, flux) in (("star", STAR), ("other", OTHER)):
        total = np.nansum(pair[name].frames[0])
        assert total == pytest.approx(STAR[2] + OTHER[2], rel=0.1) or total == pytest.approx(flux, rel=0.3)
    east = (OTHER[0] - STAR[0]) * 3600 / 0.396
    north = (OTHER[1] - STAR[1]) * 3600 / 0.396
    x = (STAR[2] * 0 - OTHER[2] * east) / (STAR[2] + OTHER[2])  # of the light of both; east is left
    y = OTHER[2] * north / (STAR[2] + OTHER[2])
    found = centroid(series.frames[0])
    assert found == pytest.approx((x + float(series.x[0]), y + float(series.y[0])), abs=0.3)


def test_a_field_is_fetched_once_for_all_its_objects_and_nothing_is_left_in_the_cache(night: Night) -> None:
    made("sdss", night.objects, night.out, *night.options(*GR))
    assert set(night.server.counts.values()) == {1}
    assert len(night.server.asked) == 2 * 3  # two frames and a psField of two fields; the third only overlaps
    assert not night.cache.exists()
    assert night.server.agents == {f"ictconvention/{ict.__version__}"}


def test_the_plan_fetches_and_writes_nothing(night: Night) -> None:
    lines = spoken("sdss", night.objects, night.out, *night.options(*GR, "--plan"))
    text = "\n".join(lines)
    assert "2 objects on 2 fields" in text
    assert "4 frames to fetch" in text
    assert "GB" in text
    assert "hours" in text
    assert night.server.asked == []
    assert not night.out.exists()
    assert not night.cache.exists()


def test_the_published_table_of_candidates_names_the_classes(night: Night, tmp_path: Path) -> None:
    rows = [
        {"SNID": 1, "SNTYPE": 120, "RA": STAR[0], "DECL": STAR[1], "REDSHIFT_HELIO": 0.2, "HOSTGAL_MAG_r": 21},
        {"SNID": 2, "SNTYPE": 5, "RA": OTHER[0], "DECL": OTHER[1], "REDSHIFT_HELIO": -9, "HOSTGAL_MAG_r": 999},
        {"SNID": 3, "SNTYPE": 119, "RA": OTHER[0], "DECL": OTHER[1], "REDSHIFT_HELIO": 0.1, "HOSTGAL_MAG_r": 20},
        {"SNID": 4, "SNTYPE": 0, "RA": STAR[0], "DECL": STAR[1], "REDSHIFT_HELIO": -9, "HOSTGAL_MAG_r": 20},
    ]
    result = made("sdss", write_table(tmp_path / "sako.csv", rows), night.out, *night.options(*GR))
    known = {series.id: series.metadata for series in result.survey}
    assert known.keys() == {"1", "2", "4"}
    assert (known["1"]["class"], known["1"]["label_source"], known["1"]["redshift"]) == ("SN Ia", "spectroscopic", 0.2)
    assert (known["2"]["class"], known["2"]["redshift"], known["2"]["host_r"]) == ("Variable", None, None)
    assert known["4"]["class"] is None
    assert [row["object"] for row in result.rejects] == ["3"]


@pytest.mark.parametrize("place", [{"RA": 999}, {"DECL": -9}, {"RA": -9}, {"RA": 400}])
def test_a_candidate_whose_position_is_missing_is_refused(place: dict[str, float], tmp_path: Path) -> None:
    """-9 and 999 stand for a missing number in that table: 999 is not right ascension 279."""
    row = {"SNID": 1, "SNTYPE": 120, "RA": 10.0, "DECL": 0.5} | place
    with refused(UsageError, "E-VALUE-RANGE"):
        read_candidates(write_table(tmp_path / "sako.csv", [row]))


def test_an_object_near_the_edge_is_left_out_and_a_large_stamp_is_missing_beyond_it(
    night: Night, tmp_path: Path
) -> None:
    near = {"id": "near", "ra": 10.0 + 10 * 0.396 / 3600, "dec": STAR[1]}  # 10 pixels from the first row
    listed = write_table(tmp_path / "o.csv", [near, {"id": "star", "ra": 10.0 + 20 * 0.396 / 3600, "dec": STAR[1]}])
    result = made("sdss", listed, night.out, *night.options("--bands", "g,r", "--size", 64))
    assert result.survey.ids == ("star",)
    assert {row["object"] for row in result.rejects} == {"near"}
    missing = np.isnan(result.survey["star"].frames[0])
    assert missing.any()
    assert not missing[:, :32].all()
    assert missing[:, -8:].all()  # west, towards the first row


def test_masked_pixels_are_missing(night: Night) -> None:
    row, column = (round(one) for one in ((STAR[0] - 10.0) / (0.396 / 3600), (STAR[1] + 0.5) / (0.396 / 3600)))
    for one in (FIRST, LATER):
        for band in "gr":
            night.server.files[one.mask_path(band)] = one.mask([(row, column, column + 2)])
    result = made("sdss", night.objects, night.out, *night.options(*GR, "--masks"))
    missing = np.argwhere(np.isnan(result.survey["star"].frames[0]))
    assert len(missing) == 3
    assert np.ptp(missing[:, 0]) == 2  # declination runs along the columns: north


def test_a_night_of_clouds_is_brought_to_a_clear_one_by_the_stars_of_the_field(night: Night) -> None:
    spots = [(26, 26), (26, 70), (50, 48), (90, 26), (94, 70), (60, 24)]
    stars = [(10.0 + row * 0.396 / 3600, -0.5 + column * 0.396 / 3600, 30.0 + row) for row, column in spots]
    cloudy = replace(LATER, transparency=0.6, calib_status=2)
    for one in (FIRST, cloudy):
        night.server.add(one, stars, bands="g")
    objects = write_table(night.objects, [{"id": "star", "ra": stars[2][0], "dec": stars[2][1]}])
    fields_table(night.fields, [FIRST, cloudy])
    options = night.options("--bands", "g", "--size", 16, "--cache-size", 1)
    plain = made("sdss", objects, night.out, *options)
    assert any("--calibrate" in line for line in plain.lines)
    flux = np.nansum(plain.survey["star"].frames, axis=(1, 2))
    assert flux[1] / flux[0] == pytest.approx(0.6, abs=0.01)
    result = made("sdss", objects, night.out.with_name("clear"), *options, "--cache", night.cache, "--calibrate")
    calibrated = result.survey["star"]
    flux = np.nansum(calibrated.frames, axis=(1, 2))
    assert flux[1] / flux[0] == pytest.approx(1, abs=0.01)
    assert result.sources["calibration"][1] == pytest.approx(1 / 0.6, rel=0.01)
    assert 0 < result.sources["calibration_scatter"][1] < 0.02
    assert np.isnan(result.sources["calibration_scatter"][0])
    np.testing.assert_allclose(calibrated.sky_sigma[1] / calibrated.sky_sigma[0], 1 / 0.6, rtol=0.01)


def test_a_night_of_clouds_without_a_clear_one_is_left_out(night: Night) -> None:
    cloudy = replace(LATER, run=5556, calib_status=2, ra=10.5)
    night.server.add(cloudy, [], bands="gr")
    fields_table(night.fields, [FIRST, cloudy])
    write_table(night.objects, [{"id": "a", "ra": STAR[0], "dec": STAR[1]}, {"id": "b", "ra": 10.506, "dec": -0.495}])
    result = made("sdss", night.objects, night.out, *night.options(*GR, "--calibrate"))
    assert result.survey.ids == ("a",)
    assert {(row["object"], row["file"][:7]) for row in result.rejects} == {("b", "frame-g"), ("b", "frame-r")}
    assert all("clear night" in row["reason"] for row in result.rejects)


def test_calibration_needs_to_know_which_nights_were_clear(night: Night) -> None:
    write_table(night.fields, [{name: value for name, value in FIRST.row().items() if not name.startswith("calib")}])
    assert refusal("sdss", night.objects, night.out, *night.options("--calibrate")).code == "E-TABLE-COLUMN"


@pytest.mark.parametrize("failure", ["cut", "damaged", "503"])
def test_a_file_that_comes_badly_is_fetched_again_after_growing_waits(
    night: Night, waits: list[float], failure: str
) -> None:
    night.server.failures[FIRST.frame_path("r")] = [failure] * 3
    result = made("sdss", night.objects, night.out, *night.options(*GR))
    assert result.said.startswith("2 objects, 8 frames")
    assert waits == [1, 2, 4]
    assert night.server.counts[FIRST.frame_path("r")] == 4


def test_a_slow_answer_is_not_waited_for(night: Night, waits: list[float]) -> None:
    night.server.failures[FIRST.frame_path("r")] = ["slow"]
    result = made("sdss", night.objects, night.out, *night.options(*GR, "--timeout", 0.2))
    assert result.said.startswith("2 objects, 8 frames")
    assert waits == [1]


def test_a_frame_that_the_archive_lacks_is_a_reject(night: Night) -> None:
    del night.server.files[FIRST.frame_path("r")]
    del night.server.files[FIRST.psf_path]
    result = made("sdss", night.objects, night.out, *night.options(*GR))
    assert result.said.startswith("2 objects, 6 frames")
    assert {row["file"] for row in result.rejects} == {f"frame-r-{FIRST.name}.fits.bz2", f"psField-{FIRST.name}.fit"}
    first = result.survey["star"]
    assert np.isnan([first.gain[0], first.psf_fwhm[0]]).all()
    assert first.sky_sigma[0] == pytest.approx(0.001, rel=0.1)  # the scatter of the frame itself


def test_a_file_with_another_checksum_is_never_used(night: Night, tmp_path: Path, waits: list[float]) -> None:
    sums = {path: hashlib.sha1(content).hexdigest() for path, content in night.server.files.items()}
    sums[FIRST.frame_path("r")] = "0" * 40
    listed = tmp_path / "sums.sha1sum"
    listed.write_text("".join(f"{value}  {path[1:]}\n" for path, value in sums.items()))
    result = made("sdss", night.objects, night.out, *night.options(*GR, "--checksums", listed, "--tries", 2))
    assert result.said.startswith("2 objects, 6 frames")
    assert all("checksum" in row["reason"] for row in result.rejects)
    assert night.server.counts[FIRST.frame_path("r")] == 2


def test_a_server_that_fails_for_good_ends_the_command_and_the_next_one_resumes(
    night: Night, waits: list[float]
) -> None:
    night.server.failures[LATER.frame_path("r")] = ["503"] * 5
    error = refusal("sdss", night.objects, night.out, *night.options(*GR))
    assert error.code == "E-SERVER-FAILS"
    assert str(error.where).endswith(LATER.frame_path("r"))
    assert [name for name in night.left if name.endswith(".npz")]
    done = night.server.counts[FIRST.frame_path("r")]
    plan = spoken("sdss", night.objects, night.out, *night.options(*GR, "--plan"))
    assert "1 of them done" in plan[0]
    result = made("sdss", night.objects, night.out, *night.options(*GR))
    assert result.said.startswith("2 objects, 8 frames")
    assert night.server.counts[FIRST.frame_path("r")] == done == 1
    assert not night.cache.exists()


def test_a_server_that_is_not_there_is_an_error_of_its_own(night: Night, waits: list[float]) -> None:
    options = night.options(*GR, "--tries", 2)
    options[3] = "http://127.0.0.1:9"
    assert refusal("sdss", night.objects, night.out, *options).code == "E-SERVER-FAILS"


def test_a_web_page_in_the_place_of_a_file_ends_the_command_at_once(night: Night, waits: list[float]) -> None:
    night.server.failures[FIRST.psf_path] = ["page"]
    error = refusal("sdss", night.objects, night.out, *night.options(*GR))
    assert error.code == "E-SERVER-FAILS"
    assert str(error.where).endswith(FIRST.psf_path)
    assert (waits, len(night.server.asked)) == ([], 1)


def test_there_is_no_dry_run_since_it_would_fetch_everything(night: Night) -> None:
    with pytest.raises(UsageError) as caught:
        ict.ingest("sdss", night.objects, night.out, fields=night.fields, server=night.server.address, dry_run=True)
    assert caught.value.code == "E-COMMAND-VALUE"
    assert night.server.asked == []


def test_a_full_disk_leaves_nothing_half_written(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if f"frame-r-{LATER.name}" in path.name:
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert refusal("sdss", night.objects, night.out, *night.options(*GR)).code == "E-FILES-FULL"
    assert not [name for name in night.left if "partial" in name or f"frame-r-{LATER.name}" in name]
    monkeypatch.undo()
    assert made("sdss", night.objects, night.out, *night.options(*GR)).said.startswith("2 objects, 8 frames")
    assert night.server.counts[FIRST.frame_path("r")] == 1


def test_a_killed_command_resumes_after_the_last_field_that_was_done(night: Night) -> None:
    night.server.slowness = 0.1
    wanted = {
        "fields": night.fields,
        "server": night.server.address,
        "bands": "g,r",
        "size": 16,
        "delay": 0.0,
        "jobs": 1,
    }
    process = get_context("fork").Process(target=ict.ingest, args=("sdss", night.objects, night.out), kwargs=wanted)
    process.start()
    while LATER.frame_path("g") not in night.server.asked and process.is_alive():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not night.out.exists()
    night.server.slowness = 0
    result = made("sdss", night.objects, night.out, *night.options(*GR))
    assert result.said.startswith("2 objects, 8 frames")
    assert night.server.counts[FIRST.frame_path("r")] == 1


def test_the_cache_keeps_the_youngest_frames_within_its_size(night: Night) -> None:
    one = len(night.server.files[FIRST.frame_path("r")])
    made("sdss", night.objects, night.out, *night.options(*GR, "--cache-size", 3.5 * one / 1e9))
    sizes = sum(path.stat().st_size for path in night.cache.rglob("*") if path.is_file())
    assert 0 < sizes <= 3.5 * one
    assert f"frame-r-{LATER.name}.fits.bz2" in night.left
    asked = len(night.server.asked)
    other = night.out.with_name("other")
    made("sdss", night.objects, other, *night.options(*GR, "--cache", night.cache, "--cache-size", 1))
    assert len(night.server.asked) < asked + 6  # what is kept is not fetched again


def test_no_more_files_are_fetched_at_once_than_connections(night: Night) -> None:
    more = [MadeField(6000 + number, 2, 7, 10.0, tai=FIRST.tai + number * 86400) for number in range(3)]
    for one in more:
        night.server.add(one, [STAR], bands="g")
    write_table(night.fields, [one.row() for one in more])
    night.server.slowness = 0.03
    options = night.options("--bands", "g", "--size", 16, "--no-psf", "--jobs", 3, "--connections", 2)
    assert made("sdss", night.objects, night.out, *options).said.startswith("2 objects, 6 frames")
    assert 1 <= night.server.most <= 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--server", "ftp://a"), "E-COMMAND-VALUE"),
        (("--connections", 0), "E-COMMAND-VALUE"),
        (("--bands", "g,y"), "E-BAND-UNKNOWN"),
        (("--tries", 0), "E-COMMAND-VALUE"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_fetched(
    night: Night, options: tuple[object, ...], code: str
) -> None:
    assert refusal("sdss", night.objects, night.out, *night.options(), *options).code == code
    assert night.server.asked == []


def test_objects_of_another_sky_are_refused(night: Night, tmp_path: Path) -> None:
    listed = write_table(tmp_path / "o.csv", [{"id": "far", "ra": 200.0, "dec": 40.0}])
    assert refusal("sdss", listed, night.out, *night.options()).code == "E-INGEST-MISMATCH"


@pytest.mark.slow
def test_workers_of_a_cluster_make_the_same_survey_and_fetch_each_file_once(night: Night, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    found = {}
    for name, more in (("process", ()), ("cluster", ("--scheduler", "local:2", "--jobs", 2, "--connections", 2))):
        night.server.asked.clear()
        made("sdss", night.objects, night.out, *night.options(*GR, *more))
        assert set(night.server.counts.values()) == {1}
        assert len(night.server.asked) == 2 * 3
        assert not night.cache.exists()
        moved = night.out.rename(tmp_path / name)
        files = (path for path in moved.rglob("*") if path.is_file())
        found[name] = {str(path.relative_to(moved)): path.read_bytes() for path in files}
    assert found["process"] == found["cluster"]
    assert any(name.endswith("frames.npy") for name in found["cluster"])


def test_python_makes_the_same_survey(night: Night) -> None:
    wanted: dict[str, Any] = {"fields": night.fields, "server": night.server.address, "delay": 0.0, "jobs": 1}
    result = ict.ingest("sdss", night.objects, night.out, bands=["g"], size=16, **wanted)
    assert result.frames == 4
    with whole_file(night.out.with_name("free.txt"), "saving") as partial:  # the folder beside it is free
        partial.write_text("x")
