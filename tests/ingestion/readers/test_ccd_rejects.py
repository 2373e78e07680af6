"""What cannot be cut from CCD images is told with its reason, and harms nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.ingestion.commands import Made, made, refusal, write_table
from tests.ingestion.images import DEC, RA, STAMP, Sky, beside
from tests.refusals import check_refusal


def rejected(tmp_path: Path, hdu: Any, *options: object, sound: Any = None) -> dict[str, str]:
    """Ingest one image that cannot be used beside one that can; return the one reject."""
    folder = tmp_path / "images"
    folder.mkdir(exist_ok=True)
    (sound or Sky().hdu()).writeto(folder / "a_ooi.fits")
    hdu.writeto(folder / "b_ooi.fits")
    result = cut(tmp_path, folder, *options)
    assert result.said == "1 object, 1 frame, 1 rejected"
    return result.rejects[0]


def cut(tmp_path: Path, folder: Path, *options: object, **objects: tuple[float, float]) -> Made:
    listed = objects or {"a": (RA, DEC)}
    write_table(tmp_path / "o.csv", [{"id": id_, "ra": ra, "dec": dec} for id_, (ra, dec) in listed.items()])
    return made("ccd", folder, tmp_path / "s", "--positions", tmp_path / "o.csv", *options)


def test_an_object_near_the_edge_is_rejected_with_its_distance(tmp_path: Path) -> None:
    sky = Sky()
    (tmp_path / "images").mkdir()
    sky.hdu().writeto(tmp_path / "images" / "a.fits")
    near = beside(-36, 0)  # 90 pixels west of the middle of 200
    result = cut(tmp_path, tmp_path / "images", near=near, middle=(RA, DEC))
    assert result.said == "1 object, 1 frame, 1 rejected"
    distance = 199 - sky.place(*near)[0]
    expected = f"{distance:.1f} pixels from the edge of the image: a stamp of {STAMP} does not fit"
    assert result.rejects == [{"object": "near", "file": "a.fits[PRIMARY]", "reason": expected}]


@pytest.mark.parametrize("shift", [-0.5, -0.01, 0.01, 0.5])
def test_the_outermost_stamp_that_fits_is_cut(tmp_path: Path, shift: float) -> None:
    """An object lies up to half a pixel from the centre of its stamp: from 15 to 16 in one that begins at pixel 0."""
    sky = Sky()
    (tmp_path / "images").mkdir()
    sky.hdu().writeto(tmp_path / "images" / "a.fits")
    position = sky.wcs.pixel_to_world(15.0 + shift, 80)
    result = cut(tmp_path, tmp_path / "images", edge=(position.ra.deg, position.dec.deg), middle=(RA, DEC))
    assert ("edge" in result.survey.ids) == (shift > 0)


def test_an_object_on_no_image_is_rejected_and_counts_for_no_image(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Sky().hdu().writeto(tmp_path / "images" / "a.fits")
    far = {"opposite": (RA - 180, -DEC), "north": (RA, 89.999), "beside": beside(60, 0), "around": (RA - 179.98, DEC)}
    result = cut(tmp_path, tmp_path / "images", "--max-rejects", 0, middle=(RA, DEC), **far)
    assert result.said == "1 object, 1 frame, 4 rejected"
    assert {row["object"]: (row["file"], row["reason"]) for row in result.rejects} == dict.fromkeys(
        far, ("", "no frame of this object")
    )


@pytest.mark.parametrize("ra", [359.9999, 0.0001, -0.0001, 360.0])
def test_an_image_across_the_zero_of_right_ascension_holds_objects_of_both_sides(tmp_path: Path, ra: float) -> None:
    hdu = Sky().hdu(CRVAL1=0.0)
    (tmp_path / "images").mkdir()
    hdu.writeto(tmp_path / "images" / "a.fits")
    assert cut(tmp_path, tmp_path / "images", a=(ra, DEC)).said == "1 object, 1 frame, 0 rejected"


def test_an_image_on_the_pole_holds_objects_of_every_right_ascension(tmp_path: Path) -> None:
    hdu = Sky().hdu(CRVAL1=0.0, CRVAL2=90.0)
    (tmp_path / "images").mkdir()
    hdu.writeto(tmp_path / "images" / "a.fits")
    around = {f"at{ra}": (float(ra), 89.999) for ra in (0, 90, 180, 270)}
    assert cut(tmp_path, tmp_path / "images", **around).said == "4 objects, 4 frames, 0 rejected"


def test_a_distortion_that_cannot_be_undone_far_away_harms_no_object_on_the_image(tmp_path: Path) -> None:
    sky = Sky(projection="TAN")
    header: dict[str, Any] = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 3}
    hdu = sky.hdu(**header, A_3_0=4e-6, B_0_3=4e-6, A_1_2=2e-6)
    (tmp_path / "images").mkdir()
    hdu.writeto(tmp_path / "images" / "a.fits")
    around = {
        f"far{n}": beside(east, north) for n, (east, north) in enumerate([(95, 0), (0, -95), (70, 70), (-90, 60)])
    }
    result = cut(tmp_path, tmp_path / "images", middle=(RA, DEC), **around)
    assert result.said == "1 object, 1 frame, 4 rejected"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"CTYPE1": None, "CTYPE2": None}, "no WCS in the header"),
        ({"CTYPE1": "RA---XYZ"}, "no sound WCS"),
        ({"MAGZERO": None}, "no zero point: no keyword MAGZERO"),
        ({"MAGZERO": -999.0}, "no zero point: MAGZERO is -999.0"),
        ({"MAGZERO": 0.0}, "no zero point: MAGZERO is 0.0"),
        ({"MAGZERO": "nan"}, "no zero point"),
        ({"FILTER": None}, "no band: no keyword BAND or FILTER"),
        ({"MJD-OBS": None}, "no date"),
        ({"MJD-OBS": None, "DATE-OBS": "yesterday"}, "no date"),
        ({"MJD-OBS": 2458000.5}, "looks like a Julian date"),
        ({"MJD-OBS": -5.0}, "MJD-OBS is -5, no date since 1900"),
        ({"MJD-OBS": 8001.0}, "MJD-OBS is 8001, no date since 1900"),
        ({"MJD-OBS": None, "DATE-OBS": "2017-09-04"}, "DATE-OBS is '2017-09-04' without an hour"),
        ({"SEEING": -1.0}, None),
    ],
)
def test_an_image_whose_header_lacks_what_is_needed_is_rejected(
    tmp_path: Path, card: dict[str, Any], reason: str | None
) -> None:
    hdu = Sky().hdu(**{"MJD-OBS": 58001.0})
    for name, value in card.items():
        if value is None:
            del hdu.header[name]
        else:
            hdu.header[name] = value
    if reason is None:
        hdu.writeto(tmp_path / "a.fits")
        assert np.isnan(cut(tmp_path, tmp_path).survey["a"].psf_fwhm[0])
        return
    row = rejected(tmp_path, hdu)
    assert reason in row["reason"]
    assert row["file"].startswith("b_ooi.fits")


def test_a_zero_point_for_all_serves_where_the_header_has_none(tmp_path: Path) -> None:
    sky = Sky(sources=[(RA, DEC, 1000.0)])
    for number, known in enumerate((None, 22.5)):
        sky.hdu(noise=0.01, MAGZERO=known, **{"MJD-OBS": 58000.0 + number}).writeto(tmp_path / f"{number}.fits")
    frames = cut(tmp_path, tmp_path, "--zero-point", 25.0).survey["a"].frames
    np.testing.assert_allclose(frames.sum((1, 2)), [100, 1000], rtol=0.01)


def test_an_image_of_another_pixel_scale_is_rejected_with_both(tmp_path: Path) -> None:
    assert (
        "pixels of 0.500 arcsec, those of the survey have 0.400" in rejected(tmp_path, Sky(scale=0.5).hdu())["reason"]
    )


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((10, 12), dtype=np.int16), "its mask b_ood.fits has shape (10, 12), the image (160, 200)"),
        (None, "its mask b_ood.fits: No such file or directory"),
    ],
)
def test_an_image_with_a_wrong_mask_or_none_is_rejected(tmp_path: Path, mask: Any, reason: str) -> None:
    (tmp_path / "images").mkdir()
    fits.PrimaryHDU(np.zeros((160, 200), dtype=np.uint8)).writeto(tmp_path / "images" / "a_ood.fits")
    if mask is not None:
        fits.PrimaryHDU(mask).writeto(tmp_path / "images" / "b_ood.fits")
    row = rejected(tmp_path, Sky().hdu(**{"MJD-OBS": 58001.0}), "--masks", "ooi=ood")
    assert reason in row["reason"]


def test_an_image_that_is_masked_as_a_whole_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name, value in (("a", 0), ("b", 1)):
        hdu = fits.PrimaryHDU(np.full((160, 200), value, dtype=np.uint8))
        hdu.writeto(tmp_path / "images" / f"{name}_ood.fits")
    row = rejected(tmp_path, Sky().hdu(**{"MJD-OBS": 58001.0}), "--masks", "ooi=ood")
    assert "100% of the pixels are masked" in row["reason"]


def test_a_stamp_that_is_mostly_masked_is_rejected(tmp_path: Path) -> None:
    hdu = Sky().hdu(**{"MJD-OBS": 58001.0})
    hdu.data[75:, :] = np.nan
    assert "of the pixels are not finite" in rejected(tmp_path, hdu)["reason"]


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_image_that_shows_no_sky_is_rejected(tmp_path: Path, value: float) -> None:
    hdu = Sky().hdu(**{"MJD-OBS": 58001.0})
    hdu.data[:] = value
    assert f"all pixels are {value:g}: the image shows no sky" in rejected(tmp_path, hdu)["reason"]


@pytest.mark.parametrize("value", [0.0, -999.0])
def test_a_strip_without_sky_is_missing_and_changes_no_flux(tmp_path: Path, value: float) -> None:
    """Counted as sky, a strip of 15 % zeros turned a flux of 5 000 into 339 239."""
    sky = Sky(sources=[(*beside(24, 0), 5000.0)])  # 40 pixels from the edge
    hdu = sky.hdu(noise=1.0)
    hdu.data[:, :30] = value
    hdu.writeto(tmp_path / "a.fits")
    result = cut(tmp_path, tmp_path, a=beside(24, 0), middle=(RA, DEC))
    frame = result.survey["a"].frames[0]
    column = sky.place(*beside(24, 0))[0]
    assert np.isnan(frame).all(0).sum() == 30 - np.floor(column - STAMP / 2 + 1)
    assert np.nansum(frame) == pytest.approx(5000, abs=150)
    assert abs(np.median(result.survey["middle"].frames[0])) < 0.3
    assert result.rejects[0]["reason"] == "15.0% of the pixels show no sky, being equal: they are missing in its stamps"


def test_a_file_without_an_image_or_that_is_no_fits_is_rejected(tmp_path: Path) -> None:
    Sky().hdu().writeto(tmp_path / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])])]).writeto(
        tmp_path / "b.fits"
    )
    (tmp_path / "c.fits").write_text("no FITS at all")
    (tmp_path / "d.fits").write_bytes(b"")
    reasons = {row["file"]: row["reason"] for row in cut(tmp_path, tmp_path, "--max-rejects", 0.8).rejects}
    assert reasons["b.fits"] == "no HDU holds an image"
    assert reasons["c.fits"].startswith("no whole FITS file")
    assert reasons["d.fits"].startswith("no whole FITS file")


def test_no_image_and_bad_options_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    positions = write_table(tmp_path / "o.csv", [{"id": "a", "ra": RA, "dec": DEC}])
    error = refusal("ccd", tmp_path / "empty", tmp_path / "s", "--positions", positions)
    check_refusal(error, "E-INGEST-NOTHING", where=tmp_path / "empty")
    fits.PrimaryHDU(np.zeros((50, 50))).writeto(tmp_path / "empty" / "a.fits")
    error = refusal("ccd", tmp_path / "empty", tmp_path / "s", "--positions", positions)
    check_refusal(error, "E-INGEST-NOTHING", "WCS", "a.fits", where=tmp_path / "empty")
    error = refusal("ccd", tmp_path / "empty", tmp_path / "s", "--positions", positions, "--masks", "ood")
    check_refusal(error, "E-COMMAND-VALUE", "--masks", "'ood'", where="options of ingest ccd")
