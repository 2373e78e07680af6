"""The auxiliary head on fluxes: what it learns of, what it leaves alone, and that it is not there unless asked for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from examples.my_network import MeanOfFrames, MeanOfFramesOptions
from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import ViewOptions
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.flux import FluxHead
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner, input_shape
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.parts.scaling import Scaling
from tests.learning.conftest import trainer, weights

pytestmark = pytest.mark.filterwarnings("ignore:the projections have collapsed")
Feed = Callable[..., SeriesDataModule]


def learner_of(
    feed: Feed, kind: str = "ict", flux: float = 0.5, measured: bool = True
) -> tuple[Learner, SeriesDataModule]:
    """Return a learner on a network that is small, and the same for the same weight."""
    fed = feed(flux_of="pretrain_train" if measured else None, views=ViewOptions(2 if kind == "ict" else 1))
    torch.manual_seed(0)
    network = MeanOfFrames(MeanOfFramesOptions("mean_of_frames"), input_shape(fed.spec))
    inputs = network.takes(Scaling("asinh", *fed.scales("asinh")))
    if kind == "ict":
        return ICT(network, inputs, fed.spec, ICTOptions(flux=flux)), fed
    network.head = network.make_head(4, MeanOfFramesOptions("mean_of_frames"))
    return Supervised(network, inputs, fed.spec, flux=flux), fed


def test_only_the_fluxes_that_are_known_count_each_object_alike() -> None:
    head = FluxHead(4, 3, 0.1)
    features, flux = torch.randn(2, 4), torch.tensor([[1.0, torch.nan, 2.0], [torch.nan, torch.nan, 1.0]])
    found, (first, second) = head.loss(features, flux), head(features)
    of_first = torch.nn.functional.smooth_l1_loss(first[[0, 2]], flux[0, [0, 2]])
    of_second = torch.nn.functional.smooth_l1_loss(second[2], flux[1, 2])
    torch.testing.assert_close(found, (of_first + of_second) / 2)
    found.backward()
    assert head.layer.bias.grad is not None
    assert head.layer.bias.grad[1] == 0
    assert head.loss(features, torch.full((2, 3), torch.nan)) == 0


@pytest.mark.parametrize("kind", ["ict", "supervised"])
def test_its_gradient_reaches_the_encoder_of_unlabelled_objects_too(feed: Feed, kind: str) -> None:
    learner, data = learner_of(feed, kind)
    views = [
        replace(view, label=torch.full_like(view.label, UNLABELLED)) for view in next(iter(data.train_dataloader()))
    ]
    terms = learner.loss(tuple(views))
    terms["loss_flux"].backward()
    (name, trunk), *_ = learner.trunks.items()
    assert [one for one, p in trunk.named_parameters() if p.grad is None and not one.startswith("head.")] == [], name
    others = sum(value for term, value in terms.items() if term in ("loss_ce", "loss_consistency"))
    torch.testing.assert_close(terms["loss"], others + 0.5 * terms["loss_flux"])


def test_it_learns_with_the_network(feed: Feed, tmp_path: Path) -> None:
    learner, data = learner_of(feed)
    before = weights(learner)
    fitted = trainer(tmp_path, max_epochs=1)
    fitted.fit(learner, data)
    assert not torch.equal(before["flux.layer.weight"], learner.state_dict()["flux.layer.weight"])
    assert "pretrain/train/loss_flux" in fitted.callback_metrics


def test_without_a_weight_it_is_not_there_and_nothing_else_is_otherwise(feed: Feed) -> None:
    found: list[tuple[dict[str, torch.Tensor], list[torch.Tensor]]] = []
    for flux, measured in ((0.0, False), (0.0, True), (0.5, True)):
        learner, data = learner_of(feed, flux=flux, measured=measured)
        torch.manual_seed(1)
        terms = learner.loss(next(iter(data.train_dataloader())))
        (terms["loss"] - flux * terms.get("loss_flux", torch.zeros(()))).backward()
        found.append((weights(learner), [p.grad for p in learner.network.parameters() if p.grad is not None]))
    (plain, gradients), (unweighed, same), (weighed, _) = found
    assert plain.keys() == unweighed.keys()
    assert weighed.keys() - plain.keys() == {"flux.layer.weight", "flux.layer.bias"}
    assert all(torch.equal(plain[name], weighed[name]) for name in plain)  # the network begins the same
    assert all(torch.equal(*pair) for pair in zip(gradients, same, strict=True))


def test_no_network_is_told_them(feed: Feed) -> None:
    learner, data = learner_of(feed)
    view, _ = next(iter(data.train_dataloader()))
    assert view.flux is not None
    with torch.no_grad():
        assert torch.equal(learner.eval().logits(view), learner.logits(replace(view, flux=5 - view.flux)))


def test_batches_without_fluxes_are_named(feed: Feed) -> None:
    learner, data = learner_of(feed)
    (first, second) = next(iter(data.train_dataloader()))
    with pytest.raises(ValueError, match="flux_of"):
        learner.loss((replace(first, flux=None), replace(second, flux=None)))
