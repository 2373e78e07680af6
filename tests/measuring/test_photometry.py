"""Fluxes are those of the source, in every seeing and at every place; errors are the scatter; gaps stay gaps."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from numpy.typing import NDArray
from photutils.aperture import CircularAperture
from photutils.aperture import aperture_photometry as photutils_photometry

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe, point_source_error
from ictconvention.simulation.sdss import stamps
from ictconvention.simulation.sdss.cadence import Observations
from ictconvention.survey.series import ImageSeries
from tests.refusals import refused

SCALE = 0.396
RECIPE = photometry_recipe(SCALE, 32, "here")
SEEING = np.arange(1.0, 1.81, 0.1)
UNKNOWN = np.nan


def series(frames: NDArray[Any], **columns: Any) -> ImageSeries:
    """Return frames as an object: columns are numbers or arrays, unknown where not given; the sky noise is 1."""
    n = len(frames)
    known = {"sky_sigma": 1.0} | columns
    given: dict[str, Any] = {
        name: np.broadcast_to(np.asarray(known.get(name, UNKNOWN), dtype=np.float32), n)
        for name in ("psf_fwhm", "sky_sigma", "x", "y", "gain")
    }
    return ImageSeries("a", frames, np.zeros(n, np.uint8), np.arange(float(n)), **given, metadata={})


def stars(fwhm: float, n: int, seed: int = 0) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return unit point sources as the simulation paints them, at drawn places, and the columns that describe them."""
    place = stamps.draw_places(n, np.random.default_rng(seed))
    seeing = np.full(n, fwhm)
    return stamps._moffat(seeing, place), {"psf_fwhm": seeing, "x": place[:, 0], "y": place[:, 1]}


def host(seeing: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a galaxy of unit flux, its nucleus 1 arcsec from the object."""
    galaxy = stamps.Galaxy(np.ones(5), 1.5, 1.0, 0.7, 0.5, 1.0, 0.0)
    return stamps._galaxies([galaxy], np.full(len(seeing), 2, np.uint8), seeing, place)


def plain(frames: NDArray[Any]) -> NDArray[np.float64]:
    """Return the flux within 2 arcsec of the centre, whatever the seeing."""
    return measure_photometry(series(frames), RECIPE)[:, 0]


@pytest.mark.parametrize("fwhm", [0.8, *SEEING, 2.4])
def test_a_point_source_has_its_flux_in_every_seeing_and_at_every_place(fwhm: float) -> None:
    frames, columns = stars(fwhm, 200)
    flux = measure_photometry(series(frames, **columns), RECIPE)[:, 0]
    assert flux.mean() == pytest.approx(1, abs=0.004)
    assert flux.std() < 0.001  # with the place
    if fwhm in (1.0, 1.8):  # where a circle about the centre loses by the seeing and by the place
        assert plain(frames).mean() == pytest.approx({1.0: 0.95, 1.8: 0.81}[fwhm], abs=0.01)


def test_noisy_point_sources_have_their_flux_in_every_seeing() -> None:
    ratios = []
    for fwhm in SEEING:
        n = 200
        rng = np.random.default_rng(1)
        place = stamps.draw_places(n, rng)
        night = Observations(
            mjd=np.arange(float(n)), band=np.full(n, 2, np.uint8), psf_fwhm=np.full(n, fwhm), sky=np.ones(n)
        )
        frames = stamps.paint(night, 2, np.full(n, 100.0), [], [], place, rng)
        object_ = series(frames, psf_fwhm=fwhm, x=place[:, 0], y=place[:, 1])
        ratios.append(measure_photometry(object_, RECIPE)[:, 0].mean() / 100)
    np.testing.assert_allclose(ratios, 1, atol=0.005)


def test_a_host_adds_the_same_in_every_seeing() -> None:
    place = np.zeros((len(SEEING), 2))
    frames = host(SEEING, place)
    flux = measure_photometry(series(frames, psf_fwhm=SEEING), RECIPE)[:, 0]
    assert np.ptp(flux) / flux.mean() < 0.01
    assert np.ptp(plain(frames)) / plain(frames).mean() > 0.04
    both = measure_photometry(series(frames + 0.3 * stamps._moffat(SEEING, place), psf_fwhm=SEEING), RECIPE)[:, 0]
    np.testing.assert_allclose(both - flux, 0.3, rtol=0.005)  # the source alone


@pytest.mark.parametrize("beta", [2.5, 4.5])
def test_another_profile_of_the_seeing_scales_all_fluxes_by_nearly_one_number(beta: float) -> None:
    frames = np.stack([_moffat(fwhm, beta) for fwhm in SEEING])
    flux = measure_photometry(series(frames, psf_fwhm=SEEING), RECIPE)[:, 0]
    assert flux.mean() == pytest.approx({2.5: 0.94, 4.5: 1.09}[beta], abs=0.01)
    assert np.ptp(flux) / flux.mean() < 0.05  # 0.15 within 2 arcsec


def test_a_constant_sky_is_taken_away() -> None:
    frames, columns = stars(1.4, 5)
    flux = measure_photometry(series(frames + 5.0, **columns), RECIPE)[:, 0]
    np.testing.assert_allclose(flux, measure_photometry(series(frames, **columns), RECIPE)[:, 0], atol=1e-9)


def test_the_error_is_the_scatter_of_empty_sky() -> None:
    frames = np.random.default_rng(0).normal(0, 0.3, (4000, 32, 32))
    for known in ({"psf_fwhm": 1.4}, {}):
        flux, error = measure_photometry(series(frames, sky_sigma=0.3, **known), RECIPE).T
        assert np.std(flux) == pytest.approx(error[0], rel=0.05)
        assert abs(np.mean(flux)) < 4 * error[0] / np.sqrt(4000)
    assert point_source_error(1.4, 0.3, 32, RECIPE) == pytest.approx(
        measure_photometry(series(frames[:1], sky_sigma=0.3, psf_fwhm=1.4), RECIPE)[0, 1]
    )


def test_the_error_of_a_bright_source_has_its_photons_where_the_gain_is_known() -> None:
    rng = np.random.default_rng(0)
    frames, columns = stars(1.3, 3000)
    gain, sky = 50.0, 0.1
    bright = 400 * frames
    noisy = bright + rng.standard_normal(frames.shape) * np.sqrt(sky**2 + bright / gain)
    flux, error = measure_photometry(series(noisy, sky_sigma=sky, gain=gain, **columns), RECIPE).T
    assert np.std((flux - 400) / error) == pytest.approx(1, abs=0.05)
    assert abs(np.mean(flux - 400)) < 1.5
    sky_only = measure_photometry(series(noisy, sky_sigma=sky, **columns), RECIPE)[:, 1]
    assert np.median(sky_only / error) < 0.5


def test_a_missing_pixel_near_the_object_gives_no_flux_and_one_outside_is_left_out() -> None:
    frame, columns = stars(1.4, 1)
    frames = np.repeat(frame, 4, axis=0)
    frames[0, 16, 17] = np.nan
    frames[1, 0, :] = np.nan
    frames[3, 16, 16] = np.inf
    columns = {name: x[0] for name, x in columns.items()}
    for known in (columns, {}):
        flux, error = measure_photometry(series(frames, **known), RECIPE).T
        assert np.isnan([flux[0], error[0], flux[3], error[3]]).all()
        assert flux[1] == pytest.approx(flux[2], rel=1e-3)
        assert error[1] > error[2]  # fewer pixels of sky


def test_an_object_whose_surroundings_leave_the_stamp_has_no_flux() -> None:
    frames = np.zeros((3, 32, 32))
    for known in ({"psf_fwhm": 1.4}, {}):
        assert np.isnan(measure_photometry(series(frames, x=100, **known), RECIPE)).all()
        found = measure_photometry(
            series(frames, x=np.array([0.0, 12.0, 0.0]), y=np.array([0, 0, -12.0]), **known), RECIPE
        )
        assert np.isfinite(found).tolist() == [[True, True], [False, False], [False, False]]


def test_where_no_seeing_is_known_the_flux_is_that_in_a_circle_at_the_place() -> None:
    frames = np.random.default_rng(0).normal(0, 1, (6, 32, 32))
    x, y = np.random.default_rng(1).uniform(-3, 3, (2, 6)).astype(np.float32)
    flux = measure_photometry(series(frames, x=x, y=y), RECIPE)[:, 0]
    across = np.arange(32) - 15.5
    far = np.hypot(across, across[:, None]) * SCALE > RECIPE.sky_radius
    for i in range(6):
        aperture = CircularAperture((15.5 + float(x[i]), 15.5 + float(y[i])), 2.0 / SCALE)
        expected = photutils_photometry(frames[i] - np.median(frames[i][far]), aperture)["aperture_sum"][0]
        assert flux[i] == pytest.approx(expected, rel=1e-6)


def test_a_frame_of_unknown_seeing_takes_the_median_of_the_others_and_an_unknown_place_is_the_centre() -> None:
    frames, _ = stars(1.4, 4)
    seeing = np.array([1.2, np.nan, 1.4, 1.7], np.float32)
    found = measure_photometry(series(frames, psf_fwhm=seeing), RECIPE)
    filled = measure_photometry(series(frames, psf_fwhm=np.where(np.isnan(seeing), 1.4, seeing), x=0, y=0), RECIPE)
    np.testing.assert_allclose(found, filled, rtol=1e-6)


def test_a_seeing_that_cannot_be_matched_gives_no_flux() -> None:
    frames, _ = stars(1.4, 3)
    found = measure_photometry(series(frames, psf_fwhm=np.array([1.4, 3.7, 0.0])), RECIPE)
    assert np.isfinite(found[:, 0]).tolist() == [True, False, False]
    assert np.isfinite(found[:, 1]).tolist() == [True, False, False]


def test_unknown_noise_is_the_scatter_of_the_sky() -> None:
    frames = np.random.default_rng(0).normal(0, 0.25, (30, 32, 32))
    measured = measure_photometry(series(frames, sky_sigma=np.nan), RECIPE)[:, 1]
    expected = measure_photometry(series(frames, sky_sigma=0.25), RECIPE)[:, 1]
    assert np.median(measured / expected) == pytest.approx(1, rel=0.03)


def test_large_pixels_have_larger_radii_and_a_name_that_says_so() -> None:
    recipe = photometry_recipe(1.01, 63, "here")
    assert (recipe.circle_radius, recipe.sigma) == pytest.approx((3.03, 1.515))
    assert recipe.flux_name(np.array([np.nan, np.nan])) == "flux within 3.03 arcsec"
    assert recipe.flux_name(np.array([np.nan, 2.0])) == "point-source flux"
    assert RECIPE.circle_radius == 2.0


def test_stamps_that_are_too_small_are_refused_and_small_ones_serve() -> None:
    with refused(SurveyError, "E-VALUE-SMALL", "12 x 12 pixels", "0.396 arcsec", "14 x 14", where="/a/survey"):
        photometry_recipe(SCALE, 12, "/a/survey")
    small = photometry_recipe(SCALE, 14, "here")
    place = stamps.draw_places(100, np.random.default_rng(0))
    frames = stamps._moffat(np.full(100, 1.4), place)[:, 9:23, 9:23]
    flux = measure_photometry(series(frames, psf_fwhm=1.4, x=place[:, 0], y=place[:, 1]), small)[:, 0]
    np.testing.assert_allclose(flux, 1, atol=0.005)  # without a pixel of sky


@pytest.mark.real_data
def test_a_real_star_has_its_catalogue_flux(shared: Callable[[str], Path]) -> None:
    """The one clean star of a real frame, in the catalogue's aperture of 1.76 arcsec.

    To 3 %: each sky, theirs and ours, is noisy (1 % each or more).
    """
    catalogue = fits.getdata(shared("sdss_frame/photoObj-001000-1-0100.fits"))
    image = fits.getdata(shared("sdss_frame/frame-r-001000-1-0100.fits.bz2")).astype(float)
    r, row, column = 2, 58.63, 37.44  # band, and the star's place in the catalogue's pixels, which begin at 0.5
    at = np.hypot(catalogue["ROWC"][:, r] - row, catalogue["COLC"][:, r] - column).argmin()
    cut = Cutout2D(image, (column - 0.5, row - 0.5), 31)
    x, y = np.array(cut.input_position_cutout) - 15
    recipe = replace(photometry_recipe(SCALE, 31, "here"), circle_radius=1.76)
    flux = measure_photometry(series(cut.data[None], x=x, y=y), recipe)[0, 0]
    assert flux == pytest.approx(float(catalogue["APERFLUX"][at, r, 3]), rel=0.03)


def _moffat(fwhm: float, beta: float) -> NDArray[np.float64]:
    """Return a unit point source at the centre of a stamp, integrated over fine pixels."""
    fine = 5
    alpha = fwhm / SCALE / (2 * np.sqrt(2 ** (1 / beta) - 1))
    grid = (np.arange(32 * fine) + 0.5) / fine - 16
    profile = (1 + (grid**2 + grid[:, None] ** 2) / alpha**2) ** -beta * (beta - 1) / (np.pi * alpha**2)
    return np.asarray(profile.reshape(32, fine, 32, fine).mean((1, 3)))


@pytest.mark.real_data
def test_real_constant_stars_scatter_no_more_than_their_catalogue_says(shared: Callable[[str], Path]) -> None:
    """Stars of ZTF, measured in the reference images that the catalogue of ZTF was made of.

    All 51 alerts are of one exposure through clouds, which differ by 12 to 27 % from star to star (`magzpscirms`), so
    that no photometry of the science cutouts can be compared. The template cutouts show the same stars on the same
    pixels. Each chip quadrant has a reference image of its own (`rfid`), of unknown zero point: of quadrants with three
    stars or more, the scatter of `magnr` plus 2.5 log10 of the flux about the quadrant's mean is measured, at the place
    that the alert gives (`xpos`, `ypos`: in pixels; the cutout's centre is the nearest whole one). The catalogue's
    scatter is `sigmagnr`. Left out are what is no lone star in it (`chinr` of 1.5 and more, farther than 1 arcsec).
    """
    from ictconvention.ingestion.readers.ztf import cutout_pixels

    columns = ["candidate", "cutoutTemplate"]
    alerts = pq.read_table(shared("ztf_alerts/alerts.parquet"), columns=columns).to_pylist()
    stars: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for alert in alerts:
        candidate = alert["candidate"]
        pixels = cutout_pixels(alert["cutoutTemplate"]["stampData"], candidate).astype(float)[None]
        if candidate["chinr"] >= 1.5 or candidate["distnr"] > 1:
            continue
        x, y = (candidate[name] - round(candidate[name]) for name in ("xpos", "ypos"))
        recipe = photometry_recipe(1.01, 63, "here")
        (flux, _), (before, _) = (
            measure_photometry(object_, how)[0]
            for object_, how in (
                (series(pixels, x=x, y=y), recipe),
                (series(pixels), replace(recipe, circle_radius=2.0, sky_radius=4.0)),
            )
        )
        if np.isfinite(flux):
            offsets = (candidate["magnr"] + 2.5 * np.log10(value) for value in (flux, before))
            stars[candidate["rfid"]].append((*offsets, candidate["sigmagnr"]))
    quadrants = [np.array(of) for of in stars.values() if len(of) >= 3]
    assert sum(map(len, quadrants)) > 30
    freedom = sum(len(of) - 1 for of in quadrants)
    ours, plain_circle, _ = np.sqrt(sum(((of - of.mean(0)) ** 2).sum(0) for of in quadrants) / freedom)
    catalogue = np.sqrt(np.mean(np.concatenate([of[:, 2] for of in quadrants]) ** 2))
    assert ours < 1.5 * catalogue  # 0.015 and 0.022 mag
    assert ours < 0.6 * plain_circle  # 0.034 mag
