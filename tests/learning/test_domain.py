"""The head on domains: its reversed gradient, what features forget by it on known densities, and what stays."""

from collections.abc import Callable
from math import tanh
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from examples.my_network import MeanOfFrames, MeanOfFramesOptions
from ictconvention.configuration.options import ViewOptions
from ictconvention.evaluation.shift.domains import tell_domains
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.sampler import domain_weights
from ictconvention.learning.domain import DomainHead, reversal_at
from ictconvention.learning.learner import Learner, input_shape
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.parts.scaling import Scaling
from tests.learning.conftest import trainer, weights

Feed = Callable[..., SeriesDataModule]


def test_the_features_get_the_gradient_of_the_head_reversed_and_the_head_its_own() -> None:
    head, label = DomainHead(4, 0.5, (1.0, 1.0)), torch.tensor([0, UNLABELLED, 2])
    features = torch.randn(3, 4, requires_grad=True)
    plain = nn.functional.binary_cross_entropy_with_logits(head(features), torch.tensor([0.0, 1, 0]))
    expected = torch.autograd.grad(plain, [features, *head.parameters()])
    for progress, factor in ((0.0, 0.0), (0.3, 0.5 * tanh(1.5)), (1.0, 0.5 * tanh(5))):
        head.progress = progress
        assert reversal_at(progress, 0.5) == pytest.approx(factor)
        loss = head.loss(features, label)
        torch.testing.assert_close(loss, plain)
        found = torch.autograd.grad(loss, [features, *head.parameters()])
        torch.testing.assert_close(found[0], -factor * expected[0])
        for one, other in zip(found[1:], expected[1:], strict=True):
            torch.testing.assert_close(one, other)


def test_both_kinds_weigh_the_same_however_many_there_are() -> None:
    labels = np.array([0, 1, 1, *[UNLABELLED] * 9])
    of_labelled, of_others = domain_weights(labels)
    assert 3 * of_labelled == pytest.approx(9 * of_others)
    assert 3 * of_labelled + 9 * of_others == pytest.approx(len(labels))


class Learned(NamedTuple):
    """What a toy ends with: the AUC of its feature for the domain, and its error with labels and apart from them."""

    auc: float | None
    bias: float
    error: float
    error_apart: float


def learn_toy(strength: float, apart: float, number: int = 500) -> Learned:
    """Learn y from two measurements of it, each with Gaussian noise of half its sd, by one linear feature.

    The second lies `apart` higher where there is no label. The mean of both is best with labels (mean square error
    .111), and then is wrong by .89 `apart` / 2 without; the first alone has .2 everywhere.
    """
    torch.manual_seed(0)
    y = torch.randn(2 * number)
    x = y[:, None] + 0.5 * torch.randn(2 * number, 2)
    label = torch.where(torch.arange(2 * number) < number, 0, UNLABELLED)
    x[number:, 1] += apart
    trunk, last, head = nn.Linear(2, 1), nn.Linear(1, 1), DomainHead(1, strength, (1.0, 1.0))
    adam = torch.optim.Adam([*trunk.parameters(), *last.parameters(), *head.parameters()], 2e-2)
    for step in range(200):
        head.progress = step / 200
        feature: Tensor = trunk(x)
        loss = (last(feature[:number])[:, 0] - y[:number]).square().mean() + head.loss(feature, label)
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        feature = trunk(x)
        wrong = last(feature)[:, 0] - y
        known, others = wrong[:number], wrong[number:]
        auc = tell_domains(feature[:number].numpy(), feature[number:].numpy())
        return Learned(auc, float(others.mean()), float(known.square().mean()), float(others.square().mean()))


def test_features_forget_what_tells_the_domain_and_the_label_stays_learnable() -> None:
    plain, against = learn_toy(0.0, apart=2.0), learn_toy(3.0, apart=2.0)
    assert plain.auc is not None
    assert against.auc is not None
    assert plain.auc > 0.68
    assert 0.5 - 0.05 < against.auc < 0.5 + 0.08
    assert against.bias < 0.3 < 0.6 < plain.bias
    assert plain.error < 0.13  # .111
    assert against.error < 0.2  # what it costs where there are labels
    assert against.error_apart < 0.25 < 0.6 < plain.error_apart


def test_without_a_shift_it_changes_nothing_but_noise() -> None:
    plain, against = learn_toy(0.0, apart=0.0), learn_toy(3.0, apart=0.0)
    assert plain.auc == pytest.approx(0.5, abs=0.05)
    assert against.auc == pytest.approx(plain.auc, abs=0.02)
    assert against[1:] == pytest.approx(plain[1:], abs=0.01)


def learner_of(feed: Feed, domains: bool = True) -> tuple[Learner, SeriesDataModule]:
    fed = feed(domains=domains, views=ViewOptions(1))
    torch.manual_seed(0)
    network = MeanOfFrames(MeanOfFramesOptions("mean_of_frames"), input_shape(fed.spec))
    network.head = network.make_head(4, MeanOfFramesOptions("mean_of_frames"))
    inputs = network.takes(Scaling("asinh", *fed.scales("asinh")))
    return Supervised(network, inputs, fed.spec), fed


def test_unlabelled_objects_join_and_no_loss_of_labels_hears_of_them(feed: Feed) -> None:
    learner, data = learner_of(feed)
    alone, _ = learner_of(feed, domains=False)
    (unlabelled, labelled) = (set(data.positions(part).tolist()) for part in ("pretrain_unlabelled", "pretrain_train"))
    seen = {i for (view,) in data.train_dataloader() for i in view.index.tolist()}
    assert seen == unlabelled | labelled
    scale = len(seen) / len(labelled)
    np.testing.assert_allclose(learner.class_weights, scale * alone.class_weights, rtol=1e-6)


def test_it_trains_with_the_network_and_is_in_no_checkpoint_of_it(feed: Feed, tmp_path: Path) -> None:
    learner, data = learner_of(feed)
    before = weights(learner)
    head = learner.begin_domains(1.0, 0)
    begun = head.layers[0].weight.detach().clone()  # type: ignore[operator]
    fitted = trainer(tmp_path, max_epochs=2)
    fitted.fit(learner, data)
    assert not torch.equal(begun, head.layers[0].weight)  # type: ignore[arg-type]
    steps = fitted.global_step
    assert head.progress == (steps - 1) / steps
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert content["state_dict"].keys() == before.keys()
    assert content["domain"].keys() == head.state_dict().keys()
    learner.end_domains()
    assert weights(learner).keys() == before.keys()


def test_the_network_begins_and_draws_the_same_with_it(feed: Feed) -> None:
    (one, _), (other, _) = learner_of(feed), learner_of(feed)
    torch.manual_seed(3)
    one.begin_domains(1.0, 0)
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in one.state_dict().items() if "domain" not in name)


def test_batches_of_one_domain_are_named(feed: Feed) -> None:
    learner, _ = learner_of(feed, domains=False)
    with pytest.raises(ValueError, match="domains=True"):
        learner.begin_domains(1.0, 0)
