"""Stamps cut from CCD images: the right pixels about the right place, turned alike, with sky and mask heeded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.ingestion.commands import Made, centroid, made, refusal, table, write_table
from tests.ingestion.images import DEC, RA, SCALE, STAMP, TURNS, Sky, beside
from tests.refusals import check_refusal

FLUX = 20_000.0


def positions(path: Path, **own: tuple[float, float]) -> Path:
    """Write a table of objects by id; without any, one in the middle of the images, called a."""
    return write_table(
        path, [{"id": id_, "ra": ra, "dec": dec} for id_, (ra, dec) in (own or {"a": (RA, DEC)}).items()]
    )


def cut(tmp_path: Path, images: dict[str, Any], *options: object, **objects: tuple[float, float]) -> Made:
    folder = tmp_path / "images"
    folder.mkdir(exist_ok=True)
    for name, hdu in images.items():
        hdu.writeto(folder / name)
    listed = positions(tmp_path / "objects.csv", **objects)
    return made("ccd", folder, tmp_path / "s", "--positions", listed, *options)


@pytest.mark.parametrize("projection", ["TAN", "TPV"])
@pytest.mark.parametrize("turn", list(TURNS))
def test_the_light_lies_where_the_table_of_sources_says(tmp_path: Path, projection: str, turn: str) -> None:
    places = {"a": beside(5.13, -7.31), "b": beside(-11.27, 3.77), "c": beside(0.2, 12.9)}
    sky = Sky(TURNS[turn], projection=projection)
    sky.sources = [(*place, FLUX) for place in places.values()]
    result = cut(tmp_path, {"a.fits": sky.hdu(noise=0.1)}, **places)
    assert result.said == "3 objects, 3 frames, 0 rejected"
    for series, x, y in zip(result.survey, result.sources["x"], result.sources["y"], strict=True):
        stamp = np.where(series.frames[0] > 5, series.frames[0], 0)
        about = np.arange(STAMP) - (STAMP - 1) / 2
        near = np.hypot(about[None] - x, about[:, None] - y) < 8  # another source may stand in the corner
        assert centroid(stamp * near) == pytest.approx((x, y), abs=0.02)
        assert max(abs(x), abs(y)) <= 0.5


@pytest.mark.parametrize("turn", list(TURNS))
def test_north_is_up_and_east_is_left_whatever_the_camera(tmp_path: Path, turn: str) -> None:
    sky = Sky(TURNS[turn])
    sky.sources = [(*beside(2.4, 0), FLUX), (*beside(0, 3.2), FLUX)]  # 6 pixels east, 8 pixels north
    result = cut(tmp_path, {"a.fits": sky.hdu(noise=0.1)})
    frame = result.survey["a"].frames[0]
    x, y = result.sources["x"][0] + (STAMP - 1) / 2, result.sources["y"][0] + (STAMP - 1) / 2
    brightest = {
        tuple(np.round(np.array(place) - (y, x)).astype(int)) for place in np.argwhere(frame > 0.75 * frame.max())
    }
    assert any(abs(row) <= 1 and abs(column + 6) <= 1 for row, column in brightest)  # east: left
    assert any(abs(row - 8) <= 1 and abs(column) <= 1 for row, column in brightest)  # north: up
    assert all(min(np.hypot(row, column + 6), np.hypot(row - 8, column)) < 3 for row, column in brightest)


def test_a_camera_turned_by_less_than_45_degrees_is_left_as_it_is(tmp_path: Path) -> None:
    angle = np.radians(30)
    turn = ((-np.cos(angle), np.sin(angle)), (np.sin(angle), np.cos(angle)))
    sky = Sky(turn)
    sky.sources = [(RA, DEC, FLUX), (*beside(-2, 2), FLUX / 3)]
    hdu = sky.hdu(noise=0.1)
    result = cut(tmp_path, {"a.fits": hdu}, "--no-sky")
    column, row = (round(place - 0.5) for place in sky.place(RA, DEC))
    half = STAMP // 2
    expected = hdu.data[row - half + 1 : row + half + 1, column - half + 1 : column + half + 1]
    np.testing.assert_array_equal(result.survey["a"].frames[0], expected)


def test_the_flux_is_that_of_the_source_after_the_zero_point(tmp_path: Path) -> None:
    sky = Sky(sources=[(RA, DEC, FLUX)])
    images = {f"{n}.fits": sky.hdu(MAGZERO=zp, **{"MJD-OBS": 58000.0 + n}) for n, zp in enumerate((22.5, 25.0, 30.0))}
    series = cut(tmp_path, images).survey["a"]
    np.testing.assert_allclose(series.frames.sum((1, 2)), [FLUX, FLUX / 10, FLUX / 1000], rtol=0.01)
    np.testing.assert_allclose(series.sky_sigma, [1, 0.1, 0.001], rtol=0.05)


def test_a_frame_keeps_the_electrons_of_a_nanomaggy_where_the_header_knows_them(tmp_path: Path) -> None:
    sky = Sky(sources=[(RA, DEC, FLUX)])
    known: list[dict[str, Any]] = [{"BUNIT": "adu", "GAIN": 2.0}, {"GAIN": 2.0}]
    images = {f"{n}.fits": sky.hdu(MAGZERO=25.0, **cards, **{"MJD-OBS": 58000.0 + n}) for n, cards in enumerate(known)}
    np.testing.assert_allclose(cut(tmp_path, images).survey["a"].gain, [20.0, np.nan])


def test_pixels_in_a_unit_of_flux_need_no_zero_point(tmp_path: Path) -> None:
    sky = Sky(sources=[(RA, DEC, FLUX)])
    images = {
        f"{n}.fits": sky.hdu(MAGZERO=None, BUNIT=unit, **{"MJD-OBS": 58000.0 + n})
        for n, unit in enumerate(("nanomaggy", "nJy"))
    }
    fluxes = cut(tmp_path, images).survey["a"].frames.sum((1, 2))
    np.testing.assert_allclose(fluxes, [FLUX, FLUX / 3630.78], rtol=0.01)


def test_the_sky_is_measured_about_each_source_and_subtracted(tmp_path: Path) -> None:
    sky = Sky(sources=[(*beside(7, 0), FLUX)], shape=(600, 800), slope=0.02)
    result = cut(tmp_path, {"a.fits": sky.hdu(level=5000.0)}, away=beside(-100, 60), near=beside(7, 0))
    assert abs(result.survey["away"].frames[0].mean()) < 2.5  # of a sky of 5013
    assert np.median(result.survey["near"].frames[0]) == pytest.approx(0, abs=0.5)
    hdu = Sky(shape=(600, 800)).hdu(level=5000.0)
    hdu.writeto(tmp_path / "images" / "b.fits")
    kept = made("ccd", tmp_path / "images" / "..", tmp_path / "k", "--positions", tmp_path / "objects.csv", "--no-sky")
    assert kept.survey["away"].frames[0].mean() > 4000
    assert np.isnan(kept.survey["away"].sky_sigma).all()


@pytest.mark.parametrize("packing", ["", "fz"])
def test_masked_pixels_become_missing_and_do_not_disturb_the_sky(tmp_path: Path, packing: str) -> None:
    sky = Sky(TURNS["turned by 90 degrees"], sources=[(RA, DEC, FLUX)])
    hdu = sky.hdu()
    mask = np.zeros(sky.shape, dtype=np.int16)
    column, row = (round(place) for place in sky.place(*beside(0, 2.0)))  # 5 pixels north
    mask[row, column] = 4
    hdu.data[row, column] = 1e6
    mask[:30], hdu.data[:30] = 1, -1e5
    (tmp_path / "images").mkdir()
    packed = fits.CompImageHDU(mask) if packing else fits.PrimaryHDU(mask)
    packed.writeto(tmp_path / "images" / "a_ood.fits")
    result = cut(tmp_path, {"a_ooi.fits": hdu}, "--masks", "ooi=ood")
    frame = result.survey["a"].frames[0]
    missing = np.argwhere(np.isnan(frame))
    assert len(missing) == 1
    assert missing[0] - (STAMP - 1) / 2 - (result.sources["y"][0], result.sources["x"][0]) == pytest.approx(
        (5, 0), abs=0.6
    )
    assert np.nansum(frame) == pytest.approx(FLUX, rel=0.02)


def test_masks_whose_names_hold_that_of_the_image_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    fits.PrimaryHDU(np.zeros(Sky().shape, dtype=np.int16)).writeto(tmp_path / "images" / "a_mask.fits")
    result = cut(tmp_path, {"a.fits": Sky().hdu()}, "--masks", ".fits=_mask.fits")
    assert result.said == "1 object, 1 frame, 0 rejected"


def test_compressed_images_are_read_and_all_that_a_file_holds(tmp_path: Path) -> None:
    east, west = (Sky(shape=(100, 100), sources=[(RA, DEC, FLUX)]) for _ in range(2))
    first, second = east.hdu(), west.hdu()
    del second.header["MAGZERO"]
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus[0].header["MAGZERO"] = 25.0  # of all images without one of their own
    hdus.append(fits.CompImageHDU(first.data, first.header, name="N1", quantize_level=64))
    second.header["MJD-OBS"] = 58001.0
    hdus.append(fits.CompImageHDU(second.data, second.header, name="N2", quantize_level=64))
    result = cut(tmp_path, {"a.fits.fz": hdus})
    assert result.sources["hdu"] == ["N1", "N2"]
    np.testing.assert_allclose(result.survey["a"].frames.sum((1, 2)), [FLUX, FLUX / 10], rtol=0.02)


def test_what_the_table_of_images_says_comes_before_the_header(tmp_path: Path) -> None:
    sky = Sky(sources=[(RA, DEC, FLUX)])
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((50, 50)))])
    image = sky.hdu()
    hdus.append(fits.ImageHDU(image.data, image.header, name="SCI"))
    hdus.append(fits.ImageHDU(np.zeros(sky.shape, dtype=np.int16), name="DQ"))
    hdus.writeto(tmp_path / "a.fits")
    row = {"file": "a.fits", "hdu": "SCI", "band": "R", "mjd": 59000.25, "zero_point": 25.0, "psf_fwhm": 1.3}
    write_table(tmp_path / "images.csv", [row | {"mask": "a.fits", "mask_hdu": "DQ"}])
    result = made(
        "ccd", tmp_path / "images.csv", tmp_path / "s", "--positions", positions(tmp_path / "objects.csv"), "--size", 16
    )
    series = result.survey["a"]
    assert (result.survey.header.bands, series.mjd[0]) == (("R",), 59000.25)
    assert series.psf_fwhm[0] == pytest.approx(1.3)
    assert series.frames.sum() == pytest.approx(FLUX / 10, rel=0.02)
    assert series.frames.shape == (1, 16, 16)
    write_table(tmp_path / "images.csv", [row, row | {"psf_fwhm": -9}])
    error = refusal("ccd", tmp_path / "images.csv", tmp_path / "t", "--positions", tmp_path / "objects.csv")
    check_refusal(error, "E-VALUE-RANGE", "psf_fwhm", "-9", where="/images.csv, row 2")


def test_a_header_tells_the_middle_of_the_exposure_and_the_seeing(tmp_path: Path) -> None:
    late = Sky().hdu(EXPTIME=86.4, SEEING=1.25)
    known: dict[str, Any] = {"MJD-OBS": None, "DATE-OBS": "2017-09-05T12:00:00"}
    dated = Sky().hdu(**known)
    dated.header["FWHM"] = (3.0, "[pix] median")
    assert result_times(cut(tmp_path, {"a.fits": late, "b.fits": dated})) == [
        (58000.0005, 1.25),
        (58001.5, pytest.approx(3.0 * SCALE)),
    ]


def result_times(result: Made) -> list[tuple[float, float]]:
    series = result.survey["a"]
    return [(round(float(mjd), 6), float(seeing)) for mjd, seeing in zip(series.mjd, series.psf_fwhm, strict=True)]


def test_the_pixel_scale_is_that_of_the_first_image_unless_given(tmp_path: Path) -> None:
    result = cut(tmp_path, {"a.fits": Sky(scale=0.263).hdu()})
    assert result.survey.header.pixel_scale == pytest.approx(0.263, abs=1e-4)
    assert table(result.survey.path / "frame_sources.parquet")["id"] == ["a"]


def test_positions_without_a_place_or_twice_the_same_id_are_refused(tmp_path: Path) -> None:
    Sky().hdu().writeto(tmp_path / "a.fits")
    listed = write_table(tmp_path / "o.csv", [{"id": "a", "ra": 1, "dec": 2}, {"id": "b", "ra": None, "dec": None}])
    error = refusal("ccd", tmp_path, tmp_path / "s", "--positions", listed)
    check_refusal(error, "E-VALUE-MISSING", "b", where=listed)
    write_table(tmp_path / "o.csv", [{"id": "a", "ra": 1, "dec": 2}] * 2)
    error = refusal("ccd", tmp_path, tmp_path / "s", "--positions", listed)
    check_refusal(error, "E-ID-DUPLICATE", "a", where=listed)
    write_table(tmp_path / "o.csv", [{"id": "a", "ra": "16:19:07", "dec": 2}])
    error = refusal("ccd", tmp_path, tmp_path / "s", "--positions", listed)
    check_refusal(error, "E-VALUE-TYPE", "ra", "'16:19:07'", where=f"{listed}, row 1")
