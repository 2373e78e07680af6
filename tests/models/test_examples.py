"""The examples in the docstrings of the networks run."""

import doctest
from types import ModuleType

import pytest
import torch

from ictconvention.models import convention, heads, light_curve, recurrent


@pytest.mark.parametrize("module", [convention, heads, light_curve, recurrent], ids=lambda module: module.__name__)
def test_examples_run_as_printed(module: ModuleType) -> None:
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.attempted > 0
    assert result.failed == 0
