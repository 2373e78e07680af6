"""Inputs and networks that the tests of the models share."""

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def random_statistics(model: nn.Module) -> None:
    """Give batch norms statistics and weights unlike those of a new network."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.normal_(module.weight, 1, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)


def ragged(lengths: list[int], size: int = 32, bands: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Return random frames (F, size, size), their bands (F,) and the lengths (B,)."""
    frames = sum(lengths)
    return torch.randn(frames, size, size), torch.randint(1, bands + 1, (frames,)), torch.tensor(lengths)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
