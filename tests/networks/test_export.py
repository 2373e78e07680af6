"""How a network leaves torch: torch.export and ONNX of the padded interface, for any number of objects.

The published ConvEntion stands here; tests/applying/test_export.py takes each network along in files of runs.
"""

import warnings
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from ictconvention.networks.convention import ConvEntion
from tests.networks.conftest import random_statistics

OBJECTS = 5


class Padded(nn.Module):
    """The padded interface of a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *padded: Tensor) -> Tensor:
        return cast(Any, self.network).forward_padded(*padded)


@pytest.mark.slow
def test_exported_graphs_equal_the_network() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra [export]")
    pytest.importorskip("onnxscript", reason="needs the extra [export]")
    network = ConvEntion(padding="paper", max_frames=6, width=1 / 16, blocks=1)
    random_statistics(network)
    band = torch.randint(1, 6, (OBJECTS, 6))
    band[1, 2:], band[2, 3:] = 0, 0
    inputs = torch.randn(OBJECTS, 6, 32, 32), band
    padded = Padded(network).eval()
    objects = torch.export.Dim("objects", min=1, max=4096)
    shapes = (tuple({0: objects} for _ in inputs),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own deprecated parts
        program = torch.export.export(padded, inputs, dynamic_shapes=shapes)
        onnx = torch.onnx.export(program, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert onnx is not None
    session = onnxruntime.InferenceSession(onnx.model_proto.SerializeToString())
    names = [node.name for node in session.get_inputs()]
    for count in (OBJECTS, 2, 1):
        some = tuple(x[:count] for x in inputs)
        expected = padded(*some).detach()
        assert expected.std() > 1e-4
        assert (program.module()(*some) - expected).abs().max() < 1e-4
        (found,) = session.run(None, {name: x.numpy() for name, x in zip(names, some, strict=True)})
        assert (torch.from_numpy(found) - expected).abs().max() < 1e-4
