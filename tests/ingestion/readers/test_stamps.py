"""Stamps that are cut already: whatever file and type they lie in, the survey holds the same flux in time order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from ictconvention.evaluation.quantities import quantities_of
from tests.ingestion.commands import blob, centroid, flat, frame_bytes, made, refusal, write_table
from tests.refusals import check_refusal

SIZE = 32
SCALE = ("--pixel-scale", 0.4)


def cube(frames: int = 3, size: int = SIZE, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(frames, size, size)).astype(np.float32)


def rows(file: str = "a.fits", frames: int = 3, **own: Any) -> list[dict[str, Any]]:
    """Return rows of the table of stamps: one object, a frame a day, bands g and r in turn."""
    return [
        {"id": "a", "file": file, "band": "gr"[number % 2], "mjd": 58000.0 + number} | own for number in range(frames)
    ]


def test_a_cube_becomes_the_frames_of_its_rows(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows())
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    assert result.said == "1 object, 3 frames, 0 rejected"
    series = result.survey["a"]
    np.testing.assert_array_equal(series.frames, cube())
    np.testing.assert_array_equal(series.mjd, [58000, 58001, 58002])
    np.testing.assert_array_equal(series.band, [0, 1, 0])
    header = result.survey.header
    assert (header.bands, header.classes, header.pixel_scale, header.flux_unit) == (("g", "r"), (), 0.4, "nanomaggy")
    assert result.sources["file"] == ["a.fits"] * 3
    assert result.sources["x"] == result.sources["y"] == [0.0] * 3


def test_a_file_per_epoch_an_npz_and_a_cube_give_the_same_survey(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    np.savez(tmp_path / "a.npz", frames=cube(), other=np.zeros(3))
    np.save(tmp_path / "a.npy", cube())
    epochs = rows()
    for number, row in enumerate(epochs):
        row["file"] = f"a{number}.fits.gz"
        fits.PrimaryHDU(cube()[number]).writeto(tmp_path / row["file"])
    listed = {"cube": rows(), "npz": rows("a.npz"), "npy": rows("a.npy"), "epochs": epochs}
    content = set()
    for name, one in listed.items():
        write_table(tmp_path / f"{name}.csv", one)
        content.add(frame_bytes(made("stamps", tmp_path / f"{name}.csv", tmp_path / name, *SCALE).survey))
    assert len(content) == 1


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">i2", ">i4", "u1"])
def test_any_byte_order_and_type_of_number_gives_the_same_flux(tmp_path: Path, dtype: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 250, (3, SIZE, SIZE))
    np.savez(tmp_path / "a.npz", pixels.astype(dtype))
    fits.PrimaryHDU(pixels.astype(dtype)).writeto(tmp_path / "a.fits")
    for file in ("a.npz", "a.fits"):
        write_table(tmp_path / "t.csv", rows(file))
        result = made("stamps", tmp_path / "t.csv", tmp_path / f"s-{file}", *SCALE)
        np.testing.assert_array_equal(result.survey["a"].frames, pixels)


def test_pixels_scaled_in_the_header_and_blank_ones_are_read_as_meant(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.arange(SIZE**2, dtype=np.int16).reshape(SIZE, SIZE))
    hdu.header["BLANK"], hdu.header["BZERO"], hdu.header["BSCALE"] = 5, 100.0, 0.5
    hdu.writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(frames=1))
    frame = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE).survey["a"].frames[0]
    assert np.isnan(frame[0, 5])
    np.testing.assert_allclose(frame[1], 100 + 0.5 * np.arange(32, 64))


@pytest.mark.parametrize("hdu", ["SCI", "sci", "2"])
def test_an_hdu_is_found_by_name_and_by_number(tmp_path: Path, hdu: str) -> None:
    noise = fits.ImageHDU(cube(seed=5), name="NOISE")
    fits.HDUList([fits.PrimaryHDU(), noise, fits.ImageHDU(cube(), name="SCI")]).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(hdu=hdu))
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    np.testing.assert_array_equal(result.survey["a"].frames, cube())
    assert result.sources["hdu"] == ["SCI"] * 3


def test_the_zero_point_of_each_row_gives_nanomaggies(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.stack([flat(SIZE)] * 4)).writeto(tmp_path / "a.fits")
    listed = rows(frames=4)
    for row, zero_point in zip(listed, [22.5, 25.0, 27.5, None], strict=True):
        row["zero_point"] = zero_point
    write_table(tmp_path / "t.csv", listed)
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--zero-point", 20.0)
    np.testing.assert_allclose(result.survey["a"].frames[:, 0, 0], [1, 0.1, 0.01, 10], rtol=1e-5)


@pytest.mark.parametrize("zero_point", ["-999", "inf", "1e300"])
def test_a_zero_point_that_is_no_magnitude_rejects_its_frame(tmp_path: Path, zero_point: str) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    listed = rows(zero_point=22.5)
    listed[1]["zero_point"] = zero_point
    write_table(tmp_path / "t.csv", listed)
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    assert result.said == "1 object, 2 frames, 1 rejected"
    assert f"zero point is {float(zero_point):g}" in result.rejects[0]["reason"]


def test_class_is_optional_and_columns_of_ones_own_are_kept(tmp_path: Path) -> None:
    listed = []
    known = [("a", "SN Ia", "spectroscopic"), ("b", None, None), ("c", "AGN", None)]
    for id_, class_name, source in known:
        fits.PrimaryHDU(cube()).writeto(tmp_path / f"{id_}.fits")
        own = {"class": class_name, "label_source": source, "host": f"M {id_}", "peak mag": 17.5, "redshift": 0.1}
        listed += [row | {"id": id_} | own for row in rows(f"{id_}.fits")]
    listed = [row | {"ra": 10.0, "dec": -1.0} for row in listed]
    write_table(tmp_path / "t.csv", listed)
    survey = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE).survey
    assert survey.header.classes == ("AGN", "SN Ia")
    assert [series.metadata["class"] for series in survey] == ["SN Ia", None, "AGN"]
    assert [series.metadata["label_source"] for series in survey] == ["spectroscopic", None, None]
    row = survey["b"].metadata
    assert (row["host"], row["peak_mag"], row["redshift"], row["ra"], row["dec"]) == ("M b", 17.5, 0.1, 10.0, -1.0)


def test_unsorted_rows_come_out_in_time_order(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube(6)).writeto(tmp_path / "a.fits")
    order = [3, 0, 5, 1, 4, 2]
    listed = [
        row | {"mjd": 58000.0 + day, "psf_fwhm": 1 + day / 10} for row, day in zip(rows(frames=6), order, strict=True)
    ]
    write_table(tmp_path / "t.csv", listed)
    series = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE).survey["a"]
    np.testing.assert_array_equal(series.mjd, 58000.0 + np.arange(6))
    np.testing.assert_array_equal(series.frames, cube(6)[np.argsort(order)])
    np.testing.assert_allclose(series.psf_fwhm, 1 + np.arange(6) / 10)


def test_planes_are_taken_by_their_numbers(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube(5)).writeto(tmp_path / "a.fits")
    listed = [row | {"plane": plane} for row, plane in zip(rows(), (4, 0, 7), strict=True)]
    write_table(tmp_path / "t.csv", listed[:2])
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    np.testing.assert_array_equal(result.survey["a"].frames, cube(5)[[4, 0]])
    write_table(tmp_path / "t.csv", listed)
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "t", *SCALE)
    check_refusal(error, "E-INGEST-REJECTS", "plane 7", "5", where=tmp_path / "t")


def test_a_cube_with_another_number_of_planes_than_rows_is_rejected(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube(4)).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows())
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    check_refusal(error, "E-INGEST-REJECTS", "4 planes", "3 rows", where=tmp_path / "s")


def test_the_sky_is_subtracted_and_its_noise_kept_where_asked(tmp_path: Path) -> None:
    pixels = 500 + np.random.default_rng(0).normal(0, 2, (1, 64, 64)) + blob(64, flux=3000)
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(frames=1))
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--sky", "--zero-point", 25.0)
    frame = result.survey["a"].frames[0]
    assert abs(np.median(frame[:5])) < 0.05
    assert frame[10:22, 10:22].sum() == pytest.approx(300, rel=0.03)
    assert result.survey["a"].sky_sigma[0] == pytest.approx(0.2, rel=0.05)
    kept = made("stamps", tmp_path / "t.csv", tmp_path / "k", *SCALE).survey["a"]
    assert np.median(kept.frames) == pytest.approx(500, abs=1)


@pytest.mark.parametrize("size", [33, 40, 63, 64])
def test_cropping_keeps_the_centre_and_says_where_it_lies(tmp_path: Path, size: int) -> None:
    fits.PrimaryHDU(blob(size)[None]).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(frames=1))
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    place = result.sources["x"][0], result.sources["y"][0]
    assert place == ((0.0, 0.0) if size % 2 == 0 else (-0.5, -0.5))
    assert centroid(result.survey["a"].frames[0]) == pytest.approx(place, abs=1e-3)


@pytest.mark.parametrize("size", [64, 65, 70, 71])
def test_binning_sums_the_flux_and_doubles_the_pixel_scale(tmp_path: Path, size: int) -> None:
    fits.PrimaryHDU(blob(size, sigma=3)[None]).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(frames=1))
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--bin")
    assert result.survey.header.pixel_scale == 0.8
    frame = result.survey["a"].frames[0]
    assert frame.sum() == pytest.approx(100, rel=1e-5)
    assert centroid(frame) == pytest.approx((result.sources["x"][0], result.sources["y"][0]), abs=1e-3)


def test_binned_blocks_of_which_half_is_missing_stand_for_the_whole(tmp_path: Path) -> None:
    pixels = flat(64)[None]
    pixels[0, 0, :2] = pixels[0, 10, :2] = pixels[0, 11, 0] = np.nan
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(frames=1))
    frame = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--bin").survey["a"].frames[0]
    assert frame[0, 0] == pytest.approx(4, rel=1e-5)
    assert np.isnan(frame[5, 0])
    assert np.isnan(frame).sum() == 1


def test_a_stamp_that_is_too_small_is_rejected_with_both_sizes(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube(3, 31)).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows())
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    check_refusal(error, "E-INGEST-REJECTS", "31 x 31 pixels", "32 x 32", where=tmp_path / "s")


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    listed = []
    for number in range(150):  # of 64 files to a unit
        fits.PrimaryHDU(cube(2, seed=number)).writeto(tmp_path / f"{number}.fits")
        listed += [row | {"id": f"o{number % 70}", "mjd": row["mjd"] - number} for row in rows(f"{number}.fits", 2)]
    write_table(tmp_path / "t.csv", listed)
    content = {
        frame_bytes(made("stamps", tmp_path / "t.csv", tmp_path / f"s{jobs}", *SCALE, "--jobs", jobs).survey)
        for jobs in (1, 2, 3)
    }
    assert len(content) == 1


def test_a_table_may_be_parquet_ecsv_or_fits(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    written = Table(rows=[row | {"number": 7} for row in rows()])
    content = set()
    for ending, format_ in {"parquet": "parquet", "ecsv": "ascii.ecsv", "fits": "fits"}.items():
        written.write(tmp_path / f"t.{ending}", format=format_)
        survey = made("stamps", tmp_path / f"t.{ending}", tmp_path / ending, *SCALE).survey
        assert survey["a"].metadata["number"] == 7
        content.add(frame_bytes(survey))
    assert len(content) == 1


@pytest.mark.parametrize(("options", "factor"), [((), 0.1), (("--bin",), 0.2)])
def test_the_noise_of_the_table_is_scaled_like_the_pixels(
    tmp_path: Path, options: tuple[str, ...], factor: float
) -> None:
    noise = 10 * cube(3, 64)
    fits.PrimaryHDU(noise).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(zero_point=25.0, sky_sigma=10.0))
    series = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, *options).survey["a"]
    np.testing.assert_allclose(series.sky_sigma, 10 * factor, rtol=1e-5)
    assert np.std(series.frames) == pytest.approx(10 * factor, rel=0.05)


def test_a_zero_point_in_some_rows_alone_is_refused(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    table = rows(zero_point=25.0)
    table[1]["zero_point"] = ""
    write_table(tmp_path / "t.csv", table)
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    check_refusal(error, "E-VALUE-MISSING", "1 row", "zero_point", where="/t.csv, row 2")
    series = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--zero-point", 22.5).survey["a"]
    np.testing.assert_allclose(series.frames[1], cube()[1])


@pytest.mark.parametrize("flux_unit", ["none", "count"])
def test_pixels_without_a_zero_point_may_have_another_unit_or_none(tmp_path: Path, flux_unit: str) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows())
    options = (*SCALE, "--flux-unit", flux_unit)
    survey = made("stamps", tmp_path / "t.csv", tmp_path / "s", *options).survey
    assert survey.header.flux_unit == flux_unit
    assert survey.header.flux_words == ("no unit" if flux_unit == "none" else "count")
    np.testing.assert_array_equal(survey["a"].frames, cube())
    assert not any("magnitude" in name for name in quantities_of(survey, np.array([0])))
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "t", *options, "--zero-point", 25)
    check_refusal(error, "E-COMMAND-CONFLICT", "--flux-unit")
    write_table(tmp_path / "z.csv", rows(zero_point=25.0))
    error = refusal("stamps", tmp_path / "z.csv", tmp_path / "z", *options)
    check_refusal(error, "E-COMMAND-CONFLICT", "--flux-unit", where=tmp_path / "z.csv")


@pytest.mark.parametrize("by", ["length", "maximum"])
@pytest.mark.parametrize("options", [(), ("--zero-point", 25)])
def test_normalised_stamps_are_no_nanomaggies(tmp_path: Path, by: str, options: tuple[object, ...]) -> None:
    pixels = cube(3, 40).astype(np.float64)
    divisor = np.sqrt((pixels**2).sum((1, 2))) if by == "length" else pixels.max((1, 2))
    pixels /= divisor[:, None, None]
    fits.PrimaryHDU(pixels.astype(np.float32)).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows())
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, *options)
    check_refusal(error, "E-VALUE-UNITS", "--flux-unit none")
    survey = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--flux-unit", "none").survey
    assert survey.header.flux_unit == "none"


def test_one_stamp_of_length_one_among_others_is_a_flux(tmp_path: Path) -> None:
    pixels = cube()
    pixels[1] /= np.sqrt((pixels[1] ** 2).sum())
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows())
    assert made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE).survey.header.flux_unit == "nanomaggy"


def test_positions_that_differ_from_detection_to_detection_give_their_median(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    table = [row | {"ra": 10.0 + n * 1e-5, "dec": -1.0 - n * 1e-5} for n, row in enumerate(rows())]
    write_table(tmp_path / "t.csv", table)
    found = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE).survey["a"].metadata
    assert (found["ra"], found["dec"]) == pytest.approx((10.00001, -1.00001), abs=1e-9)
    table[2]["dec"] += 2 / 3600
    error = refusal("stamps", write_table(tmp_path / "t.csv", table), tmp_path / "t", *SCALE)
    check_refusal(error, "E-ID-DUPLICATE", where="row 1 and row 3")


def test_the_same_row_twice_is_no_reject_and_another_frame_at_its_time_is_one(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube(4)).writeto(tmp_path / "a.fits")
    listed = [row | {"plane": plane} for plane, row in enumerate(rows())]
    write_table(tmp_path / "t.csv", [*listed, *listed, listed[1]])
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE, "--max-rejects", 0)
    assert result.lines == [
        "4 exact repeats of frames left out",
        f"survey: {tmp_path / 's'}",
        "1 object, 3 frames, 0 rejected",
    ]
    other = listed[1] | {"plane": 3}
    write_table(tmp_path / "t.csv", [*listed, other, listed[1], other])
    result = made("stamps", tmp_path / "t.csv", tmp_path / "t", *SCALE)
    assert result.said == "1 object, 3 frames, 1 rejected"
    assert "2 exact repeats of frames left out" in result.lines
    assert "duplicate exposure in band r" in result.rejects[0]["reason"]
    np.testing.assert_array_equal(result.survey["a"].frames, cube(4)[:3])


def test_stamps_of_another_pixel_scale_are_a_survey_of_their_own(tmp_path: Path) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    listed = rows(pixel_scale=0.4)
    listed[2]["pixel_scale"] = 0.26
    error = refusal("stamps", write_table(tmp_path / "t.csv", listed), tmp_path / "s", *SCALE)
    check_refusal(error, "E-COMMAND-CONFLICT", "0.4", where="/t.csv, row 3")
    listed[2]["pixel_scale"] = 0.4
    survey = made("stamps", write_table(tmp_path / "t.csv", listed), tmp_path / "s", *SCALE).survey
    assert "pixel_scale" not in survey["a"].metadata


@pytest.mark.parametrize("name", ["psf_fwhm", "sky_sigma"])
def test_a_mark_of_something_missing_is_refused_with_its_row(tmp_path: Path, name: str) -> None:
    fits.PrimaryHDU(cube()).writeto(tmp_path / "a.fits")
    listed = [row | {name: 1.0} for row in rows()]
    listed[1][name] = -999
    error = refusal("stamps", write_table(tmp_path / "t.csv", listed), tmp_path / "s", *SCALE)
    check_refusal(error, "E-VALUE-RANGE", name, where="/t.csv, row 2")
    listed[1][name] = None
    made("stamps", write_table(tmp_path / "t.csv", listed), tmp_path / "s", *SCALE)


def test_stamps_stand_as_they_are_given(tmp_path: Path) -> None:
    pixels = flat(SIZE) + blob(SIZE, x=6, y=9)
    fits.PrimaryHDU(pixels[None]).writeto(tmp_path / "a.fits")
    write_table(tmp_path / "t.csv", rows(frames=1))
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    assert centroid(result.survey["a"].frames[0] - 1) == pytest.approx((6, 9), abs=0.1)  # to the right, and above
    assert result.survey.header.orientation == "as given"
