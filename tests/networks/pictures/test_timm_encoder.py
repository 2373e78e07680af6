"""Encoders of timm: torchvision's parameters and names, any number of bands, and names that it has not."""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.timm_encoder import TimmEncoder, TimmOptions
from tests.networks.conftest import parameters, random_statistics
from tests.refusals import refused

pytest.importorskip("timm", reason="timm is not installed: extra encoders")


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 11_177_538), ("resnet50", 23_512_130), ("efficientnet_b0", 4_010_110)]
)
def test_published_parameter_counts(name: str, count: int) -> None:
    assert parameters(TimmEncoder(name, classes=2, stamp_size=32)) == count


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnets_have_the_names_and_shapes_of_torchvision(name: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    theirs = getattr(torchvision.models, name)().state_dict()
    ours = TimmEncoder(name, None, stamp_size=32).encoder.state_dict()
    body = {key: value.shape for key, value in theirs.items() if not key.startswith("fc.")}
    assert body == {key: value.shape for key, value in ours.items()}
    assert len(theirs) == {"resnet18": 122, "resnet50": 320}[name]


def test_outputs_are_those_of_torchvision_with_the_same_weights() -> None:
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.resnet18()
    random_statistics(theirs)
    ours = TimmEncoder("resnet18", None, stamp_size=64)
    ours.encoder.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")})
    theirs.fc = nn.Identity()
    pictures = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.eval()(pictures)
        found = ours.eval().features(pictures, torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "vit_tiny_patch16_224"])
def test_pictures_of_any_number_of_bands_become_features(name: str) -> None:
    model = TimmEncoder.make(TimmOptions(kind="timm", name=name), InputShape(("u", "g", "r", "i", "z"), 32)).eval()
    pictures, present = torch.randn(2, 5, 32, 32), torch.ones(2, 5, dtype=torch.bool)
    with torch.no_grad():
        assert model.features(pictures, present).shape == (2, model.feature_size)
    with pytest.raises(ValueError, match=r"\(5, 32, 32\)"):
        model.features(pictures[:, :3], present)
    assert (model.map_layer is None) == name.startswith("vit")


def test_three_chosen_bands_are_what_a_network_of_three_bands_sees() -> None:
    shape = InputShape(("u", "g", "r", "i", "z"), 32)
    options = TimmOptions(kind="timm", name="vit_tiny_patch16_224", bands_to_rgb=("i", "r", "g"))
    chosen, plain = TimmEncoder.make(options, shape).eval(), TimmEncoder("vit_tiny_patch16_224", None, stamp_size=32)
    plain.load_state_dict(chosen.state_dict())
    pictures, present = torch.randn(2, 5, 32, 32), torch.ones(2, 5, dtype=torch.bool)
    found = chosen.features(pictures, present)
    torch.testing.assert_close(found, plain.eval().features(pictures[:, [3, 2, 1]], present[:, :3]))
    pictures[:, [0, 4]] += 1
    assert torch.equal(chosen.features(pictures, present), found)
    assert chosen.place_bands([None, 0, 1, 2, 3], 4) == {}  # chosen by name


def test_bands_that_the_survey_has_not_or_are_not_three_are_refused() -> None:
    options = TimmOptions(kind="resnet18", bands_to_rgb=("i", "rr", "g"))
    for check in (TimmEncoder.check_survey, TimmEncoder.make):
        with refused(UsageError, "E-BAND-UNKNOWN", "rr", "r", where="model.bands_to_rgb"):
            check(options, InputShape(("u", "g", "r", "i", "z"), 32))
    with refused(UsageError, "E-CONFIG-VALUE", where="model.bands_to_rgb"):
        compose_run(["model=resnet18", "model.bands_to_rgb=[i,r]", "sequence.select=nights"])


@pytest.mark.parametrize("name", ["resnet19", "hf-hub:timm/resnet18", "local-dir:/tmp"])
def test_a_name_that_timm_has_not_is_refused_and_nothing_is_fetched(name: str) -> None:
    for build in (lambda: TimmEncoder(name), lambda: TimmEncoder.check_pixels(options(name), 1, (32, 0.4))):
        with pytest.raises(ValueError, match=name):
            build()


def test_pictures_that_an_encoder_cannot_take_are_refused() -> None:
    with pytest.raises(ValueError, match="30 pixels"):
        TimmEncoder("vit_tiny_patch16_224", stamp_size=30)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with refused(UsageError, "E-PACKAGE-MISSING", "timm", "encoders"):
        TimmEncoder("resnet18")


def options(name: str) -> Any:
    return TimmOptions(kind="timm", name=name)
