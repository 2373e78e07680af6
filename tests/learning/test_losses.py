"""The terms of the loss are those of the paper, object by object."""

import pytest
import torch
from torch.nn import functional as F

from ictconvention.learning.losses import consistency, divergence, spread_floor


def test_consistency_is_eq_1() -> None:
    z, target = torch.randn(6, 128).double(), torch.randn(6, 128).double()
    cosine = F.cosine_similarity(z, target)
    assert torch.allclose(consistency(z, target), 2 - 2 * cosine)
    assert torch.allclose(consistency(z, 7 * z), torch.zeros(6).double(), atol=1e-12)
    assert torch.allclose(consistency(z, -z), torch.full((6,), 4.0).double())


def test_divergence_is_that_of_the_online_probabilities_from_the_targets() -> None:
    logits, target = torch.randn(6, 4).double(), torch.randn(6, 4).double()
    p, q = target.softmax(1), logits.softmax(1)
    assert torch.allclose(divergence(logits, target), (p * (p / q).log()).sum(1))
    assert torch.allclose(divergence(logits, logits + 3), torch.zeros(6).double(), atol=1e-12)


def test_the_floor_on_the_spread_is_0_on_a_sphere_and_near_1_in_a_point() -> None:
    assert spread_floor(torch.randn(4000, 128)) < 0.02
    assert spread_floor(torch.ones(50, 128) + 1e-5 * torch.randn(50, 128)).item() == pytest.approx(0.99, abs=0.01)
    half = torch.cat([torch.randn(4000, 64), torch.zeros(4000, 64)], dim=1)
    assert spread_floor(half).item() == pytest.approx(0.5, abs=0.02)


def test_the_floor_pushes_a_point_apart() -> None:
    z = (torch.ones(50, 16) + 1e-3 * torch.randn(50, 16)).requires_grad_()
    before = spread_floor(z)
    torch.autograd.backward(before)
    assert z.grad is not None
    assert spread_floor(z.detach() - 5 * z.grad) < before.detach()
