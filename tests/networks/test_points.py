"""Fluxes without pixels in the networks: a set beside the frames, in which a limit is one and what is absent is not."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ictconvention.feeding.batch import SeriesView, collate
from ictconvention.feeding.views import ViewRecipe
from ictconvention.networks.frame_transformer import FrameTransformer, FrameTransformerOptions
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.inputs.light_curves import LightCurveInputs
from ictconvention.networks.inputs.tokens import FrameTokenInputs, PhotometryTokenInputs
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.light_curve_transformer import LightCurveTransformer
from ictconvention.networks.network import Network
from ictconvention.networks.parts.ragged import pad, pad_some
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.survey.photometry.points import Points
from tests.networks.conftest import parameters, random_statistics

SHAPE = InputShape(("u", "g", "r", "i", "z"), channels=2, pixel_scale=0.396, points=True)
LENGTHS, POINTS = torch.tensor([7, 1, 4]), torch.tensor([3, 0, 6])
SCALE = [0.5, 1.0, 2.0, 3.0, 4.0]


def transformer(**options: Any) -> FrameTransformer:
    chosen = FrameTransformerOptions(kind="frame_transformer", size=32, **options)
    model = FrameTransformer(options=chosen, shape=SHAPE).eval()
    random_statistics(model)
    return model


def given() -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return rows of frames, medians, and rows of points, of which two are limits."""
    stamps, median = torch.randn(12, 2, 32, 32), torch.randn(3, 5, 32, 32)
    days, band = 300 * torch.rand(12), torch.randint(1, 6, (12,))
    rows = [stamps, 3 * stamps, band, days, torch.rand(12, 2) + 0.1, torch.rand(12, 2) + 0.5]
    photometry = torch.rand(9, 2) + 0.1
    photometry[[1, 5], 0] = torch.nan
    photometry[5, 1] = torch.nan
    return rows, [median.asinh(), median], [torch.randint(1, 6, (9,)), 60 * torch.rand(9) - 30, photometry]


def test_they_have_the_parameters_that_they_say() -> None:
    assert parameters(FrameTransformer(shape=SHAPE)) == 288_272
    assert parameters(LightCurveTransformer(points=True)) == 247_552
    assert parameters(LightCurveRNN(points=True)) == 49_924


@torch.no_grad()
@pytest.mark.parametrize("off", [(), ("course",), ("days", "band"), ("host",)])
def test_padded_objects_have_the_logits_of_ragged_ones(off: tuple[str, ...]) -> None:
    model, (rows, medians, points) = transformer(**dict.fromkeys(off, False)), given()
    expected = model(*rows, LENGTHS, *medians, *points, POINTS)
    padded, of_points = [pad(x, LENGTHS) for x in rows], [pad_some(x, POINTS) for x in points]
    of_points[1][of_points[0] == 0] = torch.nan
    of_points[2][of_points[0] == 0] = torch.nan
    found = model.forward_padded(*padded, *medians, *of_points)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    alone = model(
        *(x[7:8] for x in rows), LENGTHS[1:2], *(x[1:2] for x in medians), *(x[:0] for x in points), POINTS[1:2]
    )
    torch.testing.assert_close(alone, expected[1:2], atol=1e-5, rtol=1e-5)  # one that has no point
    order = torch.tensor([2, 0, 1, 8, 7, 6, 5, 4, 3])
    other = model(*rows, LENGTHS, *medians, *(x[order] for x in points), POINTS)
    torch.testing.assert_close(other, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("change", ["flux", "depth", "limit", "band", "day"])
def test_what_is_known_of_a_point_counts(change: str) -> None:
    model, (rows, medians, points) = transformer(), given()
    band, days, photometry = (x.clone() for x in points)
    match change:
        case "flux":
            photometry[0, 0] *= 2
        case "depth":
            photometry[1, 1] *= 3
        case "limit":
            photometry[0] = torch.nan
        case "band":
            band[5] = band[5] % 5 + 1
        case "day":
            days[5] += 10
    before, after = (model(*rows, LENGTHS, *medians, *x, POINTS) for x in (points, (band, days, photometry)))
    changed = 2 if change in ("band", "day") else 0
    assert ((before - after).abs().amax(1) > 1e-5).nonzero().flatten().tolist() == [changed]


def test_every_parameter_has_a_gradient_also_of_a_batch_without_points() -> None:
    model, (rows, medians, points) = transformer().train(), given()
    model(*rows, LENGTHS, *medians, *points, POINTS).square().sum().backward()
    assert [name for name, x in model.named_parameters() if x.grad is None or not x.grad.isfinite().all()] == []
    model.zero_grad()
    model(*rows, LENGTHS, *medians, *(x[:0] for x in points), 0 * POINTS).square().sum().backward()
    assert all(x.grad is None or x.grad.isfinite().all() for x in model.parameters())


def test_a_network_that_was_built_for_points_refuses_to_be_without() -> None:
    rows, medians, _ = given()
    with pytest.raises(ValueError, match="points"):
        transformer()(*rows, LENGTHS, *medians)
    with pytest.raises(ValueError, match="points"):
        LightCurveTransformer(points=True)(rows[2], rows[3], rows[4], LENGTHS)
    nights = torch.rand(12, 5), torch.rand(12, 5), torch.rand(12), torch.rand(12, 5) > 0.5
    with pytest.raises(ValueError, match="points"):
        LightCurveRNN(points=True)(*nights, LENGTHS)


def batch_of(points: Points | None) -> Any:
    """Return an object with r at days 0 and 4, and 0.1 days later g."""
    band, mjd = np.array([2, 2, 1], np.uint8), np.array([100.0, 104.0, 104.1])
    return collate([SeriesView(ViewRecipe(np.arange(3)), band, mjd, photometry=np.ones((3, 2)), points=points)])


def test_a_night_of_the_recurrent_network_has_fluxes_with_and_without_pixels() -> None:
    """Of two fluxes the mean; a limit where there is no flux; nights of both in order, before the first frame too."""
    points = Points(
        np.array([2, 2, 1, 1, 3], np.uint8),
        np.array([98.0, 98.05, 104.05, 104.08, 104.1]),
        np.array([2.0, 4.0, np.nan, 6.0, np.nan], np.float32),
        np.array([0.6, 0.8, 0.3, 0.5, 0.9], np.float32),
    )
    inputs = LightCurveInputs(Scaling("standardise", [9.0] * 5, SCALE))
    flux, _, days, observed, nights, point_flux, point_error, there = inputs(batch_of(points))
    assert nights.tolist() == [3]
    np.testing.assert_allclose(days, np.log1p([0.0, 2.0, 4.0]), rtol=1e-5)
    assert observed.tolist() == [[False] * 5, [False, False, True, False, False], [False, True, True, False, False]]
    assert there.tolist() == [[False, False, True, False, False], [False] * 5, [False, True, False, True, False]]
    assert point_flux[0, 2] == pytest.approx(3.0 / SCALE[2])  # no offset: it is a difference
    assert point_error[0, 2] == pytest.approx(0.5 / SCALE[2])
    assert point_flux[2, 1] == pytest.approx(6.0 / SCALE[1])  # and not the limit of that night
    assert point_flux[2, 3].isnan()
    assert point_error[2, 3] == pytest.approx(0.9 / SCALE[3])
    again = inputs.padded(
        (9 + flux * torch.tensor(SCALE))[None],
        torch.ones(1, 3, 5),
        torch.tensor([[7.0, 2.0, 4.0]]),
        observed[None],
        nights,
        (point_flux * torch.tensor(SCALE))[None],
        (point_error * torch.tensor(SCALE))[None],
        there[None],
    )
    torch.testing.assert_close(again[5][0], point_flux, equal_nan=True)
    torch.testing.assert_close(again[6][0], point_error, equal_nan=True)


@torch.no_grad()
@pytest.mark.parametrize(
    ("inputs", "network"),
    [
        (FrameTokenInputs, lambda: transformer(host=False)),
        (PhotometryTokenInputs, lambda: LightCurveTransformer(points=True).eval()),
        (LightCurveInputs, lambda: LightCurveRNN(points=True).eval()),
    ],
)
def test_random_arrays_fit_the_network_and_its_scaling(inputs: Any, network: Any) -> None:
    made, model = inputs(Scaling("asinh", [0.0] * 5, SCALE)), network()
    assert isinstance(model, Network)
    arrays = made.random_arrays(SHAPE, 4, torch.Generator().manual_seed(0))
    assert len([name for name in arrays if name.startswith("point_")]) == 3
    logits = model.forward_padded(*made.padded(**arrays))
    assert logits.shape == (4, 4)
    assert logits.isfinite().all()
    assert logits.std(0).min() > 0


@torch.no_grad()
def test_bands_find_their_weights_in_another_order() -> None:
    """Of r and g that take the weights of g, r and i by name, for objects without i."""
    swap = {1: 2, 2: 1}
    band, days, photometry, lengths = torch.randint(1, 3, (9,)), 60 * torch.rand(9), torch.rand(9, 2), POINTS
    rows = torch.randint(1, 3, (12,)), 300 * torch.rand(12), torch.rand(12, 2) + 0.1
    model, other = (
        LightCurveTransformer(bands=3, points=True).eval(),
        LightCurveTransformer(bands=2, points=True).eval(),
    )
    random_statistics(model)
    assert model.object is not None
    assert model.points is not None
    assert model.points.course is not None
    for part in (model.object, model.points.course):  # what i has when it is not there
        part.norm.weight.data[16:24] = part.norm.bias.data[16:24] = 0
    state = model.state_dict()
    for name, (axis, places) in other.place_bands([1, 0], 3).items():
        state[name] = state[name].index_select(axis, torch.tensor(places))
    other.load_state_dict(state)
    expected = model(*rows, LENGTHS, band, days, photometry, lengths)
    swapped, of_points = (x.clone().apply_(swap.get) for x in (rows[0], band))
    found = other(swapped, *rows[1:], LENGTHS, of_points, days, photometry, lengths)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
