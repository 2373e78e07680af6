"""Fluxes that are measured in a network are those of the sky: of any offset, and of a source that is partly missing."""

import math

import pytest
import torch
from torch import Tensor

from ictconvention.networks.parts.apertures import Apertures
from ictconvention.networks.parts.object_numbers import HostNumbers

SCALE = 0.396


def source(size: int = 32, x: float = 0.0, fwhm: float = 1.4, flux: float = 20.0) -> Tensor:
    """Return a stamp with a Gaussian source x arcsec off its centre."""
    axis = (torch.arange(size) - (size - 1) / 2) * SCALE
    sigma = fwhm / 2.355
    stamp = torch.exp(-((axis[None, :] - x) ** 2 + axis[:, None] ** 2) / (2 * sigma**2))
    return flux * stamp[None] / stamp.sum()


def test_circles_hold_the_share_of_a_source_that_lies_within_them() -> None:
    flux, seen = Apertures(32, SCALE)(source())
    sigma = 1.4 / 2.355
    expected = [20 * (1 - math.exp(-((radius / sigma) ** 2) / 2)) for radius in (1.0, 2.0, 3.5)]
    assert flux[0].tolist() == pytest.approx(expected, rel=0.08)  # soft edges, whole pixels
    assert seen[0].tolist() == pytest.approx([1, 1, 1])


def test_the_sky_has_no_flux() -> None:
    measure = Apertures(32, SCALE)
    torch.testing.assert_close(measure(source() + 5)[0], measure(source())[0], atol=1e-3, rtol=1e-4)


def test_turns_and_flips_change_nothing() -> None:
    stamp = source(x=1.0) + 0.1 * torch.randn(1, 32, 32)
    for measured in (lambda x: Apertures(32, SCALE)(x)[0], lambda x: HostNumbers(32, SCALE)(x[None])):
        for turned in (stamp.rot90(1, (1, 2)), stamp.flip(2), stamp.transpose(1, 2)):
            torch.testing.assert_close(measured(turned), measured(stamp), atol=1e-3, rtol=1e-4)


def test_a_missing_pixel_is_worth_the_mean_of_its_circle() -> None:
    measure, stamp = Apertures(32, SCALE), torch.ones(1, 32, 32)
    stamp[0, 8:24, 8:24] = 3
    whole, _ = measure(stamp)
    stamp[0, 15, 15:17] = torch.nan
    stamp[0, 0, :9] = torch.inf
    flux, seen = measure(stamp)
    torch.testing.assert_close(flux, whole, rtol=1e-3, atol=1e-2)
    assert 0.8 < seen[0, 0] < 0.95
    assert seen[0, 0] < seen[0, 1] < seen[0, 2] < 1


def test_a_circle_of_which_too_little_is_seen_has_no_flux() -> None:
    stamp = source()
    stamp[0, 10:22, 10:22] = torch.nan
    flux, seen = Apertures(32, SCALE)(stamp)
    assert flux[0, 0] == seen[0, 0] == 0
    assert seen[0, 2] > 0
    assert Apertures(32, SCALE)(torch.full((1, 32, 32), torch.nan))[0].tolist() == [[0, 0, 0]]


def test_large_pixels_have_larger_circles() -> None:
    """A circle is never smaller than the pixels that it is meant to hold."""
    fine, coarse = Apertures(32, 1.0), Apertures(32, 2.5)
    torch.testing.assert_close(fine.circles, coarse.circles)
    assert torch.equal(fine.sky, coarse.sky)
