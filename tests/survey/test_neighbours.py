"""Sky groups are the friends of friends, everywhere on the sphere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from ictconvention.survey.neighbours import LINKING_LENGTH, linking_length, median_position, separations, sky_groups

ARCSEC = 1 / 3600


def reference_groups(ra: np.ndarray, dec: np.ndarray, length: float) -> np.ndarray:
    """Compare every two places and take the connected components."""
    links = np.array([separations(*place, ra, dec) for place in zip(ra, dec, strict=True)]) <= length * ARCSEC
    return np.asarray(connected_components(links, directed=False)[1])


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    both = len(set(zip(a.tolist(), b.tolist(), strict=True)))
    return both == len(set(a.tolist())) == len(set(b.tolist()))


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([0.0, 45.0, 89.99, -90.0]))
def test_groups_are_the_connected_components(seed: int, n: int, pole: float) -> None:
    rng = np.random.default_rng(seed)
    dec = np.clip(pole + rng.uniform(0, 60, n) * ARCSEC, -90, 90)
    ra = (rng.uniform(-40, 40, n) * ARCSEC / max(np.cos(np.radians(pole)), 1e-3)) % 360
    groups = sky_groups(ra, dec)
    assert same_partition(groups, reference_groups(ra, dec, LINKING_LENGTH))
    assert sorted(set(groups.tolist())) == list(range(groups.max() + 1))


def test_a_chain_is_one_group_and_its_ends_are_far_apart() -> None:
    dec = np.arange(6) * 12.9 * ARCSEC
    assert sky_groups(np.full(6, 10.0), dec).tolist() == [0] * 6
    assert sky_groups(np.full(6, 10.0), np.arange(6) * 13.1 * ARCSEC).tolist() == list(range(6))


def test_neighbours_across_the_meridian_are_one_group() -> None:
    assert sky_groups([359.999, 0.001, 180.0], [0.5, 0.5, 0.5]).tolist() == [0, 0, 1]
    assert sky_groups([-0.001, 359.999], [0.5, 0.5]).tolist() == [0, 0]


def test_objects_without_a_position_are_alone() -> None:
    assert sky_groups([np.nan, 10.0, np.nan, 10.0], [0.0, 0.0, 0.0, 0.0]).tolist() == [0, 1, 2, 1]
    assert sky_groups([np.nan, np.nan], [np.nan, np.nan]).tolist() == [0, 1]


def test_wider_stamps_reach_farther() -> None:
    assert linking_length(32, 0.396) == 13.0
    assert linking_length(63, 1.0) == 63.0


def test_places_about_right_ascension_zero_are_near_each_other() -> None:
    ra, dec = np.array([359.999, 0.001, 0.003]), np.array([60.0, 60.0, 60.002])
    assert median_position(ra, dec) == pytest.approx((0.001, 60.0))
    assert median_position(np.array([-10.0, -10.0]), dec[:2]) == (-10.0, 60.0)
    np.testing.assert_allclose(separations(ra[0], dec[0], ra[1:], dec[1:]) / ARCSEC, [3.6, 10.18], rtol=1e-2)
