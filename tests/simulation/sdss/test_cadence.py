"""Observations have the real numbers, gaps, order and seeing, and know no class."""

import numpy as np
import pytest

from ictconvention.simulation.sdss.cadence import BAND_DELAY, MISSING, ORDER, WORST_SEEING, Observations, observe
from ictconvention.survey.series import night_index


@pytest.fixture(scope="module")
def seasons() -> dict[int, list[Observations]]:
    rng = np.random.default_rng(0)
    return {season: [observe(season, rng) for _ in range(800)] for season in (2005, 2006, 2007)}


def test_nights_per_season_have_the_real_percentiles(seasons: dict[int, list[Observations]]) -> None:
    real = {2005: (16, 19, 21, 23, 36), 2006: (18, 20, 21, 23, 40), 2007: (15, 17, 19, 20, 31)}
    for season, observations in seasons.items():
        frames = [len(o.mjd) for o in observations]
        found = np.percentile(frames, [5, 25, 50, 75]) / 5
        np.testing.assert_allclose(found, real[season][:4], atol=1.3)


def test_gaps_are_those_of_the_real_survey(seasons: dict[int, list[Observations]]) -> None:
    gaps = np.concatenate(
        [np.diff(np.unique(np.floor(o.mjd))) for s in seasons.values() for o in s if len(o.mjd) < 150]
    )
    np.testing.assert_allclose(np.percentile(gaps, [5, 25, 50, 75, 95]), [1, 2, 3, 6.9, 14.9], atol=2.0)


def test_a_pass_goes_through_r_i_u_z_g(seasons: dict[int, list[Observations]]) -> None:
    for o in seasons[2006][:50]:
        assert (np.diff(o.mjd) > 0).all()
        night = night_index(o.mjd)
        for n in range(night[-1] + 1):
            here = night == n
            rank = np.argsort(ORDER)[o.band[here]]
            assert (np.diff(rank) > 0).all()
            np.testing.assert_allclose(np.diff(o.mjd[here]), np.diff(rank) * BAND_DELAY, atol=1e-9)
        assert np.ptp(o.mjd) < 102


def test_bands_are_missing_as_often_as_in_reality(seasons: dict[int, list[Observations]]) -> None:
    counts = sum(np.bincount(o.band, minlength=5) for s in seasons.values() for o in s)
    nights = sum(night_index(o.mjd)[-1] + 1 for s in seasons.values() for o in s)
    np.testing.assert_allclose(1 - counts / nights, MISSING, atol=0.006)


def test_seeing_has_the_real_quartiles_and_no_bad_frames(seasons: dict[int, list[Observations]]) -> None:
    r = np.concatenate([o.psf_fwhm[o.band == 2] for s in seasons.values() for o in s])
    np.testing.assert_allclose(np.percentile(r, [25, 50, 75]), [1.30, 1.43, 1.58], atol=0.04)
    assert max(o.psf_fwhm.max() for s in seasons.values() for o in s) <= WORST_SEEING
    u, i = (np.concatenate([o.psf_fwhm[o.band == b] for s in seasons.values() for o in s]) for b in (0, 3))
    assert np.median(u) > np.median(r) > np.median(i)
