"""Files of several CCD images: each has its own mask and filter, and a weight map is not an image."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.ingestion.commands import made, refusal, write_table
from tests.ingestion.images import DEC, RA, Sky, beside
from tests.ingestion.readers.test_ccd import FLUX, cut, positions
from tests.refusals import check_refusal

APART = 0.5  # [deg] between the images of a mosaic


def mosaic(names: list[str]) -> fits.HDUList:
    """Return three images side by side, a source in the middle of each."""
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for number, name in enumerate(names):
        image = Sky(sources=[(RA, DEC, FLUX)]).hdu()
        image.header["CRVAL1"] = RA + number * APART
        hdus.append(fits.ImageHDU(image.data, image.header, name=name))
    return hdus


@pytest.mark.parametrize("names", [["", "", ""], ["N1", "N2", "N3"]])
def test_each_image_of_a_file_has_its_own_mask(tmp_path: Path, names: list[str]) -> None:
    images, masks = mosaic(names), fits.HDUList([fits.PrimaryHDU()])
    for number, name in enumerate(names):
        mask = np.zeros((160, 200), dtype=np.int16)
        mask[80 + number, 100] = 1
        masks.append(fits.ImageHDU(mask, name=name))
    (tmp_path / "images").mkdir()
    masks.writeto(tmp_path / "images" / "a_ood.fits")
    places = {f"o{number}": (RA + number * APART, DEC) for number in range(3)}
    result = cut(tmp_path, {"a_ooi.fits": images}, "--masks", "ooi=ood", **places)
    assert result.said == "3 objects, 3 frames, 0 rejected"
    missing = [np.argwhere(np.isnan(series.frames[0])).tolist() for series in result.survey]
    assert [len(one) for one in missing] == [1, 1, 1]
    assert [one[0][0] - missing[0][0][0] for one in missing] == [0, 1, 2]


def test_a_mask_that_may_belong_to_any_image_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    masks = [fits.ImageHDU(np.zeros((160, 200), dtype=np.int16), name=name) for name in ("M1", "M2")]
    fits.HDUList([fits.PrimaryHDU(), *masks]).writeto(tmp_path / "images" / "a_ood.fits")
    places = {"first": (RA, DEC), "third": (RA + 2 * APART, DEC)}
    result = cut(tmp_path, {"a_ooi.fits": mosaic(["N1", "N2", "N3"])}, "--masks", "ooi=ood", **places)
    assert result.survey.ids == ("first",)  # HDU 1 of both
    assert "which of its 2 images belongs to N3" in result.rejects[0]["reason"]


@pytest.mark.parametrize(
    ("filters", "bands"),
    [
        (("g DECam SDSS c0001 4720.0 1520.0", "r DECam SDSS c0002 6415.0 1480.0"), ("g", "r")),
        (("Johnson B", "Johnson V"), ("Johnson B", "Johnson V")),
        (("SDSS g", "SDSS r"), ("g", "r")),
        (("r", "R"), ("r", "R")),
        (("zd DECam k1038", "bokr"), ("r", "z")),
    ],
)
def test_two_filters_are_two_bands(tmp_path: Path, filters: tuple[str, str], bands: tuple[str, str]) -> None:
    sky = Sky(sources=[(RA, DEC, FLUX)])
    images = {f"{n}.fits": sky.hdu(FILTER=name, **{"MJD-OBS": 58000.0 + n}) for n, name in enumerate(filters)}
    assert cut(tmp_path, images).survey.header.bands == bands


def test_a_weight_map_is_not_taken_for_flux(tmp_path: Path) -> None:
    image = Sky(sources=[(RA, DEC, FLUX)]).hdu()
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus.append(fits.ImageHDU(np.ones_like(image.data), image.header, name="WHT"))
    hdus.append(fits.ImageHDU(image.data, image.header, name="SCI"))
    result = cut(tmp_path, {"a.fits": hdus}, "--hdu", "SCI", a=beside(0, 0))
    assert result.sources["hdu"] == ["SCI"]
    assert result.survey["a"].frames.sum() == pytest.approx(FLUX, rel=0.02)
    other = Sky(sources=[(RA, DEC, FLUX)]).hdu(**{"MJD-OBS": 58001.0})
    other.writeto(tmp_path / "images" / "b.fits")
    listed = positions(tmp_path / "objects.csv")
    result = made("ccd", tmp_path / "images", tmp_path / "t", "--positions", listed)
    assert result.said == "1 object, 1 frame, 1 rejected"
    assert "HDUs WHT and SCI show the same sky: say which holds the flux" in result.rejects[0]["reason"]


def test_names_of_bands_are_those_of_the_users_table_and_else_said(tmp_path: Path) -> None:
    sky = Sky(sources=[(RA, DEC, FLUX)])
    names = ("Johnson B", "B_Bessell 40", "g DECam")
    images = {f"{n}.fits": sky.hdu(FILTER=name, **{"MJD-OBS": 58000.0 + n}) for n, name in enumerate(names)}
    result = cut(tmp_path, images)
    assert set(result.survey.header.bands) == {"g", "Johnson B", "B_Bessell 40"}
    assert any("B_Bessell 40, Johnson B" in line and "--band-names" in line for line in result.lines)
    own = write_table(
        tmp_path / "names.csv",
        [{"alias": "johnson-b", "band": "B"}, {"alias": "B Bessell", "band": "B"}, {"alias": "g DECam", "band": "G"}],
    )
    listed = tmp_path / "objects.csv"
    result = made("ccd", tmp_path / "images", tmp_path / "t", "--positions", listed, "--band-names", own)
    assert set(result.survey.header.bands) == {"B", "G"}


def test_a_link_that_leads_nowhere_and_a_file_that_is_no_image_by_its_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "b_ooi.fits").symlink_to("/nowhere/b.fits")
    for name in ("a_ood", "c_ood"):
        fits.PrimaryHDU(np.zeros(Sky().shape, dtype=np.int16)).writeto(tmp_path / "images" / f"{name}.fits")
    (tmp_path / "images" / "d_ood.fits").symlink_to("/nowhere/d.fits")
    sky = Sky(sources=[(RA, DEC, FLUX)])
    result = cut(
        tmp_path, {"a_ooi.fits": sky.hdu(), "d_ooi.fits": sky.hdu()}, "--masks", "ooi=ood", "--max-rejects", 0.7
    )
    assert result.survey.ids == ("a",)
    assert {row["file"]: row["reason"] for row in result.rejects} == {
        "b_ooi.fits": "a symbolic link to /nowhere/b.fits, which does not exist",
        "c_ood.fits": "its name holds no 'ooi', and it is no mask of an image",
        "d_ooi.fits[PRIMARY]": "its mask d_ood.fits: a symbolic link to /nowhere/d.fits, which does not exist",
    }


def test_folders_that_links_lead_to_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    Sky(sources=[(RA, DEC, FLUX)]).hdu(**{"MJD-OBS": 58001.0}).writeto(tmp_path / "night" / "b.fits")
    (tmp_path / "night" / "back").symlink_to(tmp_path / "images")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "night").symlink_to(tmp_path / "night")
    (tmp_path / "images" / "lost").symlink_to("/nowhere")
    result = cut(tmp_path, {"a.fits": Sky().hdu()})
    assert result.said == "1 object, 2 frames, 1 rejected"
    assert result.sources["file"] == ["a.fits", "night/b.fits"]
    assert result.rejects[0]["reason"] == "a symbolic link to /nowhere, which does not exist"


def test_positions_beside_all_images_are_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Sky().hdu().writeto(tmp_path / "images" / "a.fits")
    listed = positions(tmp_path / "o.csv", far=(RA, DEC + 30), near=(RA, DEC - 2.5))
    error = refusal("ccd", tmp_path / "images", tmp_path / "s", "--positions", listed)
    facts = ["near at 150.0000, -0.5000", "2.5 degrees", "a.fits[PRIMARY] at 150.0000, 2.0000"]
    check_refusal(error, "E-INGEST-MISMATCH", *facts, where=listed)


def test_masks_that_are_all_missing_end_it(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Sky().hdu().writeto(tmp_path / "images" / "a_ooi.fits")
    listed = positions(tmp_path / "o.csv")
    error = refusal("ccd", tmp_path / "images", tmp_path / "s", "--positions", listed, "--masks", "ooi=ood")
    check_refusal(error, "E-INGEST-REJECTS", "a_ood.fits", where=tmp_path / "s")
