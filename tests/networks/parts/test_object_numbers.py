"""What is measured of an object as a whole tells host, brightness, change, and how fast it changes."""

import pytest
import torch
from torch import Tensor

from ictconvention.networks.parts.object_numbers import (
    COMMON_NUMBERS,
    COURSE_NUMBERS,
    HOST_NUMBERS,
    HostNumbers,
    course_numbers,
)
from tests.networks.parts.test_apertures import SCALE, source

DAYS = torch.arange(0.0, 120.0, 3.0)[None]
BAND = torch.arange(40)[None] % 2 + 1


def course(flux: Tensor, error: float = 0.1, days: Tensor = DAYS, band: Tensor = BAND) -> tuple[Tensor, Tensor]:
    """Return the numbers of two bands (2, 8), and those of both (6,), of one light curve (S,)."""
    photometry = torch.stack([flux, torch.full_like(flux, error)], dim=-1)[None]
    numbers = course_numbers(photometry, band, days, 2)[0]
    assert len(numbers) == 2 * COURSE_NUMBERS + COMMON_NUMBERS
    return numbers[: 2 * COURSE_NUMBERS].unflatten(0, (2, -1)), numbers[2 * COURSE_NUMBERS :]


def flare(days: float = 10.0) -> Tensor:
    return 2 * torch.exp(-(((DAYS[0] - 60) / days) ** 2))


def test_a_host_s_numbers_tell_brightness_concentration_and_offset() -> None:
    near, far, wide = (HostNumbers(32, SCALE)(stamp[None])[0] for stamp in (source(), source(x=2.0), source(fwhm=4.0)))
    assert near[:4].sinh()[3] == pytest.approx(20, rel=0.02)
    assert near[4] > 1.5 * wide[4]  # concentration
    assert near[6] < 0.05
    assert far[6] == pytest.approx(2.0, rel=0.05)  # arcsec
    median = torch.stack([source()[0], torch.zeros(32, 32)])[None]
    numbers = HostNumbers(32, SCALE)(median)[0]
    assert len(numbers) == 2 * HOST_NUMBERS
    assert numbers[HOST_NUMBERS - 1] == 1
    assert not numbers[HOST_NUMBERS:].any()


def test_noise_about_a_constant_has_a_chi_squared_of_one_and_no_likeness() -> None:
    found = [course(5 + 0.1 * torch.randn(40)) for _ in range(100)]
    of_bands, common = (torch.stack(x).mean(0) for x in zip(*found, strict=True))
    assert of_bands[:, 0].sinh().tolist() == pytest.approx([5, 5], rel=0.01)
    assert of_bands[:, 2].exp().tolist() == pytest.approx([1.1, 1.1], abs=0.12)
    assert common[:3].abs().max() < 0.1
    assert common[4:].max() < 0.01


def test_a_flare_is_alike_over_its_days_and_brighter_than_noise() -> None:
    (of_bands, common), (_, long) = course(5 + flare() + 0.1 * torch.randn(40)), course(5 + flare(30))
    assert (of_bands[:, 4] > 2).all()  # asinh of 12 errors and more
    assert (of_bands[:, 3] > 0.5).all()  # skewed upwards
    assert common[0] > common[2]
    assert common[0] > 0.3
    assert long[3] > common[3] + 0.5
    faint = course(5 - flare())[0]
    assert (faint[:, 3] < -0.5).all()
    assert (faint[:, 5] < -2).all()


def test_neither_order_nor_unit_nor_unknown_fluxes_count() -> None:
    flux, order = 5 + flare() + 0.1 * torch.randn(40), torch.randperm(40)
    (of_bands, common), (other, shuffled) = course(flux), course(flux[order], days=DAYS[:, order], band=BAND[:, order])
    torch.testing.assert_close(other, of_bands, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(shuffled, common, atol=1e-4, rtol=1e-4)
    larger, same = course(10 * flux, 1.0)
    torch.testing.assert_close(larger[:, 1:6], of_bands[:, 1:6], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(same, common, atol=1e-4, rtol=1e-4)
    more = torch.cat([flux, torch.tensor([torch.nan, 7.0])])
    days, band = torch.cat([DAYS, torch.tensor([[5.0, torch.nan]])], 1), torch.cat([BAND, torch.tensor([[1, 0]])], 1)
    torch.testing.assert_close(course(more, days=days, band=band)[0], of_bands)
    torch.testing.assert_close(course(more, days=days, band=band)[1], common)


def test_a_band_without_two_fluxes_has_no_numbers() -> None:
    band = torch.ones_like(BAND)
    assert not course(5 + flare(), band=band)[0][1].any()
    band[0, 7] = 2
    assert not course(5 + flare(), band=band)[0][1].any()


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_an_object_of_which_no_flux_is_known_has_zeros(frames: int) -> None:
    of_bands, common = course(torch.full((frames,), torch.nan), days=DAYS[:, :frames], band=BAND[:, :frames])
    assert not of_bands.any()
    assert not common.any()
