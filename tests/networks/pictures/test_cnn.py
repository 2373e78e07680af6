"""cnn1 and cnn2: the published counts, the order of the layers, and pictures of any size that is large enough."""

from typing import Any

import pytest
import torch
from torch import nn

from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.cnn import CNNOptions, PictureCNN
from tests.networks.conftest import parameters

BLOCK = [nn.Conv2d, nn.ReLU, nn.MaxPool2d]
NORMED = [nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d]


@pytest.mark.parametrize(
    ("kind", "bands", "count"), [("cnn1", 3, 2_748_482), ("cnn1", 1, 2_747_906), ("cnn2", 3, 2_749_442)]
)
def test_published_parameter_counts(kind: Any, bands: int, count: int) -> None:
    assert parameters(PictureCNN(kind, bands=bands)) == count
    made = PictureCNN.make(CNNOptions(kind=kind), InputShape(("R", "G", "B")[:bands], 96))
    made.head = made.make_head(2, CNNOptions(kind=kind))
    assert parameters(made) == count


@pytest.mark.parametrize(("kind", "block"), [("cnn1", BLOCK), ("cnn2", NORMED)])
def test_the_layers_stand_in_the_published_order(kind: Any, block: list[type[nn.Module]]) -> None:
    model = PictureCNN(kind)
    assert [type(layer) for layer in model.maps] == 2 * [*block, *block, nn.Dropout]
    assert [type(layer) for part in (model.hidden, model.head) for layer in part.children()] == [
        nn.Flatten,
        *(nn.Linear, nn.ReLU),
        *(nn.Dropout, nn.Linear),
    ]
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.25, 0.25, 0.5]


@pytest.mark.parametrize("size", [16, 48, 96, 111])
def test_pictures_of_any_size_become_256_features(size: int) -> None:
    model = PictureCNN("cnn2", classes=4, bands=2, stamp_size=size).eval()
    pictures, present = torch.randn(3, 2, size, size), torch.ones(3, 2, dtype=torch.bool)
    assert model.features(pictures, present).shape == (3, 256)
    assert model(pictures, present).shape == (3, 4)
    torch.testing.assert_close(model.forward_padded(pictures, present), model(pictures, present))


def test_width_scales_every_channel_and_the_features() -> None:
    model = PictureCNN("cnn1", width=0.25)
    assert [layer.out_channels for layer in model.maps if isinstance(layer, nn.Conv2d)] == [8, 16, 32, 64]
    assert model.feature_size == 64


def test_a_stamp_that_pooling_would_use_up_is_refused() -> None:
    with pytest.raises(ValueError, match="15 pixels"):
        PictureCNN("cnn1", stamp_size=15)
    with pytest.raises(ValueError, match="15 pixels"):
        PictureCNN.check_pixels(CNNOptions(kind="cnn1"), 1, (15, 0.4))


def test_pictures_of_another_shape_are_refused() -> None:
    model = PictureCNN("cnn1", stamp_size=32)
    with pytest.raises(ValueError, match=r"\(3, 32, 32\)"):
        model(torch.zeros(1, 3, 33, 33), torch.ones(1, 3, dtype=torch.bool))


@pytest.mark.parametrize("kind", ["cnn1", "cnn2"])
def test_a_frozen_encoder_keeps_weights_and_statistics_and_the_head_learns(kind: Any) -> None:
    model = PictureCNN(kind, stamp_size=16, width=0.25)
    model.freeze()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    assert model.head.training
    assert not any(layer.training for part in (model.maps, model.hidden) for layer in part.modules())
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1.0)
    model(torch.randn(4, 3, 16, 16), torch.ones(4, 3, dtype=torch.bool)).square().sum().backward()
    optimiser.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.1.weight", "head.1.bias"}
