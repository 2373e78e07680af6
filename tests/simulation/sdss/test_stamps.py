"""Stamps hold the flux, shapes and noise that were asked for."""

import galsim
import numpy as np
import pytest

from ictconvention.simulation.sdss import stamps
from ictconvention.simulation.sdss.cadence import Observations


def observations(n: int, band: int = 2, fwhm: float = 1.4) -> Observations:
    return Observations(np.arange(n) + np.float64(53600), np.full(n, band, np.uint8), np.full(n, fwhm), np.ones(n))


def noiseless(point: float, galaxies: list[stamps.Galaxy], stars: list[stamps.Star]) -> np.ndarray:
    """Average many frames, which differ in noise and in the place of the centre within its pixel."""
    n = 3000
    rng = np.random.default_rng(0)
    place = stamps.draw_places(n, rng)
    frames = stamps.paint(observations(n), 2, np.full(n, point), galaxies, stars, place, rng)
    return np.asarray(frames.mean(axis=0, dtype=np.float64))


@pytest.mark.parametrize(
    ("sersic", "radius", "east", "north"),
    [
        (1, 1.0, 1.3, -2.0),
        (4, 0.6, 1.3, -2.0),
        (4, 1.5, 0, 0),
        (1, 3.0, 8.0, -8.0),
        (2, 5.0, 0.0, 9.0),
        (4, 2.0, 9.0, 1.0),
    ],
)
def test_galaxies_equal_those_that_galsim_draws(sersic: float, radius: float, east: float, north: float) -> None:
    galaxy = stamps.Galaxy(np.ones(5), radius, sersic, 0.6, 0.7, east, north)
    jitter = np.array([[0.3, -0.2]])
    ours = stamps._galaxies([galaxy], np.array([2], np.uint8), np.array([1.4]), jitter)[0]
    profile = galsim.Sersic(sersic, half_light_radius=radius).shear(q=0.6, beta=0.7 * galsim.radians)
    profile = profile.shift(-east + 0.3 * stamps.PIXEL_SCALE, north - 0.2 * stamps.PIXEL_SCALE)
    seen = galsim.Convolve(profile, galsim.Moffat(beta=stamps.MOFFAT_BETA, fwhm=1.4))
    theirs = seen.drawImage(nx=32, ny=32, scale=stamps.PIXEL_SCALE).array
    np.testing.assert_allclose(ours, theirs, atol=0.005 * theirs.max())


@pytest.mark.parametrize("fwhm", [0.95, 1.4, 1.8])
def test_point_sources_equal_those_that_galsim_draws(fwhm: float) -> None:
    ours = stamps._moffat(np.array([fwhm]), np.array([[0.3, -0.2]]))[0]
    shift = (0.3 * stamps.PIXEL_SCALE, -0.2 * stamps.PIXEL_SCALE)
    profile = galsim.Moffat(beta=stamps.MOFFAT_BETA, fwhm=fwhm).shift(*shift)
    theirs = profile.drawImage(nx=32, ny=32, scale=stamps.PIXEL_SCALE).array
    np.testing.assert_allclose(ours, theirs, atol=2e-3 * theirs.max())


def test_east_is_left_and_north_is_up() -> None:
    image = noiseless(0.0, [], [stamps.Star(np.full(5, 20.0), east=3.0, north=-2.0)])
    y, x = np.unravel_index(image.argmax(), image.shape)
    assert (x - 15.5) * stamps.PIXEL_SCALE == pytest.approx(-3.0, abs=0.3)
    assert (y - 15.5) * stamps.PIXEL_SCALE == pytest.approx(-2.0, abs=0.3)


@pytest.mark.parametrize("band", range(5))
def test_pixel_noise_is_that_of_the_survey(band: int) -> None:
    expected = [0.048, 0.018, 0.028, 0.045, 0.148][band]
    scatter, stated = [], []
    for column in range(6):
        seen = observations(40, band)
        frames = stamps.paint(seen, column, np.zeros(40), [], [], np.zeros((40, 2)), np.random.default_rng(column))
        scatter.append(frames.std())
        stated.append(stamps.sky_noise(seen, column)[0])
        assert scatter[-1] == pytest.approx(stated[-1], rel=0.01)
    assert np.mean(scatter) == pytest.approx(expected, rel=0.10)


def test_bright_sources_add_photon_noise_and_saturate() -> None:
    seen = observations(400)
    rng = np.random.default_rng(0)
    # 100 nanomaggies are 20 000 DN; gain 4.72 and dark variance 1.3225 of the third camera column in r.
    expected = 0.0050 * np.sqrt(20_000 / 4.72 + 1.3225)
    noise = stamps.SDSS_CAMERA.noise(np.array([100.0]), np.array([2], np.uint8), 2)
    assert noise[0] == pytest.approx(expected, rel=1e-6)
    limit = stamps.FULL_WELL * stamps.CALIBRATION[2] - stamps.SKY[2]
    blinding = stamps.paint(seen, 2, np.full(400, 50_000.0), [], [], np.zeros((400, 2)), rng)
    assert blinding.max() == pytest.approx(limit, rel=0.01)


def test_camera_columns_alternate_over_the_stripe() -> None:
    columns = [stamps.camera_column(dec) for dec in np.linspace(-1.266, 1.265, 13)[:-1] + 0.01]
    assert columns == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]  # north and south strip in turn
