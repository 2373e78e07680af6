"""Flux is scaled by its band's numbers, which travel with the weights."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ictconvention.networks.parts.scaling import Scaling

OFFSET, SCALE = [0.5, -1.0, 0.0], [0.1, 2.0, 30.0]


@pytest.mark.parametrize("kind", ["asinh", "standardise"])
def test_each_frame_is_scaled_by_its_own_band(kind: Any) -> None:
    scaling, flux, band = Scaling(kind, OFFSET, SCALE), torch.randn(4, 3, 3) * 50, torch.tensor([2, 0, 1, 0])
    found = scaling(flux, band)
    for i, b in enumerate(band.tolist()):
        quotient = (flux[i] - OFFSET[b]) / SCALE[b]
        assert torch.allclose(found[i], quotient.asinh() if kind == "asinh" else quotient)
    assert torch.equal(scaling.residual(torch.zeros(4, 3, 3), band), torch.zeros(4, 3, 3))
    assert torch.allclose(scaling.residual(flux, band), Scaling(kind, [0.0] * 3, SCALE)(flux, band))


def test_asinh_is_linear_for_faint_and_logarithmic_for_bright_flux() -> None:
    scaling, band = Scaling("asinh", [0.0], [0.3]), torch.tensor([0])
    assert scaling(torch.tensor([0.003]), band).item() == pytest.approx(0.01, rel=1e-4)
    assert scaling(torch.tensor([3e5]), band).item() == pytest.approx(math.log(2e6), rel=1e-6)
    assert scaling(torch.tensor([-2.0]), band) == -scaling(torch.tensor([2.0]), band)


@pytest.mark.parametrize("kind", ["asinh", "standardise"])
def test_a_small_error_is_scaled_by_the_slope(kind: Any) -> None:
    scaling = Scaling(kind, OFFSET, SCALE).double()
    flux, error, band = torch.randn(50).double() * 20, torch.rand(50).double() * 1e-6, torch.arange(50) % 3
    change = scaling(flux + error, band) - scaling(flux, band)
    assert torch.allclose(scaling.error(error, flux, band), change, rtol=1e-4)


def test_the_numbers_are_in_the_checkpoint(tmp_path: Path) -> None:
    torch.save(Scaling("asinh", OFFSET, SCALE).state_dict(), tmp_path / "scaling.pt")
    other = Scaling("asinh", [0.0] * 3, [1.0] * 3)
    other.load_state_dict(torch.load(tmp_path / "scaling.pt", weights_only=True))
    assert torch.equal(other.offset, torch.tensor(OFFSET))
    assert torch.equal(other.scale, torch.tensor(SCALE))


def test_impossible_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="scales above 0"):
        Scaling("asinh", [0.0, 0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="for every band"):
        Scaling("asinh", [0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="asinh, standardise"):
        Scaling("log", [0.0], [1.0])  # type: ignore[arg-type]
