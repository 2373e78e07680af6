"""Images as NOIRLab's Community Pipeline writes those of DECam and of 90Prime on the Bok telescope, made small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.ingestion.commands import Made, centroid, made, write_table
from tests.ingestion.images import DEC, RA, TURNS, Sky

FLUX = 5000.0  # counts, as they stand in the image
DECAM = {
    "INSTRUME": "DECam", "FILTER": "g DECam SDSS c0001 4720.0 1520.0", "MJD-OBS": 57110.356, "EXPTIME": 79.0,
    "DATE-OBS": "2015-03-29T08:32:38.400000", "TIMESYS": "utc", "PROCTYPE": "InstCal", "PRODTYPE": "image",
    "PLVER": "V4.8.2a", "MAGZERO": 30.6, "GAINA": 4.0, "GAINB": 4.1,
}  # fmt: skip
BOK = {
    "INSTRUME": "90prime", "FILTER": "bokr", "MJD-OBS": 57484.44, "EXPTIME": 100.0, "TIMESYS": "UTC",
    "DATE-OBS": "2016-04-06T10:33:36.0", "PROCTYPE": "InstCal", "PRODTYPE": "image", "PLVER": "V2.3",
    "MAGZERO": 25.9, "SEEINGP1": 3.6,
}  # fmt: skip


def observe(
    folder: Path, name: str, primary: dict[str, Any], chip: dict[str, Any], sky: Sky, mask: np.ndarray[Any, Any]
) -> None:
    """Write an image and its mask, compressed, headers of the exposure in the first HDU and of the chip in the next."""
    folder.mkdir(exist_ok=True)
    for kind, pixels in (("ooi", sky.pixels(noise=1.0)), ("ood", mask)):
        first = fits.PrimaryHDU(header=fits.Header(primary | ({"PRODTYPE": "dqmask"} if kind == "ood" else {})))
        header = sky.header()
        header.update(chip)
        chips = fits.CompImageHDU(pixels, header, name=chip["CCDNAME"])
        fits.HDUList([first, chips]).writeto(folder / name.replace("ooi", kind))


def cut(tmp_path: Path) -> Made:
    listed = write_table(tmp_path / "o.csv", [{"id": "a", "ra": RA, "dec": DEC}])
    return made("ccd", tmp_path / "images", tmp_path / "s", "--positions", listed, "--masks", "ooi=ood")


def no_mask(sky: Sky) -> np.ndarray[Any, Any]:
    return np.zeros(sky.shape, dtype=np.int32)


def test_decam(tmp_path: Path) -> None:
    sky = Sky(TURNS["turned by 90 degrees"], scale=0.262, projection="TPV", sources=[(RA, DEC, FLUX)])
    chip = {"CCDNAME": "N11", "BUNIT": "electrons", "FWHM": (4.41, "Median FWHM in pixels")}
    observe(tmp_path / "images", "c4d_150329_083323_ooi_g_ls9.fits.fz", DECAM, chip, sky, no_mask(sky))
    result = cut(tmp_path)
    series = result.survey["a"]
    assert (result.said, result.survey.header.bands) == ("1 object, 1 frame, 0 rejected", ("g",))
    assert series.mjd[0] == pytest.approx(57110.356 + 39.5 / 86400, abs=1e-6)
    assert series.psf_fwhm[0] == pytest.approx(4.41 * 0.262, rel=0.01)
    assert np.nansum(series.frames[0]) == pytest.approx(FLUX * 10 ** (-0.4 * (30.6 - 22.5)), rel=0.05)
    assert series.gain[0] == pytest.approx(10 ** (0.4 * (30.6 - 22.5)), rel=1e-6)  # of electrons
    light = np.where(series.frames[0] > 0.005, series.frames[0], 0)
    assert centroid(light) == pytest.approx((series.x[0], series.y[0]), abs=0.1)


def test_90prime(tmp_path: Path) -> None:
    """Electrons a second; the unit of its seeing is not said, so that it stays unknown."""
    sky = Sky(TURNS["turned by 270 degrees"], scale=0.454, projection="TPV", sources=[(RA, DEC, FLUX)])
    chip = {"CCDNAME": "CCD1", "BUNIT": "electrons/s"}
    observe(tmp_path / "images", "ksb_160406_103336_ooi_r_v1.fits.fz", BOK, chip, sky, no_mask(sky))
    series = cut(tmp_path).survey["a"]
    assert np.isnan(series.psf_fwhm[0])
    assert np.nansum(series.frames[0]) == pytest.approx(FLUX * 10 ** (-0.4 * (25.9 - 22.5)), rel=0.05)
    assert series.gain[0] == pytest.approx(100 * 10 ** (0.4 * (25.9 - 22.5)), rel=1e-6)
    assert series.mjd[0] == pytest.approx(57484.44 + 50 / 86400, abs=1e-6)


@pytest.mark.parametrize(
    ("primary", "bad", "changed"),
    [(DECAM, 5, 7), (BOK, 5, 7), (DECAM | {"PLVER": "V3.2.1"}, 16, 128)],
    ids=["DECam", "90Prime", "DECam before its version 3.5"],
)
def test_a_supernova_is_not_masked_for_being_new(
    tmp_path: Path, primary: dict[str, Any], bad: int, changed: int
) -> None:
    sky = Sky(scale=0.262, sources=[(RA, DEC, FLUX)])
    mask = no_mask(sky)
    mask[76:84, 96:104] = changed  # about the source, in the middle
    mask[90, 100], mask[91, 100] = bad, bad + changed
    chip = {"CCDNAME": "N11", "BUNIT": "electrons"}
    observe(tmp_path / "images", "a_ooi.fits.fz", primary, chip, sky, mask)
    frame = cut(tmp_path).survey["a"].frames[0]
    assert np.isnan(frame).sum() == 2
    assert np.isnan(frame[26:28, 16]).all()


def test_in_the_mask_of_another_pipeline_every_mark_counts(tmp_path: Path) -> None:
    sky = Sky(scale=0.262, sources=[(RA, DEC, FLUX)])
    mask = no_mask(sky)
    mask[90, 100] = 7
    primary = {key: value for key, value in DECAM.items() if key not in ("PLVER", "PROCTYPE")}
    observe(tmp_path / "images", "a_ooi.fits.fz", primary, {"CCDNAME": "N11", "BUNIT": "electrons"}, sky, mask)
    assert np.isnan(cut(tmp_path).survey["a"].frames[0]).sum() == 1
