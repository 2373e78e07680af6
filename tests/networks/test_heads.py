"""ICT's online, target and inference networks: the counts of the paper, and who shares what with whom."""

from typing import Any

import pytest
import torch
from torch import nn

from ictconvention.networks.heads import Inference, Online, Target
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from tests.networks.conftest import parameters, ragged


def small(**arguments: Any) -> Online:
    return Online(ConvEntionEncoder(max_frames=9, width=0.125, padding="masked"), **arguments)


def test_the_counts_of_the_paper() -> None:
    online = Online(ConvEntionEncoder(), classes=4)
    assert parameters(online) == 1_484_532
    assert parameters(Target.of(online)) == 1_284_976
    assert parameters(Inference.of(online)) == 1_285_492


@pytest.mark.parametrize("projection", ["separate", "shared", "trunk"])
@pytest.mark.parametrize("predictor", [False, True])
def test_inference_gives_the_online_logits_and_the_target_its_projection(projection: Any, predictor: bool) -> None:
    online = small(projection=projection, predictor=predictor, classes=3).eval()
    batch = ragged([9, 4, 2])
    found = online(*batch)
    assert found.projection.shape == (3, 128)
    assert found.logits.shape == (3, 3)
    assert torch.equal(Inference.of(online)(*batch), found.logits)
    projected = Target.of(online).eval()(*batch)
    assert torch.allclose(projected, found.projection)
    assert torch.equal(found.prediction, found.projection) != predictor  # the predictor is the online network's alone


def test_what_the_classifier_sees() -> None:
    features = torch.randn(2, 648)
    for projection, hidden in (("separate", 128), ("shared", 128), ("trunk", 256)):
        online = small(projection=projection).eval()
        assert online.class_projector(features).shape == (2, hidden)
        reaches = {name.split(".")[0] for name, p in online.named_parameters() if _moves(online, p, features)}
        expected = {"separate": {"own_class_projector"}, "shared": {"projector"}, "trunk": {"projector"}}
        assert reaches - {"classifier", "encoder"} == expected[projection]


def _moves(online: Online, parameter: torch.nn.Parameter, features: torch.Tensor) -> bool:
    online.zero_grad()
    online.classifier(online.class_projector(features)).sum().backward()
    return parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)


@pytest.mark.parametrize("projection", ["separate", "shared", "trunk"])
@pytest.mark.parametrize("predictor", [False, True])
def test_every_online_parameter_learns_from_the_two_outputs(projection: Any, predictor: bool) -> None:
    online = small(projection=projection, predictor=predictor)
    output = online(*ragged([6, 9]))
    (output.prediction.square().sum() + output.logits.square().sum()).backward()
    assert [name for name, parameter in online.named_parameters() if parameter.grad is None] == []


def test_a_target_shares_no_storage_and_takes_no_gradient() -> None:
    online = small()
    target = Target.of(online)
    assert not any(parameter.requires_grad for parameter in target.parameters())
    own = {tensor.data_ptr() for tensor in target.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in online.state_dict().values())
    assert not target(*ragged([6, 3])).requires_grad
    target.eval()
    inputs = ragged([6])
    before = target(*inputs)
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(1)
    assert torch.equal(target(*inputs), before)


def test_a_predictor_is_byols() -> None:
    assert parameters(small(predictor=True)) - parameters(small()) == 128 * 256 + 256 + 2 * 256 + 256 * 128 + 128
    predictor = small(predictor=True).predictor
    assert predictor is not None
    assert [type(module) for module in predictor] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    projector = small(dropout=0.2).head("projection")
    assert [type(module) for module in projector] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert [module.p for module in projector if isinstance(module, nn.Dropout)] == [0.2]


def test_inference_follows_the_online_weights() -> None:
    online = small().eval()
    inference, batch = Inference.of(online), ragged([5])
    with torch.no_grad():
        online.classifier.bias.add_(3)
    assert torch.equal(inference(*batch), online(*batch).logits)


@pytest.mark.parametrize("projection", ["separate", "shared", "trunk"])
def test_without_a_projection_only_what_classifies_is_built(projection: Any) -> None:
    online, whole = small(projection=projection, project=False), small(projection=projection)
    output = online(*ragged([6, 9]))
    assert output.projection is output.prediction is None
    output.logits.square().sum().backward()
    assert [name for name, parameter in online.named_parameters() if parameter.grad is None] == []
    assert parameters(online) == parameters(Inference.of(whole))
    with pytest.raises(ValueError, match="does not project"):
        Target.of(online)
    with pytest.raises(ValueError, match="a predictor was asked for without a projection"):
        small(predictor=True, project=False)


def test_a_target_for_probabilities_classifies() -> None:
    online, batch = small(classes=3, project=False).eval(), ragged([9, 4])
    target = Target.of(online, "classes")
    assert torch.equal(target(*batch), online(*batch).logits)
    own = {tensor.data_ptr() for tensor in target.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in online.state_dict().values())


def test_an_unknown_projection_is_refused() -> None:
    with pytest.raises(ValueError, match="take 'separate', 'shared' or 'trunk'"):
        small(projection="both")
