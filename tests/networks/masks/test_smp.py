"""U-Nets on encoders of timm: any number of bands, weights of timm's files, and encoders that do not fit."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ictconvention.core.errors import UsageError
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.timm_encoder import TimmEncoder
from ictconvention.networks.pictures.weight_file import take_weight_file
from tests.networks.conftest import parameters, random_statistics
from tests.networks.pictures.test_weight_file import lite0
from tests.refusals import refused

pytest.importorskip("segmentation_models_pytorch", reason="smp is not installed: extra encoders")

from ictconvention.networks.masks.smp import SMPOptions, SMPUNet

LITE0 = "tf_efficientnet_lite0"


def seen(size: int = 32, objects: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(objects, 4, size, size), torch.ones(objects, 4, dtype=torch.bool)


def test_parameter_count_on_resnet18() -> None:
    assert parameters(SMPUNet("resnet18", classes=8, stamp_size=32)) == 14_331_336


@pytest.mark.parametrize(("name", "size"), [("resnet18", 64), (LITE0, 256), ("mobilenetv3_small_100", 64)])
def test_a_picture_becomes_a_logit_of_each_class_for_each_pixel(name: str, size: int) -> None:
    options = SMPOptions(kind="smp", name=name)
    model = SMPUNet.make(options, InputShape(("B", "G", "R", "NIR"), size)).eval()
    model.head = model.make_head(10, options)
    with torch.no_grad():
        outputs, features = model(*seen(size, objects=1)), model.features(*seen(size, objects=1))
    assert (outputs.shape, features.shape) == ((1, 10, size, size), (1, model.feature_size))


def test_direct_shares_see_what_the_encoder_of_timm_gives() -> None:
    """The mean of the deepest map is the feature of timm's own resnet18, with the same weights."""
    model, plain = SMPUNet("resnet18", None, stamp_size=64), TimmEncoder("resnet18", None, bands=4, stamp_size=64)
    random_statistics(plain)
    plain.encoder.load_state_dict(model.encoder.get_submodule("model").state_dict())
    inputs = seen(64)
    with torch.no_grad():
        torch.testing.assert_close(model.eval().features(*inputs), plain.eval().features(*inputs))
    assert model.map_grid == plain.map_grid


def test_three_chosen_bands_are_what_a_network_of_three_bands_sees() -> None:
    shape = InputShape(("B", "G", "R", "NIR"), 32)
    chosen = SMPUNet.make(SMPOptions(kind="smp", bands_to_rgb=("R", "G", "B")), shape).eval()
    plain = SMPUNet("resnet18", None, bands=3, stamp_size=32).eval()
    plain.load_state_dict(chosen.state_dict())
    pictures, present = seen()
    found = chosen.maps(pictures, present)
    torch.testing.assert_close(found, plain.maps(pictures[:, [2, 1, 0]], present[:, :3]))
    pictures[:, 3] += 1
    assert torch.equal(chosen.maps(pictures, present), found)
    assert chosen.place_bands([0, 1, 2, None], 3) == {}  # chosen by name
    with refused(UsageError, "E-BAND-UNKNOWN", where="model.bands_to_rgb"):
        SMPUNet.check_survey(SMPOptions(kind="smp", bands_to_rgb=("R", "G", "V")), shape)


@pytest.mark.parametrize("name", ["resnet18", LITE0])
def test_bands_stand_in_the_first_convolution(name: str) -> None:
    model = SMPUNet(name, None, stamp_size=32)
    ((tensor, (dimension, places)),) = (model.place_bands([0, 1, 2, None], 3) or {}).items()
    assert model.get_parameter(tensor).shape[dimension] == len(places) == 4


@pytest.mark.parametrize("name", ["resnet18", LITE0, "convnext_atto"])  # convnext's stages have other names here
def test_a_file_of_the_whole_encoder_is_taken_bit_for_bit(tmp_path: Path, name: str) -> None:
    there, here = TimmEncoder(name, None, bands=4, stamp_size=32), SMPUNet(name, None, stamp_size=32)
    random_statistics(there)
    given = there.encoder.state_dict()
    torch.save(given, tmp_path / "weights.pth")
    decoder = {key: value.clone() for key, value in here.decoder.state_dict().items()}
    take_weight_file(here, tmp_path / "weights.pth")
    state, names = here.state_dict(), {here.own_name(key): key for key in given}
    encoder = [key for key in state if key.startswith("encoder.")]
    assert all(torch.equal(state[key], given[names[key]]) for key in encoder)
    assert all(torch.equal(value, decoder[key]) for key, value in here.decoder.state_dict().items())


def test_the_packaged_weights_of_efficientnet_lite0_make_the_maps_of_timms_encoder(tmp_path: Path) -> None:
    """ImageNet's weights on four bands: the stages of the encoder are those of the whole network with these weights."""
    there, here = TimmEncoder(LITE0, None, bands=4, stamp_size=64), SMPUNet(LITE0, None, stamp_size=64)
    for model in (there, here):
        assert "adapted from 3 to 4 bands" in take_weight_file(model, lite0())
        model.eval()
    pictures, present = seen(64)
    deepest: list[Tensor] = []
    there.encoder.get_submodule("blocks").register_forward_hook(lambda _layer, _given, found: deepest.append(found))
    with torch.no_grad():
        there.features(pictures, present)
        torch.testing.assert_close(here.encode(pictures, present)[-1], deepest[0])


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    torch.save(TimmEncoder("resnet18", None, bands=4, stamp_size=32).encoder.state_dict(), tmp_path / "other.pth")
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "another", LITE0, where="other.pth"):
        take_weight_file(SMPUNet(LITE0, None, stamp_size=32), tmp_path / "other.pth")


def test_a_frozen_encoder_keeps_weights_and_statistics_and_the_decoder_learns() -> None:
    model = SMPUNet("resnet18", classes=5, stamp_size=32)
    model.freeze()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model(*seen()).square().mean().backward()
    optimiser.step()
    moved = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert {name.partition(".")[0] for name in moved} == {"decoder", "head"}


def test_an_exported_network_takes_any_number_of_pictures() -> None:
    class Padded(nn.Module):
        def __init__(self, network: SMPUNet) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: Tensor, present: Tensor) -> Tensor:
            return self.network.forward_padded(pictures, present)

    model, batch = SMPUNet("resnet18", classes=5, stamp_size=32).eval(), torch.export.Dim("batch", min=1)
    exported = torch.export.export(Padded(model), seen(), dynamic_shapes=({0: batch}, {0: batch})).module()
    inputs = seen(objects=3)
    torch.testing.assert_close(exported(*inputs), model(*inputs))


def test_bfloat16_changes_logits_by_little() -> None:
    model, inputs = SMPUNet("resnet18", classes=5, stamp_size=32).eval(), seen()
    expected = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(*inputs)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.parametrize("name", ["resnet19", "hf-hub:timm/resnet18"])
def test_a_name_that_timm_has_not_is_refused_and_nothing_is_fetched(name: str) -> None:
    options = SMPOptions(kind="smp", name=name)
    for build in (lambda: SMPUNet(name), lambda: SMPUNet.check_pixels(options, 1, (64, 10.0))):
        with pytest.raises(ValueError, match=name):
            build()


def test_an_encoder_without_maps_of_several_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224.*model.name"):
        SMPUNet("vit_tiny_patch16_224", stamp_size=64)


def test_pictures_that_cannot_be_halved_five_times_are_refused_with_sizes_that_fit() -> None:
    for build in (
        lambda: SMPUNet("resnet18", stamp_size=80),
        lambda: SMPUNet.check_pixels(SMPOptions(kind="smp"), 1, (80, 10.0)),
    ):
        with pytest.raises(ValueError, match=r"80 pixels.*take pictures of 64 or 96 pixels"):
            build()


@pytest.mark.parametrize(("module", "named"), [("segmentation_models_pytorch", "segmentation"), ("timm", "timm")])
def test_without_its_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str, named: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for build in (lambda: SMPUNet("resnet18"), lambda: SMPUNet.check_pixels(SMPOptions(kind="smp"), 1, (64, 10.0))):
        with refused(UsageError, "E-PACKAGE-MISSING", named, "encoders"):
            build()
