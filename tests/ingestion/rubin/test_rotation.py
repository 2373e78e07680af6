"""A star comes out of a rotated cutout where it lies on the sky, with its flux and its shape."""

import numpy as np
import pytest

from ictconvention.ingestion.rubin.cutouts import Cutout, measure_fwhm, read_cutout
from ictconvention.ingestion.rubin.rotation import SkyGrid, turn_north_up
from tests.ingestion.rubin_packets import DEC, RA, SCALE, blob, cutout, turn

FLUX = 10_000.0
ANGLES = (0.0, 17.0, 45.0, 90.0, 133.3, 188.8, 271.0, 340.0)


def star(angle: float, east: float, north: float, fwhm: float = 0.7, side: int = 41) -> Cutout:
    """Return a cutout turned by an angle, with a star east and north of the object [arcsec]."""
    middle = (1.3, -0.8)
    x, y = np.array(middle) + np.linalg.solve(turn(angle), [east / 3600, north / 3600])
    return read_cutout(cutout(blob(side, float(x), float(y), FLUX, fwhm / SCALE), turn(angle), middle), RA, DEC)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("fwhm", [0.5, 0.7, 1.0])
def test_a_star_keeps_its_place_flux_and_width_at_any_angle(angle: float, fwhm: float) -> None:
    east, north = 0.9, 1.1  # [arcsec]
    cut = star(angle, east, north, fwhm)
    stamp, _ = turn_north_up(cut.pixels, cut.grid, 33, SCALE)
    wanted = blob(33, -east / SCALE, north / SCALE, FLUX, fwhm / SCALE)  # east is left
    known = np.isfinite(stamp)
    light = np.where(known, stamp, 0)
    across = np.arange(33) - 16
    centre = (light * across).sum() / light.sum(), (light * across[:, None]).sum() / light.sum()
    assert centre == pytest.approx((-east / SCALE, north / SCALE), abs=0.02)
    assert np.abs(stamp - wanted)[known].max() < 0.008 * wanted.max()
    near = np.hypot(across[None] + east / SCALE, across[:, None] - north / SCALE) < 7
    assert light[near].sum() == pytest.approx(wanted[near].sum(), rel=5e-4)
    assert measure_fwhm(light) == pytest.approx(measure_fwhm(wanted), rel=0.01)


def test_an_upright_cutout_about_a_pixel_is_only_cropped() -> None:
    pixels = np.random.default_rng(0).normal(size=(30, 30))
    grid = SkyGrid(14.0, 15.0, np.array([-5.0, 0.0]), np.array([0.0, 5.0]))
    stamp, noise = turn_north_up(pixels, grid, 21, SCALE)
    np.testing.assert_allclose(stamp, pixels[5:26, 4:25], atol=1e-12)
    assert noise == pytest.approx(1)


def test_the_noise_of_a_stamp_is_that_of_its_pixels() -> None:
    angle = np.radians(33)
    east, north = 5 * np.array([-np.cos(angle), np.sin(angle)]), 5 * np.array([np.sin(angle), np.cos(angle)])
    pixels = np.random.default_rng(1).normal(size=(400, 400))
    stamp, noise = turn_north_up(pixels, SkyGrid(200, 200, east, north), 250, SCALE)
    assert np.std(stamp) == pytest.approx(noise, rel=0.01)
    assert noise == pytest.approx(0.92, abs=0.01)


def test_pixels_of_another_size_keep_the_flux_of_the_sky() -> None:
    grid = SkyGrid(14.5, 14.5, np.array([-4.0, 0.0]), np.array([0.0, 4.0]))  # pixels of 0.25 arcsec
    stamp, _ = turn_north_up(np.full((30, 30), 3.0), grid, 20, SCALE)
    np.testing.assert_allclose(stamp, 3 * 0.8**2, rtol=1e-6)


def test_missing_pixels_stay_missing_and_spoil_no_other() -> None:
    cut = star(45, 0, 0)
    pixels = cut.pixels.copy()
    whole, _ = turn_north_up(pixels, cut.grid, 25, SCALE)
    pixels[26, 26] = np.nan  # far from the star
    stamp, _ = turn_north_up(pixels, cut.grid, 25, SCALE)
    lost = np.isnan(stamp) & ~np.isnan(whole)
    assert 2 <= lost.sum() <= 6
    known = np.isfinite(stamp)
    np.testing.assert_allclose(stamp[known], whole[known], atol=1e-3 * float(np.nanmax(whole)))
