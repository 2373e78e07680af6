"""The losses have their least where the PDF is right; on toys that is known in closed form."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ictconvention.tasks.redshift.losses import (
    crps_loss,
    gaussian_logits,
    hard_loss,
    regression_loss,
    soft_loss,
    soften,
)

EDGES = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
Z = torch.tensor([0.5, 1.5, 0.5, 0.5, 1.5], dtype=torch.float64)  # three of five in the first bin
SHARE = 0.6


def least(loss: Callable[[Tensor], Tensor], start: list[float]) -> Tensor:
    """Return the outputs (1, outputs), the same for every object, at which the mean loss is least."""
    outputs = torch.tensor([start], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([outputs], lr=0.5, max_iter=400, tolerance_grad=1e-12, tolerance_change=1e-14)

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(outputs.expand(len(Z), -1)).mean()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return outputs.detach()


def test_cross_entropy_is_least_at_the_shares_of_the_bins() -> None:
    found = least(lambda outputs: hard_loss(outputs, Z, EDGES), [0.0, 0.0]).softmax(1)
    assert found[0, 0] == pytest.approx(SHARE, abs=1e-6)


def test_cross_entropy_of_soft_labels_is_least_at_their_mean() -> None:
    sd = torch.full_like(Z, 0.4)
    found = least(lambda outputs: soft_loss(outputs, Z, EDGES, sd), [0.0, 0.0]).softmax(1)
    assert found[0, 0] == pytest.approx(float(soften(Z, EDGES, sd)[:, 0].mean()), abs=1e-6)


def test_crps_of_two_bins_is_least_where_its_parabola_is() -> None:
    # With redshifts at the centres, q of them in the first bin, the mean CRPS is a parabola of the first bin's p:
    # its slope is 4 p / 3 - 17 q / 12 + (1 - q) / 12.
    found = least(lambda outputs: crps_loss(outputs, Z, EDGES), [0.0, 0.0]).softmax(1)
    assert found[0, 0] == pytest.approx((18 * SHARE - 1) / 16, abs=1e-6)


def test_regression_is_least_at_the_mean_and_the_standard_deviation() -> None:
    y = Z / (1 + Z)
    found = least(lambda outputs: regression_loss(outputs, Z), [0.3, -1.0])
    assert found[0, 0] == pytest.approx(float(y.mean()), abs=1e-6)
    assert found[0, 1].exp() == pytest.approx(float(y.std(correction=0)), abs=1e-6)


def test_far_objects_pull_a_regression_less_than_their_square() -> None:
    outputs = torch.tensor([[0.1, -3.0]] * 3, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.1, 0.25, 0.8], dtype=torch.float64)
    regression_loss(outputs, y / (1 - y)).sum().backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    pull = outputs.grad[:, 0]
    assert pull[0] == pytest.approx(0, abs=1e-9)
    assert pull[1] == pytest.approx(float(pull[2]))


def test_the_pdf_of_a_regression_is_its_gaussian_in_z_over_one_plus_z() -> None:
    edges = torch.linspace(0, 1.5, 3001, dtype=torch.float64)
    pdf = gaussian_logits(torch.tensor([[0.25, np.log(0.02)]], dtype=torch.float64), edges).softmax(1)[0]
    y = (edges / (1 + edges)).unfold(0, 2, 1).mean(1)
    mean = (pdf * y).sum()
    assert mean == pytest.approx(0.25, abs=1e-5)
    assert ((pdf * (y - mean) ** 2).sum()).sqrt() == pytest.approx(0.02, abs=1e-5)


def test_a_soft_label_is_a_gaussian_cut_off_at_the_outer_edges() -> None:
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)
    label = soften(torch.tensor([0.55, 0.0], dtype=torch.float64), edges, torch.tensor([0.1, 0.1], dtype=torch.float64))
    np.testing.assert_allclose(label.sum(1), 1)
    assert label[0].argmax() == 5
    assert label[0, 4] == pytest.approx(float(label[0, 6]))
    assert label[1].argmax() == 0


def test_focal_loss_weighs_by_the_probability_that_the_label_lacks() -> None:
    logits = torch.tensor([[2.0, -1.0]], dtype=torch.float64)
    z = torch.tensor([1.5], dtype=torch.float64)
    p = logits.softmax(1)[0, 1]
    assert hard_loss(logits, z, EDGES, 2.0)[0] == pytest.approx(float((1 - p) ** 2 * -p.log()))
