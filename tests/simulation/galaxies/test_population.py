"""The galaxies that are drawn have the colours and distances of real ones, and sizes that do not give them away."""

import galsim
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from ictconvention.core.magnitudes import magnitude
from ictconvention.simulation.galaxies import population
from ictconvention.simulation.galaxies.bands import BAND_SETS
from ictconvention.simulation.galaxies.population import Galaxies, Population, is_within
from ictconvention.simulation.galaxies.spectra import TEMPLATES, colours, dust_of

REAL_COLOURS = (1.73, 0.91, 0.43, 0.30)  # means of u-g, g-r, r-i, i-z of SDSS's main galaxies, r < 17.7
REAL_ERRORS = (0.99, 0.57, 0.96, 1.47, 4.4)  # medians of these galaxies in ugriz [nanomaggies]


@pytest.fixture(scope="module")
def drawn() -> Galaxies:
    return Population(BAND_SETS[5]).draw(450_000, np.random.default_rng(0))


def r_of(drawn: Galaxies) -> NDArray[np.float64]:
    return magnitude(drawn.flux[:, 2])


def spread(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[float, float]:
    """Return sigma_MAD, and the share of errors above .05."""
    error = (estimate - truth) / (1 + truth)
    return float(1.4826 * np.median(abs(error - np.median(error)))), float((abs(error) > 0.05).mean())


def test_bright_galaxies_have_the_colours_of_real_ones(drawn: Galaxies) -> None:
    bright = (r_of(drawn) < 17.7) & is_within(drawn, BAND_SETS[5])
    means = -np.diff(magnitude(drawn.flux[bright]), axis=1).mean(axis=0)
    assert np.abs(means - REAL_COLOURS).max() < 0.15


def test_galaxies_are_as_far_as_their_magnitude_says(drawn: Galaxies) -> None:
    medians = [np.median(drawn.redshift[r_of(drawn) < limit]) for limit in (17.7, 19.5, 21.0)]
    assert medians == pytest.approx([0.097, 0.18, 0.27], abs=0.02)  # the first is that of SDSS's main galaxies


def test_photometry_gives_the_redshift_of_bright_galaxies_as_well_as_it_does_in_reality(drawn: Galaxies) -> None:
    rng = np.random.default_rng(1)
    those = np.flatnonzero(r_of(drawn) < 17.7)
    flux = drawn.flux[those] + rng.normal(size=(len(those), 5)) * REAL_ERRORS
    seen = magnitude(np.maximum(flux, 0.01))
    features, redshift = np.column_stack([seen, np.diff(seen)]), drawn.redshift[those]
    half = len(those) // 2
    forest = ExtraTreesRegressor(100, min_samples_leaf=3, random_state=0).fit(features[:half], redshift[:half])
    sigma, _ = spread(forest.predict(features[half:]), redshift[half:])
    assert 0.012 < sigma < 0.020  # the real ones: 0.0152, of as many, by the same forest


@pytest.mark.parametrize("limit", [17.7, 21.0])
def test_sizes_alone_hardly_tell_the_redshift(limit: float, drawn: Galaxies) -> None:
    those = np.flatnonzero(r_of(drawn) < limit)[:4000]
    features, redshift, half = drawn.radius[those][:, None], drawn.redshift[those], len(those) // 2
    forest = ExtraTreesRegressor(100, min_samples_leaf=20, random_state=0).fit(features[:half], redshift[:half])
    _, outliers = spread(forest.predict(features[half:]), redshift[half:])
    _, constant = spread(np.full(len(those) - half, np.median(redshift[:half])), redshift[half:])
    assert outliers > constant - 0.06


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_a_bulge_and_its_disc_have_the_half_light_radius_of_the_whole(share: float) -> None:
    disc = 100 / population._half_light(np.array([share]))[0]  # so that the whole has 100
    whole = galsim.Sersic(4, half_light_radius=population.BULGE_RADIUS * disc).withFlux(share + 1e-9)
    whole += galsim.Sersic(1, half_light_radius=disc).withFlux(1 - share + 1e-9)
    image = whole.drawImage(nx=201, ny=201, scale=1.0).array
    y, x = np.mgrid[:201, :201] - 100
    assert image[np.hypot(x, y) < 100].sum() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("bands", [5, 9, 11])
def test_later_types_are_bluer_in_all_bands_and_dust_reddens_them(bands: int) -> None:
    band_set = BAND_SETS[bands]
    names = band_set.names
    assert len(names) == len(set(names)) == bands
    light = magnitude(colours(band_set, np.arange(4.0), np.full(4, 0.1)))
    blue = light[:, names.index("u")] - light[:, names.index("r")]
    assert (np.diff(blue) < 0).all(), TEMPLATES
    order = np.argsort(band_set.wavelength)
    assert (np.diff(dust_of(band_set, np.array([0.0]))[0, order]) < 0).all()
    far = dust_of(band_set, np.array([0.0, 0.5]))
    assert (far[1] > far[0]).all()  # it sees bluer light


def test_colours_change_evenly_with_redshift_and_between_templates() -> None:
    redshift = np.linspace(0.0, 1.0, 2001)
    for template in (0.0, 0.5, 3.0):
        light = magnitude(colours(BAND_SETS[5], np.full(2001, template), redshift))
        assert np.abs(np.diff(light, axis=0)).max() < 0.02
    between = colours(BAND_SETS[5], np.array([1.0, 1.5, 2.0]), np.full(3, 0.23))
    np.testing.assert_allclose(between[1], (between[0] + between[2]) / 2)
