"""ICT's training step is eq. 1 to 3, its target follows once per optimiser step, and its options do what they say."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import ViewOptions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning import ict as ict_module
from ictconvention.learning.collapse import CollapseMonitor
from ictconvention.learning.ict import ICT
from ictconvention.learning.losses import consistency, divergence, spread_floor
from ictconvention.learning.target import update_target
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.inputs.nights import NightInputs
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.survey.split import Split
from tests.learning.conftest import encoder, ict, trainer, weights

pytestmark = pytest.mark.filterwarnings("ignore:the projections have collapsed")  # in the paper's form they do
Feed = Callable[..., SeriesDataModule]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"consistency": 0.0},
    {"consistency_on": "probabilities"},
    {"projection": "shared"},
    {"projection": "trunk"},
    {"projection": "trunk", "consistency": 0.0},
    {"projection": "shared", "predictor": True},
    {"variance": 1.0},
    {"target_norms": "running", "target_dropout": True, "tau_schedule": "cosine"},
]


class FrozenNorms(lightning.Callback):
    """Batch norms on their running statistics in training, so that no object sees another."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        for module in pl_module.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def views_of(data: SeriesDataModule, number: int = 0) -> tuple[SeriesBatch, ...]:
    return [*data.train_dataloader()][number]


def through(learner: ICT, network: nn.Module, view: SeriesBatch) -> Any:
    return network(*learner.inputs(view))


def target_of(learner: ICT) -> nn.Module:
    assert learner.target is not None
    return learner.target


@torch.no_grad()
def test_the_loss_is_eq_3(feed: Feed) -> None:
    data = feed()
    learner, (v, w) = ict(data).eval(), views_of(data)
    for parameter in target_of(learner).parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    online = [through(learner, learner.network, view) for view in (v, w)]
    target = [through(learner, target_of(learner), view) for view in (v, w)]

    def mse(z: Tensor, other: Tensor) -> Tensor:
        return (2 - 2 * F.cosine_similarity(z, other)).mean()

    eq_1 = mse(online[0].projection, target[1]) + mse(online[1].projection, target[0])
    eq_2 = sum(F.cross_entropy(output.logits, v.label) for output in online)
    found = learner.loss((v, w))
    assert found["loss_consistency"].item() == pytest.approx(eq_1.item(), rel=1e-5)
    assert found["loss_ce"].item() == pytest.approx(float(eq_2), rel=1e-5)
    assert found["loss"].item() == pytest.approx(float(eq_1 + eq_2), rel=1e-5)
    assert learner.loss((w, v))["loss"].item() == pytest.approx(float(eq_1 + eq_2), rel=1e-5)
    wrong = mse(online[0].projection, target[0]) + mse(online[1].projection, target[1])
    assert abs(wrong - eq_1) > 1e-4  # to compare a view with itself would be noticed


@torch.no_grad()
def test_each_term_has_a_weight(feed: Feed) -> None:
    data = feed()
    views = views_of(data)
    plain = ict(data).eval()
    weighed = ict(data, classification=0.5, consistency=3.0, variance=2.0, predictor=True).eval()
    plain.load_state_dict(weighed.state_dict(), strict=False)  # all but the predictor
    terms = weighed.loss(views)
    expected = 0.5 * terms["loss_ce"] + 3 * terms["loss_consistency"] + 2 * terms["loss_variance"]
    z = [through(weighed, weighed.network, view).projection for view in views]
    assert terms["loss_variance"].item() == pytest.approx(float(spread_floor(z[0]) + spread_floor(z[1])), rel=1e-5)
    assert terms["loss"].item() == pytest.approx(float(expected), rel=1e-6)
    assert terms["loss_ce"].item() == pytest.approx(plain.loss(views)["loss_ce"].item(), rel=1e-6)


@torch.no_grad()
def test_probabilities_are_compared_as_by_a_mean_teacher(feed: Feed) -> None:
    data = feed()
    learner, (v, w) = ict(data, consistency_on="probabilities").eval(), views_of(data)
    for parameter in target_of(learner).parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    online = [through(learner, learner.network, view).logits.log_softmax(1) for view in (v, w)]
    target = [through(learner, target_of(learner), view).log_softmax(1) for view in (v, w)]
    expected = sum((t.exp() * (t - o)).sum(1).mean() for o, t in zip(online, target[::-1], strict=True))
    assert learner.loss((v, w))["loss_consistency"].item() == pytest.approx(float(expected), rel=1e-4)


@torch.no_grad()
def test_short_online_views_are_both_compared_with_the_full_one(feed: Feed) -> None:
    data = feed(views=ViewOptions(2, online_frames=3))
    learner, (v, w, full) = ict(data).eval(), views_of(data)
    assert full.lengths.sum() > v.lengths.sum()
    z = through(learner, target_of(learner), full)
    online = [through(learner, learner.network, view).projection for view in (v, w)]
    expected = sum((2 - 2 * F.cosine_similarity(one, z)).mean() for one in online)
    assert learner.loss((v, w, full))["loss_consistency"].item() == pytest.approx(float(expected), rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("on", ["projection", "probabilities"])
def test_objects_without_a_full_view_classify_and_are_not_compared(feed: Feed, on: Any) -> None:
    data = feed(views=ViewOptions(2, online_frames="third", target_share=0.5))
    learner, (v, w, full) = ict(data, consistency_on=on).eval(), views_of(data)
    assert 2 * len(full) == len(v) == len(w)
    terms = learner.loss((v, w, full))
    output = [through(learner, learner.network, view) for view in (v, w)]
    z = through(learner, target_of(learner), full)
    compared = [
        consistency(one.projection[: len(z)], z) if on == "projection" else divergence(one.logits[: len(z)], z)
        for one in output
    ]
    # A small difference of numbers near 1: float32 leaves some 1e-7 of it to chance.
    assert terms["loss_consistency"].item() == pytest.approx(float(sum(x.mean() for x in compared)), rel=1e-5, abs=1e-6)
    entropy = sum(F.cross_entropy(one.logits, v.label) for one in output)
    assert terms["loss_ce"].item() == pytest.approx(float(entropy), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"projection": "trunk", "predictor": True, "variance": 1.0}])
def test_the_two_online_views_may_change_places(feed: Feed, options: dict[str, Any]) -> None:
    data = feed(views=ViewOptions(2, online_frames="third"))
    learner, (v, w, full) = ict(data, dropout=0, **options).train(), views_of(data)
    state = learner.state_dict()
    terms = []
    for views in ((v, w, full), (w, v, full)):
        learner.load_state_dict(state)
        terms.append({name: term.item() for name, term in learner.loss(views).items()})
    assert terms[0] == pytest.approx(terms[1], rel=1e-5)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_online_parameter_has_a_gradient_and_no_target_one(feed: Feed, options: dict[str, Any]) -> None:
    data = feed()
    learner = ict(data, **options)
    torch.autograd.backward(learner.loss(views_of(data))["loss"])
    assert [name for name, p in learner.network.named_parameters() if p.grad is None] == []
    assert (learner.target is None) == (options.get("consistency") == 0)
    if learner.target is not None:
        assert not any(p.requires_grad or p.grad is not None for p in learner.target.parameters())
        own = {x.data_ptr() for x in learner.target.state_dict().values()}
        assert own.isdisjoint(x.data_ptr() for x in learner.network.state_dict().values())


@torch.no_grad()
def test_unlabelled_objects_count_in_the_consistency_alone(feed: Feed) -> None:
    data = feed()
    learner, (v, w) = ict(data).eval(), views_of(data)
    label = v.label.clone()
    label[::2] = -1
    some = learner.loss(tuple(replace(view, label=label) for view in (v, w)))
    known = label >= 0
    logits = [through(learner, learner.network, view).logits for view in (v, w)]
    expected = sum(F.cross_entropy(x[known], label[known], reduction="sum") / len(label) for x in logits)
    assert some["loss_ce"].item() == pytest.approx(float(expected), rel=1e-5)
    assert some["loss_consistency"] == learner.loss((v, w))["loss_consistency"]


@pytest.fixture
def sixteen(split: Split) -> Split:
    """Return the split with 16 objects to pre-train on."""
    return replace(split, parts={**split.parts, "pretrain_train": split.parts["pretrain_train"][:16]})


def test_the_target_follows_once_per_optimiser_step_in_closed_form(
    feed: Feed, sixteen: Split, tmp_path: Path, monkeypatch: Any
) -> None:
    """After n steps xi = tau^n xi_0 + (1 - tau) sum_i tau^(n - i) theta_i, however many batches a step took."""
    data = feed(batch_size=2)
    data.split = sixteen
    learner = ict(data, tau=0.9).double()
    start, past = weights(learner), []

    def recorded(target: Any, online: Any, tau: float) -> None:
        past.append({name: x.clone() for name, x in online.state_dict().items()})
        update_target(target, online, tau)

    monkeypatch.setattr(ict_module, "update_target", recorded)
    fitted = trainer(tmp_path, max_epochs=2, accumulate_grad_batches=4, limit_val_batches=0)
    fitted.fit(learner, data)
    assert fitted.global_step == len(past) == 4  # 16 batches
    assert learner.target is not None
    for name, xi in learner.target.named_parameters():
        expected = 0.9**4 * start[f"target.{name}"] + 0.1 * sum(
            0.9 ** (3 - i) * theta[name] for i, theta in enumerate(past)
        )
        assert torch.allclose(xi, expected, rtol=1e-10, atol=1e-12), name


def test_accumulation_1x4_equals_4x1(feed: Feed, sixteen: Split, tmp_path: Path) -> None:
    found = []
    for batch_size, accumulated in ((8, 1), (2, 4)):
        data = feed(batch_size=batch_size, imbalance="both")
        data.split = sixteen
        torch.manual_seed(0)
        learner = ict(data, dropout=0.0, target_norms="running").double()
        fitted = trainer(
            tmp_path, max_epochs=2, accumulate_grad_batches=accumulated, limit_val_batches=0, callbacks=[FrozenNorms()]
        )
        before = weights(learner)
        fitted.fit(learner, data)
        found.append(weights(learner))
    assert any(not torch.equal(x, before[name]) for name, x in found[0].items() if name.startswith("target."))
    assert all(torch.allclose(x, found[1][name], rtol=1e-7, atol=1e-10) for name, x in found[0].items())


@pytest.mark.parametrize(("schedule", "expected"), [("constant", [0.9] * 6), ("cosine", None)])
def test_tau_is_logged_at_every_step(feed: Feed, tmp_path: Path, schedule: str, expected: list[float] | None) -> None:
    class Seen(lightning.Callback):
        def __init__(self) -> None:
            self.tau: list[float] = []

        def on_train_batch_end(self, trainer: Any, *arguments: Any) -> None:
            self.tau.append(float(trainer.callback_metrics["pretrain/train/tau"]))

    data, seen = feed(), Seen()
    trainer(tmp_path, max_epochs=2, callbacks=[seen]).fit(ict(data, tau=0.9, tau_schedule=schedule), data)
    assert len(seen.tau) == 2 * len(data.train_dataloader()) == 6
    if expected is None:
        assert seen.tau[0] == pytest.approx(0.9)
        assert all(later > earlier for earlier, later in pairwise(seen.tau))
        assert 0.98 < seen.tau[-1] < 1
    else:
        assert seen.tau == pytest.approx(expected)


def test_in_training_the_target_norms_and_drops_as_the_options_say(feed: Feed, tmp_path: Path) -> None:
    """Also after a validation, which switches everything to eval mode and back."""

    class Modes(lightning.Callback):
        def __init__(self) -> None:
            self.seen: set[tuple[bool, bool, bool]] = set()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *arguments: Any) -> None:
            modules = [*pl_module.target.modules()]
            norms = {m.training for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)}
            drops = {m.training and m.p > 0 for m in modules if isinstance(m, nn.Dropout)}
            assert len(norms) == len(drops) == 1
            self.seen.add((pl_module.network.training, norms.pop(), drops.pop()))

    cases: list[tuple[dict[str, Any], tuple[bool, bool, bool]]] = [
        ({}, (True, True, False)),
        ({"target_norms": "running", "target_dropout": True}, (True, False, True)),
    ]
    for options, expected in cases:
        data, modes = feed(), Modes()
        trainer(tmp_path, max_epochs=2, callbacks=[modes]).fit(ict(data, **options), data)
        assert modes.seen == {expected}


def test_a_checkpoint_holds_tensors_and_plain_containers_and_brings_everything_back(feed: Feed, tmp_path: Path) -> None:
    data = feed()
    learner, fitted = ict(data), trainer(tmp_path, max_epochs=1)
    fitted.fit(learner, data)
    fitted.save_checkpoint(tmp_path / "last.ckpt")
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.manual_seed(9)
    other = ict(data)
    classifier = "network.classifier.weight"
    assert not torch.equal(weights(other)[classifier], weights(learner)[classifier])
    other.load_state_dict(stored["state_dict"])
    assert all(torch.equal(x, weights(learner)[name]) for name, x in weights(other).items())
    assert {"inputs.scaling.scale", "target.encoder.band_embedding.weight"} <= set(stored["state_dict"])
    assert not torch.equal(
        stored["state_dict"]["target.head.0.weight"], stored["state_dict"]["network.projector.0.weight"]
    )


@pytest.mark.filterwarnings("ignore:Checkpoint directory")  # a resumed run stays in its folder
def test_a_resumed_run_ends_with_the_same_weights_with_any_number_of_workers(feed: Feed, tmp_path: Path) -> None:
    """Batches, schedules and the target go on where they were; dropout, which draws from torch, is off."""
    data = feed(imbalance="oversample")
    whole = ict(data, dropout=0.0, tau_schedule="cosine")
    start = copy.deepcopy(whole)

    def fitted() -> Any:
        kept = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, every_n_epochs=1)
        return trainer(tmp_path, max_epochs=3, callbacks=[kept], enable_checkpointing=True)

    fitted().fit(whole, data)
    again = feed(imbalance="oversample", workers=2)
    fitted().fit(start, again, ckpt_path=tmp_path / "epoch=0.ckpt", weights_only=True)
    assert [n for n, x in weights(start).items() if not torch.equal(x, weights(whole)[n])] == []


def test_prediction_is_the_online_networks_and_knows_no_company(feed: Feed, tmp_path: Path) -> None:
    data = feed()
    learner = ict(data)
    fitted = trainer(tmp_path, max_epochs=1)
    fitted.fit(learner, data)
    found: Any = fitted.predict(learner, data)
    position = torch.cat([part.position for part in found])
    logits = torch.cat([part.logits for part in found])
    assert [data.survey.ids[int(i)] for i in position] == list(data.split.parts["test"])
    data.batch_size = 1
    alone: Any = fitted.predict(learner, data)
    assert torch.allclose(torch.cat([part.logits for part in alone]), logits, atol=1e-5)


def test_the_monitor_sees_the_validation_part_anew_in_each_epoch(feed: Feed, tmp_path: Path) -> None:
    data = feed()
    learner, fitted = ict(data), trainer(tmp_path, max_epochs=3)
    fitted.fit(learner, data)
    learner.eval()
    monitor = CollapseMonitor(4, 648, 128)
    with torch.no_grad():
        for (view,) in data.val_dataloader():
            output = through(learner, learner.network, view)
            monitor.update(output.projection, output.features, view.label)
    found = {name: float(fitted.callback_metrics[f"pretrain/val/collapse/{name}"]) for name in monitor.compute()}
    assert found == pytest.approx({name: float(value) for name, value in monitor.compute().items()}, rel=1e-4)


def test_encoders_inputs_and_data_that_do_not_fit_are_named(feed: Feed) -> None:
    data = feed()
    scaling = Scaling("asinh", *data.scales("asinh"))
    stamps, one_view = FrameInputs(scaling), feed(views=ViewOptions(1)).spec
    for made, message in (
        (lambda: ICT(encoder(), stamps, one_view), "ICT takes two views of each object"),
        (
            lambda: ICT(encoder(), NightInputs(scaling), data.spec),
            "Encoder takes FrameInputs, not NightInputs",
        ),
        (lambda: ICT(encoder(max_frames=6), stamps, data.spec), "max_frames is 6, sequences have up to 9"),
        (lambda: ICT(encoder(), stamps, data.spec, ICTOptions(unlabelled=True)), "unlabelled is set in one place only"),
        (lambda: ICT(encoder(), stamps, feed(unlabelled=True).spec), "unlabelled is set in one place only"),
    ):
        with pytest.raises(ValueError, match=message):
            made()
    ICT(encoder(), stamps, feed(unlabelled=True).spec, ICTOptions(unlabelled=True))
    tuned = feed(stage="finetune", unlabelled=True)  # no objects without a class there
    ICT(encoder(), stamps, tuned.spec, ICTOptions(unlabelled=True))


def test_a_residual_channel_goes_through(feed: Feed, tmp_path: Path) -> None:
    data = feed(contents="direct+residual")
    learner = ict(data, frame_channels=2)
    trainer(tmp_path, max_epochs=1).fit(learner, data)
    assert learner.network.encoder.get_parameter("frame_cnn.1.conv.weight").shape[1] == 3
