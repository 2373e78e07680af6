"""ICT on masks: the pixels of two views are compared where they are the same place, of chips without a mask too."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import Augmentation, ModelOptions, ViewOptions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.learning.compared_views import align_maps
from ictconvention.learning.ict import ICT
from ictconvention.networks.inputs.pictures import PictureInputs
from ictconvention.networks.masks.mask_network import MaskNetwork
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.mask.task import Masks
from tests.chips import write_chips

TURNS = Augmentation(keep=1.0, window=1.0, rotation=0.0, quarter_turns=True, flips=True)


class OneByOne(nn.Module):
    """A network that sees each pixel alone, so that it gives a turned picture the same map, turned."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 4, 1)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return [self.layer(pictures)]


class Last(nn.Module):
    """The last of some maps."""

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return maps[-1]


class Pixelwise(MaskNetwork):
    """A mask of each pixel by itself."""

    name, picture, channels, feature_size = "pixelwise", (2, 16, 16), 4, 4
    first_convolution = "encoder.layer.weight"

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder, self.deepest = OneByOne(), Last(), nn.Identity()


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_chips(tmp_path_factory.mktemp("surveys") / "chips", 60, unlabelled=12)


def feed(chips: Survey, unlabelled: bool = False) -> SeriesDataModule:
    task = Masks.of_survey(chips)
    return SeriesDataModule(
        chips,
        make_split(task.split_table(chips), protocol="single"),
        "pretrain",
        augmentation=TURNS,
        views=ViewOptions(2),
        batch_size=8,
        names=task.names,
        labels=task.read_labels(chips),
        pixels=task.count_pixels(chips),
        unlabelled=unlabelled,
    )


def learner(chips: Survey, data: SeriesDataModule, **options: object) -> ICT:
    network, task = Pixelwise(), Masks.of_survey(chips)
    inputs = PictureInputs(Scaling("standardise", *data.scales("standardise")))
    head = network.make_head(3, ModelOptions(kind="pixelwise", dropout=0.0))
    asked = ICTOptions(**{"consistency_on": "probabilities", "unlabelled": data.unlabelled, **options})  # type: ignore[arg-type]
    return ICT(network, inputs, data.spec, asked, task=task, head=head)  # type: ignore[arg-type]


def test_views_that_differ_by_their_turns_alone_agree_exactly(chips: Survey) -> None:
    data = feed(chips)
    made = learner(chips, data)
    views = next(iter(data.train_dataloader()))
    assert any((views[0].quarter_turns != views[1].quarter_turns).tolist())
    assert made.loss(views)["loss_consistency"].abs() < 1e-6
    logits = [made.logits(view) for view in views]
    assert (logits[0] - logits[1]).abs().max() > 0.1  # which the turns would make different
    first, second = (align_maps(one, view) for one, view in zip(logits, views, strict=True))
    assert torch.allclose(first, second, atol=1e-6)


def test_consistency_is_the_divergence_of_pixels_by_hand(chips: Survey) -> None:
    data = feed(chips)
    made = learner(chips, data)
    assert made.target is not None
    with torch.no_grad():
        for parameter in made.target.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    views = next(iter(data.train_dataloader()))
    own = [align_maps(made.logits(view), view).log_softmax(1) for view in views]
    target = [align_maps(made.target(*made.inputs(view)), view).log_softmax(1) for view in views]
    pairs = ((own[0], target[1]), (own[1], target[0]))
    by_hand = torch.stack([(t.exp() * (t - o)).sum(1).mean() for o, t in pairs]).sum()
    assert torch.isclose(made.loss(views)["loss_consistency"], by_hand, rtol=1e-5)


def test_chips_without_a_mask_are_compared_and_not_classified(chips: Survey) -> None:
    data = feed(chips, unlabelled=True)
    made = learner(chips, data)
    assert made.target is not None
    with torch.no_grad():
        made.target.get_parameter("head.1.bias").add_(torch.tensor([1.0, 0.0, -1.0]))
    positions = chips.positions(data.split.parts["pretrain_unlabelled"])
    views = data.training[[SampleKey(int(one)) for one in positions]]
    terms = made.loss(views)
    assert terms["loss_ce"] == 0 < terms["loss_consistency"]
    torch.autograd.backward(terms["loss"])
    gradient = made.network.get_parameter("encoder.encoder.layer.weight").grad
    assert gradient is not None
    assert gradient.any()


def test_the_target_follows_the_whole_network(chips: Survey) -> None:
    made = learner(chips, feed(chips))
    assert made.target is not None
    assert {name.partition(".")[0] for name in made.target.state_dict()} == {"encoder", "head"}
    assert made.target.state_dict().keys() == made.network.branch("classes").state_dict().keys()
    assert not any(parameter.requires_grad for parameter in made.target.parameters())
    assert made.output_layers == ["network.classifier.1", "target.head.1"]


def test_projections_of_masks_are_refused(chips: Survey) -> None:
    data = feed(chips)
    with pytest.raises(ValueError, match="probabilities"):
        learner(chips, data, consistency_on="projection")
