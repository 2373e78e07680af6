"""ICT trains any network: two views, a target that follows, and a stage without classes that leaves the classifier."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from examples.my_network import MeanOfFrames, MeanOfFramesOptions
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.stages import learner_in
from ictconvention.core.errors import UsageError
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import input_shape
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.network import Network
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.pictures.inception import InceptionOptions
from ictconvention.networks.pictures.inception_p19 import InceptionP19
from ictconvention.networks.pictures.inception_t24 import InceptionT24
from ictconvention.networks.recurrent import CNNRecurrent
from tests.learning.conftest import trainer, weights
from tests.refusals import refused

pytestmark = pytest.mark.filterwarnings("ignore:the projections have collapsed")
Feed = Callable[..., SeriesDataModule]


def narrow(kind: str) -> InceptionOptions:
    return InceptionOptions(kind=kind, width=0.0625)


NETWORKS: dict[str, Callable[[SeriesDataModule], Network]] = {
    "cnn_gru": lambda data: CNNRecurrent("gru", None),
    "light_curve": lambda data: LightCurveRNN(None),
    "inception_p19": lambda data: InceptionP19(None, narrow("inception_p19"), input_shape(data.spec)),
    "inception_t24": lambda data: InceptionT24(None, narrow("inception_t24"), input_shape(data.spec)),
    "mine": lambda data: MeanOfFrames(MeanOfFramesOptions("mean_of_frames"), input_shape(data.spec)),
}


def learner_of(feed: Feed, kind: str, **options: Any) -> tuple[ICT, SeriesDataModule]:
    data = feed(contents="photometry" if kind == "light_curve" else "direct")
    network = NETWORKS[kind](data)
    inputs = network.takes(Scaling("asinh", *data.scales("asinh")))
    return ICT(network, inputs, data.spec, ICTOptions(**options)), data


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_parameter_learns_and_the_target_follows(feed: Feed, tmp_path: Path, kind: str) -> None:
    learner, data = learner_of(feed, kind, tau=0.5)
    before = weights(learner)
    trainer(tmp_path, max_epochs=1).fit(learner, data)
    moved = {name for name, value in weights(learner).items() if not torch.equal(value, before[name])}
    names = {f"network.{name}" for name, _ in learner.network.named_parameters()}
    assert learner.target is not None
    assert names | {f"target.{name}" for name, _ in learner.target.named_parameters()} <= moved


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_two_views_are_compared_whoever_comes_first(feed: Feed, kind: str) -> None:
    learner, data = learner_of(feed, kind)
    first, second = next(iter(data.train_dataloader()))
    with torch.no_grad():
        found = [learner.eval().loss(views)["loss"] for views in ((first, second), (second, first))]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_the_classifier_sees_gives_its_logits(feed: Feed, kind: str) -> None:
    learner, data = learner_of(feed, kind)
    (view,) = next(iter(data.val_dataloader()))
    with torch.no_grad():
        seen, logits = learner.eval().features_and_logits(view)
        torch.testing.assert_close(learner.network.classifier(seen), logits)
        torch.testing.assert_close(learner.logits(view), logits)


@pytest.mark.parametrize("guard", [{"predictor": True}, {"variance": 1.0}])
def test_without_classes_the_labels_say_nothing_and_the_classifier_rests(
    feed: Feed, tmp_path: Path, guard: dict[str, Any]
) -> None:
    """BYOL, or a variance floor."""
    learner, data = learner_of(feed, "mine", classification=0.0, **guard)
    views = next(iter(data.train_dataloader()))
    gradients = []
    for turned in (0, 1):
        torch.manual_seed(0)
        learner.zero_grad()
        learner.loss(tuple(replace(view, label=(view.label + turned) % 4) for view in views))["loss"].backward()
        gradients.append([p.grad for p in learner.network.parameters() if p.grad is not None])
    assert gradients[0]
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    before = weights(learner)
    trainer(tmp_path, max_epochs=1).fit(learner, data)
    for name, value in learner.named_parameters():
        if name.startswith("network."):
            rests = name.startswith(("network.classifier", "network.own_class_projector"))
            assert torch.equal(value, before[name]) == rests, name


def test_views_that_a_stage_does_not_compare_leave_the_projector_and_the_target_follows(
    feed: Feed, tmp_path: Path
) -> None:
    data = feed()
    network = NETWORKS["mine"](data)
    options = ICTOptions(predictor=True, variance=1.0, tau=0.5)
    learner = ICT(network, network.takes(Scaling("asinh", *data.scales("asinh"))), data.spec, options, consistency=0.0)
    assert learner.loss(next(iter(data.train_dataloader()))).keys() == {"loss", "loss_ce"}
    before = weights(learner)
    trainer(tmp_path, max_epochs=1).fit(learner, data)
    for name, value in learner.named_parameters():
        rests = name.startswith(("network.projector", "network.predictor", "target.head"))
        assert torch.equal(value, before[name]) == rests, name


BYOL = ["experiment=ict_sdss", "learner.predictor=true", "stage.pretrain.classification=0", "stage.pretrain.keep=last"]


def test_a_stage_may_do_without_classes_where_the_next_has_them() -> None:
    options = compose_run(BYOL)
    assert learner_in(options, "pretrain").classification == 0
    assert learner_in(options, "finetune").classification == options.learner.classification == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["experiment=ict_sdss", "learner.classification=0"],
        [*BYOL, "stage.finetune.max_epochs=0"],
        [*BYOL, "stage.finetune.classification=0"],
        [*BYOL, "learner.predictor=false"],
        [*BYOL, "learner.consistency_on=probabilities", "learner.predictor=false"],
        [*BYOL, "stage.pretrain.keep=best"],
        ["experiment=convention_sdss", "stage.pretrain.classification=0"],
        ["experiment=convention_sdss", "stage.finetune.consistency=0"],
        ["experiment=ict_sdss", "learner.consistency=0", "stage.finetune.consistency=1"],
        [*BYOL, "stage.pretrain.consistency=0"],
    ],
)
def test_what_would_teach_nothing_is_refused(wrong: list[str]) -> None:
    with refused(UsageError, "E-CONFIG-VALUE", where="the configuration"):
        compose_run(wrong)
