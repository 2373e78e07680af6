"""Each network trains with the one learner, and is scored class by class."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score
from torch.nn import functional as F

from ictconvention.configuration.options import ViewOptions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.optimiser import share_of_rate
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.recurrent import CNNRecurrent
from ictconvention.tasks.class_metrics import ClassLoss, class_scores
from tests.conftest import HEADER
from tests.learning.conftest import supervised, trainer, weights

Feed = Callable[..., SeriesDataModule]
MODELS = ["convention", "gru", "lstm", "light_curve"]


def fed(feed: Feed, model: str, imbalance: str = "none") -> SeriesDataModule:
    contents = "photometry" if model == "light_curve" else "direct"
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
def test_absent_classes_and_unlabelled_objects_are_left_out_of_the_scores() -> None:
    truth, guess = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2])
    confusion = torch.zeros(4, 4).index_put_((truth, guess), torch.ones(4), accumulate=True)
    found = class_scores(confusion, HEADER.classes)
    assert found["balanced_accuracy"] == recall_score(truth, guess, labels=[0, 1], average="macro") == 0.75
    assert found["f1_macro"].item() == pytest.approx(f1_score(truth, guess, average="macro", labels=[0, 1]))
    assert set(found) == {"accuracy", "balanced_accuracy", "f1_macro", "recall/AGN", "recall/SN Ia"}


@torch.no_grad()
def test_weights_and_focus_reach_the_loss(feed: Feed) -> None:
    data = fed(feed, "convention", "weighted")
    learner = supervised(data, "convention").eval()
    (view,) = next(iter(data.train_dataloader()))
    each = F.cross_entropy(learner.logits(view), view.label, reduction="none")
    share = torch.tensor(data.spec.class_weights)[view.label]
    assert share.unique().numel() > 1
    assert learner.loss((view,))["loss"].item() == pytest.approx(float((share * each).mean()), rel=1e-5)
    learner.spec = replace(learner.spec, focal=2.0)
    focused = (share * (1 - torch.exp(-each)) ** 2 * each).mean()
    assert learner.loss((view,))["loss"].item() == pytest.approx(float(focused), rel=1e-5)


@pytest.mark.parametrize(("clip", "own_clip"), [(1e-3, None), (10.0, 1e-3)])
def test_gradients_are_clipped_as_the_options_or_the_trainer_say(
    feed: Feed, tmp_path: Path, monkeypatch: Any, clip: float, own_clip: float | None
) -> None:
    norms: list[float] = []
    data = fed(feed, "convention")
    learner = supervised(data, "convention")
    learner.optimiser = replace(learner.optimiser, clip=clip)
    own = learner.configure_gradient_clipping

    def measured(*arguments: Any, **keywords: Any) -> None:
        own(*arguments, **keywords)
        grads = [p.grad for p in learner.network.parameters() if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(grads)))

    monkeypatch.setattr(learner, "configure_gradient_clipping", measured)
    trainer(tmp_path, max_epochs=1, gradient_clip_val=own_clip).fit(learner, data)
    assert norms
    assert max(norms) <= 1e-3 * 1.001


def test_the_learning_rate_changes_with_every_step(feed: Feed, tmp_path: Path) -> None:
    rates: list[float] = []

    class Rates(lightning.Callback):
        def on_train_batch_start(self, trainer: lightning.Trainer, *arguments: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    data = fed(feed, "convention")
    trainer(tmp_path, max_epochs=3, callbacks=[Rates()], limit_val_batches=0).fit(supervised(data, "convention"), data)
    assert rates == pytest.approx([1e-3 * share_of_rate(step, len(rates), 0.1) for step in range(len(rates))])
    assert len(set(rates)) > 6


def test_networks_inputs_and_data_that_do_not_fit_are_named(feed: Feed) -> None:
    data, curves = fed(feed, "convention"), fed(feed, "light_curve")
    scaling = Scaling("asinh", *data.scales("asinh"))
    for network, inputs, spec, message in (
        (CNNRecurrent("gru"), FrameInputs(scaling), data.spec, "CNNRecurrent takes NightInputs, not FrameInputs"),
        (
            ConvEntion(max_frames=9),
            FrameInputs(scaling),
            curves.spec,
            "FrameInputs reads pixels, and the batches hold",
        ),
        (ConvEntion(max_frames=6), FrameInputs(scaling), data.spec, "max_frames is 6, sequences have up to 9"),
        (ConvEntion(max_frames=9, bands=3), FrameInputs(scaling), data.spec, "bands is 3, the survey has 5"),
        (
            ConvEntion(max_frames=9, frame_channels=2),
            FrameInputs(scaling),
            data.spec,
            "frame_channels is 2 and stamp_size 32, the frames have 1 of 32 pixels",
        ),
        (ConvEntion(max_frames=9), FrameInputs(Scaling("asinh", [0.0], [1.0])), data.spec, "the scaling has 1 bands"),
        (ConvEntion(max_frames=9), FrameInputs(scaling), feed().spec, "takes one view of labelled objects"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            Supervised(network, inputs, spec)
    wrong = Supervised(ConvEntion(3, max_frames=9, width=1 / 16), FrameInputs(scaling), data.spec)
    with pytest.raises(ValueError, match="the network gives 3 classes, the survey has 4"):
        wrong.loss(next(iter(data.train_dataloader())))


def test_a_run_without_an_end_is_refused(feed: Feed, tmp_path: Path) -> None:
    data = fed(feed, "convention")
    with pytest.raises(ValueError, match="give the Trainer max_epochs or max_steps"):
        trainer(tmp_path, max_epochs=-1).fit(supervised(data, "convention"), data)
