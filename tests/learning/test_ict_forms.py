"""ICT with other forms than the paper's: one view, subsets of its tokens, a memory, objects without a label alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional as F

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import Imbalance, OptimiserOptions, ViewOptions
from ictconvention.core.errors import UsageError
from ictconvention.feeding.batch import SeriesBatch, repeat_objects
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import input_shape
from ictconvention.learning.losses import divergence
from ictconvention.networks.frame_transformer import FrameTransformer, FrameTransformerOptions
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.inputs.tokens import FrameTokenInputs
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.token_subsets import draw_subsets
from tests.learning.conftest import encoder, ict, supervised, trainer, weights

Feed = Callable[..., SeriesDataModule]
SMALL = FrameTransformerOptions(kind="frame_transformer", size=16, layers=1, heads=2, token_dropout=0.0)
ONE: dict[str, Any] = {"views": ViewOptions(1), "contents": "direct+residual+photometry"}


def transformer(data: SeriesDataModule, **options: Any) -> ICT:
    network = FrameTransformer.make(SMALL, input_shape(data.spec))
    inputs = FrameTokenInputs(Scaling("asinh", *data.scales("asinh")))
    return ICT(network, inputs, data.spec, ICTOptions(**options), OptimiserOptions(1e-3, 0.05), 0.0)


def batch_of(data: SeriesDataModule) -> SeriesBatch:
    return next(iter(data.train_dataloader()))[0]


def test_subsets_are_of_each_object_without_replacement_and_independent() -> None:
    lengths = torch.tensor([9, 2, 40])
    found = draw_subsets(lengths, times=4, share=0.5, least=3)
    assert found.lengths.tolist() == [5, 2, 20] * 4
    owner = torch.repeat_interleave(torch.arange(3), lengths)
    seen = [one.tolist() for one in found.rows.split(found.lengths.tolist())]
    assert all(rows == sorted(set(rows)) for rows in seen)
    assert [owner[rows].unique().tolist() for rows in seen] == [[0], [1], [2]] * 4
    assert len({tuple(rows) for rows in seen[2::3]}) == 4


@torch.no_grad()
def test_a_subset_of_tokens_is_what_the_network_makes_of_these_frames_alone(feed: Feed) -> None:
    """Exactly where batch norm sees no company: in the evaluation."""
    data = feed(**ONE)
    learner, batch = transformer(data, token_subsets=2).eval(), batch_of(data)
    frames, fluxes, band, days, photometry, conditions, lengths, medians, host = learner.inputs(batch)
    subsets = draw_subsets(lengths, 2, 0.5, 3)
    encoder: Any = learner.network.encoder
    found = encoder.features_of_subsets(subsets, *learner.inputs(batch)).chunk(2)
    half = len(subsets.rows) - int(subsets.lengths[len(lengths) :].sum())
    for features, rows, number in zip(
        found, (subsets.rows[:half], subsets.rows[half:]), subsets.lengths.chunk(2), strict=True
    ):
        alone = encoder.features(
            *(x[rows] for x in (frames, fluxes, band, days, photometry, conditions)), number, medians, host
        )
        assert torch.allclose(features, alone, atol=1e-5)
    whole = draw_subsets(lengths, 1, 1.0, 3)
    everything = encoder.features_of_subsets(whole, *learner.inputs(batch))
    assert torch.allclose(everything, encoder.features(*learner.inputs(batch)), atol=1e-6)


def test_subsets_take_the_place_of_views_and_the_target_sees_all_tokens(feed: Feed) -> None:
    data = feed(**ONE)
    learner, batch = transformer(data, token_subsets=3, consistency_on="probabilities", token_share=1.0), batch_of(data)
    learner.eval()
    assert learner.target is not None
    for parameter in learner.target.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    with torch.no_grad():
        logits = learner.logits(batch)
        target = learner.target(*learner.inputs(batch))
        terms = learner.loss((batch,))  # each of three subsets is the whole
    expected = target.log_softmax(1), logits.log_softmax(1)
    apart = (expected[0].exp() * (expected[0] - expected[1])).sum(1).mean()
    assert terms["loss_ce"].item() == pytest.approx(3 * F.cross_entropy(logits, batch.label).item(), rel=1e-4)
    assert terms["loss_consistency"].item() == pytest.approx(3 * float(apart), rel=1e-3)
    learner.train()
    torch.autograd.backward(learner.loss((batch,))["loss"])
    assert not [name for name, p in learner.network.named_parameters() if p.grad is None]


def test_a_network_without_tokens_refuses_subsets_and_two_views_need_none(feed: Feed) -> None:
    data = feed(views=ViewOptions(1))
    with pytest.raises(ValueError, match="no tokens"):
        ict(data, token_subsets=2).loss((batch_of(data),))
    with pytest.raises(ValueError, match="one view"):
        ict(feed(), token_subsets=2)
    with pytest.raises(ValueError, match="two views"):
        ict(data)


@torch.no_grad()
def test_only_objects_without_a_label_are_compared_as_if_the_mean_were_over_them(feed: Feed) -> None:
    data = feed()
    v, w = next(iter(data.train_dataloader()))
    label = v.label.clone()
    label[::2] = -1
    views = tuple(replace(view, label=label) for view in (v, w))
    apart = label == -1
    options: dict[str, Any] = {"consistency_on": "probabilities", "unlabelled": True}
    spec = replace(data.spec, unlabelled=True, unlabelled_share=apart.float().mean().item())
    inputs = FrameInputs(Scaling("asinh", *data.scales("asinh")))
    learner = ICT(encoder(), inputs, spec, ICTOptions(**options, compared_objects="unlabelled")).eval()
    assert learner.target is not None
    for parameter in learner.target.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    logits = [learner.logits(view) for view in (v, w)]
    target = [learner.target(*learner.inputs(view)) for view in (w, v)]
    expected = sum(divergence(a, b)[apart].mean() for a, b in zip(logits, target, strict=True))
    assert learner.loss(views)["loss_consistency"].item() == pytest.approx(float(expected), rel=1e-4)
    none = ICT(encoder(), inputs, replace(data.spec, stage="finetune"), learner.options)
    assert none.consistency == 0  # a stage in which none of them trains


@pytest.mark.filterwarnings("ignore:Checkpoint directory")  # a resumed run stays in its folder
def test_a_stage_with_a_memory_resumes_bit_for_bit(feed: Feed, tmp_path: Path) -> None:
    """The memory is no weight: a checkpoint has it beside them, by the position of each object."""
    data = feed(views=ViewOptions(1), imbalance="oversample")
    options: dict[str, Any] = {"consistency_on": "probabilities", "memory": "ensemble", "ramp": 0.5}

    def fitted() -> Any:
        kept = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, every_n_epochs=1)
        return trainer(tmp_path, max_epochs=3, callbacks=[kept], enable_checkpointing=True)

    whole = ict(data, dropout=0.0, **options)
    assert whole.target is None
    fitted().fit(whole, data)
    again = ict(data, dropout=0.0, **options)
    fitted().fit(again, data, ckpt_path=tmp_path / "epoch=0.ckpt", weights_only=True)
    assert [n for n, x in weights(again).items() if not torch.equal(x, weights(whole)[n])] == []
    assert whole.form is not None
    assert again.form is not None
    remembered = whole.form.remembered()
    assert all(torch.equal(x, again.form.remembered()[name]) for name, x in remembered.items())
    trained = set(data.positions("pretrain_train").tolist())
    assert set(remembered["times"].nonzero().squeeze(1).tolist()) == trained


def test_logit_adjustment_moves_the_loss_and_not_what_predicts(feed: Feed) -> None:
    """With the offset tau log(share) the shares at which logits are trained are share^(1 - tau), evened at 1."""
    data, plain = feed(views=ViewOptions(1)), feed(views=ViewOptions(1))
    data.imbalance = Imbalance(adjustment=1.0)
    learner, other, batch = supervised(data, "gru"), supervised(plain, "gru"), batch_of(plain)
    other.load_state_dict(learner.state_dict())
    learner.eval()
    other.eval()
    data_shares, shares = data.class_shares(), plain.class_shares()
    assert data_shares[0] == pytest.approx(shares[0])
    assert data_shares[1] == pytest.approx([0.25] * 4)
    spec = data.spec
    assert spec.logit_offset == pytest.approx(torch.tensor(shares[1]).log().tolist())
    with torch.no_grad():
        logits = other.logits(batch)
        assert torch.equal(learner.logits(batch), logits)
        moved = F.cross_entropy(logits + torch.tensor(shares[1]).log().float(), batch.label)
        assert learner.loss((batch,))["loss"].item() == pytest.approx(moved.item(), rel=1e-5)


def test_numbers_of_objects_for_losses_are_repeated_and_frames_are_not(feed: Feed) -> None:
    batch = batch_of(feed(views=ViewOptions(1)))
    twice = repeat_objects(batch, 2)
    assert torch.equal(twice.label, torch.cat([batch.label, batch.label]))
    assert torch.equal(twice.index.chunk(2)[1], batch.index)
    assert twice.frames is batch.frames


REDSHIFT = ["survey=galaxies", "task=redshift", "model=resnet18", "fold=single", "learner=ict"]


@pytest.mark.parametrize(
    "wrong",
    [
        [*REDSHIFT, "learner.consistency_on=labels"],
        [*REDSHIFT, "learner.consistency_on=probabilities", "learner.memory=ensemble"],
        [*REDSHIFT, "imbalance.adjustment=1"],
        ["task=mask", "model=unet", "fold=single", "learner=ict", "learner.consistency_on=class_mates"],
        ["learner=ict", "views.count=1"],
        ["learner=supervised", "views.count=1"],
        ["model=frame_transformer", "learner=ict", "learner.token_subsets=3"],
        ["learner=ict", "views.count=1", "learner.token_subsets=3"],
        ["learner=ict", "learner.compared_objects=unlabelled"],
        ["learner=ict", "learner.consistency_on=probabilities", "learner.memory=early", "trainer.devices=2"],
        ["learner=ict", "learner.weak_labels=referee", "learner.memory=early", "learner.consistency_on=probabilities"],
        ["learner=ict", "sampler.unlabelled=1"],
    ],
)
def test_a_form_that_does_not_fit_is_refused_before_anything_starts(wrong: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        compose_run(wrong)
    assert error.value.code.startswith("E-CONFIG")
