"""Which epochs decided: exactly what a survey without them gives, attention that sums to one, a map of each frame."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ictconvention.applying.explaining.epochs import (
    deletion_costs,
    epoch_table,
    explain_series,
    log_odds,
    predict_without,
    take_frames,
)
from ictconvention.core.errors import UsageError
from ictconvention.drawing.applied.explained_series import draw_explained_series
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.networks.parts.transformer import TransformerLayer
from ictconvention.networks.recurrent import LAST_MAP, NightCNN
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import FRAME_COLUMNS, SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import infer
from tests.conftest import image_series, write_survey
from tests.refusals import refused
from tests.reporting.made_up_runs import BANDS, CLASSES, EVERY_KIND, made_up_run

HEADER = SurveyHeader("other", BANDS, CLASSES, 0.396, simulated=True)
NOTHING = np.zeros(0, dtype=np.int64)
FRAMES = 6  # of an object; two in its first night


def sky_object(number: int) -> dict[str, Any]:
    given = image_series(number, FRAMES, HEADER)
    given["mjd"][1] = given["mjd"][0] + 0.01
    given["frames"][:, 12:20, 12:20] += np.linspace(0.5, 3, FRAMES)[:, None, None]
    return given


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_survey(tmp_path_factory.mktemp("sky") / "other", [sky_object(number) for number in range(8)], HEADER)


def without(number: int, rows: list[int], path: Path) -> Survey:
    """Write a survey of one object that never had some of its frames."""
    given = sky_object(number)
    for name in ("frames", *(name for name in FRAME_COLUMNS if name in given)):
        given[name] = np.delete(given[name], rows, axis=0)
    return write_survey(path, [given], HEADER)


def stream_of(run: TrainedRun, survey: Survey) -> SurveyDataset:
    return SurveyDataset(survey, run.options.sequence, run.spec.contents, np.arange(len(BANDS)))


@pytest.mark.parametrize(("learner", "model", "channels"), EVERY_KIND)
def test_what_is_lost_is_what_a_survey_without_the_epoch_loses(
    learner: str, model: str, channels: str, survey: Survey, tmp_path: Path
) -> None:
    run = made_up_run(learner, model, channels)
    here = stream_of(run, survey)
    (one,) = explain_series(run, survey, ["sn0003"])
    number = one.classes.index(one.of_class)
    assert one.seen.all()
    (whole,) = predict_without(run, here, 3, [NOTHING])
    np.testing.assert_allclose(one.probability, whole, rtol=1e-4)
    for frames in ([0], [4], [0, 1]):  # the last two are a night
        (row,) = predict_without(run, here, 3, [np.array(frames)])
        never = without(3, frames, tmp_path / f"without-{len(frames)}-{frames[0]}")
        (known,) = predict_without(run, stream_of(run, never), 0, [NOTHING])
        assert row.tolist() == known.tolist()
        odds = log_odds(np.stack([whole, row]), number)
        lost = one.lost[frames[0]] if len(frames) == 1 else one.lost_night[0]
        assert lost == pytest.approx(odds[0] - odds[1], abs=1e-3)  # batches of another size round otherwise
        if len(frames) == 1:
            assert one.without[frames[0]] == pytest.approx(row[number], rel=1e-4)
    assert len(one.lost_night) == FRAMES - 1
    table = epoch_table([one], BANDS)
    assert table["lost_night"][0] == table["lost_night"][1]
    draw_explained_series([one], HEADER, model)


def test_no_frame_comes_in_for_one_that_is_left_out(survey: Survey) -> None:
    run = made_up_run("supervised", "frame_transformer", "direct+residual")
    few = replace(run.options, sequence=replace(run.options.sequence, max_frames=3))
    run = replace(run, options=few)
    (one,) = explain_series(run, survey, ["sn0003"])
    assert one.seen.sum() == 3
    assert np.isfinite(one.lost).tolist() == one.seen.tolist()
    assert set(one.most_important.tolist()) == set(np.flatnonzero(one.seen).tolist())
    here, left_out = stream_of(run, survey), np.flatnonzero(one.seen)[1]
    series = take_frames(survey[3], np.delete(np.arange(FRAMES), left_out))
    (batch,) = here.batch_of([(series, 3)], [np.array([0, FRAMES - 2])])
    (row,) = predict_without(run, here, 3, [np.array([left_out])])
    assert batch.lengths.tolist() == [2]
    assert run.row(infer(run.learner, [(batch,)], run.precision).outputs)[0].tolist() == row.tolist()


def test_an_object_without_its_only_frame_has_the_class_shares(survey: Survey, tmp_path: Path) -> None:
    run = made_up_run("supervised", "light_curve")
    alone = without(2, [0, 1, 2, 3, 4], tmp_path / "alone")
    (one,) = explain_series(run, alone, of_class="SN Ia")
    assert one.without.tolist() == [pytest.approx(0.25)]  # of the made-up run


@pytest.mark.parametrize(
    ("model", "channels", "stages"),
    [
        ("convention", "direct", ["block 1", "block 2"]),
        ("frame_transformer", "direct+residual", ["layer 1", "layer 2", "pool"]),
        ("light_curve_transformer", "direct", ["layer 1", "layer 2", "pool"]),
        ("cnn_gru", "direct", []),
        ("light_curve", "direct", []),
    ],
)
def test_attention_over_epochs_is_said_of_each_network(
    model: str, channels: str, stages: list[str], survey: Survey
) -> None:
    (one,) = explain_series(made_up_run("supervised", model, channels), survey, ["sn0001"])
    assert list(one.attention) == stages
    for values in one.attention.values():
        assert (values > 0).all()
        if model != "frame_transformer":  # whose median stamps are tokens too
            assert values.sum() == pytest.approx(1, abs=1e-5)
        assert values.sum() <= 1 + 1e-5
    said = " ".join(one.notes)
    assert ("no attention" in said) == (not stages)
    assert ("one weighting for all queries" in said) == (model == "convention")


def test_the_weights_that_are_read_are_those_that_the_layer_uses() -> None:
    torch.manual_seed(0)
    layer = TransformerLayer(8, 2, 0.0).eval()
    tokens, real = torch.randn(1, 5, 8), torch.tensor([[True, True, True, True, False]])
    weights = layer.weights(tokens, real)
    value = layer.query_key_value(layer.attention_norm(tokens)).unflatten(2, (3, 2, -1))[:, :, 2].transpose(1, 2)
    seen = tokens + layer.out((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(tokens, real), seen + layer.wide(layer.norm(seen)))
    assert not weights[..., 4].any()


@pytest.mark.parametrize(
    ("model", "channels", "maps"),
    [
        ("convention", "direct", True),
        ("frame_transformer", "direct+residual", True),
        ("cnn_lstm", "direct", True),
        ("light_curve_transformer", "direct", False),
    ],
)
def test_grad_cam_gives_frames_that_share_a_token_one_map(
    model: str, channels: str, maps: bool, survey: Survey
) -> None:
    pytest.importorskip("captum")
    run = made_up_run("supervised", model, channels)
    found = [explain_series(run, survey, ["sn0005"], name)[0].maps for name in CLASSES]
    if not maps:
        assert found == [None] * 4
        return
    some = [one for one in found if one is not None and one.any()]
    assert some
    for one in some:
        assert one.shape == (FRAMES, 32, 32)
        assert one.min() >= 0
        shared = {"convention": (0, 2), "cnn_lstm": (0, 1)}.get(model)  # of a group of three, and of a night
        if shared:
            np.testing.assert_array_equal(one[shared[0]], one[shared[1]])


def test_a_cell_of_the_cnn_of_the_nights_lies_where_it_sees() -> None:
    """By the gradient of the middle cell: the middle of what it sees is the pixel 6.5 + 8."""
    torch.manual_seed(0)
    cnn, pixels = NightCNN(1, 32), torch.rand(1, 1, 32, 32, requires_grad=True)
    nn.Sequential(*list(cnn)[: LAST_MAP + 1])(pixels)[0, :, 1, 1].sum().backward()
    assert pixels.grad is not None
    rows = torch.nonzero(pixels.grad[0, 0].abs().sum(1)).squeeze(1)
    assert float(rows.double().mean()) == pytest.approx(14.5, abs=1.5)


def test_the_three_most_important_epochs_cost_more_than_three_random_ones(survey: Survey) -> None:
    run = made_up_run("supervised", "light_curve_transformer")
    stream = stream_of(run, survey)
    rng = np.random.default_rng(0)
    costs = np.array([deletion_costs(run, stream, position, 3, rng) for position in range(len(survey))])
    assert costs[:, 0].mean() > costs[:, 1].mean() + 0.1
    assert (costs[:, 0] > costs[:, 1]).mean() > 0.7


def test_another_task_than_classes_is_refused(survey: Survey) -> None:
    run = made_up_run("supervised", "light_curve")
    other = replace(run, options=replace(run.options, task=replace(run.options.task, kind="redshift")))
    with refused(UsageError, "E-RUN-TASK", "redshift", where="nowhere"):
        explain_series(other, survey)
    with refused(UsageError, "E-CLASS-UNKNOWN", "SN Ib", where="--class"):
        explain_series(run, survey, ["sn0001"], "SN Ib")
