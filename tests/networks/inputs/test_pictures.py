"""One picture of each object: that of `NightInputs` for a single night, and which bands it has."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ictconvention.feeding.batch import SeriesBatch, SeriesView, collate
from ictconvention.feeding.views import ViewRecipe
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.inputs.nights import NightInputs
from ictconvention.networks.inputs.pictures import PictureInputs, ReddenedPictureInputs
from ictconvention.networks.parts.scaling import Scaling

SCALING = Scaling("asinh", [0.1, 0.0, -0.2], [0.5, 1.0, 2.0])


def one_night(view: ViewRecipe | None = None) -> SeriesBatch:
    """Three objects of one night each: all bands, two frames of one band, and one band alone."""
    rng = np.random.default_rng(0)
    views = []
    for band in ([0, 1, 2], [1, 1, 0], [2]):
        seen = view or ViewRecipe(np.arange(len(band)))
        mjd = np.linspace(60000, 60000.01, len(band))
        views.append(SeriesView(seen, np.array(band, np.uint8), mjd, rng.normal(size=(len(band), 16, 16))))
    return collate(views)


@pytest.mark.parametrize("view", [None, ViewRecipe(np.arange(3), 0.3, 3, True, True, 1.2, 0.8)])
def test_pictures_are_the_nights_of_surveys_of_one_night(view: ViewRecipe | None) -> None:
    batch = one_night(view)
    nights, count = NightInputs(SCALING)(batch)
    pictures, present = PictureInputs(SCALING)(batch)
    assert count.tolist() == [1, 1, 1]
    assert torch.equal(pictures, nights)
    assert present.tolist() == [[True, True, True], [True, True, False], [False, False, True]]
    assert not pictures[~present].any()  # a missing band is zero, whatever the offset


def test_several_frames_of_a_band_are_averaged_over_all_nights() -> None:
    batch = one_night()
    nights = replace(batch, night=torch.tensor([0, 0, 0, 0, 1, 1, 0]), nights=torch.tensor([1, 2, 1]))
    assert batch.frames is not None
    pictures, _ = PictureInputs(SCALING)(nights)
    torch.testing.assert_close(pictures[1, 1], SCALING(batch.frames[3:5], batch.band[3:5]).mean(0))


def test_padded_pictures_are_those_of_a_batch() -> None:
    batch, inputs = one_night(), PictureInputs(SCALING)
    pictures, present = inputs(batch)
    assert batch.frames is not None
    frames = torch.full((3, 3, 16, 16), torch.nan)
    frames[0], frames[1, 0], frames[2, 2] = batch.frames[:3], batch.frames[5], batch.frames[6]
    frames[1, 1] = batch.frames[3]
    present[1, 1] = False
    found, there = inputs.padded(frames, present)
    assert torch.equal(there, present)
    expected = pictures.clone()
    expected[1, 1] = 0
    torch.testing.assert_close(found, expected)


def test_random_pictures_are_arguments_of_padded() -> None:
    shape = InputShape(("R", "G", "B"), stamp_size=16)
    inputs, arrays = PictureInputs(SCALING), None
    arrays = inputs.random_arrays(shape, 5, torch.Generator().manual_seed(0))
    assert arrays.keys() == inputs.meanings.keys()
    pictures, present = inputs.padded(**arrays)
    assert pictures.shape == (5, 3, 16, 16)
    assert pictures.isfinite().all()
    assert not present.all()


def test_there_is_no_residual_of_a_picture() -> None:
    assert PictureInputs.finds("direct")
    assert not PictureInputs.finds("direct+residual")


def test_reddening_comes_along_where_a_batch_and_the_arrays_have_it() -> None:
    batch, inputs = one_night(), ReddenedPictureInputs(SCALING)
    reddening = torch.tensor([0.0, 0.1, 0.3])
    assert len(inputs(batch)) == 2
    *plain, ebv = inputs(replace(batch, reddening=reddening))
    assert all(torch.equal(*pair) for pair in zip(plain, PictureInputs(SCALING)(batch), strict=True))
    assert torch.equal(ebv, reddening)
    for known in (False, True):
        shape = InputShape(("R", "G", "B"), stamp_size=16, reddening=known)
        arrays = inputs.random_arrays(shape, 5, torch.Generator().manual_seed(0))
        assert ("reddening" in arrays) == known
        assert len(inputs.padded(**arrays)) == len(arrays)
