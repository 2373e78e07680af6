"""Stamps as of COSMOS, of 11 bands of unequal pixels and sizes, brought to one grid with their flux."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.wcs import WCS

from ictconvention.ingestion.readers.resampling import resampled_noise
from tests.ingestion.commands import Made, made, refusal, write_table
from tests.refusals import check_refusal

SCALES = {"u": 0.186, "ustar": 0.186, "g": 0.168, "r": 0.168, "i": 0.168, "z": 0.168, "y": 0.168}
SCALES |= {"Y": 0.1, "J": 0.1, "H": 0.1, "Ks": 0.333}  # [arcsec]
SIZE, SCALE, SIDE, FLUX, SIGMA = 32, 0.2, 10.0, 50.0, 0.6  # pixels, arcsec, arcsec of a cutout, nanomaggies, arcsec
GALAXIES, UNDRAWN = 6, ("J", "H", "Ks")  # bands that every second galaxy lacks
RESAMPLED = ("--resample", "--pixel-scale", SCALE, "--size", SIZE, "--bands", ",".join(SCALES))


def galaxy(scale: float, flux: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a round source in the middle of a cutout of so many pixels that it is 10 arcsec wide."""
    number = int(np.ceil(SIDE / scale))
    y, x = (np.mgrid[:number, :number] - (number - 1) / 2) * scale
    profile = np.exp(-(x**2 + y**2) / (2 * SIGMA**2)) * scale**2 / (2 * np.pi * SIGMA**2)
    return np.asarray(flux * profile, dtype=np.float32)


def header(scale: float) -> fits.Header:
    """Return a header whose WCS has pixels of a size [arcsec]."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [150.1, 2.2], [1, 1], [-scale / 3600, scale / 3600]
    return wcs.to_header()


@pytest.fixture(scope="module")
def cosmos(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a survey of stamps: half of the files say their pixel scale by a WCS, the others in the table."""
    folder = tmp_path_factory.mktemp("stamps")
    listed = []
    for number in range(GALAXIES):
        for place, (band, scale) in enumerate(SCALES.items()):
            if number % 2 and band in UNDRAWN:
                continue
            file = f"{number}-{band}.fits"
            with_wcs = place % 2 == 0
            pixels = galaxy(scale, FLUX + place) * 10  # of zero point 25: 10 counts are a nanomaggy
            fits.PrimaryHDU(pixels, header(scale) if with_wcs else None).writeto(folder / file)
            one = {"id": f"c{number}", "file": file, "band": band, "mjd": 57000.0, "zero_point": 25.0}
            one |= {"pixel_scale": np.nan if with_wcs else scale, "sky_sigma": 1.0}
            listed.append(one | {"ra": 150.1 + number / 100, "dec": 2.2, "ebv": 0.018, "zspec": 0.1 + number})
    table = Table(rows=listed)
    known = np.array([str(one["id"]) < "c3" for one in listed])
    table["zspec"] = MaskedColumn(table["zspec"], mask=~known)
    table["z_err"] = MaskedColumn(np.full(len(table), 0.01), mask=~known)
    table.write(folder / "catalogue.fits")
    return made("stamps", folder / "catalogue.fits", folder / "survey", *RESAMPLED, "--column", "redshift=zspec")


def test_they_are_pictures_of_one_scale_with_the_flux_of_their_files(cosmos: Made) -> None:
    survey = cosmos.survey
    assert (survey.header.bands, survey.header.pixel_scale, len(survey)) == (tuple(SCALES), SCALE, GALAXIES)
    assert cosmos.said.endswith("0 rejected")
    assert "interpolated" in survey.header.provenance["pixels"]
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    for series in survey:
        assert series.frames.sum(axis=(1, 2)) == pytest.approx(FLUX + series.band, rel=0.01)
        for frame in series.frames:
            assert [float((frame * axis).sum() / frame.sum()) for axis in (x, y)] == pytest.approx([0, 0], abs=0.02)


def test_the_noise_of_a_pixel_is_that_of_its_larger_or_smaller_area(cosmos: Made) -> None:
    series = cosmos.survey["c0"]
    bands = [[*SCALES][band] for band in series.band]
    noise = dict(zip(bands, series.sky_sigma, strict=True))
    assert noise["Y"] > 0.1 > noise["Ks"]  # nanomaggies: a tenth in the file
    assert noise["Y"] == pytest.approx(0.1 * resampled_noise(SCALE / SCALES["Y"]))


def test_bands_that_were_not_drawn_and_redshifts_that_are_not_known_are_absent(cosmos: Made) -> None:
    bands = cosmos.survey.header.bands
    for number in range(GALAXIES):
        seen = {bands[band] for band in cosmos.survey[f"c{number}"].band}
        assert seen == {*SCALES} - ({*UNDRAWN} if number % 2 else set())
    table = cosmos.survey.object_table()
    assert np.isfinite(np.ma.filled(table["redshift"], np.nan)).tolist() == [True] * 3 + [False] * 3
    assert np.asarray(table["ebv"]) == pytest.approx(0.018)
    assert np.asarray(table["z_err"])[:3] == pytest.approx(0.01)


def write_two(folder: Path, first: dict[str, Any], second: dict[str, Any]) -> Path:
    """Write two stamps of 5 and of 10 pixels in an arcsec, with what their rows say besides."""
    listed = []
    for band, scale, own in (("g", 0.2, first), ("r", 0.1, second)):
        np.save(folder / f"{band}.npy", galaxy(scale, FLUX))
        listed.append({"id": "a", "file": f"{band}.npy", "band": band, "mjd": 57000.0} | own)
    return write_table(folder / "t.csv", listed)


def test_without_it_they_are_refused_and_what_is_of_no_known_scale_is_left_out(tmp_path: Path) -> None:
    both = write_two(tmp_path, {"pixel_scale": 0.2}, {"pixel_scale": 0.1})
    error = refusal("stamps", both, tmp_path / "s")
    check_refusal(error, "E-COMMAND-CONFLICT", "0.1", "0.2", where="row 2")
    assert "--resample" in error.fix
    check_refusal(refusal("stamps", both, tmp_path / "s", "--resample", "--bin"), "E-COMMAND-CONFLICT", "--bin")
    for nothing, reason in ((None, "nothing says"), (-0.1, "-0.1"), (0.001, "the stamp")):
        one = write_two(tmp_path, {"pixel_scale": 0.2}, {"pixel_scale": nothing})
        result = made("stamps", one, tmp_path / f"s{nothing}", "--resample")
        assert result.said == "1 object, 1 frame, 1 rejected"
        assert reason in result.rejects[0]["reason"]
    both = write_two(tmp_path, {"pixel_scale": 0.2}, {"pixel_scale": 0.1})
    same = made("stamps", both, tmp_path / "same", "--resample", "--size", 48)
    cropped = galaxy(0.2, FLUX)[1:49, 1:49]  # it has the scale already
    np.testing.assert_array_equal(same.survey["a"].frames[0], cropped)
