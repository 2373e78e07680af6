"""What a teacher says is learned as a second label: a teacher that is sure of the labels says what they do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ictconvention.configuration.options import Imbalance, ViewOptions
from ictconvention.evaluation.prior import at_shares
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.learning.teacher import Teacher
from tests.learning.conftest import ict, supervised

Feed = Callable[..., SeriesDataModule]
IMBALANCES = [
    Imbalance(),
    Imbalance(sampling=1.0),
    Imbalance(weighting=1.0),
    Imbalance(sampling=0.5, weighting=0.25, adjustment=0.5),
    Imbalance(adjustment=1.0),
]


def batch_of(data: SeriesDataModule) -> SeriesBatch:
    batch: SeriesBatch = next(iter(data.train_dataloader()))[0]
    return batch


def fed(feed: Feed, imbalance: Imbalance) -> SeriesDataModule:
    data = feed(views=ViewOptions(1))
    data.imbalance = imbalance
    return data


def at_loss(asked: Any, data: SeriesDataModule, weight: float = 1.0, temperature: float = 1.0) -> Teacher:
    """Return the teacher whose probabilities at equal shares are asked for."""
    shares, weights = data.loss_shares()
    return Teacher(at_shares(asked, np.ones(4), shares), weights, weight, temperature)


def slope(teacher: Teacher, logits: Tensor, data: SeriesDataModule) -> Tensor:
    """Return the gradient of what the teacher says of each object by the logits that predict."""
    learner = supervised(data, "gru")
    learner.teacher, logits = teacher, logits.clone().requires_grad_()
    index = torch.arange(len(logits))
    torch.autograd.backward(teacher(learner.offset(logits), index).sum())
    assert logits.grad is not None
    return logits.grad


@pytest.mark.parametrize("imbalance", IMBALANCES)
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_slope_vanishes_where_the_student_says_what_the_teacher_does(
    feed: Feed, imbalance: Imbalance, temperature: float
) -> None:
    """At the shares of its loss: how often classes come, times what they weigh; the adjustment takes its part."""
    asked = np.random.default_rng(0).dirichlet(np.ones(4), 6)
    data = fed(feed, imbalance)
    labels = torch.cat([views[0].label for views in data.train_dataloader()]).numpy()
    drawn, counts = np.bincount(labels), np.bincount(data.training.labels[data.positions("pretrain_train")])
    shares = drawn * counts**-imbalance.weighting
    expected = torch.from_numpy(np.log(asked) + (1 - imbalance.adjustment) * np.log(shares / shares.sum())).float()
    teacher = at_loss(asked, data, temperature=temperature)
    assert slope(teacher, expected, data).abs().max() < 1e-5
    moved = expected + torch.tensor([0.3, 0, 0, 0])
    assert slope(teacher, moved, data)[:, 0].min() > 1e-3
    learner = supervised(data, "gru")
    there, beside = (teacher(learner.offset(x), torch.arange(6)) for x in (expected, moved))
    assert there.abs().max() < 1e-5
    assert beside.min() > 1e-4


def test_a_high_temperature_compares_logits(feed: Feed) -> None:
    """With T^2 in front the slope tends to the difference of the centred logits, over their number (sec. 2.1)."""
    data, rng = fed(feed, Imbalance(sampling=1.0)), np.random.default_rng(4)
    logits = torch.from_numpy(rng.normal(size=(6, 4))).float()
    teacher = at_loss(rng.dirichlet(np.ones(4), 6), data, temperature=300.0)
    centred = [x - x.mean(1, keepdim=True) for x in (logits, teacher.logs[:6])]
    assert slope(teacher, logits, data).numpy() == pytest.approx(((centred[0] - centred[1]) / 4).numpy(), abs=0.01)


@pytest.mark.parametrize("imbalance", IMBALANCES)
def test_a_teacher_that_is_sure_of_the_labels_says_what_they_do(feed: Feed, imbalance: Imbalance) -> None:
    data = fed(feed, imbalance)
    learner = supervised(data, "gru").eval()
    batch = batch_of(data)
    asked = np.full((len(data.survey), 4), np.nan)
    asked[batch.index] = np.eye(4)[batch.label]
    learner.teacher = at_loss(asked, data, weight=0.3)
    terms = learner.loss((batch,))
    assert terms["loss_teacher"].item() == pytest.approx(terms["loss_ce"].item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx(terms["loss_ce"].item(), rel=1e-5)


def test_labels_and_teacher_share_the_loss(feed: Feed) -> None:
    data, rng = fed(feed, Imbalance()), np.random.default_rng(1)
    learner, batch = supervised(data, "gru").eval(), batch_of(data)
    asked = rng.dirichlet(np.ones(4), len(data.survey))
    alone = learner.loss((batch,))
    for weight in (0.0, 0.25, 1.0):
        learner.teacher = at_loss(asked, data, weight)
        terms = learner.loss((batch,))
        mixed = (1 - weight) * alone["loss"].item() + weight * terms["loss_teacher"].item()
        assert terms["loss"].item() == pytest.approx(mixed, rel=1e-6)
        assert terms["loss_teacher"].item() > 0.01


def without_labels(batch: SeriesBatch) -> SeriesBatch:
    return replace(batch, label=torch.full_like(batch.label, UNLABELLED))


@pytest.mark.parametrize("kind", ["supervised", "ict"])
def test_of_an_object_without_a_label_the_teacher_alone_speaks(feed: Feed, kind: str) -> None:
    data = feed(views=ViewOptions(2 if kind == "ict" else 1))
    learner: Learner = supervised(data, "gru") if kind == "supervised" else ict(data, consistency=0.0)
    views = tuple(map(without_labels, next(iter(data.train_dataloader()))))
    assert learner.loss(views)["loss"].item() == 0
    learner.teacher = at_loss(np.random.default_rng(2).dirichlet(np.ones(4), len(data.survey)), data)
    torch.autograd.backward(learner.loss(views)["loss"])
    assert all(parameter.grad is not None for parameter in learner.network.parameters() if parameter.requires_grad)


def test_views_of_ict_are_taught_alike(feed: Feed) -> None:
    """The means of both views are summed, as those of the labels are."""
    data = feed(views=ViewOptions(2))
    learner = ict(data, consistency=0.0).eval()
    views = next(iter(data.train_dataloader()))
    learner.teacher = at_loss(np.random.default_rng(3).dirichlet(np.ones(4), len(data.survey)), data, weight=0.5)
    with torch.no_grad():
        each = [learner.teacher(learner.logits(view), view.index).mean().item() for view in views]
        terms = learner.loss(views)
    assert terms["loss_teacher"].item() == pytest.approx(sum(each), rel=1e-4)
    assert terms["loss"].item() == pytest.approx((terms["loss_ce"] + terms["loss_teacher"]).item() / 2, rel=1e-5)


def test_an_object_that_nobody_was_asked_for_is_no_number_and_a_teacher_is_no_weight(feed: Feed) -> None:
    data = fed(feed, Imbalance())
    learner, before = supervised(data, "gru"), supervised(data, "gru").state_dict().keys()
    asked = np.full((len(data.survey), 4), 0.25)
    asked[batch_of(data).index[0]] = np.nan
    learner.teacher = at_loss(asked, data)
    assert learner.loss((batch_of(data),))["loss"].isnan()
    assert learner.state_dict().keys() == before
