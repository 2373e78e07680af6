"""Every network leaves torch: torch.export and ONNX of the padded interface, for any number of objects."""

import warnings
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from ictconvention.models.convention import ConvEntion, ConvEntionEncoder
from ictconvention.models.heads import Inference, Online
from ictconvention.models.light_curve import LightCurveRNN
from ictconvention.models.recurrent import CNNRecurrent
from tests.models.conftest import random_statistics

OBJECTS = 5


def stamps() -> tuple[Tensor, ...]:
    band = torch.randint(1, 6, (OBJECTS, 12))
    band[1, 5:], band[2, 6:] = 0, 0
    return torch.randn(OBJECTS, 12, 32, 32), band


def nights() -> tuple[Tensor, ...]:
    return torch.randn(OBJECTS, 6, 5, 32, 32), torch.tensor([6, 3, 1, 2, 5])


def light_curves() -> tuple[Tensor, ...]:
    flux, error, days = torch.randn(OBJECTS, 6, 5), torch.rand(OBJECTS, 6, 5), torch.rand(OBJECTS, 6)
    return flux, error, days, torch.rand(OBJECTS, 6, 5) > 0.4, torch.tensor([6, 3, 1, 2, 5])


def networks() -> Iterator[Any]:
    sizes: dict[str, Any] = {"max_frames": 12, "width": 0.125}
    for padding, attention in (("paper", "pooled"), ("masked", "pooled"), ("masked", "query")):
        model = ConvEntion(padding=cast(Any, padding), attention=cast(Any, attention), **sizes)
        yield pytest.param(model, stamps(), id=f"ConvEntion-{padding}-{attention}")
    online = Online(ConvEntionEncoder(padding="masked", **sizes))
    yield pytest.param(Inference.of(online), stamps(), id="ICT")
    for cell in ("gru", "lstm"):
        yield pytest.param(CNNRecurrent(cast(Any, cell)), nights(), id=cell)
    yield pytest.param(LightCurveRNN(), light_curves(), id="light-curve")


class Padded(nn.Module):
    """The padded interface of a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *padded: Tensor) -> Tensor:
        return cast(Any, self.network).forward_padded(*padded)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "inputs"), list(networks()))
def test_exported_graphs_equal_the_network(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra [export]")
    pytest.importorskip("onnxscript", reason="needs the extra [export]")
    random_statistics(network)
    padded = Padded(network).eval()
    objects = torch.export.Dim("objects", min=1, max=4096)
    shapes = (tuple({0: objects} for _ in inputs),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own deprecated parts
        program = torch.export.export(padded, inputs, dynamic_shapes=shapes)
        onnx = torch.onnx.export(padded, inputs, dynamo=True, dynamic_shapes=shapes, verbose=False)
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
