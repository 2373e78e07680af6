"""The examples in the docstrings of the networks run, and every public network has one."""

import doctest
import inspect
from types import ModuleType

import pytest
import torch
from torch import nn

import ictconvention
from ictconvention.networks import convention, heads, light_curve, recurrent
from ictconvention.networks.parts import attention, frame_cnn

MODULES = [attention, convention, frame_cnn, heads, light_curve, recurrent]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_run_as_printed(module: ModuleType) -> None:
    result = doctest.testmod(module, extraglobs={"ict": ictconvention, "torch": torch})
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_network_has_an_example_with_shapes(module: ModuleType) -> None:
    own = [c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__]
    networks = [c for c in own if issubclass(c, nn.Module) and not c.__name__.startswith("_")]
    assert networks
    assert [
        c.__name__ for c in networks if ">>>" not in (c.__doc__ or "") or "torch.Size" not in (c.__doc__ or "")
    ] == []
