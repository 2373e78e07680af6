"""Cutouts of Rubin: units, noise, seeing and places are read; what is damaged is named."""

import io

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.rubin.cutouts import NANOJANSKY, measure_fwhm, read_cutout
from tests.ingestion.rubin_packets import DEC, RA, SCALE, blob, cutout, turn

SKY = np.random.default_rng(0).normal(0, 20, (30, 30))


def test_a_flux_of_zero_point_31_4_is_that_of_22_5() -> None:
    nanomaggies = 3631 * NANOJANSKY  # magnitude 0 is 3631 Jy, and 1e9 nanomaggies
    assert nanomaggies == pytest.approx(1, rel=1e-4)
    by_magnitudes = 10 ** (-0.4 * (31.4 - 22.5)) / NANOJANSKY
    assert by_magnitudes == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("fwhm", [0.5, 0.8, 1.4])
def test_noise_seeing_and_place_come_from_the_hdus(fwhm: float) -> None:
    read = read_cutout(cutout(SKY, turn(38.0), (2.25, -3.5), 17.0, fwhm), RA, DEC)
    assert read.noise == pytest.approx(17)
    assert read.psf_fwhm == pytest.approx(np.hypot(fwhm, 2.3548 * SCALE / 12**0.5), rel=0.005)  # and of a pixel
    assert (read.grid.column, read.grid.row) == pytest.approx((14.5 + 2.25, 14.5 - 3.5), abs=1e-3)
    assert read.grid.area(SCALE) == pytest.approx(1, rel=1e-3)
    np.testing.assert_array_equal(read.pixels, SKY.astype(np.float32))


def test_wings_do_not_widen_the_seeing() -> None:
    star = 0.9 * blob(41, 0.3, -0.2, 1.0, 4.0) + 0.1 * blob(41, 0, 0, 1.0, 16.0)
    assert measure_fwhm(star) == pytest.approx(4.2, abs=0.2)
    assert np.isnan(measure_fwhm(np.zeros((41, 41))))


def without(content: bytes, *names: str) -> bytes:
    with fits.open(io.BytesIO(content)) as hdus:
        file = io.BytesIO()
        fits.HDUList([one for one in hdus if one.name not in names]).writeto(file)
    return file.getvalue()


def test_without_variance_and_psf_both_are_unknown() -> None:
    read = read_cutout(without(cutout(SKY), "UNCERT", "PSFIMAGE"), RA, DEC)
    assert np.isnan(read.noise)
    assert np.isnan(read.psf_fwhm)


def with_uncertainty(values: NDArray[np.floating], kind: str) -> bytes:
    """Return a cutout whose second HDU holds something else."""
    with fits.open(io.BytesIO(cutout(SKY))) as hdus:
        hdus["UNCERT"].data, hdus["UNCERT"].header["UTYPE"] = values.astype(">f4"), kind
        file = io.BytesIO()
        hdus.writeto(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["VarianceUncertainty", "StdDevUncertainty", "InverseVariance"])
def test_the_noise_is_a_deviation_whatever_the_uncertainty_is(kind: str) -> None:
    held = {"VarianceUncertainty": 400.0, "StdDevUncertainty": 20.0, "InverseVariance": 1 / 400}[kind]
    assert read_cutout(with_uncertainty(np.full(SKY.shape, held), kind), RA, DEC).noise == pytest.approx(20)


def test_pixels_without_a_variance_are_missing() -> None:
    variance = np.full(SKY.shape, 400.0)
    variance[:2], variance[5, 7] = 0, np.nan  # rows beside the chip, and a pixel
    read = read_cutout(with_uncertainty(variance, "VarianceUncertainty"), RA, DEC)
    assert np.isnan(read.pixels[:2]).all()
    assert np.isnan(read.pixels).sum() == 2 * SKY.shape[1] + 1
    assert read.noise == pytest.approx(20)


DAMAGED = {
    "no FITS": b"rubbish",
    "truncated": cutout(SKY)[:4000],
    "too many bytes": b"0" * 2**21,
    "a text": "rubbish",
    "counts": cutout(SKY, BUNIT="adu"),
    "pixels of an arcsecond": cutout(SKY, 5 * turn(0)),
    "the object elsewhere": cutout(SKY, middle=(17.0, 0.0)),
    "no sky": cutout(SKY, 0 * turn(0)),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_cutout_that_cannot_be_used_is_refused(case: str) -> None:
    with pytest.raises(UnreadableError):
        read_cutout(DAMAGED[case], RA, DEC)
