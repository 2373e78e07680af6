"""Optimisers: what each does with a gradient, what decays, and how the learning rate rises and falls."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ictconvention.configuration.options import OptimiserOptions
from ictconvention.learning.optimiser import optimiser_for, share_of_rate
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.parts.attention import ObjectNorm
from ictconvention.networks.recurrent import CNNRecurrent


def decays(network: nn.Module, options: OptimiserOptions) -> dict[str, float]:
    optimiser, _ = optimiser_for(network, options, 100)
    names = {id(p): name for name, p in network.named_parameters()}
    return {names[id(p)]: group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}


@pytest.mark.parametrize("network", [ConvEntion(width=1 / 16, max_frames=9), CNNRecurrent("lstm")])
def test_norms_and_biases_do_not_decay_unless_asked(network: nn.Module) -> None:
    found = decays(network, OptimiserOptions())
    assert set(found) == {name for name, _ in network.named_parameters()}  # each once
    norms = {
        f"{name}.{parameter}"
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d | ObjectNorm)
        for parameter, _ in module.named_parameters()
    }
    spared = {name for name in found if name in norms or name.split(".")[-1].startswith("bias")}
    assert {name for name, decay in found.items() if decay == 0} == spared
    assert spared
    assert {decay for name, decay in found.items() if name not in spared} == {0.1339}
    assert set(decays(network, OptimiserOptions(decay_norms_and_biases=True)).values()) == {0.1339}


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    optimiser, schedule = optimiser_for(nn.Linear(2, 2), OptimiserOptions(learning_rate=2e-3), 100)
    assert optimiser.defaults["amsgrad"]
    rates = []
    for _ in range(100):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert np.allclose(rates[:10], 2e-3 * np.arange(1, 11) / 10)
    assert rates[10] == 2e-3
    assert rates[55] == pytest.approx(1e-3)
    assert 0 < rates[99] < 1e-6
    assert share_of_rate(0, 50, 0.0) == 1
    assert share_of_rate(200, 100, 0.1) == 0


def test_a_constant_rate_rises_and_stays() -> None:
    shares = [share_of_rate(step, 100, 0.1, "constant") for step in range(200)]
    assert np.allclose(shares[:10], np.arange(1, 11) / 10)
    assert set(shares[10:]) == {1.0}


def steps_of(options: OptimiserOptions, gradients: list[float]) -> list[float]:
    """Return a weight, at first 1, after steps with these gradients, at a constant rate."""
    weight = nn.Linear(1, 1, bias=False)
    nn.init.ones_(weight.weight)
    optimiser, _ = optimiser_for(weight, replace(options, warm_up=0.0, schedule="constant"), 10)
    values = []
    for gradient in gradients:
        weight.weight.grad = torch.full((1, 1), gradient)
        optimiser.step()
        values.append(weight.weight.item())
    return values


def test_the_momentum_of_sgd_adds_up_and_its_decay_is_part_of_the_gradient() -> None:
    plain = OptimiserOptions(kind="sgd", learning_rate=0.1, weight_decay=0.0)
    assert steps_of(plain, [1.0, 1.0, 0.0]) == pytest.approx([0.9, 0.9 - 0.19, 0.9 - 0.19 - 0.171])
    assert steps_of(replace(plain, momentum=0.0), [1.0, 1.0, 0.0]) == pytest.approx([0.9, 0.8, 0.8])
    assert steps_of(replace(plain, weight_decay=0.5), [1.0]) == pytest.approx([1 - 0.1 * 1.5])


def test_adam_takes_a_step_of_the_rate_whatever_the_size_of_the_gradient() -> None:
    """Its decay changes the gradient, and so nothing at first; that of AdamW shrinks the weight beside it."""
    adam = OptimiserOptions(kind="adam", learning_rate=0.1, weight_decay=0.5)
    assert [steps_of(adam, [gradient])[0] for gradient in (3.0, 30.0)] == pytest.approx([0.9, 0.9])
    assert steps_of(replace(adam, kind="adamw"), [3.0]) == pytest.approx([1 - 0.1 * 0.5 - 0.1])
