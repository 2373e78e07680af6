"""Each network trains with the one learner, and is scored class by class."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from torch.nn import functional as F

from ictconvention.data.datamodule import SeriesDataModule
from ictconvention.learners.learner import ClassLoss
from ictconvention.options import ViewOptions
from tests.conftest import HEADER
from tests.learners.conftest import supervised, trainer, weights

Feed = Callable[..., SeriesDataModule]
MODELS = ["convention", "gru", "lstm", "light_curve"]


def fed(feed: Feed, model: str, imbalance: str = "none") -> SeriesDataModule:
    contents = "photometry" if model == "light_curve" else "stamps"
    return feed(imbalance=imbalance, views=ViewOptions(1), contents=contents)


@pytest.mark.parametrize("model", MODELS)
def test_each_network_trains_every_parameter(feed: Feed, tmp_path: Path, model: str) -> None:
    data = fed(feed, model)
    learner = supervised(data, model)
    torch.autograd.backward(learner.loss(next(iter(data.train_dataloader())))["loss"])
    assert [name for name, p in learner.network.named_parameters() if p.grad is None] == []
    before = weights(learner)
    fitted = trainer(tmp_path, max_epochs=1)
    fitted.fit(learner, data)
    moved = {name for name, x in weights(learner).items() if not torch.equal(x, before[name])}
    assert {name for name, _ in learner.network.named_parameters()} <= {name.removeprefix("network.") for name in moved}
    assert "inputs.scaling.scale" not in moved
    names = {
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "loss_ce",
        "loss_balanced",
        *(f"recall/{c}" for c in HEADER.classes),
    }
    assert {f"pretrain/val/{name}" for name in names} | {"pretrain/train/loss"} <= set(fitted.callback_metrics)
    assert {f"test/{name}" for name in names} == set(fitted.test(learner, data, verbose=False)[0])


@pytest.mark.parametrize("model", MODELS)
def test_padding_and_company_do_not_change_a_prediction(feed: Feed, model: str) -> None:
    data = fed(feed, model)
    learner = supervised(data, model).eval()
    together = torch.cat([learner.logits(views[0]) for views in data.test_dataloader()])
    data.batch_size = 1
    alone = torch.cat([learner.logits(views[0]) for views in data.test_dataloader()])
    assert torch.allclose(together, alone, atol=1e-5)


def test_scores_are_those_of_scikit_learn(feed: Feed, tmp_path: Path) -> None:
    data = fed(feed, "convention")
    learner, fitted = supervised(data, "convention"), trainer(tmp_path, max_epochs=1)
    fitted.fit(learner, data)
    learner.eval()
    with torch.no_grad():
        pairs = [(learner.logits(views[0]), views[0].label) for views in data.val_dataloader()]
    logits, label = (torch.cat(column) for column in zip(*pairs, strict=True))
    truth, guess = label.numpy(), logits.argmax(1).numpy()
    found = {name.removeprefix("pretrain/val/"): float(value) for name, value in fitted.callback_metrics.items()}
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert found["f1_macro"] == pytest.approx(f1_score(truth, guess, average="macro", zero_division=0))
    recalls = recall_score(truth, guess, average=None, zero_division=0)
    assert [found[f"recall/{name}"] for name in HEADER.classes] == pytest.approx(recalls.tolist())
    losses = F.cross_entropy(logits, label, reduction="none").numpy()
    assert found["loss_ce"] == pytest.approx(losses.mean(), rel=1e-5)
    assert found["loss_balanced"] == pytest.approx(
        np.mean([losses[truth == c].mean() for c in np.unique(truth)]), rel=1e-5
    )


def test_the_balanced_loss_leaves_absent_classes_out() -> None:
    loss, logits = ClassLoss(4), torch.randn(5, 4)
    loss.update(logits, torch.tensor([0, 0, 0, 2, 2]))
    each = F.cross_entropy(logits, torch.tensor([0, 0, 0, 2, 2]), reduction="none")
    assert loss.compute()["loss_balanced"].item() == pytest.approx(
        float((each[:3].mean() + each[3:].mean()) / 2), rel=1e-5
    )


@torch.no_grad()
def test_weights_and_focus_reach_the_loss(feed: Feed) -> None:
    data = fed(feed, "convention", "weighted")
    learner = supervised(data, "convention").eval()
    (view,) = next(iter(data.train_dataloader()))
    each = F.cross_entropy(learner.logits(view), view.label, reduction="none")
    share = torch.as_tensor(data.class_weights()).float()[view.label]
    assert share.unique().numel() > 1
    assert learner.loss((view,))["loss"].item() == pytest.approx(float((share * each).mean()), rel=1e-5)
    learner.focal = 2.0
    focused = (share * (1 - torch.exp(-each)) ** 2 * each).mean()
    assert learner.loss((view,))["loss"].item() == pytest.approx(float(focused), rel=1e-5)


def test_gradients_are_clipped_as_the_options_say(feed: Feed, tmp_path: Path, monkeypatch: Any) -> None:
    norms: list[float] = []
    data = fed(feed, "convention")
    learner = supervised(data, "convention")
    learner.optimiser = replace(learner.optimiser, clip=1e-3)
    own = learner.configure_gradient_clipping

    def measured(*arguments: Any, **keywords: Any) -> None:
        own(*arguments, **keywords)
        grads = [p.grad for p in learner.network.parameters() if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(grads)))

    monkeypatch.setattr(learner, "configure_gradient_clipping", measured)
    trainer(tmp_path, max_epochs=1).fit(learner, data)
    assert norms
    assert max(norms) <= 1e-3 * 1.001
