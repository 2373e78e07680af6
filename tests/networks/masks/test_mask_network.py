"""What all networks of masks do: masks or direct shares, an encoder that rests, bands, precision and export."""

import pytest
import torch
from torch import Tensor, nn

from ictconvention.networks.masks.mask_network import MaskNetwork
from ictconvention.networks.masks.unet import UNet, UNetOptions
from tests.networks.conftest import random_statistics

OPTIONS = UNetOptions(kind="unet", filters=4, layers=4)


def small(shares: str = "mask", bands: int = 3) -> MaskNetwork:
    model = UNet(None, bands=bands, stamp_size=32, filters=4, layers=4)
    model.shares = shares  # type: ignore[assignment]
    model.head = model.make_head(5, OPTIONS)
    random_statistics(model)
    return model.eval()


def seen(objects: int = 2, bands: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(objects, bands, 32, 32), torch.ones(objects, bands, dtype=torch.bool)


@pytest.mark.parametrize(("shares", "shape"), [("mask", (2, 5, 32, 32)), ("both", (2, 5, 32, 32)), ("direct", (2, 5))])
def test_masks_have_a_logit_for_each_pixel_and_direct_shares_one_for_the_chip(shares: str, shape: tuple[int]) -> None:
    model, inputs = small(shares), seen()
    assert model(*inputs).shape == shape
    assert torch.equal(model.forward_padded(*inputs), model(*inputs))
    assert model.gives_masks


def test_direct_shares_are_linear_in_the_mean_of_the_deepest_map() -> None:
    model, inputs = small("direct"), seen()
    deepest = model.encode(*inputs)[-1]
    assert deepest.shape == (2, 16, 8, 8)
    expected = deepest.mean((2, 3)) @ model.head[-1].weight.T + model.head[-1].bias  # type: ignore[index]
    torch.testing.assert_close(model(*inputs), expected)
    torch.testing.assert_close(model.features(*inputs), deepest.mean((2, 3)))


def test_direct_shares_leave_no_weight_without_a_gradient() -> None:
    model = small("direct").train()
    model(*seen()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with pytest.raises(ValueError, match="anew"):
        model.shares = "mask"


@pytest.mark.parametrize("shares", ["mask", "direct"])
def test_the_same_pass_gives_features_and_outputs(shares: str) -> None:
    model, inputs = small(shares), seen()
    features, outputs = model.seen_and_outputs(*inputs)
    torch.testing.assert_close(outputs, model(*inputs))
    torch.testing.assert_close(features, model.features(*inputs))


def test_a_missing_band_is_not_seen_whatever_its_pixels_hold() -> None:
    model, (pictures, present) = small(), seen()
    present[0, 1] = False
    found = model(pictures, present)
    pictures[0, 1] = torch.nan
    assert torch.equal(model(pictures, present), found)
    present[0, 1] = True
    assert not torch.equal(model(pictures.nan_to_num(1), present)[0], found[0])


def test_another_shape_of_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 32, 32\)"):
        small()(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, dtype=torch.bool))


def test_bands_stand_in_the_first_convolution() -> None:
    model = small()
    ((name, (dimension, places)),) = (model.place_bands([2, None, 0], 3) or {}).items()
    assert model.get_parameter(name).shape[dimension] == len(places) == 3


def test_a_frozen_encoder_keeps_weights_and_statistics_and_the_way_up_learns() -> None:
    model = small()
    model.freeze()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model(*seen(4)).square().mean().backward()
    optimiser.step()
    moved = {
        name.partition(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved == {"decoder", "head"}


def test_bfloat16_changes_logits_by_little() -> None:
    model, inputs = small(), seen()
    expected = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(*inputs)
        features = model.features(*inputs)
    assert found.dtype == features.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("shares", ["mask", "direct"])
def test_an_exported_network_takes_any_number_of_pictures(shares: str) -> None:
    class Padded(nn.Module):
        def __init__(self, network: MaskNetwork) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: Tensor, present: Tensor) -> Tensor:
            return self.network.forward_padded(pictures, present)

    model, batch = small(shares), torch.export.Dim("batch", min=1)
    exported = torch.export.export(Padded(model), seen(), dynamic_shapes=({0: batch}, {0: batch})).module()
    inputs = seen(3)
    torch.testing.assert_close(exported(*inputs), model(*inputs))


def test_the_map_that_is_explained_is_the_deepest() -> None:
    model, shapes = small(), []
    assert model.map_layer is not None
    model.map_layer.register_forward_hook(lambda _layer, _given, found: shapes.append(tuple(found.shape)))
    model(*seen())
    assert shapes == [(2, 16, 8, 8)]
