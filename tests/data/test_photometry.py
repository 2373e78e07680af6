"""Aperture photometry measures known fluxes, errors and gaps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D

from ictconvention.data.photometry import APERTURE_RADIUS, aperture_photometry

SCALE = 0.396


def star(size: int = 32, fwhm: float = 1.4) -> np.ndarray:
    """Return a Gaussian of unit flux at the stamp's centre, integrated over fine pixels."""
    fine = 9
    sigma = fwhm / SCALE / 2.3548
    grid = (np.arange(size * fine) + 0.5) / fine - size / 2
    row = np.exp(-0.5 * (grid / sigma) ** 2).reshape(size, fine).sum(axis=1)
    image = np.outer(row, row)
    return np.asarray(image / image.sum())


def test_a_star_has_the_flux_of_its_aperture() -> None:
    sigma = 1.4 / 2.3548
    expected = 1 - np.exp(-0.5 * (APERTURE_RADIUS / sigma) ** 2)  # of a round Gaussian within a circle
    flux, _ = aperture_photometry(np.array([star(), 7 * star()]), np.array([1, 1], "f4"), SCALE)
    np.testing.assert_allclose(flux, [expected, 7 * expected], rtol=2e-3)


@pytest.mark.parametrize("size", [32, 33])
def test_a_constant_sky_is_taken_away_and_an_aperture_has_its_area(size: int) -> None:
    frames = np.full((1, size, size), 5.0)
    flux, _ = aperture_photometry(frames, np.ones(1, "f4"), SCALE)
    np.testing.assert_allclose(flux, 0, atol=1e-12)
    flux, _ = aperture_photometry(frames, np.ones(1, "f4"), SCALE, sky_radius=100.0)  # no pixel of sky
    np.testing.assert_allclose(flux, 5 * np.pi * (APERTURE_RADIUS / SCALE) ** 2, rtol=1e-12)


def test_the_error_is_the_scatter_of_empty_sky() -> None:
    frames = np.random.default_rng(0).normal(0, 0.3, (4000, 32, 32))
    flux, error = aperture_photometry(frames, np.full(4000, 0.3, "f4"), SCALE)
    assert np.std(flux) == pytest.approx(error[0], rel=0.05)
    assert abs(np.mean(flux)) < 4 * error[0] / np.sqrt(4000)


def test_a_missing_pixel_in_the_aperture_gives_no_flux_and_one_outside_is_left_out() -> None:
    frames = np.repeat(star()[None], 3, axis=0)
    frames[0, 16, 17] = np.nan
    frames[1, 0, :] = np.nan
    infinite = np.repeat(star()[None], 1, axis=0)
    infinite[0, 16, 16] = np.inf
    flux, error = aperture_photometry(np.concatenate([frames, infinite]), np.ones(4, "f4"), SCALE)
    assert np.isnan([flux[0], error[0], flux[3], error[3]]).all()
    assert flux[1] == pytest.approx(flux[2], rel=1e-6)
    assert error[1] > error[2]  # fewer pixels of sky


def test_an_aperture_beyond_the_stamp_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10.1 pixels across in a stamp of 8 x 8"):
        aperture_photometry(np.ones((1, 8, 8)), np.ones(1, "f4"), SCALE)


def test_a_real_star_has_its_catalogue_flux(shared: Callable[[str], Path]) -> None:
    """The one clean star of a real frame, in the catalogue's aperture of 1.76 arcsec.

    To 3 %: it lies 0.14 pixel off centre (1 %), and each sky, theirs and ours, is noisy (1 % each).
    """
    catalogue = fits.getdata(shared("sdss_frame/photoObj-001000-1-0100.fits"))
    image = fits.getdata(shared("sdss_frame/frame-r-001000-1-0100.fits.bz2")).astype(float)
    r, row, column = 2, 58.63, 37.44  # band, and the star's place in the catalogue's pixels, which begin at 0.5
    at = np.hypot(catalogue["ROWC"][:, r] - row, catalogue["COLC"][:, r] - column).argmin()
    stamp = Cutout2D(image, (column - 0.5, row - 0.5), 31).data
    flux, _ = aperture_photometry(stamp[None], np.ones(1, "f4"), SCALE, radius=1.76)
    assert flux[0] == pytest.approx(float(catalogue["APERFLUX"][at, r, 3]), rel=0.03)
