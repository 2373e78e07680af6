"""The inception networks: published counts, sizes, missing bands, sets of bands, and E(B-V)."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ictconvention.configuration.options import OptimiserOptions
from ictconvention.core.errors import UsageError
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.inputs.pictures import ReddenedPictureInputs
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.pictures.inception import UGRIZ, Inception, InceptionNetwork, InceptionOptions
from ictconvention.networks.pictures.inception_p19 import InceptionP19
from ictconvention.networks.pictures.inception_t24 import InceptionT24
from tests.networks.conftest import parameters
from tests.refusals import refused

KINDS = {"inception_p19": InceptionP19, "inception_t24": InceptionT24}
SMALL = replace(UGRIZ, stamp_size=32)
SETS = (("u", "g", "r"), ("r", "i", "z"))
both = pytest.mark.parametrize("kind", KINDS)


def made(kind: str, shape: InputShape = SMALL, width: float = 0.125, **options: Any) -> InceptionNetwork:
    network: InceptionNetwork = KINDS[kind](6, InceptionOptions(kind=kind, width=width, **options), shape)
    return network.eval()


def given(shape: InputShape = SMALL, objects: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures, of which the last has no second and no third band, and E(B-V)."""
    present = torch.ones(objects, len(shape.bands), dtype=torch.bool)
    present[-1, 1:3] = False
    size = shape.stamp_size
    return torch.randn(objects, len(shape.bands), size, size), present, 0.3 * torch.rand(objects)


@pytest.mark.parametrize(
    ("kind", "bands", "count"),
    [
        ("inception_p19", 5, 27_596_372),
        ("inception_p19", 9, 27_602_772),
        ("inception_p19", 11, 27_605_972),
        ("inception_t24", 5, 5_329_780),
    ],
)
def test_published_parameter_counts(kind: str, bands: int, count: int) -> None:
    with torch.device("meta"):
        shape = replace(UGRIZ, bands=tuple("ugrizyYJHKs"[:bands]))
        assert parameters(KINDS[kind](180, shape=shape)) == count
        network = KINDS[kind].make(InceptionOptions(kind=kind), shape)
        assert parameters(network) + parameters(network.make_head(180, InceptionOptions(kind=kind))) == count


def test_a_quarter_of_the_width_of_p19_at_32_pixels() -> None:
    with torch.device("meta"):
        assert parameters(InceptionP19(180, InceptionOptions(kind="inception_p19", width=0.25), SMALL)) == 620_810


@pytest.mark.parametrize("size", [16, 32, 48, 64])
def test_smaller_pictures_take_the_same_weights_of_t24_and_other_hidden_ones_of_p19(size: int) -> None:
    for kind in KINDS:
        shape = replace(UGRIZ, stamp_size=size)
        network, whole = made(kind, shape), made(kind, UGRIZ)
        differ = {n for n, x in network.state_dict().items() if x.shape != whole.state_dict()[n].shape}
        assert differ == ({"hidden.0.weight"} if kind == "inception_p19" and size < 64 else set())
        assert network(*given(shape)).shape == (3, 6)


@both
def test_pictures_that_are_used_up_are_refused(kind: str) -> None:
    smallest = KINDS[kind].smallest
    made(kind, replace(UGRIZ, stamp_size=smallest))
    with pytest.raises(ValueError, match=f"{smallest} pixels or more"):
        made(kind, replace(UGRIZ, stamp_size=smallest - 1))
    with pytest.raises(ValueError, match=f"{smallest} pixels or more"):
        KINDS[kind].check_pixels(InceptionOptions(kind=kind), 1, (smallest - 1, 0.4))


@pytest.mark.parametrize("options", [{}, {"modalities": SETS, "present": True}])
@both
def test_what_a_missing_band_holds_changes_nothing(kind: str, options: dict[str, Any]) -> None:
    network, (pictures, present, reddening) = made(kind, **options), given()
    inputs = ReddenedPictureInputs(Scaling("asinh", [0.1] * 5, [1.0] * 5))
    for hole in (torch.nan, 1e9, -3.0):
        other = pictures.where(present[:, :, None, None], hole)
        assert torch.equal(network(other, present, reddening), network(pictures, present, reddening))
        padded = [inputs.padded(frames, present, reddening) for frames in (pictures, other)]
        assert torch.equal(*(network.forward_padded(*arguments) for arguments in padded))
    seen = network(pictures, torch.ones_like(present), reddening)
    assert not torch.equal(seen[-1], network(pictures, present, reddening)[-1])


@both
def test_a_band_of_zeros_and_a_missing_one_differ_where_the_network_is_told(kind: str) -> None:
    pictures, present, reddening = given()
    pictures = pictures.where(present[:, :, None, None], 0)
    every = torch.ones_like(present)
    plain, told = made(kind), made(kind, present=True)
    assert torch.equal(plain(pictures, present, reddening), plain(pictures, every, reddening))
    assert not torch.equal(told(pictures, present, reddening)[-1], told(pictures, every, reddening)[-1])


@both
def test_reddening_counts_where_it_is_known_and_has_no_weights_where_not(kind: str) -> None:
    pictures, present, reddening = given()
    network = made(kind)
    assert (network(pictures, present, reddening) != network(pictures, present, reddening + 0.1)).any(1).all()
    with pytest.raises(ValueError, match=r"E\(B-V\)"):
        network(pictures, present)
    unknown, unwanted = made(kind, replace(SMALL, reddening=False)), made(kind, reddening=False)
    further = {"inception_p19": 137, "inception_t24": 2 * 12}[kind]
    assert parameters(network) - parameters(unknown) == parameters(network) - parameters(unwanted) == further
    assert unknown(pictures, present).shape == (3, 6)


@both
def test_each_modality_sees_its_bands_alone(kind: str) -> None:
    network, (pictures, _, reddening) = made(kind, modalities=SETS), given()
    ebv = reddening[:, None]
    changed = pictures.clone()
    changed[:, 0] += 1  # u
    first, second = network.stems
    assert not torch.equal(first(pictures, ebv), first(changed, ebv))
    assert torch.equal(second(pictures, ebv), second(changed, ebv))
    turned = made(kind, replace(SMALL, bands=("z", "i", "r", "g", "u")), modalities=SETS)
    turned.load_state_dict(network.state_dict())  # it goes by name
    every = torch.ones(3, 5, dtype=torch.bool)
    torch.testing.assert_close(turned(pictures.flip(1), every, reddening), network(pictures, every, reddening))


@pytest.mark.parametrize(
    ("sets", "code", "facts"),
    [
        ((("u", "g", "rr"), ("r", "i", "z")), "E-BAND-UNKNOWN", ["rr", "r"]),
        ((("u", "g", "g"), ("r", "i", "z")), "E-CONFIG-VALUE", ["g"]),
        ((("u", "g"), ("g", "r")), "E-CONFIG-CONFLICT", ["i", "z", "survey.bands=[u,g,r]"]),
    ],
)
@both
def test_modalities_that_do_not_fit_the_survey_are_refused(kind: str, sets: Any, code: str, facts: list[str]) -> None:
    options = InceptionOptions(kind=kind, modalities=sets)
    for check in (KINDS[kind].check_survey, KINDS[kind].make):
        with refused(UsageError, code, *facts, where="model.modalities"):
            check(options, SMALL)


@pytest.mark.parametrize("sets", [(), ((), ("u",))])
def test_a_modality_without_a_band_is_refused(sets: Any) -> None:
    with pytest.raises(ValueError, match="modalities"):
        InceptionOptions(kind="inception_p19", modalities=sets)


@both
def test_bands_go_by_name_to_other_weights(kind: str) -> None:
    shape = replace(SMALL, bands=("r", "y", "g"))
    rows = made(kind, shape, present=True).place_bands([2, None, 1], 5)
    assert rows["stems.0.first.weight"] == (1, [2, None, 1])
    dimension, columns = rows["hidden.0.weight"]
    joins = [1] if kind == "inception_p19" else []  # E(B-V), the last
    flat = made(kind, shape).state_dict()["hidden.0.weight"].shape[1] - len(joins)
    assert (dimension, columns) == (1, [*range(flat), flat + 2, None, flat + 1, *(flat + 5 for _ in joins)])
    assert made(kind, modalities=SETS).place_bands([0, 1, 2, 3, 4], 5) == {}


def test_the_mean_of_four_pixels_is_that_of_those_which_exist() -> None:
    pool = Inception(4, 1, 1, 1, nn.PReLU).pool
    assert pool(torch.arange(9.0).reshape(1, 1, 3, 3)).squeeze().tolist() == [[2, 3, 3.5], [5, 6, 6.5], [6.5, 7.5, 8]]


@both
def test_new_weights_neither_lose_nor_blow_up_what_they_see(kind: str) -> None:
    features = made(kind, width=0.25).features(*given(objects=8))
    assert 0.05 < features.std() < 5


def test_slopes_of_rectifiers_do_not_decay() -> None:
    network = made("inception_p19")
    optimiser, _ = optimiser_for(network, OptimiserOptions(), 10)
    slopes = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.PReLU)}
    (free,) = [group["params"] for group in optimiser.param_groups if group["weight_decay"] == 0]
    assert slopes <= {id(parameter) for parameter in free}
