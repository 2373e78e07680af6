"""What a network gets: stamps turned, then scaled; frames of a night side by side; days since the night before."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.feeding.batch import SeriesBatch, SeriesView, collate
from ictconvention.feeding.views import ViewRecipe, turn_stamps
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.inputs.light_curves import LightCurveInputs
from ictconvention.networks.inputs.nights import NightInputs
from ictconvention.networks.inputs.tokens import FrameTokenInputs, PhotometryTokenInputs
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.recurrent import CNNRecurrent

OFFSET, SCALE = [0.1, 0.0, -0.2, 0.0, 0.3], [0.5, 1.0, 2.0, 3.0, 4.0]
STANDARD, ASINH = Scaling("standardise", OFFSET, SCALE), Scaling("asinh", [0.0] * 5, SCALE)


def batch(contents: str = "direct", view: ViewRecipe | None = None) -> SeriesBatch:
    """Two objects: two nights of g, r and of g, g, i; one night of u."""
    rng = np.random.default_rng(0)
    bands = [np.array([1, 2, 1, 1, 3]), np.array([0])]
    times = [np.array([10.0, 10.01, 14.0, 14.02, 14.03]), np.array([99.0])]
    views = []
    for band, mjd in zip(bands, times, strict=True):
        read: dict[str, Any] = {"frames": rng.normal(size=(len(band), 32, 32))}
        if contents == "direct+residual":
            read["median"] = rng.normal(size=(5, 32, 32)).astype(np.float32)
        if contents == "photometry":
            read = {"photometry": rng.uniform(1, 2, (len(band), 2))}
        chosen = view or ViewRecipe(np.arange(len(band)))
        views.append(SeriesView(chosen, band.astype(np.uint8), mjd, **read))
    return collate(views)


def test_stamps_are_turned_and_then_scaled() -> None:
    """In this order: the asinh of a turned stamp is not the turned asinh."""
    view = ViewRecipe(np.arange(5), angle=0.3, quarter_turns=1, horizontal=True)
    given = batch(view=view)
    frames, band, lengths = FrameInputs(ASINH)(given)
    assert band.tolist() == [2, 3, 2, 2, 4, 1]  # networks count bands from 1
    assert lengths.tolist() == [5, 1]
    assert given.frames is not None
    ones = torch.ones(6)
    expected = turn_stamps(given.frames, 0.3 * ones, ones.long(), ones.bool(), ~ones.bool())
    assert torch.allclose(frames, (expected / torch.tensor(SCALE)[band - 1, None, None]).asinh(), atol=1e-6)


@pytest.mark.parametrize("scaling", [STANDARD, ASINH])
def test_the_second_channel_is_the_scaled_difference_to_the_median(scaling: Scaling) -> None:
    given = batch("direct+residual", ViewRecipe(np.arange(5), angle=-0.2, vertical=True))
    frames, band, _ = FrameInputs(scaling)(given)
    assert frames.shape == (6, 2, 32, 32)
    assert given.frames is not None
    assert given.median is not None
    assert torch.equal(frames[:, 0], FrameInputs(scaling)(replace(given, median=None))[0])
    own = given.median[[0, 0, 0, 0, 0, 1], (band - 1).tolist()]
    ones = torch.ones(6)
    difference = turn_stamps(given.frames - own, -0.2 * ones, 0 * ones.long(), ~ones.bool(), ones.bool())
    assert torch.allclose(frames[:, 1], scaling.residual(difference, band - 1), atol=1e-5)
    ConvEntion(max_frames=9, width=1 / 16, frame_channels=2)(frames, band, torch.tensor([5, 1]))


def test_the_frames_of_a_night_stand_side_by_side() -> None:
    given = batch()
    assert given.frames is not None
    nights, lengths = NightInputs(STANDARD)(given)
    scaled = STANDARD(given.frames, given.band)
    assert nights.shape == (3, 5, 32, 32)
    assert lengths.tolist() == [2, 1]
    expected = torch.zeros(3, 5, 32, 32)
    expected[0, 1], expected[0, 2] = scaled[0], scaled[1]
    expected[1, 1], expected[1, 3] = scaled[2:4].mean(0), scaled[4]
    expected[2, 0] = scaled[5]
    assert torch.allclose(nights, expected, atol=1e-6)
    assert not nights[0, 3].any()  # a band that was not observed is zero, whatever the offset
    CNNRecurrent("gru")(nights, lengths)


def test_differences_of_a_night_follow_its_frames() -> None:
    given = batch("direct+residual")
    nights, lengths = NightInputs(ASINH)(given)
    assert nights.shape == (3, 10, 32, 32)
    assert given.frames is not None
    assert given.median is not None
    assert torch.equal(nights[:, :5], NightInputs(ASINH)(replace(given, median=None))[0])
    assert torch.allclose(nights[2, 5], ((given.frames[5] - given.median[1, 0]) / SCALE[0]).asinh(), atol=1e-6)
    CNNRecurrent("lstm", bands=10)(nights, lengths)


def test_light_curves_by_night() -> None:
    given = batch("photometry")
    flux, error, days, observed, lengths = LightCurveInputs(STANDARD)(given)
    assert given.photometry is not None
    measured = given.photometry
    assert lengths.tolist() == [2, 1]
    assert observed.tolist() == [
        [False, True, True, False, False],
        [False, True, False, True, False],
        [True, False, False, False, False],
    ]
    assert torch.allclose(days, torch.tensor([0.0, 4.0, 0.0]).log1p())  # each object begins anew
    offset, scale = torch.tensor(OFFSET), torch.tensor(SCALE)
    assert flux[0, 2] == pytest.approx(float((measured[1, 0] - offset[2]) / scale[2]))
    assert flux[1, 1] == pytest.approx(float((measured[2:4, 0].mean() - offset[1]) / scale[1]))
    assert error[1, 1] == pytest.approx(float(measured[2:4, 1].square().sum().sqrt() / 2 / scale[1]))
    LightCurveRNN()(flux, error, days, observed, lengths)


def test_a_frame_without_a_flux_is_not_observed() -> None:
    given = batch("photometry")
    assert given.photometry is not None
    given.photometry[[0, 2, 3, 4]] = torch.nan
    flux, error, days, observed, lengths = LightCurveInputs(ASINH)(given)
    assert observed.sum(1).tolist() == [1, 0, 1]
    assert days[1] == pytest.approx(np.log(5))  # the night was there all the same
    for column in (flux, error):
        assert column.isfinite().all()
    assert LightCurveRNN()(flux, error, days, observed, lengths).isfinite().all()


def test_what_a_batch_does_not_hold_is_named() -> None:
    with pytest.raises(ValueError, match="holds no stamps"):
        FrameInputs(ASINH)(batch("photometry"))
    with pytest.raises(ValueError, match="holds no photometry"):
        LightCurveInputs(ASINH)(batch())
    for inputs, contents in ((FrameTokenInputs, "direct+photometry"), (PhotometryTokenInputs, "photometry")):
        with pytest.raises(ValueError, match=re.escape(f"contents='{contents}'")):
            inputs(ASINH).scaled_photometry(batch())


@pytest.mark.parametrize("inputs", [FrameInputs, NightInputs])
def test_autocast_does_not_move_a_pixel(inputs: Any) -> None:
    """A grid of positions in bfloat16 would be wrong by a tenth of a pixel."""
    given = batch("direct+residual", ViewRecipe(np.arange(5), angle=0.3))
    with torch.autocast("cpu", torch.bfloat16):
        found = inputs(ASINH)(given)[0]
    assert torch.equal(found, inputs(ASINH)(given)[0])


def test_inputs_carry_no_gradient() -> None:
    assert not FrameInputs(ASINH)(batch())[0].requires_grad
