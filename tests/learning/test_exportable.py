"""Padded arrays of raw flux give what the learner gives of the same objects as a batch, calibrated."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ictconvention.applying.export import exportable_run
from ictconvention.feeding.batch import SeriesBatch, SeriesView, collate
from ictconvention.feeding.views import ViewRecipe
from ictconvention.runs.trained_run import TrainedRun
from tests.reporting.made_up_runs import BANDS, EVERY_KIND, MAX_FRAMES, made_up_run

LENGTHS = (6, 1, 4)


def objects(contents: str) -> list[SeriesView]:
    """Return objects of one to six frames, two to a night, in which pixels, and a flux, are missing."""
    rng = np.random.default_rng(0)
    views = []
    for length in LENGTHS:
        band = np.concatenate([rng.permutation(3)[:2] for _ in range(3)])[:length].astype(np.uint8)
        mjd = 53600 + np.repeat(np.cumsum(rng.uniform(1, 30, 3)), 2)[:length] + 0.01 * np.arange(length)
        read: dict[str, Any] = {"photometry": rng.uniform(0.1, 3, (length, 2))}
        read["photometry"][length // 2, rng.integers(2)] = np.nan
        photometry = read if "photometry" in contents else {}
        if contents != "photometry":
            frames = rng.normal(0, 2, (length, 32, 32))
            frames[rng.random(frames.shape) < 0.01] = np.nan
            frames[0, 3, 4] = np.inf
            read = {"frames": frames, **photometry}
        if photometry and contents != "photometry":
            read["conditions"] = np.stack([rng.uniform(1, 2, length), rng.uniform(0.1, 0.3, length)], axis=1)
            read["conditions"][0] = np.nan
        if "residual" in contents:
            read["median"] = rng.normal(0, 1, (3, 32, 32)).astype(np.float32)
        views.append(SeriesView(ViewRecipe(np.arange(length)), band, mjd, **read))
    return views


def batch_of(views: list[SeriesView]) -> SeriesBatch:
    """Return the batch; missing pixels have the value of the median frame, where there is one, as in a dataset."""
    filled = []
    for view in views:
        if view.median is not None and view.frames is not None:
            own, seen = view.median[view.band], np.isfinite(view.frames)
            view = replace(view, frames=np.where(seen, view.frames, own), seen=seen)
        filled.append(view)
    return collate(filled)


def arrays_of(views: list[SeriesView], run: TrainedRun) -> dict[str, Tensor]:
    """Put the objects, as a survey has them, into padded arrays; the padding is rubbish."""
    count, nights = len(views), collate(views).nights
    if run.options.model.kind.endswith("_transformer"):
        return frames_of(views, run)
    night = [np.unique(np.floor(view.mjd), return_inverse=True)[1] for view in views]
    if run.options.model.kind == "convention":
        arrays = {"frames": torch.full((count, MAX_FRAMES, 32, 32), torch.nan)}
        arrays["band"] = torch.zeros(count, MAX_FRAMES, dtype=torch.int64)
        for i, view in enumerate(views):
            arrays["frames"][i, : len(view.band)] = torch.as_tensor(view.frames)
            arrays["band"][i, : len(view.band)] = torch.as_tensor(view.band.astype(np.int64) + 1)
    else:
        shape = (count, MAX_FRAMES, len(BANDS))
        observed = torch.zeros(shape, dtype=torch.bool)
        frames, photometry = torch.full((*shape, 32, 32), 7.0), torch.full((*shape, 2), torch.inf)
        days = torch.full((count, MAX_FRAMES), -5.0)
        for i, view in enumerate(views):
            place = i, night[i], view.band.astype(np.int64)
            observed[place] = True
            if view.frames is not None:
                frames[place] = torch.as_tensor(view.frames, dtype=torch.float32)
            if view.photometry is not None:
                photometry[place] = torch.as_tensor(view.photometry, dtype=torch.float32)
            start = np.array([view.mjd[night[i] == n].min() for n in range(int(nights[i]))])
            days[i, 1 : int(nights[i])] = torch.as_tensor(np.diff(start), dtype=torch.float32)
        arrays = {"frames": frames, "observed": observed, "nights": nights}
        if run.spec.contents == "photometry":
            flux, error = photometry.unbind(-1)
            arrays = {"flux": flux, "error": error, "days": days, "observed": observed, "nights": nights}
    if run.spec.contents == "direct+residual":
        arrays["median"] = torch.stack([torch.as_tensor(view.median) for view in views])
    return arrays


def frames_of(views: list[SeriesView], run: TrainedRun) -> dict[str, Tensor]:
    """Put the objects into padded arrays of a frame a step."""
    sizes = {"frames": (32, 32), "band": (), "days": (), "photometry": (2,), "conditions": (2,)}
    arrays = {name: torch.full((len(views), MAX_FRAMES, *size), torch.nan) for name, size in sizes.items()}
    arrays["band"] = torch.zeros(len(views), MAX_FRAMES, dtype=torch.int64)
    for i, view in enumerate(views):
        there = {"band": view.band.astype(np.int64) + 1, "days": view.mjd - view.mjd[0]}
        there |= {name: getattr(view, name) for name in ("frames", "photometry", "conditions")}
        for name, values in there.items():
            if values is not None:
                arrays[name][i, : len(view.band)] = torch.as_tensor(values)
    if run.spec.contents == "photometry":
        return {name: arrays[name] for name in ("band", "days", "photometry")}
    return arrays | {"median": torch.stack([torch.as_tensor(view.median) for view in views])}


@torch.no_grad()
def found(run: TrainedRun, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = exportable_run(run)(**arrays)
    return outputs


@pytest.mark.parametrize("scaling", ["asinh", "standardise"])
@pytest.mark.parametrize("kind", EVERY_KIND, ids="-".join)
def test_padded_arrays_give_what_the_learner_gives(kind: tuple[str, str, str], scaling: str) -> None:
    run = made_up_run(*kind, scaling)
    views = objects(run.spec.contents)
    with torch.no_grad():
        logits = run.learner.logits(batch_of(views)).numpy()
    expected = run.row(logits)
    outputs = found(run, arrays_of(views, run))
    assert np.ptp(expected, axis=0).max() > 0.01  # the objects differ
    np.testing.assert_allclose(outputs["probability"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["logits"].softmax(1), expected, atol=1e-5)


def test_published_padding_has_its_constant_token() -> None:
    run = made_up_run(padding="paper")
    views = objects("direct")
    with torch.no_grad():
        logits = run.learner.logits(batch_of(views)).numpy()
    outputs = found(run, arrays_of(views, run))
    np.testing.assert_allclose(outputs["probability"], run.row(logits), atol=1e-5)


def test_a_missing_pixel_has_no_flux_and_next_to_a_median_no_residual() -> None:
    run = made_up_run()
    arrays = arrays_of(objects("direct"), run)
    zeros = arrays | {"frames": arrays["frames"].nan_to_num(0, 0, 0)}
    assert torch.equal(found(run, arrays)["logits"], found(run, zeros)["logits"])
    run = made_up_run(channels="direct+residual")
    arrays = arrays_of(objects("direct+residual"), run)
    own = arrays["median"][torch.arange(3)[:, None], (arrays["band"] - 1).clamp(min=0)]
    filled = arrays | {"frames": arrays["frames"].where(arrays["frames"].isfinite(), own)}
    assert torch.equal(found(run, arrays)["logits"], found(run, filled)["logits"])


@pytest.mark.parametrize("model", ["cnn_gru", "light_curve"])
def test_an_unobserved_band_says_nothing(model: str) -> None:
    run = made_up_run("supervised", model)
    arrays = arrays_of(objects(run.spec.contents), run)
    before = found(run, arrays)["logits"]
    for name in arrays.keys() & {"frames", "flux", "error"}:
        arrays[name][~arrays["observed"]] = -99.0
    assert torch.equal(found(run, arrays)["logits"], before)


def test_calibration_is_a_temperature_and_then_a_shift_to_natural_shares() -> None:
    run = made_up_run()
    model = exportable_run(run)
    logits = torch.tensor([[1.0, 2.0, -1.0, 0.5]])
    outputs = model.calibrated(logits)
    known = run.calibration
    expected = logits / known.temperature + torch.tensor(known.survey_prior / known.training_prior).log()
    torch.testing.assert_close(outputs["logits"], expected.float())
    np.testing.assert_allclose(outputs["probability"], run.row(logits.numpy()), atol=1e-6)


def test_what_trains_icts_target_stays_behind() -> None:
    names = list(exportable_run(made_up_run()).state_dict())
    assert names
    assert not [name for name in names if "target" in name or "collapse" in name]


@pytest.mark.parametrize("kind", EVERY_KIND, ids="-".join)
def test_random_sequences_are_unequal_and_have_gaps(kind: tuple[str, str, str]) -> None:
    model = exportable_run(made_up_run(*kind))
    arrays = model.sequences(40, torch.Generator().manual_seed(0))
    lengths = arrays["nights"] if "nights" in arrays else (arrays["band"] > 0).sum(1)
    assert lengths.unique().tolist() == list(range(1, MAX_FRAMES + 1))
    assert any(x.is_floating_point() and x.isnan().any() for x in arrays.values())
    assert ("median" in arrays) == (model.shape.channels == 2)
    with torch.no_grad():
        assert model(**arrays)["probability"].std(0).max() > 1e-3


def test_logits_of_every_pixel_are_calibrated_class_by_class() -> None:
    run, logits = made_up_run("supervised", "light_curve"), torch.randn(2, 4, 5, 6)
    shares = exportable_run(run).calibrated(logits)["probability"]
    for row in range(5):
        for column in range(6):
            expected = run.row(logits[:, :, row, column].numpy())
            np.testing.assert_allclose(shares[:, :, row, column], expected, atol=1e-5)
