"""The frame transformer sees a set of frames: their order, the padding and other objects do not count."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ictconvention.networks.frame_transformer import UGRIZ, FrameTransformer, FrameTransformerOptions
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.inputs.tokens import FrameTokenInputs
from ictconvention.networks.light_curve_transformer import LightCurveTransformer
from ictconvention.networks.parts.ragged import pad
from ictconvention.networks.parts.scaling import Scaling
from tests.networks.conftest import parameters, random_statistics

PARTS = ("pixels", "fluxes", "photometry", "conditions", "days", "band", "course", "host")
LENGTHS = torch.tensor([7, 1, 4])


def model_of(shape: InputShape = UGRIZ, **options: Any) -> FrameTransformer:
    chosen = FrameTransformerOptions(kind="frame_transformer", **{"size": 32, **options})
    model = FrameTransformer(options=chosen, shape=shape).eval()
    random_statistics(model)
    return model


def rows_of(frames: int = 12) -> list[Tensor]:
    """Return frames, fluxes, bands, days, photometry and conditions."""
    stamps = torch.randn(frames, 2, 32, 32)
    band, days = torch.randint(1, 6, (frames,)), 300 * torch.rand(frames)
    return [stamps, 3 * stamps, band, days, torch.rand(frames, 2) + 0.1, torch.rand(frames, 2) + 0.5]


def medians_of(objects: int = 3) -> list[Tensor]:
    """Return median stamps scaled, and in units."""
    median = torch.randn(objects, 5, 32, 32)
    median[0, 3] = 0  # a band without frames
    return [median.asinh(), median]


def test_it_has_the_parameters_that_it_says() -> None:
    assert parameters(FrameTransformer()) == 272_052
    assert parameters(LightCurveTransformer()) == 231_332


@torch.no_grad()
@pytest.mark.parametrize("off", [(), *((part,) for part in PARTS), ("pixels", "fluxes", "host"), ("course", "host")])
def test_padded_objects_have_the_logits_of_ragged_ones_with_every_part_on_or_off(off: tuple[str, ...]) -> None:
    model = model_of(UGRIZ, **dict.fromkeys(off, False))
    rows, medians = rows_of(), medians_of()
    expected = model(*rows, LENGTHS, *medians)
    padded = [pad(x, LENGTHS) for x in rows]
    missing = padded[2] == 0
    for x in (x for x in padded if x.is_floating_point()):
        x[missing] = torch.nan
    padded = [torch.cat([x, x[:, :2]], dim=1) for x in padded]
    padded[2][:, -2:] = 0
    torch.testing.assert_close(model.forward_padded(*padded, *medians), expected, atol=1e-5, rtol=1e-5)
    assert expected.std(0).min() > 1e-4


@torch.no_grad()
def test_an_object_does_not_depend_on_others_nor_on_the_order_of_its_frames() -> None:
    model, rows, medians = model_of(), rows_of(), medians_of()
    expected = model(*rows, LENGTHS, *medians)
    alone = model(*(x[8:] for x in rows), torch.tensor([4]), *(x[2:] for x in medians))
    torch.testing.assert_close(alone, expected[2:], atol=1e-5, rtol=1e-5)
    order = torch.cat([torch.randperm(7), torch.arange(7, 12)])
    torch.testing.assert_close(model(*(x[order] for x in rows), LENGTHS, *medians), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("part", PARTS)
def test_every_part_counts(part: str) -> None:
    """What a part reads changes the logits where it is on, and not where it and all others that read it are off."""
    rows, medians = rows_of(), medians_of()
    other = [x.clone() for x in rows], [x.clone() for x in medians]
    changed = {"pixels": 0, "fluxes": 1, "band": 2, "days": 3, "photometry": 4, "course": 4, "conditions": 5}
    besides = {"photometry": ["course"], "course": ["photometry"], "days": ["course"], "band": ["photometry", "course"]}
    if part == "host":
        other[1][0].mul_(2)
        other[1][1].mul_(2)
    elif part == "band":
        other[0][2] = rows[2] % 5 + 1
    else:
        other[0][changed[part]].mul_(2)
    off = dict.fromkeys((part, *besides.get(part, [])), False)  # fluxes are compared within a band
    for options, same in (({}, False), (off, True)):
        model = model_of(UGRIZ, **options)
        difference = model(*rows, LENGTHS, *medians) - model(*other[0], LENGTHS, *other[1])
        assert bool(difference.abs().max() < 1e-6) == same


@pytest.mark.parametrize("lengths", [LENGTHS, torch.tensor([12])], ids=["batch", "single"])
def test_every_parameter_has_a_gradient(lengths: Tensor) -> None:
    """Also in a batch of one object, which has no variance."""
    model = model_of().train()
    model(*rows_of(), lengths, *medians_of(len(lengths))).square().sum().backward()
    assert [name for name, x in model.named_parameters() if x.grad is None or not x.grad.isfinite().all()] == []


@torch.no_grad()
def test_what_was_seen_in_training_is_seen_so_afterwards() -> None:
    """Frames and medians have the same statistics in training as in the evaluation, or one of them looks different."""
    model, rows, medians = model_of(token_dropout=0.0).train(), rows_of(200), [10 * x for x in medians_of()]
    given = *rows, torch.tensor([80, 50, 70]), *medians
    for _ in range(150):  # a running mean that forgets a tenth at a time
        expected = model.features(*given)
    found = model.eval().features(*given)
    torch.testing.assert_close(found[:, :-64], expected[:, :-64], atol=0.02, rtol=0.02)  # less what has three rows


@pytest.mark.parametrize("given", [0, 1], ids=["none", "medians"])
def test_a_host_that_is_not_given_is_refused(given: int) -> None:
    with pytest.raises(ValueError, match="host"):
        model_of()(*rows_of(), LENGTHS, *medians_of()[:given])


@torch.no_grad()
@pytest.mark.parametrize("pixels", [True, False])
@pytest.mark.parametrize("training", [False, True])
def test_a_band_without_frames_changes_nothing(pixels: bool, training: bool) -> None:
    """Whatever the scaling makes of no flux in this band."""
    model = model_of(pixels=pixels, token_dropout=0.0, dropout=0.0).train(training)
    offsets = [0.1, 0.2, -0.1, 0.0, 0.1], [0.1, 0.2, -0.1, 7.0, 0.1]
    frames, median = torch.randn(3, 6, 32, 32), torch.randn(3, 5, 32, 32)
    band, days = torch.tensor([[1, 2, 3, 5, 1, 2]]).expand(3, -1), 50 * torch.rand(3, 6).cumsum(1)
    median[:, 3] = 0
    given = frames, band, days, torch.rand(3, 6, 2) + 0.1, torch.rand(3, 6, 2) + 0.5, median
    made = [FrameTokenInputs(Scaling("standardise", offset, [0.5, 1.0, 2.0, 3.0, 4.0])) for offset in offsets]
    logits = [model.forward_padded(*inputs.padded(*given)) for inputs in made]
    torch.testing.assert_close(logits[0], logits[1], atol=0, rtol=0)


@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf, 1e30])
def test_rubbish_in_the_padding_reaches_no_gradient(rubbish: float) -> None:
    model = model_of(token_dropout=0.0, dropout=0.0)
    padded, medians = [pad(x, LENGTHS) for x in rows_of()], medians_of()
    missing, gradients = padded[2] == 0, []
    for value in (0.0, rubbish):
        filled = [x.clone() for x in padded]
        for x in (x for x in filled if x.is_floating_point()):
            x[missing] = value
        model.zero_grad()
        model.forward_padded(*filled, *medians).square().sum().backward()
        gradients.append({name: x.grad.clone() for name, x in model.named_parameters() if x.grad is not None})
    torch.testing.assert_close(gradients[1], gradients[0])


@torch.no_grad()
def test_bfloat16_changes_logits_by_little() -> None:
    model, rows, medians = model_of(), rows_of(), medians_of()
    expected = model(*rows, LENGTHS, *medians)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(*rows, LENGTHS, *medians)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        (replace(UGRIZ, channels=1), {}, "model.host"),
        (replace(UGRIZ, pixel_scale=None), {}, "model.fluxes=false and model.host=false"),
        (replace(UGRIZ, stamp_size=16), {"host": False}, "stamps of 16 pixels"),
        (replace(UGRIZ, stamp_size=26), {"fluxes": False}, "stamps of 26 pixels"),
    ],
)
def test_what_it_cannot_measure_is_refused(shape: InputShape, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        model_of(shape, **options)


@pytest.mark.parametrize(
    ("options", "said"), [({"heads": 5}, "heads"), (dict.fromkeys(PARTS, False), "nothing is seen")]
)
def test_options_that_make_no_network_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FrameTransformerOptions(kind="frame_transformer", **options)


@torch.no_grad()
def test_bands_find_their_weights_in_another_order() -> None:
    """A network for r and g that takes the weights of one for g, r and i by name gives its logits."""
    three = replace(UGRIZ, bands=("g", "r", "i"))
    model, other = model_of(three), model_of(replace(UGRIZ, bands=("r", "g")))
    rows = other.place_bands([1, 0], 3)
    state = model.state_dict()
    for name, (axis, places) in rows.items():
        state[name] = state[name].index_select(axis, torch.tensor(places))
    other.load_state_dict(state)
    given, medians = rows_of(), medians_of()
    medians = [x[:, :3].clone() for x in medians]
    for x in medians:
        x[:, 2] = 0  # no frame in i
    given[2] = given[2] % 2 + 1
    swapped = [x.clone() for x in given]
    swapped[2] = 3 - given[2]
    assert model.object is not None
    for x in (model.object.norm.weight.data, model.object.norm.bias.data):  # what i has when it is not there
        x[16:24] = x[46:] = 0
    expected = model(*given, LENGTHS, *medians)
    found = other(*swapped, LENGTHS, *(x[:, [1, 0]] for x in medians))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
