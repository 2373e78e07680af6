"""The pixel scale of stamps: given, or a column's, or that of their WCS; never two that contradict each other."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.ingestion.commands import made, refusal, write_table
from tests.ingestion.images import Sky
from tests.refusals import check_refusal


def write_stamps(folder: Path, *scales: float | None, **columns: object) -> Path:
    """Write a stamp of each scale [arcsec], without a WCS where that is None, and the table of them."""
    rows = []
    for number, scale in enumerate(scales):
        pixels = np.random.default_rng(number).normal(size=(32, 32)).astype(np.float32)
        header = None if scale is None else Sky(shape=(32, 32), scale=scale).header()
        fits.PrimaryHDU(pixels, header).writeto(folder / f"{number}.fits")
        rows.append({"id": "a", "file": f"{number}.fits", "band": "g", "mjd": 58000.0 + number} | columns)
    return write_table(folder / "t.csv", rows)


@pytest.mark.parametrize("jobs", [1, 2])
def test_without_the_option_it_is_that_of_the_first_wcs(tmp_path: Path, jobs: int) -> None:
    table = write_stamps(tmp_path, None, 0.396, 0.397, None)
    result = made("stamps", table, tmp_path / "s", "--jobs", jobs)
    assert result.survey.header.pixel_scale == 0.396
    assert "pixels of 0.396 arcsec, by the WCS of 1.fits" in result.lines
    assert result.said == "1 object, 4 frames, 0 rejected"
    binned = made("stamps", write_big(tmp_path), tmp_path / "b", "--bin").survey.header
    assert binned.pixel_scale == 0.8


def write_big(folder: Path) -> Path:
    """Write one stamp of 64 x 64 pixels of 0.4 arcsec, and its table."""
    pixels = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    fits.PrimaryHDU(pixels, Sky(shape=(64, 64)).header()).writeto(folder / "big.fits")
    return write_table(folder / "big.csv", [{"id": "a", "file": "big.fits", "band": "g", "mjd": 58000.0}])


@pytest.mark.parametrize(
    ("scales", "options", "facts", "file"),
    [
        ([0.4, 0.396, None], ["--pixel-scale", 0.396], ["0.4", "0.396", "--pixel-scale"], "0.fits"),
        ([0.4, 0.4, 0.26], [], ["0.26", "0.4", "0.fits"], "2.fits"),
        ([None, 0.8, None], ["--pixel-scale", 0.4], ["0.8", "0.4"], "1.fits"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stamp_whose_wcs_has_another_scale_is_a_reject_that_names_both(
    tmp_path: Path, scales: list[float | None], options: list[object], facts: list[str], file: str, jobs: int
) -> None:
    table = write_stamps(tmp_path, *scales)
    result = made("stamps", table, tmp_path / "s", *options, "--jobs", jobs)
    assert result.said == "1 object, 2 frames, 1 rejected"
    assert result.survey.header.pixel_scale == (options or [None, 0.4])[1]
    (reject,) = result.rejects
    assert reject["file"].startswith(file)
    assert all(fact in reject["reason"].replace(",", "").replace(";", "").split() for fact in facts)
    error = refusal("stamps", table, tmp_path / "t", *options, "--jobs", jobs, "--max-rejects", 0.3)
    check_refusal(error, "E-INGEST-REJECTS", *facts)


@pytest.mark.parametrize("keys", [(), ("CDELT1",)])
def test_a_wcs_that_says_no_size_is_none(tmp_path: Path, keys: tuple[str, ...]) -> None:
    """By the standard a pixel would be a degree, 3600 arcsec."""
    table = write_stamps(tmp_path, 0.4, 0.4, 0.4)
    with fits.open(tmp_path / "0.fits", mode="update") as hdus:
        for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2"):
            hdus[0].header.remove(key, ignore_missing=True)
        hdus[0].header.update(dict.fromkeys(keys, 0.4 / 3600))
        assert "CTYPE1" in hdus[0].header
    for options in ((), ("--pixel-scale", 0.4)):
        result = made("stamps", table, tmp_path / f"s{len(options)}", *options)
        assert (result.said, result.survey.header.pixel_scale) == ("1 object, 3 frames, 0 rejected", 0.4)


def test_within_one_per_cent_the_option_holds(tmp_path: Path) -> None:
    table = write_stamps(tmp_path, 0.399, 0.3965)
    survey = made("stamps", table, tmp_path / "s", "--pixel-scale", 0.396).survey
    assert survey.header.pixel_scale == 0.396


def test_a_column_says_it_too_and_must_agree_with_the_wcs(tmp_path: Path) -> None:
    table = write_stamps(tmp_path, None, None, pixel_scale=0.262)
    assert made("stamps", table, tmp_path / "s").survey.header.pixel_scale == 0.262
    (tmp_path / "other").mkdir()
    error = refusal("stamps", write_stamps(tmp_path / "other", 0.4, pixel_scale=0.262), tmp_path / "t")
    check_refusal(error, "E-INGEST-REJECTS", "0.4", "0.262", "row 1")
    check_refusal(
        refusal("stamps", tmp_path / "t.csv", tmp_path / "t", "--pixel-scale", 0.4),
        *("E-COMMAND-CONFLICT", "0.4", "0.262", "--pixel-scale"),
        where="row 1",
    )


def test_where_nothing_says_it_the_option_is_asked_for(tmp_path: Path) -> None:
    error = refusal("stamps", write_stamps(tmp_path, None, None), tmp_path / "s")
    check_refusal(error, "E-VALUE-MISSING", "--pixel-scale", where="t.csv")
    (tmp_path / "rubbish").mkdir()
    table = write_stamps(tmp_path / "rubbish", None)
    with fits.open(tmp_path / "rubbish" / "0.fits", mode="update") as hdus:
        hdus[0].header.update(CTYPE1="RA---NOT", CTYPE2="DEC--NOT", CDELT1=0.1)
    check_refusal(refusal("stamps", table, tmp_path / "s"), "E-VALUE-MISSING", where="t.csv")
